// Package tally counts words.
package tally

import "sync/atomic"

// Calls counts calls of Distinct.
var Calls atomic.Uint64

// Distinct counts different words, in a map made anew for each call and never sized.
func Distinct(words []string) int {
	seen := make(map[string]bool)
	for _, word := range words {
		seen[word] = true // culprit
	}
	Calls.Add(1)
	return len(seen)
}
