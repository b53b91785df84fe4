// Watchload is a small HTTP service with a cache, garbage and pprof (`-serve`), and the load for many of them
// (`-load ADDRESS,...`): a fixed rate of requests, whose latencies it prints each ten seconds.
package main

import (
	"bufio"
	_ "expvar"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"sort"
	"strings"
	"sync"
	"time"
)

func main() {
	load := flag.String("load", "", "addresses to load")
	rate := flag.Float64("rate", 400, "requests a second in all")
	flag.Parse()
	if *load != "" {
		drive(strings.Split(*load, ","), *rate)
		return
	}
	serve()
}

func serve() {
	var mu sync.Mutex
	cache := map[int][]byte{}
	for i := 0; i < 2000; i++ {
		cache[i] = make([]byte, 4096)
	}
	n := 0
	http.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		garbage := make([]byte, 64<<10)
		mu.Lock()
		n++
		cache[n%2000] = make([]byte, 4096)
		mu.Unlock()
		fmt.Fprintln(w, len(garbage))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	go func() { panic(http.Serve(l, nil)) }()
	// Ends with whoever started it.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func drive(addresses []string, rate float64) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}, Timeout: 10 * time.Second}
	var mu sync.Mutex
	var latencies []float64
	errors := 0
	out := bufio.NewWriter(os.Stdout)
	go func() {
		for range time.Tick(10 * time.Second) {
			mu.Lock()
			l, e := latencies, errors
			latencies, errors = nil, 0
			mu.Unlock()
			sort.Float64s(l)
			at := func(q float64) float64 {
				if len(l) == 0 {
					return 0
				}
				return l[int(q*float64(len(l)-1))]
			}
			fmt.Fprintf(out, "%d %d %.3f %.3f %d\n", time.Now().UnixMilli(), len(l), at(0.5), at(0.99), e)
			out.Flush()
		}
	}()
	slots := make(chan struct{}, 256)
	i := 0
	for range time.Tick(time.Duration(float64(time.Second) / rate)) {
		address := addresses[i%len(addresses)]
		i++
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			start := time.Now()
			r, err := client.Get("http://" + address + "/work")
			if err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			ms := float64(time.Since(start).Microseconds()) / 1000
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errors++
				return
			}
			latencies = append(latencies, ms)
		}()
	}
}
