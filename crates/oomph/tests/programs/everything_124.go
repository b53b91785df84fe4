//go:build go1.24

package main

import (
	"runtime"
	"unique"
	"weak"
)

func newer() {
	n := &node{name: "with a cleanup"}
	runtime.AddCleanup(n, func(i int) { finished += i }, 7)
	handles = append(handles, n, weak.Make(n), unique.Make("a canonical text"))
}
