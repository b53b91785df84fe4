//! What a heap profile tells of how memory was allocated: alone, with the CALL targets of the
//! executable, and as text with the names of the runtime's addresses. The program has one function
//! per mechanism, so its source is the truth.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use gobinary::code::call_target;
use gobinary::layout::Arch;
use model::Mechanism as M;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};
use profile::{HeapStacks, MechanismHints, Profile, ReadLimits};
use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The executable's symbols and code.
struct Binary {
    /// (address, size, name), by address.
    functions: Vec<(u64, u64, String)>,
    start: u64,
    text: Vec<u8>,
    arch: Arch,
}

impl Binary {
    fn open(path: &Path) -> Self {
        let data = std::fs::read(path).unwrap();
        let file = object::File::parse(&data[..]).unwrap();
        let mut functions: Vec<_> = (file.symbols())
            .filter(|s| s.kind() == SymbolKind::Text)
            .map(|s| (s.address(), s.size(), s.name().unwrap().to_owned()))
            .collect();
        functions.sort();
        let text = file.section_by_name(".text").unwrap();
        Self {
            functions,
            start: text.address(),
            text: text.data().unwrap().to_vec(),
            arch: match file.architecture() {
                object::Architecture::Aarch64 => Arch::Arm64,
                _ => Arch::Amd64,
            },
        }
    }

    fn holder(&self, address: u64) -> Option<&(u64, u64, String)> {
        let i = self.functions.partition_point(|f| f.0 <= address);
        let f = self.functions.get(i.checked_sub(1)?)?;
        (address < f.0 + f.1).then_some(f)
    }
}

impl MechanismHints for Binary {
    fn callee(&self, return_address: u64) -> Option<&str> {
        let end = usize::try_from(return_address.checked_sub(self.start)?).ok()?;
        let code = self.text.get(end.checked_sub(5)?..end)?;
        let target = call_target(self.arch, code, return_address)?;
        let f = self.holder(target)?;
        (f.0 == target).then_some(&f.2)
    }

    fn function(&self, address: u64) -> Option<&str> {
        self.holder(address).map(|f| &f.2[..])
    }
}

/// Mechanisms by the user function that allocated.
fn by_user(h: &HeapStacks) -> HashMap<String, BTreeSet<M>> {
    let mut out: HashMap<String, BTreeSet<M>> = HashMap::new();
    for s in &h.stacks {
        let Some(u) = s.user else { continue };
        let f = &h.frames[s.frames[u as usize] as usize].function;
        out.entry(f.trim_start_matches("main.").to_owned()).or_default().insert(s.mechanism);
    }
    out
}

#[test]
fn mechanisms_are_what_the_source_does() {
    let go = std::env::var_os("OOMPH_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    if Command::new(&go).arg("version").output().is_err() {
        eprintln!("skipped: no Go toolchain (set OOMPH_GO or put go on PATH)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("mechanisms");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/go/mechanisms/main.go");
    let run = |c: &mut Command| assert!(c.status().unwrap().success());
    run(Command::new(&go).args(["build", "-o"]).arg(&program).arg(source).env("GOTOOLCHAIN", "local"));
    let file = dir.path().join("heap");
    run(Command::new(&program).arg(&file));
    let read = |p: &Path| Profile::read(&std::fs::read(p).unwrap(), &ReadLimits::default()).unwrap();
    let proto = read(&file);
    let text = read(&file.with_extension("txt"));
    let binary = Binary::open(&program);

    let alone = by_user(&HeapStacks::of(&proto).unwrap());
    let certain = [
        ("push", M::ListElement),
        ("bigm", M::BigNumber),
        ("builder", M::BufferGrowth),
        ("buffer", M::BufferGrowth),
        ("readAll", M::BufferGrowth),
        ("timer", M::Timer),
    ];
    for (f, m) in certain {
        assert!(alone[f].contains(&m), "{f}: {:?}", alone[f]);
    }
    for f in ["grow", "box", "concat", "conv", "mk", "obj", "clo", "ch", "mapBig"] {
        assert_eq!(alone[f], BTreeSet::from([M::Other]), "{f}: nothing may be guessed");
    }

    let called = by_user(&HeapStacks::with_hints(&proto, &binary).unwrap());
    for (f, m) in [
        ("mapInsert", M::MapInsert),
        ("mapBig", M::MapInsert),
        ("mapMake", M::MapMake),
        ("grow", M::SliceGrowth),
        ("box", M::Boxing),
        ("concat", M::StringConcat),
        ("conv", M::StringConversion),
        ("mk", M::MakeSlice),
        ("obj", M::NewObject),
        ("clo", M::NewObject),
        ("ch", M::Channel),
    ]
    .into_iter()
    .chain(certain)
    {
        assert!(called[f].contains(&m), "{f}: {:?}", called[f]);
    }
    for f in ["grow", "box", "concat", "conv", "mk", "obj", "ch", "mapBig"] {
        assert_eq!(called[f].len(), 1, "{f}: {:?}", called[f]);
    }

    // The text keeps the runtime's addresses: growth and insert are told apart.
    let named = by_user(&HeapStacks::with_hints(&text, &binary).unwrap());
    for (f, m) in [
        ("mapInsert", M::MapGrowth),
        ("mapBig", M::MapGrowth),
        ("grow", M::SliceGrowth),
        ("conv", M::StringConversion),
        ("ch", M::Channel),
    ] {
        assert!(named[f].contains(&m), "{f}: {:?}", named[f]);
    }
}
