//go:build go1.23

package main

import (
	"iter"
	"sync"
	"time"
)

func init() { modes["coroutines"] = coroutines }

func coroutines(stop time.Time) {
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := 0; going(n, stop); n++ {
				next, end := iter.Pull(func(yield func(int) bool) {
					for j := 0; j < 20; j++ {
						if !yield(j) {
							return
						}
					}
				})
				for j := 0; j < 15+i*5; j++ {
					next()
				}
				end()
			}
		}()
	}
	wg.Wait()
}
