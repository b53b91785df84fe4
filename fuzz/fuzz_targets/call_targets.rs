//! The JSON that a capture keeps of the executable: addresses and the functions called.
#![no_main]

use bundle::CallHints;
use libfuzzer_sys::fuzz_target;
use profile::{MechanismHints, classify_callee};

fuzz_target!(|data: &[u8]| {
    match CallHints::of_json(data) {
        Err(e) => assert!(!e.is_empty()),
        Ok(hints) => {
            // Addresses out of the input itself, where they are spelt in hexadecimal.
            let text = String::from_utf8_lossy(data);
            let addresses = text.split("0x").skip(1).take(64).filter_map(|t| {
                let digits = t.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(t.len());
                u64::from_str_radix(t.get(..digits)?, 16).ok()
            });
            for a in addresses.chain([0, 1, u64::MAX]) {
                for name in [hints.callee(a), hints.function(a)].into_iter().flatten() {
                    assert!(!name.is_empty());
                    let _ = classify_callee(name);
                }
            }
        }
    }
});
