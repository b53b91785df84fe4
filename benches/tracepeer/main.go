// Command tracepeer counts the events of an execution trace with Go's own reader, as published in
// golang.org/x/exp/trace.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"golang.org/x/exp/trace"
)

func main() {
	f, err := os.Open(os.Args[1])
	fail(err)
	r, err := trace.NewReader(bufio.NewReaderSize(f, 1<<20))
	fail(err)
	events := 0
	for {
		_, err := r.ReadEvent()
		if err == io.EOF {
			break
		}
		fail(err)
		events++
	}
	fmt.Println(events, "events")
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
