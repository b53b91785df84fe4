package heapspec

import (
	"runtime"
	"strings"
	"unsafe"
)

// Blocked returns when n goroutines beside the caller exist and none of them runs or is to run.
func Blocked(n int) {
	if stacks == nil {
		stacks = mapped(stacksBytes)
	}
	for {
		for runtime.NumGoroutine() < n+1 {
			runtime.Gosched()
		}
		size := runtime.Stack(stacks, true)
		dump := unsafe.String(&stacks[0], size)
		// The caller itself is the first, and running.
		rest := dump[strings.Index(dump, "]")+1:]
		if !strings.Contains(rest, " [running") && !strings.Contains(rest, " [runnable") {
			return
		}
		runtime.Gosched()
	}
}
