// Package tightlimit sets a memory limit just above what a program holds.
package tightlimit

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
)

// above is a limit so many bytes above the live heap and what the limit counts beside it.
func above(slack uint64) uint64 {
	var ms runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&ms)
	return ms.Sys - ms.HeapSys + ms.HeapInuse + slack
}

// Set sets the limit in this process and returns it.
func Set(slack uint64) uint64 {
	limit := above(slack)
	debug.SetMemoryLimit(int64(limit))
	return limit
}

// Restart runs this program again in the same process, with GOMEMLIMIT in its environment as a deployment would set
// it. It does nothing where that is set.
func Restart(slack uint64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		RestartAt(above(slack))
	}
}

// RestartAt is Restart with a limit of so many bytes.
func RestartAt(limit uint64) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	exe, err := os.Executable()
	if err == nil {
		err = syscall.Exec(exe, os.Args, append(os.Environ(), fmt.Sprintf("GOMEMLIMIT=%d", limit)))
	}
	fmt.Fprintln(os.Stderr, "restarting with a memory limit:", err)
	os.Exit(1)
}
