// Package quotes asks an upstream for prices.
package quotes

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"
	"time"
)

// ErrSlow: the upstream did not answer in time.
var ErrSlow = errors.New("quotes: upstream too slow")

// Quote is an answer of the upstream, with the page it came on.
type Quote struct {
	Symbol string
	Cents  int64
	Page   []byte
}

// pageSize is what one answer takes.
const pageSize = 16 << 10

// Client asks one upstream.
type Client struct {
	Timeout time.Duration
	// Latency of the upstream for the nth question.
	Latency func(n uint64) time.Duration

	asked     atomic.Uint64
	abandoned atomic.Uint64
	delivered atomic.Uint64
}

// Ask returns the quote, or ErrSlow after the timeout. When it gives up, nobody receives from
// answer any more, and fetch waits for ever to send.
func (c *Client) Ask(ctx context.Context, symbol string) (Quote, error) {
	answer := make(chan Quote)
	go c.fetch(symbol, answer) // culprit: creates
	select {
	case q := <-answer:
		c.delivered.Add(1)
		return q, nil
	case <-time.After(c.Timeout):
		c.abandoned.Add(1)
		return Quote{}, ErrSlow
	case <-ctx.Done():
		c.abandoned.Add(1)
		return Quote{}, ctx.Err()
	}
}

func (c *Client) fetch(symbol string, answer chan<- Quote) {
	n := c.asked.Add(1)
	page := make([]byte, pageSize) // culprit: allocates
	time.Sleep(c.Latency(n))
	binary.LittleEndian.PutUint64(page, n)
	quote := Quote{Symbol: symbol, Cents: int64(n % 10_000), Page: page}
	answer <- quote // culprit
}

// Stats are the fetches that nobody waits for any more, and all that were started.
func (c *Client) Stats() (abandoned, asked uint64) { return c.abandoned.Load(), c.asked.Load() }

// Fetch is the function whose name and file a truth report gives.
var Fetch = (*Client).fetch
