// Samples every allocation, tells what runtime.MemProfile says, and waits.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

var kept []any

type pair struct{ a, b *int }

//go:noinline
func one(n int) { kept = append(kept, make([]byte, n)) }

//go:noinline
func deep(n int) {
	if n > 0 {
		deep(n - 1)
		return
	}
	kept = append(kept, &pair{})
}

func init() { runtime.MemProfileRate = 1 }

func main() {
	block := make(chan int)
	for i := 0; i < 50; i++ {
		go func() { <-block }()
	}
	for i := 0; i < 7; i++ {
		go time.Sleep(time.Hour)
	}
	for i := 0; i < 1000; i++ {
		one(i)
		deep(i % 20)
		if i%3 == 0 {
			kept[i] = nil
		}
	}
	for runtime.NumGoroutine() < 58 {
		runtime.Gosched()
	}
	time.Sleep(20 * time.Millisecond)
	debug.SetGCPercent(-1)
	runtime.GC()
	runtime.GC()
	records := make([]runtime.MemProfileRecord, 20000)
	n, _ := runtime.MemProfile(records, true)
	var out strings.Builder
	for _, r := range records[:n] {
		size := r.AllocBytes / max(r.AllocObjects, 1)
		fmt.Fprintf(&out, "%d,%d,%d", size, r.AllocObjects, r.FreeObjects)
		for _, pc := range r.Stack() {
			fmt.Fprintf(&out, ",%d", pc)
		}
		out.WriteByte(' ')
	}
	fmt.Println(out.String())
	io.Copy(io.Discard, os.Stdin)
	close(block)
}

func max(a, b int64) int64 {
	if a > b {
		return a
	}
	return b
}
