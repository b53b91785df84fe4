// Timers: timers, tickers and AfterFuncs that nothing stops.
package main

import (
	"time"

	"oomph.example/lab/internal/heapspec"
)

var (
	timers  []*time.Timer
	tickers []*time.Ticker
	later   []*time.Timer
	fired   uint64
)

func main() { heapspec.Main("timers", build) }

func build(p *heapspec.Program) {
	p.Add("main.timers", "timer", func() {
		for i := 0; i < p.N(5_000); i++ {
			timers = append(timers, time.NewTimer(time.Hour+time.Duration(i)*time.Second))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(timers, cap(timers))
		c.Global(&timers)
		c.Approx() // the runtime's heaps of timers reach them as well, and grow by themselves
		c.Rule("timer-pile-up")
	})
	p.Add("main.tickers", "timer", func() {
		for i := 0; i < p.N(2_000); i++ {
			tickers = append(tickers, time.NewTicker(24*time.Hour))
		}
	}, func(c *heapspec.Container) {
		c.SliceOf(tickers, cap(tickers))
		c.Global(&tickers)
		c.Approx()
		c.Rule("timer-pile-up")
	})
	p.Add("main.later", "timer", func() { schedule(p.N(3_000)) }, func(c *heapspec.Container) {
		c.SliceOf(later, cap(later))
		c.Global(&later)
		c.ValueBytes = c.Entries * 1024
		c.Approx()
		c.Rule("timer-pile-up")
	})
	p.Grow("main.later", func() { schedule(p.N(500)) })
	p.Add("runtime timers", "timer", func() {
		for i := 0; i < p.N(2_000); i++ {
			payload := new([512]byte)
			time.AfterFunc(48*time.Hour, func() { fired += uint64(payload[0]) })
		}
	}, func(c *heapspec.Container) {
		// Nothing but the runtime knows of these.
		c.Type = "*runtime.timer"
		c.Entries = uint64(p.N(2_000))
		c.ValueBytes = c.Entries * 512
		c.Approx()
		c.Rule("timer-pile-up")
	})
}

func schedule(n int) {
	for i := 0; i < n; i++ {
		payload := new([1024]byte)
		later = append(later, time.AfterFunc(24*time.Hour, func() { fired += uint64(payload[0]) }))
	}
}
