//! Reads one type descriptor. What does not hold together is refused; parts that are too long are
//! left out whole.

use super::{Detail, Field, Kind, Map, MapSlots, RuntimeTypes, Type, TypeId};

/// `KindMask`: the kind without the flags that older releases keep beside it.
const KIND_MASK: u8 = 31;
/// `KindDirectIface`, up to Go 1.25.
const KIND_DIRECT_IFACE: u8 = 32;
/// `KindGCProg`, up to Go 1.23.
pub(super) const KIND_GC_PROG: u8 = 64;
/// `TFlagUncommon`.
pub(super) const UNCOMMON: u8 = 1;
/// `TFlagExtraStar`.
pub(super) const EXTRA_STAR: u8 = 2;
/// `TFlagNamed`.
pub(super) const NAMED: u8 = 4;
/// `TFlagGCMaskOnDemand`, from Go 1.24.
const GC_MASK_ON_DEMAND: u8 = 16;
/// `TFlagDirectIface`, from Go 1.26.
const DIRECT_IFACE: u8 = 32;
/// The compiler's limit (`MaxWidth`): no type is longer.
pub(super) const MOST_SIZE: u64 = 1 << 50;
/// Most fields, parameters or methods of one type.
const MOST_PARTS: u64 = 1 << 16;
/// Length of the count of results that carries the mark of `...`.
const VARIADIC: u16 = 1 << 15;

impl RuntimeTypes<'_> {
    /// Reads the descriptor at `address`.
    pub(super) fn read_type(&self, address: u64) -> Option<Type> {
        let f = &self.layout.abi_type;
        let mut bytes = [0; 64];
        let bytes = bytes.get_mut(..f.size as usize)?;
        self.memory.read(address, bytes).ok()?;
        let byte = |offset: u32| bytes.get(offset as usize).copied();
        let half = |offset: u32| Some(u32::from_le_bytes(bytes.get(offset as usize..)?.first_chunk().copied()?));
        let word = |offset: u32| Some(u64::from_le_bytes(bytes.get(offset as usize..)?.first_chunk().copied()?));
        let (size, ptr_bytes) = (word(f.size_)?, word(f.ptr_bytes)?);
        let (flags, kind_byte, align) = (byte(f.tflag)?, byte(f.kind)?, byte(f.align)?);
        let kind = Kind::from_number(kind_byte & KIND_MASK)?;
        let sizes = size <= MOST_SIZE && ptr_bytes <= size && ptr_bytes % 8 == 0;
        if !sizes || !align.is_power_of_two() || kind.size().is_some_and(|s| s != size) {
            return None;
        }
        let minor = self.layout.minor;
        let direct_iface = if minor >= 26 { flags & DIRECT_IFACE != 0 } else { kind_byte & KIND_DIRECT_IFACE != 0 };
        Some(Type {
            size,
            ptr_bytes,
            hash: half(f.hash)?,
            kind,
            align,
            named: flags & NAMED != 0,
            direct_iface,
            detail: self.read_detail(address, kind, size, flags)?,
            flags,
            gc_program: minor <= 23 && kind_byte & KIND_GC_PROG != 0,
            gc_on_demand: minor >= 24 && flags & GC_MASK_ON_DEMAND != 0,
            gc_data: word(f.gc_data)?,
            str_offset: half(f.str)?.cast_signed(),
            ptr_to_this: half(f.ptr_to_this)?.cast_signed(),
        })
    }

    fn word(&self, address: u64, offset: u32) -> Option<u64> {
        self.memory.u64(address.checked_add(u64::from(offset))?).ok()
    }

    fn read_detail(&self, address: u64, kind: Kind, size: u64, flags: u8) -> Option<Detail> {
        let l = &self.layout;
        let to = |offset: u32| Some(self.id(self.word(address, offset)?));
        Some(match kind {
            Kind::Array => {
                let (elem, len) = (to(l.array_type.elem)?, self.word(address, l.array_type.len)?);
                (len <= MOST_SIZE).then_some(Detail::Array { elem, len })?
            }
            Kind::Chan => {
                let dir = self.word(address, l.chan_type.dir)?;
                Detail::Chan { elem: to(l.chan_type.elem)?, dir: u8::try_from(dir).ok().filter(|d| *d <= 3)? }
            }
            Kind::Func => self.read_func(address, flags)?,
            Kind::Interface => {
                let table = self.word(address, l.interface_type.methods)?;
                let methods = self.word(address, l.interface_type.methods.checked_add(8)?)?;
                (methods <= MOST_PARTS).then_some(Detail::Interface { methods: methods as u32, table })?
            }
            Kind::Map => Detail::Map(self.read_map(address)?),
            Kind::Pointer => Detail::Pointer { elem: to(l.ptr_type.elem)? },
            Kind::Slice => Detail::Slice { elem: to(l.slice_type.elem)? },
            Kind::Struct => self.read_struct(address, size)?,
            _ => Detail::Basic,
        })
    }

    fn read_func(&self, address: u64, flags: u8) -> Option<Detail> {
        let f = &self.layout.func_type;
        let half = |offset: u32| self.memory.u16(address.checked_add(u64::from(offset))?).ok();
        let (params, results) = (half(f.in_count)?, half(f.out_count)?);
        let variadic = results & VARIADIC != 0;
        let (params, results) = (usize::from(params), usize::from(results & !VARIADIC));
        // The parameters stand behind the uncommon part.
        let uncommon = if flags & UNCOMMON != 0 { self.layout.uncommon_type.size } else { 0 };
        let start = address.checked_add(u64::from(f.size.checked_add(uncommon)?))?;
        let words = self.words(start, params.checked_add(results)?)?;
        let (params, results) = words.split_at_checked(params)?;
        let ids = |words: &[u64]| words.iter().map(|&w| self.id(w)).collect();
        Some(Detail::Func { params: ids(params), results: ids(results), variadic })
    }

    fn read_struct(&self, address: u64, size: u64) -> Option<Detail> {
        let (s, f) = (&self.layout.struct_type, &self.layout.struct_field);
        let data = self.word(address, s.fields)?;
        let count = self.word(address, s.fields.checked_add(8)?)?;
        let stride = (f.size / 8) as usize;
        if count > MOST_PARTS || stride == 0 {
            return None;
        }
        let words = self.words(data, (count as usize).checked_mul(stride)?)?;
        let mut fields = Vec::with_capacity(count as usize);
        for field in words.chunks_exact(stride) {
            let at = |offset: u32| field.get(offset as usize / 8).copied();
            let (name, typ, offset) = (at(f.name)?, at(f.typ)?, at(f.offset)?);
            if offset > size {
                return None;
            }
            fields.push(Field { name, typ: self.id(typ), offset });
        }
        Some(Detail::Struct { fields: fields.into_boxed_slice() })
    }

    /// Words, as many as are readable and as the program's memory accounts for.
    fn words(&self, address: u64, count: usize) -> Option<Vec<u64>> {
        let len = count.checked_mul(8)?;
        if count as u64 > MOST_PARTS * 4 || (len > 0 && !self.spend(len)) {
            return None;
        }
        let mut scratch = Vec::new();
        let bytes = self.memory.view(address, len, &mut scratch).ok()?;
        Some(bytes.chunks_exact(8).map(|w| w.try_into().map_or(0, u64::from_le_bytes)).collect())
    }

    fn read_map(&self, address: u64) -> Option<Map> {
        let to = |offset: u32| Some(self.id(self.word(address, offset)?));
        let half = |offset: u32| self.memory.u32(address.checked_add(u64::from(offset))?).ok();
        if let Some(m) = self.layout.swiss_map_type {
            let flags = half(m.flags)?;
            let word = |offset: u32| self.word(address, offset).filter(|&n| n <= MOST_SIZE);
            // One key and one value side by side, or all keys before all values (from Go 1.27).
            let (keys_offset, key_stride, elems_offset, elem_stride) =
                match (m.slot_size, m.keys_off, m.key_stride, m.elems_off, m.elem_stride) {
                    (_, Some(k), Some(ks), Some(e), Some(es)) => (word(k)?, word(ks)?, word(e)?, word(es)?),
                    (Some(slot), ..) => {
                        let slot = word(slot)?;
                        (8, slot, word(m.elem_off)?.checked_add(8)?, slot)
                    }
                    _ => return None,
                };
            return Some(Map {
                key: to(m.key)?,
                elem: to(m.elem)?,
                indirect_key: flags & 4 != 0,
                indirect_elem: flags & 8 != 0,
                slots: MapSlots::Groups {
                    group: to(m.group)?,
                    group_size: word(m.group_size)?,
                    keys_offset,
                    key_stride,
                    elems_offset,
                    elem_stride,
                },
            });
        }
        let m = self.layout.classic_map_type?;
        let byte = |offset: u32| self.memory.u8(address.checked_add(u64::from(offset))?).ok();
        let flags = half(m.flags)?;
        // Of a bucket that package reflect made there is the first part of a descriptor only.
        let bucket = self.word(address, m.bucket).filter(|&b| self.section_of(b).is_some());
        let bucket_size = self.memory.u16(address.checked_add(u64::from(m.bucket_size))?).ok()?;
        Some(Map {
            key: to(m.key)?,
            elem: to(m.elem)?,
            indirect_key: flags & 1 != 0,
            indirect_elem: flags & 2 != 0,
            slots: MapSlots::Buckets {
                bucket: bucket.map_or(TypeId::NONE, |b| self.id(b)),
                bucket_size,
                key_size: byte(m.key_size)?,
                elem_size: byte(m.value_size)?,
            },
        })
    }

    /// The type that a type offset (`typeOff`) in the descriptor at `address` names.
    pub(super) fn type_at_offset(&self, address: u64, offset: i32) -> TypeId {
        let base = self.section_of(address).map(|s| s.start);
        match (base, u64::try_from(offset)) {
            (Some(base), Ok(offset)) if offset > 0 => base.checked_add(offset).map_or(TypeId::NONE, |a| self.id(a)),
            _ => TypeId::NONE,
        }
    }
}
