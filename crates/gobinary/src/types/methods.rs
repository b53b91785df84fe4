//! The methods of types (`abi.UncommonType`, `src/internal/abi/type.go`): the code of each, and its
//! signature where the linker kept it.

use super::read::UNCOMMON;
use super::{RuntimeTypes, TypeId};

/// A method of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Its function type, without the receiver; [`TypeId::NONE`] when the linker dropped it.
    pub signature: TypeId,
    /// Address of the code that is called with the receiver itself as first argument (`Method.Tfn`).
    pub code: u64,
}

impl RuntimeTypes<'_> {
    /// The methods of a type that the linker kept; addresses of code are not checked.
    #[must_use]
    pub fn methods(&self, id: TypeId) -> Vec<Method> {
        self.read_methods(id).unwrap_or_default()
    }

    fn read_methods(&self, id: TypeId) -> Option<Vec<Method>> {
        let (typ, address) = (self.get(id)?, self.address(id)?);
        if typ.flags & UNCOMMON == 0 {
            return None;
        }
        let text = self.modules.iter().find(|m| m.has_type(address))?;
        let (u, m) = (&self.layout.uncommon_type, &self.layout.method);
        let uncommon = address.checked_add(u64::from(self.descriptor_size(typ.kind)?))?;
        let at = |offset: u32| uncommon.checked_add(u64::from(offset));
        let count = self.memory.u16(at(u.mcount)?).ok()?;
        let first = uncommon.checked_add(u64::from(self.memory.u32(at(u.moff)?).ok()?))?;
        let mut found = Vec::new();
        for i in 0..u64::from(count) {
            let method = first.checked_add(i * u64::from(m.size))?;
            let half = |offset: u32| self.memory.u32(method.checked_add(u64::from(offset))?).ok();
            let (Some(signature), Some(code)) = (half(m.mtyp), half(m.tfn)) else { break };
            // 0 and -1 stand for code that the linker dropped.
            if code == 0 || code == u32::MAX {
                continue;
            }
            let signature = self.type_at_offset(address, signature.cast_signed());
            found.push(Method { signature, code: text.text.checked_add(u64::from(code))? });
        }
        Some(found)
    }
}
