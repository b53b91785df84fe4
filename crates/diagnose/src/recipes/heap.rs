//! Fix recipes for what the object graph shows: Markdown with Go code.

use model::Fix;

fn fix(summary: &str, recipe: &str) -> Fix {
    Fix { summary: summary.to_owned(), recipe: recipe.to_owned(), expected_saving_bytes: None }
}

/// What to do about a container that is nearly empty.
pub(crate) fn ghost_fix(kind: &str) -> Fix {
    match kind {
        "map" => fix(
            "copy what is left into a fresh map after a large drop",
            "A map never gives back its table, however much is deleted (`delete`, `clear`):\n\n```go\nif len(m) < peak/4 {\n\tm2 := make(map[K]V, len(m))\n\tmaps.Copy(m2, m) // Go 1.21\n\tm, peak = m2, len(m2)\n}\n```\n\nWhere everything is dropped at once, drop the map: `m = make(map[K]V)`. If it was made with a size hint that is never reached, make the hint smaller.",
        ),
        _ => fix(
            "drop the array with the slice: set it to nil, or copy what is left",
            "`s = s[:0]` keeps the array for reuse, which is right for steady sizes and wrong after a peak:\n\n```go\nif cap(s) > 4*len(s) && cap(s) > 1<<16 {\n\ts = slices.Clip(slices.Clone(s))\n}\n```\n\nA `bytes.Buffer` keeps its array as well: `Reset` it only while `Cap()` is moderate, else take a new one.",
        ),
    }
}

/// What to do about many containers with room to spare.
pub(crate) fn capacity_fix(kind: &str) -> Fix {
    match kind {
        "map" => fix(
            "use a smaller form for maps of a few entries",
            "A map has at least eight slots. For a handful of entries per owner, a slice of pairs is smaller and as fast:\n\n```go\ntype attr struct{ key, value string }\ntype item struct{ attrs []attr }\n```",
        ),
        _ => fix(
            "give slices their size, and clip what is kept for long",
            "```go\nout := make([]Row, 0, len(in)) // the size it will have\n...\nreturn slices.Clip(out)        // or let go of the rest: slices.Clone\n```\n\n`append` doubles small arrays and grows large ones by a quarter; what lives on keeps the unused part.",
        ),
    }
}

/// What to do about a map of pointers to small values.
pub(crate) fn pointer_map_fix() -> Fix {
    fix(
        "store the values themselves in the map",
        "```go\nm := map[K]V{} // not map[K]*V\nv := m[k]\nv.hits++\nm[k] = v\n```\n\nThe collector then has one object per group of slots instead of one per entry, and none of it to look into when neither `K` nor `V` contains a pointer. Where identity matters, keep the values in one slice and the index in the map.",
    )
}

/// What to do about a part of an array that keeps it all.
pub(crate) fn pinned_array_fix() -> Fix {
    fix(
        "copy the part that is kept",
        "```go\nheader := slices.Clone(frame[:16]) // not frame[:16]: that keeps the frame\n```\n\nThe same for what is kept of a buffer that was read whole (`bytes.Clone`), and for the head of a queue: `q = q[1:]` keeps what was taken off until `append` needs a new array.",
    )
}

/// What to do about a part of a string that keeps it all.
pub(crate) fn substring_fix() -> Fix {
    fix(
        "clone the part that is kept: strings.Clone",
        "```go\nid := strings.Clone(line[3:19]) // not line[3:19]: that keeps the line\nm[id] = v\n```\n\n`strings.Split`, `Fields`, `TrimSpace`, `regexp` matches and `json` strings of a large document share its bytes in the same way.",
    )
}

/// What to do about a pool that holds much.
pub(crate) fn pool_fix() -> Fix {
    fix(
        "do not put back what has grown beyond a limit",
        "```go\nfunc put(b *bytes.Buffer) {\n\tif b.Cap() > 64<<10 {\n\t\treturn // let the collector have it\n\t}\n\tb.Reset()\n\tbufs.Put(b)\n}\n```\n\nWhere sizes differ by orders of magnitude, one pool per size.",
    )
}

/// What to do about long chains.
pub(crate) fn chain_fix() -> Fix {
    fix(
        "keep the nodes in a slice, linked by index",
        "```go\ntype node struct {\n\tvalue V\n\tnext  int32 // index, not pointer\n}\nvar nodes []node\n```\n\nThe collector then marks one array (and does not look into it when `V` has no pointers) instead of chasing one pointer after the other. A queue fits a ring buffer; an LRU fits a map to indexes of such a slice.",
    )
}

/// What to do about memory that waiting goroutines hold.
pub(crate) fn goroutine_memory_fix() -> Fix {
    fix(
        "let go of it before waiting, or bound how many wait",
        "What a goroutine still uses after the wait stays alive during it; so does what its closure captured:\n\n```go\nsummary := digest(body)\nbody = nil // not needed while it waits\nselect {\ncase ack := <-acks:\n\tstore(ack, summary)\ncase <-ctx.Done():\n}\n```\n\nA semaphore (`golang.org/x/sync/semaphore`, a buffered channel) bounds how many hold memory at once.",
    )
}

/// What to do about strings that repeat.
pub(crate) fn duplicate_fix() -> Fix {
    fix(
        "intern what repeats before it is stored",
        "```go\nlabel = unique.Make(label).Value() // Go 1.23\n```\n\nor by hand, where the set is bounded:\n\n```go\nif known, ok := seen[string(b)]; ok { // looks up without allocating\n\treturn known\n}\ns := string(b)\nseen[s] = s\n```",
    )
}

/// What to do about a `sync.Map` whose keys come and go.
pub(crate) fn sync_map_fix() -> Fix {
    fix(
        "use a map with a mutex, one per shard, where keys come and go",
        "```go\ntype shard struct {\n\tmu sync.RWMutex\n\tm  map[K]V\n}\nvar shards [64]shard\n\nfunc of(k K) *shard { return &shards[hash(k)%64] }\n```\n\n`sync.Map` is for keys that are written once and read often. Go 1.24 made it a hash trie, which frees deleted keys at once.",
    )
}

/// What to do about keys that fall into few buckets.
pub(crate) fn skew_fix() -> Fix {
    fix(
        "look at the keys: NaN, or a hash that hardly differs",
        "A NaN as a key is never found again and cannot be deleted:\n\n```go\nif f != f { // NaN\n\treturn errNaN\n}\nm[f] = v\n```\n\nAfter many deletions copy the map into a fresh one; Go 1.24 and newer have no overflow buckets.",
    )
}
