//! The answer of `/debug/pprof/symbol`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use profile::{classify_callee, read_symbols};

fuzz_target!(|data: &[u8]| {
    let (symbols, gaps) = match read_symbols(data) {
        Ok(read) => read,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return;
        }
    };
    assert!(gaps.len() < 64);
    let mut text = "num_symbols: 1\n".to_owned();
    let mut kept = 0;
    for (address, name) in &symbols {
        assert!(!name.is_empty() && !name.chars().any(char::is_control));
        let _ = classify_callee(name);
        kept += name.len();
        text.push_str(&format!("{address:#x} {name}\n"));
    }
    assert!(kept <= data.len(), "names are copied once");
    let (again, _) = read_symbols(text.as_bytes()).expect("what was read is read again");
    assert_eq!(again, symbols);
});
