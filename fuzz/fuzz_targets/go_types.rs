//! Module data and type descriptors in any memory. The first byte picks the Go release; the rest is the
//! program's memory, at a fixed address, all of it the type section too.
#![no_main]

use gobinary::layout::{Arch, Layout};
use gobinary::types::{Detail, PointerKind};
use gobinary::{ModuleData, RuntimeTypes, SliceHeader, Slices, TypeId, find_modules};
use libfuzzer_sys::fuzz_target;

const BASE: u64 = 0x10000;

fuzz_target!(|data: &[u8]| {
    let Some((pick, image)) = data.split_first() else { return };
    let Ok(layout) = Layout::lookup(&format!("go1.{}", 19 + pick % 9), Arch::Amd64) else { return };
    let memory = Slices::new([(BASE, image, true, false)]);
    if let Ok(modules) = find_modules(&memory, &layout, None) {
        assert!(modules.iter().all(|m| m.types < m.etypes && m.text < m.etext));
        read(&RuntimeTypes::new(&memory, layout.clone(), modules), image.len());
    }
    let len = image.len() as u64;
    let mut module = ModuleData::default();
    (module.types, module.etypes) = (BASE, BASE + len);
    // Both lists of types: offsets at the end of the image, or descriptors one behind the other.
    module.typelinks = SliceHeader { data: BASE + (len / 2 & !7), len: 64 };
    module.itablinks = SliceHeader { data: BASE, len: 64 };
    if pick & 0x80 != 0 {
        module.typedesclen = Some(len);
        (module.itaboffset, module.itabsize) = (Some(len / 2 & !7), Some(len));
    }
    read(&RuntimeTypes::new(&memory, layout, vec![module]), image.len());
});

fn read(types: &RuntimeTypes<'_>, len: usize) {
    for at in (0..len as u64).step_by(8).take(256) {
        if types.looks_like_type(BASE + at) {
            assert!(types.get(types.id(BASE + at)).is_some());
        }
        let _ = types.itab_at(BASE + at);
    }
    let count = types.load_all();
    for itab in types.itabs() {
        assert!(types.get(itab.typ).is_some());
    }
    for i in 0..count.min(256) {
        let id = TypeId(i as u32);
        assert_eq!(types.address(id).and_then(|a| types.known(a)), Some(id));
        let Some(typ) = types.get(id) else { continue };
        assert!(types.name(id).len() < 1 << 22);
        let _ = (types.qualified_name(id), types.stored_name(id));
        if let Detail::Struct { fields } = &typ.detail {
            assert!(fields.len() * 24 <= len.max(24), "fields that are not there");
            let _ = fields.first().map(|f| types.name_at(f.name));
        }
        let Some(program) = types.program(id) else { continue };
        let words = typ.size.div_ceil(8);
        for slot in &program.slots {
            let last = u64::from(slot.word) + u64::from(slot.kind.pointer_word());
            assert!(last < words, "a pointer behind the value");
            if let PointerKind::Map(map) = slot.kind {
                assert!(types.get(map).is_some());
            }
        }
        if typ.ptr_bytes < 1 << 16
            && let Some(mask) = types.pointer_mask(id)
        {
            assert!(mask.pointers().all(|w| w < words));
        }
    }
}
