//! Fix recipes that several rules share, by mechanism: Markdown with Go code.

mod heap;

pub(crate) use heap::{
    capacity_fix, chain_fix, duplicate_fix, ghost_fix, goroutine_memory_fix, pinned_array_fix, pointer_map_fix,
    pool_fix, skew_fix, substring_fix, sync_map_fix,
};

use model::{Fix, Mechanism};

/// What to do about memory that grows at a site of this mechanism.
pub(crate) fn growth_fix(m: Mechanism) -> Fix {
    let (summary, recipe) = match m {
        Mechanism::MapGrowth | Mechanism::MapInsert | Mechanism::MapMake => (
            "bound the map: delete on expiry, or replace it by an LRU with a size limit",
            "A map only grows until something deletes. Give every entry an end:\n\n```go\ntype entry struct {\n\tvalue   *Session\n\texpires time.Time\n}\n\nfunc (s *Store) sweep(now time.Time) {\n\ts.mu.Lock()\n\tdefer s.mu.Unlock()\n\tfor k, e := range s.byID {\n\t\tif now.After(e.expires) {\n\t\t\tdelete(s.byID, k)\n\t\t}\n\t}\n}\n```\n\nOr cap the number of entries with an LRU. Check the key too: a key that is unique per request (an id, a timestamp, a raw URL) never hits, so the cache saves nothing at any size. Note that `delete` frees entries but not the table: after a large drop, copy what is left into a fresh map.",
        ),
        Mechanism::SliceGrowth => (
            "bound the slice: flush, ring buffer, or drop the oldest",
            "A package-level slice that is only appended to holds everything for ever. Write it out and start again, or keep the last N:\n\n```go\nif len(l.entries) >= maxEntries {\n\tl.flush(l.entries)\n\tclear(l.entries) // let go of what the elements point to\n\tl.entries = l.entries[:0]\n}\nl.entries = append(l.entries, e)\n```",
        ),
        Mechanism::ListElement => (
            "bound the list: remove from the back when it passes a limit",
            "```go\nl.PushFront(v)\nfor l.Len() > maxLen {\n\tl.Remove(l.Back())\n}\n```\n\nA long `container/list` also makes the GC follow one pointer after the other; a ring buffer in a slice is cheaper to hold and to mark.",
        ),
        Mechanism::BufferGrowth => (
            "bound the buffer, or stream instead of collecting",
            "Limit what is read (`http.MaxBytesReader`, `io.LimitReader`) and process it as it comes (`io.Copy`, `json.Decoder`). A pooled `bytes.Buffer` keeps its largest capacity: drop it from the pool above a limit.",
        ),
        Mechanism::Timer => (
            "stop timers that are no longer wanted",
            "Before Go 1.23 `time.After` in a loop keeps each timer until it fires, and an unstopped `Ticker` lives for ever:\n\n```go\nt := time.NewTimer(d)\ndefer t.Stop()\n```",
        ),
        _ => (
            "find what keeps these objects and let it go",
            "The profile shows where the objects are made, not what holds them. Look at what the function does with the result: stored in a package-level variable, a map, a slice, a channel or a long-lived struct? Give that holder an end (expiry, size limit, removal when the request ends).",
        ),
    };
    Fix { summary: summary.into(), recipe: recipe.into(), expected_saving_bytes: None }
}

/// What to do about garbage made by this mechanism.
pub(crate) fn churn_fix(m: Mechanism) -> Fix {
    let (summary, recipe) = match m {
        Mechanism::SliceGrowth => (
            "preallocate: make([]T, 0, n)",
            "Each growth copies the slice and throws the old array away; a slice of n elements allocates 2n to 5n in all.\n\n```go\nout := make([]Row, 0, len(in))\nfor _, v := range in {\n\tout = append(out, convert(v))\n}\n```\n\nWhere the size is not known, keep the slice between calls (`buf = buf[:0]`) or use a `sync.Pool`.",
        ),
        Mechanism::Boxing => (
            "avoid boxing: concrete types or generics instead of any",
            "A value stored in an `any` is copied to the heap (small integers below 256 and pointers are not). Use a concrete parameter or a type parameter in the hot path:\n\n```go\nfunc sum[T ~int | ~float64](vs []T) (s T) { for _, v := range vs { s += v }; return }\n```",
        ),
        Mechanism::Formatting | Mechanism::StringConcat => (
            "build keys without fmt: a struct key, or strconv.Append into a reused buffer",
            "`fmt.Sprintf` boxes its arguments and allocates the result. For a map key use a comparable struct, which allocates nothing:\n\n```go\ntype key struct {\n\tuser  int64\n\tshard uint16\n}\nm[key{id, shard}] = v\n```\n\nFor text, append into one buffer: `b = strconv.AppendInt(b[:0], id, 10)`.",
        ),
        Mechanism::StringConversion => (
            "convert once, or stay with one of []byte and string",
            "`string(b)` and `[]byte(s)` copy. `m[string(b)]` as a map lookup, comparisons and `range []byte(s)` do not. Keep the data in the form that most callers need.",
        ),
        Mechanism::Closure => (
            "hoist the closure out of the loop, or pass its variables as arguments",
            "A function value that captures variables is allocated each time it is created. Define it once before the loop, or make it a method or a plain function with parameters.",
        ),
        Mechanism::MapMake | Mechanism::MapGrowth | Mechanism::MapInsert => (
            "reuse the map (clear) or give it its size",
            "A map made per call is thrown away per call. Keep it and `clear(m)` it (Go 1.21), pass a size hint (`make(map[K]V, n)`), or use a small slice when there are only a few entries.",
        ),
        Mechanism::BufferGrowth | Mechanism::MakeSlice => (
            "reuse buffers: sync.Pool, or one buffer per worker",
            "```go\nvar bufs = sync.Pool{New: func() any { return new(bytes.Buffer) }}\n\nb := bufs.Get().(*bytes.Buffer)\nb.Reset()\ndefer func() {\n\tif b.Cap() <= 64<<10 { // do not keep giants\n\t\tbufs.Put(b)\n\t}\n}()\n```",
        ),
        Mechanism::BigNumber => (
            "reuse big.Int values: z.Add(x, y) into an existing z",
            "`math/big` methods write to their receiver and reuse its words. Keep the receivers between operations instead of `new(big.Int)` per step.",
        ),
        _ => (
            "allocate less in this function",
            "Take the allocation out of the hot path: reuse the object (a field, a `sync.Pool`), return values instead of pointers to short-lived structs, preallocate. `go build -gcflags=-m` shows what escapes and why.",
        ),
    };
    Fix { summary: summary.into(), recipe: recipe.into(), expected_saving_bytes: None }
}

/// What to do about goroutines that wait for ever in `state`.
pub(crate) fn goroutine_fix(state: &str) -> Fix {
    let (summary, recipe) = if state.starts_with("chan send") {
        (
            "let the send give up: buffer of one, or select with ctx.Done()",
            "The receiver went away (a timeout, an early return) and the sender waits for ever. A buffer of one lets it finish:\n\n```go\nres := make(chan Result, 1) // room for the answer nobody waits for\ngo func() { res <- work(ctx) }()\nselect {\ncase r := <-res:\n\treturn r, nil\ncase <-ctx.Done():\n\treturn Result{}, ctx.Err()\n}\n```",
        )
    } else {
        (
            "give the goroutine a way out: ctx.Done() in its select, or a close by the sender",
            "```go\nfor {\n\tselect {\n\tcase v, ok := <-ch:\n\t\tif !ok {\n\t\t\treturn\n\t\t}\n\t\tuse(v)\n\tcase <-ctx.Done():\n\t\treturn\n\t}\n}\n```\n\nCancel the context where the work's owner ends (`defer cancel()`), and close channels on the sending side.",
        )
    };
    Fix { summary: summary.into(), recipe: recipe.into(), expected_saving_bytes: None }
}
