"""Shrinks a stripped Go ELF file to its first functions: same headers, notes, build information, names, code
and table layout, a few KiB instead of a MiB. Usage: shrink_go_binary.py IN OUT"""
import struct, sys

FUNCTIONS = 24
src = open(sys.argv[1], "rb").read()
u32 = lambda b, o: struct.unpack_from("<I", b, o)[0]
u64 = lambda b, o: struct.unpack_from("<Q", b, o)[0]
shoff, shentsize, shnum, shstr = u64(src, 40), *struct.unpack_from("<HHH", src, 58)
headers = [struct.unpack_from("<IIQQQQIIQQ", src, shoff + i * shentsize) for i in range(shnum)]
names = src[headers[shstr][4] :]
sections = {names[h[0] : names.index(b"\0", h[0])].decode(): h for h in headers}
body = lambda h: src[h[4] : h[4] + h[5]]
table = next(h for n, h in sections.items() if n.endswith("gopclntab"))
pcln, text = body(table), sections[".text"]
pie = struct.unpack_from("<H", src, 16)[0] == 3
note = body(sections[".note.go.buildid"])
info = body(sections[".go.buildinfo"])

# The function table, cut to its first functions.
words = [u64(pcln, 8 + 8 * i) for i in range(8)]
func_names, funcs = pcln[words[3] :], pcln[words[7] :]
new_names, ftab, records = b"", b"", b""
for i in range(FUNCTIONS):
    record = bytearray(funcs[u32(funcs, 8 * i + 4) :][:48])
    old = u32(record, 4)
    struct.pack_into("<I", record, 4, len(new_names))
    new_names += func_names[old : func_names.index(b"\0", old) + 1]
    ftab += struct.pack("<II", u32(funcs, 8 * i), 8 * (FUNCTIONS + 1) + len(records))
    records += record
end = u32(funcs, 8 * FUNCTIONS)
ftab += struct.pack("<II", end, 8 * (FUNCTIONS + 1) + len(records))
new_names += b"\0" * (-len(new_names) % 8)
at = 72 + len(new_names)
pcln = pcln[:8] + struct.pack("<8Q", FUNCTIONS, 0, words[2], 72, at, at, at, at) + new_names + ftab + records
code = body(text)[:end]

# Build information, then a moduledata that points to the table and the code; left to relocations in a PIE.
info += b"\0" * (-len(info) % 16)
place = sections[".go.buildinfo"][3] + len(info)
module = bytearray(200)
rela = b""
if pie:
    for offset, value in ((0, table[3]), (160, text[3]), (176, text[3])):
        rela += struct.pack("<QQQ", place + offset, 8, value)
else:
    for offset, value in ((0, table[3]), (160, text[3]), (176, text[3])):
        struct.pack_into("<Q", module, offset, value)

parts = [(4, 4, sections[".note.go.buildid"][3], note), (1, 5, text[3], code), (1, 4, table[3], pcln), (1, 6, sections[".go.buildinfo"][3], info + bytes(module))]
out, programs = b"", b""
start = 64 + 56 * len(parts)
for kind, flags, address, data in parts:
    programs += struct.pack("<IIQQQQQQ", kind, flags, start + len(out), address, address, len(data), len(data), 8)
    out += data + b"\0" * (-len(data) % 8)
sectab, sh, count = b"", 0, 0
if pie:
    strings = b"\0.rela.dyn\0.shstrtab\0"
    first = start + len(out)
    out += rela + strings + b"\0" * (-len(strings) % 8)
    sectab = bytes(64) + struct.pack("<IIQQQQIIQQ", 1, 4, 2, 0, first, len(rela), 0, 0, 8, 24)
    sectab += struct.pack("<IIQQQQIIQQ", 11, 3, 0, 0, first + len(rela), len(strings), 0, 0, 1, 0)
    sh, count = start + len(out), 3
head = src[:24] + struct.pack("<QQQIHHHHHH", u64(src, 24), 64, sh, 0, 64, 56, len(parts), 64, count, 2 if pie else 0)
open(sys.argv[2], "wb").write(head + programs + out + sectab)
