//! Type descriptors against package reflect: a program prints what reflect says of many types, with the
//! addresses of their descriptors, and the test reads the same from the file and from the running
//! program's memory. Go is `OOMPH_GO` or `go` on the PATH, and every toolchain in oomph's cache;
//! without one the test says so and passes.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a failed step is a failed test")]

use gobinary::layout::{Arch, Layout};
use gobinary::types::{Detail, Kind, MapSlots, PointerMask};
use gobinary::{GoBinary, Memory, Region, RuntimeTypes, Slices, TypeId, Unreadable, find_modules};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSegment, SegmentFlags};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn toolchains() -> Vec<PathBuf> {
    let first = std::env::var_os("OOMPH_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")));
    let cached = cache.and_then(|c| std::fs::read_dir(c.join("oomph/go")).ok()).into_iter().flatten();
    let mut all: Vec<PathBuf> = cached.filter_map(|e| Some(e.ok()?.path().join("go/bin/go"))).collect();
    all.sort();
    all.insert(0, first);
    all.retain(|go| Command::new(go).arg("version").output().is_ok_and(|o| o.status.success()));
    if all.is_empty() {
        eprintln!("skipped: no Go toolchain (set OOMPH_GO or put go on the PATH)");
    }
    all
}

fn build(go: &Path, dir: &Path, args: &[&str]) -> PathBuf {
    let exe = dir.join("types");
    let mut command = Command::new(go);
    command.current_dir(dir).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env("CGO_ENABLED", "0");
    let out = command.args(["build", "-o"]).arg(&exe).args(args).arg(".").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    exe
}

/// A running program's memory.
struct Process {
    memory: File,
    regions: Vec<Region>,
}

impl Process {
    fn open(pid: u32) -> Self {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let regions = maps.lines().filter(|l| !l.contains("[v")).map(|line| {
            let mut words = line.split(' ');
            let (start, end) = words.next().unwrap().split_once('-').unwrap();
            let rights = words.next().unwrap();
            Region {
                start: hex(start),
                end: hex(end),
                writable: rights.contains('w'),
                executable: rights.contains('x'),
                readable: rights.contains('r'),
            }
        });
        Self { memory: File::open(format!("/proc/{pid}/mem")).unwrap(), regions: regions.collect() }
    }
}

impl Memory for Process {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.memory.read_exact_at(buf, address).map_err(|_| Unreadable { address })
    }

    fn bytes(&self, _: u64, _: usize) -> Option<&[u8]> {
        None
    }

    fn regions(&self) -> &[Region] {
        &self.regions
    }
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hex(s: &str) -> u64 {
    u64::from_str_radix(s, 16).unwrap()
}

#[test]
fn descriptors_say_what_reflect_says() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.go"), include_str!("programs/types.go")).unwrap();
    std::fs::write(dir.path().join("go.mod"), "module example.com/types\n\ngo 1.21\n").unwrap();
    let builds: [&[&str]; 3] = [&[], &["-ldflags=-s -w", "-trimpath"], &["-buildmode=pie", "-ldflags=-s -w"]];
    for (i, go) in toolchains().iter().enumerate() {
        for (n, args) in builds.iter().enumerate() {
            // One of the plain builds is enough.
            if i == 0 || n > 0 {
                one(go, &build(go, dir.path(), args), args);
            }
        }
    }
}

fn one(go: &Path, exe: &Path, args: &[&str]) {
    let child = Command::new(exe).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut child = Stopped(child);
    let said: Vec<String> =
        BufReader::new(child.0.stdout.take().unwrap()).lines().map(Result::unwrap).take_while(|l| l != "end").collect();
    let version = said[0].split(' ').nth(1).unwrap();
    let what = format!("{version} {args:?} ({})", go.display());
    let layout = Layout::lookup(version, Arch::Amd64).unwrap();
    assert!(!layout.assumed, "{what}");

    let process = Process::open(child.0.id());
    let modules = find_modules(&process, &layout, None).unwrap_or_else(|e| panic!("{what}: {e}"));
    assert_eq!((modules.len(), modules[0].has_main), (1, true), "{what}");
    let types = RuntimeTypes::new(&process, layout.clone(), modules);
    check(&what, &types, &said, true);
    all_hold(&what, &types);

    let file = std::fs::read(exe).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    assert_eq!(binary.build_info().unwrap().go_version_text, version);
    if !binary.is_position_independent() {
        let memory = slices(&file);
        let modules = find_modules(&memory, &layout, None).unwrap_or_else(|e| panic!("{what}: {e}"));
        let types = RuntimeTypes::new(&memory, layout, modules);
        check(&what, &types, &said, false);
        all_hold(&what, &types);
    }
}

fn slices(file: &[u8]) -> Slices<'_> {
    let elf = ElfFile64::<Endianness>::parse(file).unwrap();
    let pieces: Vec<_> = elf
        .segments()
        .map(|s| {
            let SegmentFlags::Elf { p_flags, .. } = s.flags() else { panic!("not ELF") };
            (s.address(), s.data().unwrap(), p_flags.0 & 2 != 0, p_flags.0 & 1 != 0)
        })
        .collect();
    Slices::new(pieces)
}

/// What the program said of itself; without the types that it made at run time where `live` is false.
fn check(what: &str, types: &RuntimeTypes<'_>, said: &[String], live: bool) {
    let (mut checked, mut made, mut itabs) = (0, 0, 0);
    let listed = types.itabs();
    assert!(listed.len() > 20, "{what}: {} itabs", listed.len());
    for line in said {
        let words: Vec<&str> = line.split('\t').collect();
        match words[0] {
            "type" => {
                let address = hex(words[1]);
                let inside = types.modules()[0].has_type(address);
                if !inside && !live {
                    continue;
                }
                checked += 1;
                made += u32::from(!inside);
                assert_eq!(types.looks_like_type(address), inside, "{what}: {line}");
                assert!(!types.looks_like_type(address + 8) && !types.looks_like_type(address - 8), "{what}: {line}");
                check_type(what, types, &words, inside);
            }
            "itab" => {
                itabs += 1;
                let itab = types.itab_at(hex(words[1])).unwrap_or_else(|| panic!("{what}: {line}"));
                assert_eq!(types.address(itab.interface), Some(hex(words[2])), "{what}: {line}");
                assert_eq!(types.address(itab.typ), Some(hex(words[3])), "{what}: {line}");
                assert!(listed.contains(&itab), "{what}: {line}");
            }
            _ => {}
        }
    }
    assert!(checked > 100 && itabs == 3, "{what}: {checked} types, {itabs} itabs");
    assert!(made >= 4 || !live, "{what}: {made} types made at run time");
}

fn check_type(what: &str, types: &RuntimeTypes<'_>, words: &[&str], inside: bool) {
    let [_, address, kind, size, align, last, hash, name, package, base, direct, detail] = words else {
        panic!("{words:?}")
    };
    let what = format!("{what}: {name}");
    let id = types.id(hex(address));
    let typ = types.get(id).unwrap_or_else(|| panic!("{what} is not read"));
    assert_eq!(Kind::from_number(kind.parse().unwrap()), Some(typ.kind), "{what}");
    assert_eq!((typ.size.to_string(), typ.align.to_string()), ((*size).to_owned(), (*align).to_owned()), "{what}");
    assert_eq!(typ.named, !base.is_empty(), "{what}");
    if inside {
        assert_eq!(types.name(id), *name, "{what}");
        assert_eq!(types.stored_name(id).as_deref(), Some(*name), "{what}");
        let package = if base.is_empty() { "" } else { package };
        assert_eq!(types.package(id).unwrap_or_default(), package, "{what}");
        if !package.is_empty() {
            assert_eq!(types.qualified_name(id), format!("{package}.{base}"), "{what}");
        }
    } else if typ.kind != Kind::Struct {
        assert_eq!(types.name(id), *name, "{what}");
    }
    assert_eq!(typ.direct_iface.to_string(), *direct, "{what}");
    assert_eq!(detail_text(types, id), *detail, "{what}");
    let mask = types.pointer_mask(id).unwrap_or_else(|| panic!("{what}: no mask"));
    let last = last.parse().unwrap();
    // A GC program may end behind the last pointer.
    let old = types.layout().minor <= 23;
    assert!(mask.len() == last || (old && mask.len() > last && typ.size > 1 << 17), "{what}: {}", mask.len());
    assert_eq!(mask.pointers().last().map_or(0, |w| w + 1), last, "{what}");
    assert_eq!(fnv(&mask, last), hex(hash), "{what}");
    assert_eq!(types.structural_mask(id), Some(mask), "{what}");
}

/// As the program writes it.
fn detail_text(types: &RuntimeTypes<'_>, id: TypeId) -> String {
    let at = |id: TypeId| format!("{:x}", types.address(id).unwrap());
    let list = |ids: &[TypeId]| ids.iter().map(|&id| at(id)).collect::<Vec<_>>().join(",");
    match &types.get(id).unwrap().detail {
        Detail::Array { elem, len } => format!("array {} {len}", at(*elem)),
        Detail::Chan { elem, dir } => format!("chan {} {dir}", at(*elem)),
        Detail::Map(map) => {
            map_holds(types, map);
            format!("map {} {}", at(map.key), at(map.elem))
        }
        Detail::Pointer { elem } => format!("pointer {}", at(*elem)),
        Detail::Slice { elem } => format!("slice {}", at(*elem)),
        Detail::Interface { methods, .. } => format!("interface {methods}"),
        Detail::Func { params, results, variadic } => format!("func {}|{}|{variadic}", list(params), list(results)),
        Detail::Struct { fields } => {
            let fields = fields.iter().map(|f| {
                let name = types.name_at(f.name).unwrap();
                format!("{},{},{},{},{}", name.text, at(f.typ), f.offset, name.embedded, name.exported)
            });
            format!("struct {}", fields.collect::<Vec<_>>().join(";"))
        }
        _ => "basic".to_owned(),
    }
}

/// The type of a map's group or bucket says where keys and values lie; so does the map type.
fn map_holds(types: &RuntimeTypes<'_>, map: &gobinary::types::Map) {
    let fields = |id: TypeId| match &types.get(id).unwrap().detail {
        Detail::Struct { fields } => fields.to_vec(),
        other => panic!("{other:?}"),
    };
    let elem_of = |id: TypeId| match &types.get(id).unwrap().detail {
        Detail::Array { elem, len: 8 } => *elem,
        other => panic!("{other:?}"),
    };
    let size = |id: TypeId| types.get(id).unwrap().size;
    let behind = |id: TypeId, indirect: bool, slot: TypeId| {
        assert_eq!(indirect, size(id) > 128);
        if !indirect {
            assert_eq!(slot, id);
        }
        assert!(!indirect || types.get(slot).unwrap().kind == Kind::Pointer);
    };
    match map.slots {
        MapSlots::Buckets { bucket: TypeId::NONE, .. } => {}
        MapSlots::Buckets { bucket, bucket_size, key_size, elem_size } => {
            let parts = fields(bucket);
            assert_eq!(u64::from(bucket_size), size(bucket));
            let (keys, elems) = (elem_of(parts[1].typ), elem_of(parts[2].typ));
            assert_eq!((u64::from(key_size), u64::from(elem_size)), (size(keys), size(elems)));
            behind(map.key, map.indirect_key, keys);
            behind(map.elem, map.indirect_elem, elems);
        }
        MapSlots::Groups { group, group_size, keys_offset, key_stride, elems_offset, elem_stride } => {
            let parts = fields(group);
            assert_eq!(group_size, size(group));
            let slots = fields(elem_of(parts[1].typ));
            let slot_size = size(elem_of(parts[1].typ));
            assert_eq!((keys_offset, elems_offset), (parts[1].offset, parts[1].offset + slots[1].offset));
            assert_eq!((key_stride, elem_stride), (slot_size, slot_size));
            behind(map.key, map.indirect_key, slots[0].typ);
            behind(map.elem, map.indirect_elem, slots[1].typ);
        }
    }
}

/// FNV-1a of a byte a word, as `hash/fnv` has it.
fn fnv(mask: &PointerMask, words: u64) -> u64 {
    (0..words).fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        (hash ^ u64::from(mask.is_pointer(word))).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Every type of the program is read, and the compiler's mask is that of its parts.
fn all_hold(what: &str, types: &RuntimeTypes<'_>) {
    let count = types.load_all();
    assert!(count > 700, "{what}: {count} types");
    for i in 0..count {
        let id = TypeId(u32::try_from(i).unwrap());
        let address = types.address(id).unwrap();
        assert!(types.get(id).is_some(), "{what}: nothing at {address:x}");
        let inside = types.modules()[0].has_type(address);
        assert!(!inside || types.looks_like_type(address), "{what}: {address:x} {}", types.name(id));
        let name = types.name(id);
        let (mask, parts) = (types.pointer_mask(id), types.structural_mask(id));
        assert!(mask.is_some() && mask == parts, "{what}: {name}: {mask:?} {parts:?}");
    }
    let more = types.load_unlisted();
    let unlisted: Vec<String> = (count..more).map(|i| types.name(TypeId(u32::try_from(i).unwrap()))).collect();
    // The program's closures are among them; nothing that is found by looking has other bits than its parts.
    assert!(unlisted.len() < count / 8, "{what}: {} of {count}", unlisted.len());
    assert!(unlisted.iter().any(|n| n.starts_with("struct { F uintptr;")), "{what}: {unlisted:?}");
    for i in count..more {
        let id = TypeId(u32::try_from(i).unwrap());
        assert_eq!(types.pointer_mask(id), types.structural_mask(id), "{what}: {}", types.name(id));
    }
}

/// Memory put together by `fuzz/seed_go_types.py` as `src/internal/abi/type.go` has it: what is in it is
/// known without a toolchain.
#[test]
fn descriptors_made_by_hand_are_read() {
    let images: [(&str, &[u8]); 3] = [
        ("go1.23", include_bytes!("../../../fuzz/seeds/go_types/types-1.23")),
        ("go1.26", include_bytes!("../../../fuzz/seeds/go_types/types-1.26")),
        ("go1.27", include_bytes!("../../../fuzz/seeds/go_types/types-1.27")),
    ];
    for (version, image) in images {
        let memory = Slices::new([(0x10000, &image[1..], true, false)]);
        let layout = Layout::lookup(version, Arch::Amd64).unwrap();
        let modules = find_modules(&memory, &layout, None).unwrap_or_else(|e| panic!("{version}: {e}"));
        let types = RuntimeTypes::new(&memory, layout, modules);
        let names: Vec<String> = (0..types.load_all()).map(|i| types.name(TypeId(u32::try_from(i).unwrap()))).collect();
        let itabs = types.itabs();
        assert_eq!(itabs.len(), 1, "{version}");
        assert_eq!((types.name(itabs[0].interface), types.name(itabs[0].typ)), ("main.I".into(), "main.T".into()));
        for name in ["bool", "*int", "[]*int", "[600]*int", "chan string", "map[string]*int", "interface {}"] {
            assert!(names.iter().any(|n| n == name), "{version}: {name} is not in {names:?}");
        }
        let program = types.program(itabs[0].typ).unwrap();
        let words: Vec<_> = program.slots.iter().map(|s| s.word).collect();
        assert_eq!(words, [0, 2, 4, 6, 7], "{version}");
        let repeat = program.repeats.first().unwrap();
        assert_eq!((repeat.word, repeat.stride, repeat.count, program.incomplete), (8, 1, 600, false), "{version}");
        let mask = types.structural_mask(itabs[0].typ).unwrap();
        assert_eq!(mask.pointers().collect::<Vec<_>>(), [0, 3, 5].into_iter().chain(6..608).collect::<Vec<_>>());
    }
}
