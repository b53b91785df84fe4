// A program to stop, copy and dump: it knows what lies at printed addresses, counts its own work,
// checks its own data and times its own pauses. It ends when its standard input does.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

type node struct {
	next *node
	id   uint64
	sum  uint64
	pad  [5]uint64
}

// 64 KiB.
type chunk struct{ nodes [1024]node }

const factor = 0x9E3779B97F4A7C15

var (
	pattern  []uint64
	counter  uint64
	chunks   []*chunk
	ops      int64
	requests int64
	errs     int64
	execs    int64
	children int64
	wait4    int64
	usr1     int64
	rt       int64
	gap      int64
	ticks    int64
)

func mono() int64 {
	var ts syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

func wrong(what ...any) {
	if atomic.AddInt64(&errs, 1) < 10 {
		fmt.Fprintln(os.Stderr, what...)
	}
}

func fill(n int, thp bool) {
	arr := []chunk(nil)
	if thp && n > 0 {
		arr = make([]chunk, n)
		at := (uintptr(unsafe.Pointer(&arr[0])) + 4095) &^ 4095
		syscall.Syscall(syscall.SYS_MADVISE, at, uintptr(n)*unsafe.Sizeof(chunk{})&^4095-4096, 14)
	}
	for i := range n {
		c := (*chunk)(nil)
		if thp {
			c = &arr[i]
		} else {
			c = new(chunk)
		}
		for j := range c.nodes {
			x := &c.nodes[j]
			x.id = uint64(i)<<10 | uint64(j)
			x.sum = x.id * factor
			if j+1 < len(c.nodes) {
				x.next = &c.nodes[j+1]
			}
		}
		chunks = append(chunks, c)
	}
}

func check(c *chunk) {
	k := 0
	for n := &c.nodes[0]; n != nil; n = n.next {
		if n.sum != n.id*factor {
			wrong("node", n.id, "has sum", n.sum)
		}
		k++
	}
	if k != len(c.nodes) {
		wrong("chain of", k)
	}
}

func mutate(g int, rest time.Duration) {
	s := uint64(g)*7919 + 12345
	for i := 0; ; i++ {
		s = s*6364136223846793005 + 1442695040888963407
		if len(chunks) > 0 {
			c := chunks[int(s>>33)%len(chunks)]
			for j := g; j < len(c.nodes); j += 256 {
				c.nodes[j].pad[g%5]++
			}
			if s>>60 == 0 {
				check(c)
			}
		}
		m := map[uint64]uint64{}
		for k := uint64(0); k < 100; k++ {
			m[k*s] = k
		}
		for k := uint64(0); k < 100; k++ {
			if m[k*s] != k && s&1 == 1 {
				wrong("map of", s, "lost", k)
			}
		}
		atomic.AddInt64(&ops, 1)
		if i%16 == 0 {
			time.Sleep(rest)
		}
	}
}

func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				wrong("accept", err)
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					c.Write(b[:n])
				}
			}()
		}
	}()
	for range 4 {
		go func() {
			for {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					wrong("dial", err)
					continue
				}
				b := make([]byte, 64)
				for i := range 100 {
					b[0] = byte(i)
					c.Write(b)
					if n, err := c.Read(b); err != nil || n != 64 || b[0] != byte(i) {
						wrong("request", n, err)
					}
					atomic.AddInt64(&requests, 1)
					time.Sleep(200 * time.Microsecond)
				}
				c.Close()
			}
		}()
	}
}

func count(signals *int64, sig os.Signal) {
	c := make(chan os.Signal, 10000)
	signal.Notify(c, sig)
	go func() {
		for range c {
			atomic.AddInt64(signals, 1)
		}
	}()
}

// A filter on all threads that kills the process for clone without CLONE_THREAD (x86-64 numbers).
func forbidFork() {
	type op struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	const ld, jeq, jset, ret = 0x20, 0x15, 0x45, 0x06
	program := []op{
		{ld, 0, 0, 0},
		{jeq, 0, 3, syscall.SYS_CLONE},
		{ld, 0, 0, 16},
		{jset, 1, 0, syscall.CLONE_THREAD},
		{ret, 0, 0, 0x80000000},
		{ret, 0, 0, 0x7fff0000},
	}
	prog := struct {
		n   uint16
		ops *op
	}{uint16(len(program)), &program[0]}
	runtime.LockOSThread()
	syscall.Syscall6(syscall.SYS_PRCTL, 38, 1, 0, 0, 0, 0) // PR_SET_NO_NEW_PRIVS
	// seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC)
	if r, _, e := syscall.Syscall(317, 1, 1, uintptr(unsafe.Pointer(&prog))); r != 0 || e != 0 {
		panic(e)
	}
	runtime.UnlockOSThread()
}

func tick() {
	runtime.LockOSThread()
	last := mono()
	for range time.NewTicker(time.Millisecond).C {
		now := mono()
		if d := now - last; d > atomic.LoadInt64(&gap) {
			atomic.StoreInt64(&gap, d)
		}
		last = now
		atomic.AddInt64(&ticks, 1)
	}
}

func main() {
	mb := flag.Int("mb", 1, "size of the heap")
	thp := flag.Bool("thp", false, "ask for huge pages")
	load := flag.Int("load", 0, "goroutines that change and check the heap")
	rest := flag.Duration("rest", time.Millisecond, "their pause every 16 rounds")
	net := flag.Bool("net", false, "requests over TCP")
	ex := flag.Bool("exec", false, "start processes")
	poll := flag.Bool("wait4", false, "poll wait4(-1)")
	threads := flag.Int("threads", 0, "threads that block")
	filter := flag.Bool("seccomp", false, "be killed for making a process")
	abort := flag.Bool("abort", false, "abort once asked to")
	flag.Parse()
	debug.SetGCPercent(200)
	pattern = make([]uint64, 1<<15)
	for i := range pattern {
		pattern[i] = uint64(i) * factor
	}
	fill(*mb*16, *thp)
	for range *threads {
		go func() {
			runtime.LockOSThread()
			syscall.Select(0, nil, nil, nil, &syscall.Timeval{Sec: 100000})
		}()
	}
	go func() {
		for {
			atomic.AddUint64(&counter, 1)
			runtime.Gosched()
			if atomic.LoadUint64(&counter)%1000 == 0 {
				time.Sleep(100 * time.Microsecond)
			}
		}
	}()
	for g := range *load {
		go mutate(g, *rest)
	}
	if *net {
		serve()
	}
	count(&children, syscall.SIGCHLD)
	count(&usr1, syscall.SIGUSR1)
	count(&rt, syscall.Signal(40))
	if *ex {
		go func() {
			for {
				if err := exec.Command("/bin/true").Run(); err != nil {
					wrong("exec", err)
				}
				atomic.AddInt64(&execs, 1)
				time.Sleep(20 * time.Millisecond)
			}
		}()
	}
	if *poll {
		go func() {
			for {
				var ws syscall.WaitStatus
				if p, _ := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil); p > 0 {
					atomic.AddInt64(&wait4, 1)
				}
				time.Sleep(time.Millisecond)
			}
		}()
	}
	go tick()
	if *filter {
		forbidFork()
	}
	fmt.Printf("ready pid=%d pattern=%#x words=%d counter=%#x\n",
		os.Getpid(), uintptr(unsafe.Pointer(&pattern[0])), len(pattern), uintptr(unsafe.Pointer(&counter)))
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if *abort {
			syscall.Kill(os.Getpid(), syscall.SIGABRT)
		}
		fmt.Printf("ops=%d requests=%d errs=%d execs=%d children=%d wait4=%d usr1=%d rt=%d gap_ns=%d ticks=%d counter=%d\n",
			atomic.LoadInt64(&ops), atomic.LoadInt64(&requests), atomic.LoadInt64(&errs), atomic.LoadInt64(&execs),
			atomic.LoadInt64(&children), atomic.LoadInt64(&wait4), atomic.LoadInt64(&usr1), atomic.LoadInt64(&rt),
			atomic.SwapInt64(&gap, 0), atomic.LoadInt64(&ticks), atomic.LoadUint64(&counter))
	}
	runtime.KeepAlive(pattern)
}
