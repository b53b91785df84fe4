// Bodies: responses whose bodies nobody closes, each with its connection, buffers and two
// goroutines, beside idle connections that are kept for reuse.
package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"

	"oomph.example/lab/internal/heapspec"
)

var (
	unclosed []*http.Response
	leaky    = &http.Client{Transport: &http.Transport{DisableCompression: true}}
	proper   = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 20, DisableCompression: true}}
	url      string
	// Bodies are longer than the buffers, so that the server waits for a reader.
	body = strings.Repeat("a line of an answer that nobody reads to its end\n", 400_000)
)

const idle = 20

func main() { heapspec.Main("bodies", build) }

func build(p *heapspec.Program) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	url = "http://" + listener.Addr().String()
	ready := make(chan struct{}, idle)
	together := make(chan struct{})
	http.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	http.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		ready <- struct{}{}
		<-together
		_, _ = io.WriteString(w, "ok\n")
	})
	go func() { _ = http.Serve(listener, nil) }()

	p.Add("main.proper", "http", func() { reuse(ready, together) }, func(c *heapspec.Container) {
		c.Is(proper)
		c.Global(&proper)
		c.Entries = idle
		c.Approx() // the server's ends are in the same process
	})
	p.Add("main.unclosed", "http", func() { leak(p.N(40)) }, func(c *heapspec.Container) {
		c.SliceOf(unclosed, cap(unclosed))
		c.Global(&unclosed)
		c.Approx()
		c.Rule("unclosed-body", "goroutine-held")
	})
	p.Grow("main.unclosed", func() { leak(p.N(10)) })
}

func leak(n int) {
	for i := 0; i < n; i++ {
		resp, err := leaky.Get(url + "/long")
		check(err)
		unclosed = append(unclosed, resp)
	}
	// Until each connection has its two goroutines and they wait.
	for runtime.NumGoroutine() < 2*len(unclosed) {
		runtime.Gosched()
	}
}

// reuse leaves idle connections behind: so many requests at once.
func reuse(ready <-chan struct{}, together chan struct{}) {
	var wg sync.WaitGroup
	for i := 0; i < idle; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			resp, err := proper.Get(url + "/short")
			check(err)
			_, err = io.Copy(io.Discard, resp.Body)
			check(err)
			check(resp.Body.Close())
		}()
	}
	for i := 0; i < idle; i++ {
		<-ready
	}
	close(together)
	wg.Wait()
}

func check(err error) {
	if err != nil {
		_, _ = os.Stderr.WriteString("bodies: " + err.Error() + "\n")
		os.Exit(1)
	}
}
