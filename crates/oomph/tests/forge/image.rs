//! What a heap reader reads of a program's memory, page by page, and the small file that keeps it: the seed of the
//! fuzz target of the graph.

#![allow(dead_code, clippy::unwrap_used, reason = "a test; each user uses a part of it")]

use gobinary::layout::{Arch, Layout};
use gobinary::{Memory, ModuleTables, Region, Slices, Unreadable, Variables};
use heap::{HeapError, HeapGraph, ProgramNames, Runtime};
use std::collections::BTreeSet;
use std::sync::Mutex;

const PAGE: u64 = 4096;

/// Reads the graph of a program whose executable is not at hand, all from its memory.
pub(crate) fn read<T>(
    memory: &dyn Memory,
    go: &str,
    look: impl FnOnce(&HeapGraph<'_>, &ProgramNames<'_>) -> T,
) -> Result<T, HeapError> {
    let runtime = Runtime::find(memory, Layout::lookup(go, Arch::Amd64)?)?;
    let modules = runtime.types.modules();
    let tables: Vec<_> = modules.iter().filter_map(|m| ModuleTables::read(memory, m.into()).ok()).collect();
    let functions = tables.iter().filter_map(|t| t.functions().ok()).collect();
    let names = ProgramNames { functions, variables: Variables::default(), debug: None, bias: 0 };
    let graph = HeapGraph::read(&runtime, &names, &names.functions, &mut |_| {})?;
    Ok(look(&graph, &names))
}

/// Notes which pages are read. Of the code only what `code` holds is there.
pub(crate) struct Recorder<'m> {
    inner: &'m dyn Memory,
    code: Vec<std::ops::Range<u64>>,
    pages: Mutex<BTreeSet<u64>>,
}

impl<'m> Recorder<'m> {
    pub(crate) fn new(inner: &'m dyn Memory, code: Vec<std::ops::Range<u64>>) -> Self {
        Self { inner, code, pages: Mutex::default() }
    }

    /// The file: Go version, then address, length and rights of pieces, each followed by its bytes.
    pub(crate) fn image(&self, go: &str) -> Vec<u8> {
        let mut out = vec![u8::try_from(go.len()).unwrap()];
        out.extend(go.as_bytes());
        for &page in self.pages.lock().unwrap().iter() {
            let mut bytes = [0; PAGE as usize];
            if self.inner.read(page, &mut bytes).is_ok() {
                let region = self.inner.regions().iter().find(|r| r.start <= page && page < r.end).unwrap();
                out.extend(page.to_le_bytes());
                out.push(u8::from(region.writable) | u8::from(region.executable) << 1);
                out.extend(bytes);
            }
        }
        out
    }
}

impl Memory for Recorder<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let (first, last) = (address & !(PAGE - 1), address.saturating_add(buf.len() as u64));
        let region = self.inner.regions().iter().find(|r| r.start <= address && address < r.end);
        if region.is_some_and(|r| r.executable) && !self.code.iter().any(|c| c.contains(&address)) {
            return Err(Unreadable { address });
        }
        self.inner.read(address, buf)?;
        self.pages.lock().unwrap().extend((first..last).step_by(PAGE as usize));
        Ok(())
    }

    fn bytes(&self, _: u64, _: usize) -> Option<&[u8]> {
        None
    }

    fn regions(&self) -> &[Region] {
        self.inner.regions()
    }
}

/// An image as it was recorded.
pub(crate) struct Image {
    pub(crate) go: String,
    /// Start, rights, bytes.
    pieces: Vec<(u64, u8, Vec<u8>)>,
}

impl Image {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let (len, rest) = bytes.split_first().unwrap();
        let (go, mut rest) = rest.split_at(usize::from(*len));
        let mut pieces: Vec<(u64, u8, Vec<u8>)> = Vec::new();
        while let Some((head, tail)) = rest.split_at_checked(9) {
            let (page, after) = tail.split_at(PAGE as usize);
            let (at, rights) = (u64::from_le_bytes(head[..8].try_into().unwrap()), head[8]);
            match pieces.last_mut() {
                Some(last) if last.0 + last.2.len() as u64 == at && last.1 == rights => last.2.extend(page),
                _ => pieces.push((at, rights, page.to_vec())),
            }
            rest = after;
        }
        Self { go: String::from_utf8(go.to_vec()).unwrap(), pieces }
    }

    pub(crate) fn memory(&self) -> Slices<'_> {
        Slices::new(self.pieces.iter().map(|(at, rights, bytes)| (*at, &bytes[..], rights & 1 != 0, rights & 2 != 0)))
    }

    /// The word at an address, to be changed.
    pub(crate) fn word(&mut self, at: u64) -> Option<&mut [u8]> {
        let i = self.pieces.partition_point(|p| p.0 <= at).checked_sub(1)?;
        let (start, _, bytes) = self.pieces.get_mut(i)?;
        let offset = usize::try_from(at - *start).ok()?;
        bytes.get_mut(offset..offset.checked_add(8)?)
    }
}
