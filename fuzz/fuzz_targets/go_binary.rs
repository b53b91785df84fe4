//! Go executables: ELF headers, notes, build information, function table, code bytes.
#![no_main]

use gobinary::{BuildInfo, GoBinary};
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
    for a in addresses {
        for n in [0, 5, 16, usize::MAX] {
            if let Some(code) = binary.code_bytes_before(a, n) {
                assert!(code.len() <= n && code.len() <= data.len());
            }
        }
    }
});

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
