//! Go executables: ELF headers, notes, build information, function table, code bytes.
#![no_main]

use gobinary::{
    BuildInfo, FuncKind, Functions, GoBinary, Memory, ModuleBases, ModuleTables, Slices, StackSource, StackStart,
    callers_frames, printable_name, scan_stack,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let binary = match GoBinary::parse(data) {
        Ok(b) => b,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return;
        }
    };
    match binary.build_info() {
        Ok(info) => text_form(&info),
        Err(e) => assert!(!e.to_string().is_empty()),
    }
    let _ = (binary.go_build_id(), binary.gnu_build_id(), binary.is_position_independent());
    // Addresses and offsets out of the input itself: its end, where no header lies.
    let tail = data.last_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
    let mut addresses = vec![0, 1, 0x40_1000, tail, u64::MAX];
    for offset in [0, 0x1000, tail, u64::MAX] {
        addresses.extend(binary.address_of_file_offset(offset));
    }
    if let Ok(table) = binary.pclntab() {
        assert!(!table.is_empty() && table.len() <= data.len());
        for (entry, name) in table.functions().take(256) {
            assert!(!name.contains('\0'));
            addresses.push(entry);
        }
        for a in &addresses {
            let start = table.start_of(*a);
            assert!(start.is_none_or(|s| s <= *a), "a function that starts behind the address");
            if let Some(name) = table.function_starting_at(*a) {
                assert_eq!(start, Some(*a));
                assert_eq!(table.function_at(*a), Some(name));
            }
        }
    }
    if let Ok(functions) = binary.functions() {
        code(&functions, &addresses);
        let bases = binary.module_bases().unwrap_or_default();
        // As if it were the memory of a program: code, tables and stack are the input.
        let memory = Slices::new([(0x10000, data, true, true)]);
        for arch in [gobinary::layout::Arch::Amd64, gobinary::layout::Arch::Arm64] {
            stack(&functions, &memory, arch, &addresses);
        }
        from_memory(&memory, bases);
    }
    let memory = Slices::new([(0, data, false, false)]);
    from_memory(&memory, ModuleBases { pclntab: 0, text: 0x1000, gofunc: Some(tail % 4096), rodata: Some(0) });
    for a in addresses {
        for n in [0, 5, 16, usize::MAX] {
            if let Some(code) = binary.code_bytes_before(a, n) {
                assert!(code.len() <= n && code.len() <= data.len());
            }
        }
    }
});

/// Lines, inlined calls, stack maps of functions in the input.
fn code(functions: &Functions<'_>, addresses: &[u64]) {
    for &a in addresses {
        let Some(func) = functions.func_at(a) else { continue };
        assert!(func.entry() <= a);
        for pc in [a, a.saturating_add(1), func.end().saturating_sub(1)] {
            let frames: Vec<_> = functions.frames_at(pc, FuncKind::Normal).collect();
            assert!(frames.len() <= 1024);
            for f in &frames {
                assert!(!printable_name(f.function).contains('\0'));
            }
            let _ = (func.line_at(pc), func.sp_delta(pc), func.pcdata(1, pc));
        }
        for map in [functions.args_map(&func), functions.locals_map(&func)].into_iter().flatten() {
            for bits in (0..map.len().min(16)).filter_map(|i| map.get(i)) {
                assert!(bits.ones().take(4096).all(|i| i < bits.len() && bits.get(i)));
            }
        }
        assert!(functions.stack_objects(&func).iter().take(4096).count() <= functions.stack_objects(&func).len());
    }
    let mut count = 0;
    callers_frames(std::slice::from_ref(functions), addresses, |_| count += 1);
    assert!(count <= addresses.len() * 64 + 1024);
}

/// Unwinds what the input holds as if it were a stack.
fn stack(functions: &Functions<'_>, memory: &dyn Memory, arch: gobinary::layout::Arch, addresses: &[u64]) {
    let Some(region) = memory.regions().first() else { return };
    let source = StackSource { memory, modules: std::slice::from_ref(functions), arch };
    for (i, &pc) in addresses.iter().enumerate().take(16) {
        let sp = region.start + (i as u64 * 64 & !7);
        let start = StackStart {
            pc,
            sp,
            lr: if i % 2 == 0 { pc } else { 0 },
            fp: (i % 3 == 0).then_some(sp + 16),
            syscall: i % 5 == 0,
            at_instruction: i % 4 == 0,
        };
        let stack = region.start..region.end;
        let found = scan_stack(source, stack.clone(), start, &[sp], |w| assert!(stack.contains(&w.address)));
        assert!(found.live_objects <= found.objects);
    }
}

/// The tables out of memory instead of the file.
fn from_memory(memory: &dyn Memory, bases: ModuleBases) {
    if let Ok(tables) = ModuleTables::read(memory, bases)
        && let Ok(functions) = tables.functions()
    {
        let entries: Vec<u64> = functions.table().functions().take(64).map(|f| f.0).collect();
        code(&functions, &entries);
    }
}

/// The text form reads back to the same information, line ends inside the names apart.
fn text_form(info: &BuildInfo) {
    let modules = info.main.iter().chain(&info.deps);
    let names = modules.flat_map(|m| [Some(m), m.replace.as_deref()]).flatten();
    let broken = names
        .flat_map(|m| [&m.path, &m.version, &m.sum])
        .chain(&info.path)
        .chain([&info.go_version_text])
        .any(|s| s.contains(['\r', '\n', '\t']));
    if !broken {
        assert_eq!(&BuildInfo::parse_text(&info.to_text()), info);
    }
}
