//go:build go1.24

package main

import (
	"runtime"
	"weak"
)

func init() {
	newer = append(newer, func() {
		t := new(T)
		runtime.AddCleanup(t, func(n int) { chain.PushBack(n) }, 1)
		chain.PushBack(weak.Make(t))
	})
}
