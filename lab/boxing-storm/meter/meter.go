// Package meter sums samples of any kind.
package meter

import "sync/atomic"

// Sample is one measurement.
type Sample struct {
	Series string
	Value  float64
	Weight float64
	Labels [8]int64
}

// Sink takes values of any type.
type Sink interface{ Record(value any) }

// Sum adds up the samples that it is given.
type Sum struct{ Total float64 }

// Record adds a sample.
func (s *Sum) Record(value any) {
	if sample, ok := value.(Sample); ok {
		s.Total += sample.Value * sample.Weight
	}
}

// Boxed counts samples turned into interface values.
var Boxed atomic.Uint64

// Feed records n samples; each is copied to the heap to become an interface value.
func Feed(sink Sink, n int) {
	for i := 0; i < n; i++ {
		sample := Sample{Series: "latency", Value: float64(i), Weight: 0.5}
		sink.Record(sample) // culprit
	}
	Boxed.Add(uint64(n))
}
