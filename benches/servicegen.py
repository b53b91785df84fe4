"""Writes the Go source of a service with thousands of functions, whose heap profile has the shape of a
large real one: many packages, methods, call sites and lines, stacks 10 to 40 calls deep beneath a
common entrance, and allocations of several sorts beneath standard library frames.

Owns the source only; pprof-vs-go.py builds and runs it. Deterministic: the same seed, the same source.

    servicegen.py DIRECTORY && cd DIRECTORY && go build && ./service -stacks 25000 -copies 100 -o heap.pb.gz
"""
import os
import random
import sys

MODULE = "example.com/shop"
PACKAGES, FUNCTIONS, CALLS = 60, 50, 4
LAYERS = ["transport", "handler", "service", "domain", "store", "cache", "codec", "client", "auth", "billing"]
TYPES = ["Server", "Session", "Ledger", "Catalog", "Index", "Encoder", "Planner", "Router", "Batch", "Cursor"]
VERBS = ["Load", "Apply", "Resolve", "Merge", "Decode", "Validate", "Expand", "Fetch", "Commit", "Render"]
NOUNS = ["Order", "Customer", "Invoice", "Quote", "Shipment", "Token", "Segment", "Price", "Policy", "Event"]

# What a chain of calls ends in: one allocation site each, some beneath standard library frames.
LEAVES = [
    "\tpath.Keep(make([]byte, {n}))",
    "\tpath.Keep(map[string]int{{\"key{n}\": {n}}})",
    "\tpath.Keep(fmt.Sprintf(\"order-%d-%d\", {n}, p.Left))",
    "\tpath.Keep(strings.Repeat(\"x\", {n}))",
    "\tpath.Keep(append([]int(nil), {n}, p.Left))",
    "\tpath.Keep(&record{{id: {n}, name: \"n\"}})",
    "\tpath.Keep(strconv.Itoa(1000000 + {n} + p.Left))",
]

PATH = """// Package path carries a chain of calls: which way to go, and how many calls are left.
package path

// Path is the state of one chain.
type Path struct {
	State uint64
	Left  int
}

// Table has all functions of the service.
var Table [%d]func(*Path)

var kept []any

// Keep makes v live for good.
func Keep(v any) { kept = append(kept, v) }

// Next chooses one of %d ways; false at the end of the chain.
func (p *Path) Next() (uint64, bool) {
	if p.Left--; p.Left <= 0 {
		return 0, false
	}
	p.State = p.State*6364136223846793005 + 1442695040888963407
	return (p.State ^ p.State>>29) >> 33 %% %d, true
}
"""

MAIN = """package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"

	"%s/path"
%s
)

// One goroutine serves all requests: the same request has the same stack each time.
func worker(requests <-chan uint64, done chan<- bool) {
	for i := range requests {
		state := i * 0x9e3779b97f4a7c15
		path.Table[(state>>40)%%%d](&path.Path{State: state, Left: 10 + int(i%%31)})
		done <- true
	}
}

func main() {
	stacks := flag.Int("stacks", 25000, "distinct stacks")
	copies := flag.Int("copies", 1, "profiles to write")
	out := flag.String("o", "heap.pb.gz", "output file; -N before the suffix")
	flag.Parse()
	runtime.MemProfileRate = 1
	requests, done := make(chan uint64), make(chan bool)
	go worker(requests, done)
	serve := func(i uint64) {
		requests <- i
		<-done
	}
	next := uint64(0)
	for ; next < uint64(*stacks); next++ {
		serve(next)
	}
	for i := 0; i < *copies; i++ {
		// A service at work: new stacks, and old ones again.
		for k := uint64(0); k < 200; k++ {
			serve(next)
			serve(next * 31 %% uint64(*stacks))
			next++
		}
		f, err := os.Create(fmt.Sprintf("%%s-%%d.pb.gz", strings.TrimSuffix(*out, ".pb.gz"), i))
		if err != nil {
			panic(err)
		}
		// Not the stacks of writing a profile: at this rate they would outnumber the service's.
		runtime.MemProfileRate = 0
		runtime.GC()
		if err := pprof.WriteHeapProfile(f); err != nil {
			panic(err)
		}
		runtime.MemProfileRate = 1
		if err := f.Close(); err != nil {
			panic(err)
		}
	}
}
"""


def function(rng, package, i):
    """One function: CALLS ways on, each on a line of its own, or an allocation."""
    total = PACKAGES * FUNCTIONS
    name = VERBS[i % 10] + NOUNS[(i // 5) % 10] + str(i)
    receiver = f"(t *{TYPES[rng.randrange(10)]}) " if i % 3 else ""
    lines = [f"//go:noinline\nfunc {receiver}{name}(p *path.Path) {{",
             "\tway, more := p.Next()",
             "\tif !more {", "\t" + rng.choice(LEAVES).format(n=rng.randrange(16, 512)), "\t\treturn", "\t}",
             "\tswitch way {"]
    for call in range(CALLS):
        # Mostly into packages near by, as in layered code.
        near = (package + rng.randrange(6)) % PACKAGES * FUNCTIONS + rng.randrange(FUNCTIONS)
        callee = near if rng.random() < 0.8 else rng.randrange(total)
        lines += [f"\tcase {call}:" if call < CALLS - 1 else "\tdefault:", f"\t\tpath.Table[{callee}](p)"]
    lines += ["\t}", "}\n"]
    value = f"new({receiver.split('*')[1].rstrip(') ')}).{name}" if receiver else name
    return "\n".join(lines), f"\tpath.Table[{package * FUNCTIONS + i}] = {value}"


def package_source(rng, name, number):
    bodies, entries = zip(*(function(rng, number, i) for i in range(FUNCTIONS)))
    body = "\n".join(bodies)
    imports = [f'"{m}"' for m in ("fmt", "strconv", "strings") if f"{m}." in body] + [f'"{MODULE}/path"']
    types = "\n".join(f"type {t} struct{{ _ int }}" for t in TYPES)
    return (f"package {name}\n\nimport (\n\t" + "\n\t".join(imports) + f"\n)\n\n{types}\n\n"
            "type record struct {\n\tid   int\n\tname string\n}\n\nvar _ record\n\n"
            + body + "\nfunc init() {\n" + "\n".join(entries) + "\n}\n")


def write(directory, seed=1):
    """Writes the module into `directory`; returns the number of functions."""
    rng = random.Random(seed)
    total = PACKAGES * FUNCTIONS

    def put(path, text):
        full = os.path.join(directory, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)

    put("go.mod", f"module {MODULE}\n\ngo 1.23\n")
    put("path/path.go", PATH % (total, CALLS, CALLS))
    imports = []
    for number in range(PACKAGES):
        layer = LAYERS[number % len(LAYERS)]
        name = f"{layer}{number // len(LAYERS)}"
        imports.append(f'\t_ "{MODULE}/internal/{layer}/{name}"')
        put(f"internal/{layer}/{name}/{layer}.go", package_source(rng, name, number))
    put("main.go", MAIN % (MODULE, "\n".join(sorted(imports)), total))
    return total


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(f"{write(sys.argv[1])} functions")
