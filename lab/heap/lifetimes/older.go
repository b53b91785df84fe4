//go:build !go1.24

package main

import "oomph.example/lab/internal/heapspec"

// newer: weak pointers, cleanups and package unique are not in this Go.
func newer(*heapspec.Program) {}
