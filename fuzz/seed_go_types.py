"""Writes the seeds of go_types: images of memory with a few type descriptors, interface tables and module data, as
`src/internal/abi/type.go` and `src/runtime/symtab.go` of Go 1.23, 1.26 and 1.27 have them. Usage:
seed_go_types.py OUTDIR"""
import struct, sys, pathlib

BASE = 0x10000
BOOL, INT, ARRAY, CHAN, FUNC, INTERFACE, MAP, POINTER, SLICE, STRING, STRUCT = 1, 2, 17, 18, 19, 20, 21, 22, 23, 24, 25
SIZES = {BOOL: 1, INT: 8, CHAN: 8, FUNC: 8, INTERFACE: 16, MAP: 8, POINTER: 8, SLICE: 24, STRING: 16}


def image(minor):
    out = bytearray(8)
    names = {}
    later = []  # (place, name): words that point to a name, or offsets of one

    def put(data):
        while len(out) % 8:
            out.append(0)
        at = len(out)
        out.extend(data)
        return BASE + at

    def typ(kind, name, rest=b"", size=None, pointers=None, flags=0, tail=b""):
        size = SIZES.get(kind) if size is None else size
        pointers = {INT: 0, BOOL: 0, INTERFACE: 16}.get(kind, 8) if pointers is None else pointers
        direct = kind in (CHAN, FUNC, MAP, POINTER)
        if direct and minor >= 26:
            flags |= 32
        kind |= 32 if direct and minor < 26 else 0
        head = struct.pack("<QQIBBBBQQii", size, pointers, 77 + len(out), flags, 8, 8, kind, 0, BASE, 0, 0)
        at = put(head + rest + tail)
        later.append((at - BASE + 40, name))
        return at

    q = lambda *words: struct.pack(f"<{len(words)}Q", *words)
    boolean = typ(BOOL, "bool", size=1)
    number = typ(INT, "int", flags=4)
    text = typ(STRING, "string", flags=4)
    pointer = typ(POINTER, "*int", q(number))
    slice_ = typ(SLICE, "[]*int", q(pointer))
    array = typ(ARRAY, "[600]*int", q(pointer, slice_, 600), size=4800, pointers=4800)
    chan = typ(CHAN, "chan string", q(text, 3))
    func = typ(FUNC, "func(int, ...string) bool", struct.pack("<HHI", 2, 1 | 1 << 15, 0), tail=q(number, text, boolean))
    any_ = typ(INTERFACE, "interface {}", q(0, 0, 0, 0))
    # Methods and fields stand behind their descriptor.
    behind = lambda: BASE + (len(out) + 7 & ~7) + 80
    iface = typ(INTERFACE, "main.I", q(0, behind(), 1, 1), flags=4, tail=struct.pack("<ii", 0, func - BASE))
    if minor < 24:
        rest = q(text, pointer, slice_, 0) + struct.pack("<BBHI", 16, 8, 208, 12)
    elif minor < 27:
        rest = q(text, pointer, slice_, 0, 208, 24, 16) + struct.pack("<II", 0, 0)
    else:
        rest = q(text, pointer, slice_, 0, 208, 8, 24, 24, 24, 16) + struct.pack("<II", 0, 0)
    map_ = typ(MAP, "map[string]*int", rest)
    parts = [("a", text, 0), ("b", any_, 16), ("c", iface, 32), ("d", map_, 48), ("e", func, 56), ("f", array, 64)]
    fields = behind()
    tail = b"".join(q(0, t, o) for _, t, o in parts)
    struct_ = typ(STRUCT, "*main.T", q(0, fields, len(parts), len(parts)), 4864, 4864, 6, tail)
    end = len(out)
    itab = put(struct.pack("<QQIIQ", iface, struct_, 0, 0, BASE))
    out[itab - BASE + 16 : itab - BASE + 20] = out[struct_ - BASE + 16 : struct_ - BASE + 20]
    name = lambda t: put(bytes([1, len(t)]) + t.encode())
    for place, t in later:
        struct.pack_into("<i", out, place, names.setdefault(t, name(t)) - BASE)
    for i, (t, _, _) in enumerate(parts):
        struct.pack_into("<Q", out, fields - BASE + 24 * i, name(t))
    links = put(struct.pack("<5i", *(t - BASE for t in (struct_, map_, func, array, chan))))
    tabs = put(q(itab))
    # The function table: its tag, one function, and where the names are.
    table = put(bytes([0xF1, 0xFF, 0xFF, 0xFF, 0, 0, 1, 8]) + q(1, 1, 0, 72, 0, 0, 0, 80) + bytes(64))
    module = bytearray(600)
    word = lambda at, *w: struct.pack_into(f"<{len(w)}Q", module, at, *w)
    word(0, table, table + 72)
    word(128, table + 80, 2, 2)
    word(160, BASE, BASE + 64, BASE, BASE + 64)
    types = {23: 296, 26: 296, 27: 296}[minor]
    if minor < 27:
        word(types, BASE, links)
        word({23: 352, 26: 360}[minor], links, 5, 5, tabs, 1, 1)
    else:
        word(types, BASE, end, links, itab - BASE, 32)
    put(module)
    return bytes([minor - 19 + (0x80 if minor >= 27 else 0)]) + bytes(out)


for minor in (23, 26, 27):
    data = image(minor)
    # The first byte picks the release: (byte % 9) + 19.
    want = minor - 19
    first = next(b for b in range(0x80 if minor >= 27 else 0, 256) if b % 9 == want)
    pathlib.Path(sys.argv[1], f"types-1.{minor}").write_bytes(bytes([first]) + data[1:])
