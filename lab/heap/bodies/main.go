// Bodies: responses whose bodies nobody closes, each with its connection, buffers and two
// goroutines, beside idle connections that are kept for reuse.
package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
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
	http.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) {
		// With a length nothing is allocated while the answer is written, which goes on until the kernel's
		// buffers are full.
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body)
	})
	http.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		ready <- struct{}{}
		<-together
		_, _ = io.WriteString(w, "ok\n")
	})
	go func() { _ = http.Serve(listener, nil) }()

	p.Add("main.proper.Transport", "http", func() { reuse(ready, together) }, func(c *heapspec.Container) {
		c.Is(proper.Transport)
		c.Global(&proper)
		c.Entries = idle
		c.Approx() // the server's ends are in the same process
	})
	p.Tell("main.leaky.Transport", "http", func(c *heapspec.Container) {
		c.Is(leaky.Transport)
		c.Global(&leaky)
		c.Entries = uint64(len(unclosed))
		c.Approx()
		c.Rule("unclosed-body")
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
	settle()
}

// settle returns when all goroutines of the connections are there and wait: two for each end of a connection
// with a request under way, one less at the server when it is idle, and the one that accepts.
func settle() { heapspec.Blocked(1 + 3*idle + 4*len(unclosed)) }

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
	settle()
}

func check(err error) {
	if err != nil {
		_, _ = os.Stderr.WriteString("bodies: " + err.Error() + "\n")
		os.Exit(1)
	}
}
