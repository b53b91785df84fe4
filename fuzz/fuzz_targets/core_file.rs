//! Core files: ELF headers, program headers, notes, segments.
#![no_main]

use gobinary::Memory;
use libfuzzer_sys::fuzz_target;
use target::memory::CoreFile;

fuzz_target!(|data: &[u8]| {
    let core = match CoreFile::from_bytes(data.to_vec()) {
        Ok(core) => core,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            return;
        }
    };
    let mut end = 0;
    for region in core.regions() {
        assert!(region.start < region.end && region.start >= end, "sorted, without overlaps");
        end = region.end;
    }
    let mut buf = [0; 64];
    for region in core.regions().iter().take(64) {
        for at in [region.start, region.end.saturating_sub(32), region.start.saturating_sub(1)] {
            let copied = core.read(at, &mut buf).is_ok();
            if let Some(bytes) = core.bytes(at, buf.len()) {
                assert!(copied && bytes == buf);
            }
        }
        assert!(core.bytes(region.start, usize::MAX).is_none());
    }
    let c = core.coverage();
    let known = c.in_core.0.saturating_add(c.from_files.0);
    assert!(known <= c.mapped.0 && known <= data.len() as u64 * (core.segments().len() as u64).max(1));
    for t in core.threads() {
        let _ = (t.pc(), t.sp(), t.fp(), t.lr(), t.tls(), t.general().count());
    }
    let _ = (core.process(), core.mapped_files().len(), core.auxiliary(9), core.executable());
});
