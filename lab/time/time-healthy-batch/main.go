// Time-healthy-batch: a pipeline that is bound by the processors, with as many workers as there are: documents are
// read, counted word by word and merged. It allocates at a normal rate; nobody waits but for the next document.
package main

import (
	"context"
	"hash/fnv"
	"strconv"
	"strings"
	"sync/atomic"

	"oomph.example/lab/internal/service"
	"oomph.example/lab/internal/truth"
)

const (
	procs = 2
	words = 4000
	// Passes over each document.
	passes = 24
)

func main() { service.Main(service.Spec{Name: "time-healthy-batch", Procs: procs, Setup: setup}) }

// counts is what a worker makes of a document.
type counts struct {
	document int
	words    map[string]int
	digest   uint64
}

func setup(env *service.Env) {
	documents, results := make(chan string), make(chan counts, procs)
	var done atomic.Uint64
	go read(env.Ctx, documents)
	for i := 0; i < procs; i++ {
		go work(env.Ctx, documents, results)
	}
	go merge(env.Ctx, results, &done)
	env.Counts = func() truth.Counts {
		return truth.Counts{Phase: truth.Steady, Measures: map[string]float64{"documents_count": float64(done.Load())}}
	}
}

// read makes documents of a few thousand words.
func read(ctx context.Context, documents chan<- string) {
	for n := 0; ; n++ {
		var text strings.Builder
		text.Grow(words * 12)
		for i := 0; i < words; i++ {
			text.WriteString("word" + strconv.Itoa((n*31+i*i)%1500) + " ")
		}
		select {
		case <-ctx.Done():
			return
		case documents <- text.String():
		}
	}
}

func work(ctx context.Context, documents <-chan string, results chan<- counts) {
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case text := <-documents:
			select {
			case <-ctx.Done():
				return
			case results <- counts{document: n, words: count(text), digest: digest(text)}:
			}
		}
	}
}

// count counts the words of a text.
func count(text string) map[string]int {
	found := make(map[string]int, 1500)
	for _, word := range strings.Fields(text) {
		found[word]++
	}
	return found
}

// digest goes over the text several times.
func digest(text string) uint64 {
	h := fnv.New64a()
	bytes := []byte(text)
	for i := 0; i < passes; i++ {
		_, _ = h.Write(bytes)
	}
	return h.Sum64()
}

// merge adds up what the workers found.
func merge(ctx context.Context, results <-chan counts, done *atomic.Uint64) {
	total := make(map[string]int)
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-results:
			for word, n := range c.words {
				total[word] += n
			}
			done.Add(1)
		}
	}
}
