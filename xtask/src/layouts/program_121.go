//go:build go1.21

package main

import "runtime"

func init() {
	newer = append(newer, func() {
		var p runtime.Pinner
		t := new(T)
		p.Pin(t)
		p.Pin(t)
		p.Unpin()
	})
}
