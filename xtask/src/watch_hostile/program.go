// The Go processes of `cargo xtask watch-hostile`: a healthy service, endpoints that misbehave, a service with large
// goroutine dumps. Each prints one line of JSON when it is ready and ends when its standard input closes.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

func main() {
	host := os.Args[2]
	said := map[string]any{"pid": os.Getpid()}
	switch os.Args[1] {
	case "steady":
		go steady()
	case "endpoints":
		for name, serve := range map[string]func(net.Conn){
			"drip": drip, "drip-head": dripHead, "silent": silent, "error": failing, "flood": flood, "half-head": halfHead,
		} {
			said[name] = listen(host, serve)
		}
	case "dump":
		said["http"] = dump(host, number(3)<<20)
	case "goroutines":
		for i := 0; i < number(3); i++ {
			go deep(number(4), [4]int{i})
		}
		said["http"] = dump(host, 0)
	}
	line, _ := json.Marshal(said)
	fmt.Println(string(line))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

var kept [][]byte

// A service that holds 32 MiB and makes some garbage.
func steady() {
	for i := 0; i < 32; i++ {
		kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
	}
	for i := 0; ; i++ {
		kept[i%len(kept)] = bytes.Repeat([]byte{byte(i)}, 1<<20)
		time.Sleep(20 * time.Millisecond)
	}
}

func listen(host string, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l.Addr().String()
}

// The request as far as its head; a body is left where it is.
func request(c net.Conn) {
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return
		}
	}
}

const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

func drip(c net.Conn) {
	request(c)
	_, err := io.WriteString(c, head+"\r\n")
	for err == nil {
		time.Sleep(time.Second)
		_, err = io.WriteString(c, "#")
	}
}

func dripHead(c net.Conn) {
	request(c)
	_, err := io.WriteString(c, "H")
	for i := 1; err == nil; i++ {
		time.Sleep(time.Second)
		// A head without end.
		b := "X-Filler: 1\r\n"[i%13]
		if i < len(head) {
			b = head[i]
		}
		_, err = c.Write([]byte{b})
	}
}

func silent(c net.Conn) {
	_, _ = io.Copy(io.Discard, c)
}

func failing(c net.Conn) {
	request(c)
	_, _ = io.WriteString(c, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 17\r\nConnection: close\r\n\r\nout of order here")
}

func flood(c net.Conn) {
	request(c)
	_, err := io.WriteString(c, head+"\r\n")
	page := bytes.Repeat([]byte("go_something{a=\"b\"} 1\n"), 3000)
	for err == nil {
		_, err = c.Write(page)
	}
}

func halfHead(c net.Conn) {
	request(c)
	_, _ = io.WriteString(c, head[:len(head)-9])
}

// Requests of the large dump: begun, and sent to the last byte.
var asked, sent atomic.Int64

// pprof as it comes, but for the dump of all stacks, which has so many bytes where that is not zero.
func dump(host string, size int) string {
	body := text(size)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", func(w http.ResponseWriter, r *http.Request) {
		pprof.Index(w, r)
	})
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/goroutine", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("debug") != "2" || size == 0 {
			pprof.Handler("goroutine").ServeHTTP(w, r)
			return
		}
		asked.Add(1)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if _, err := w.Write(body); err == nil {
			sent.Add(1)
		}
	})
	mux.HandleFunc("/truth", func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]int64{"asked": asked.Load(), "sent": sent.Load(), "bytes": int64(len(body))})
	})
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		panic(err)
	}
	go func() { _ = http.Serve(l, mux) }()
	return l.Addr().String()
}

// A dump of goroutines with distinct numbers and a hundred different stacks.
func text(size int) []byte {
	var out bytes.Buffer
	out.Grow(size)
	for id := 1; ; id++ {
		var one bytes.Buffer
		fmt.Fprintf(&one, "goroutine %d [chan receive, %d minutes]:\n", id, id%60)
		for depth := 0; depth < 10; depth++ {
			fmt.Fprintf(&one, "example.com/service/worker.(*Queue%d).step%d(0xc%09x, {0x1, 0x2})\n\t/src/service/worker/queue.go:%d +0x%x\n",
				id%100, depth, id*64, 100+depth, 32+depth)
		}
		fmt.Fprintf(&one, "created by example.com/service/worker.Start in goroutine 1\n\t/src/service/worker/start.go:17 +0x2a\n\n")
		if out.Len()+one.Len() > size {
			return out.Bytes()
		}
		out.Write(one.Bytes())
	}
}

//go:noinline
func deep(depth int, pad [4]int) int {
	if depth <= 0 {
		select {}
	}
	return deep(depth-1, pad) + pad[depth%4]
}
