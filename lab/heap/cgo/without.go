//go:build !cgo

// Cgo cannot be built without cgo.
package main

import "os"

func main() {
	_, _ = os.Stderr.WriteString("cgo: built with CGO_ENABLED=0\n")
	os.Exit(1)
}
