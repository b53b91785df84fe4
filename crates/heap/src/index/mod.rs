//! An index of a heap: what took long to compute, so that the next reading of the same core file finds it.
//!
//! Owns the format: a head with the key of what was indexed, then sections of numbers, each with its length and
//! checksum. An index is outside input like any other: what does not fit the heap at hand, is cut, or fails its
//! checksum is refused as a whole, and the heap is read anew. Opens no files.
//!
//! All numbers are little-endian; a machine of the other order refuses the index.

mod places;
mod shapes;
mod stream;

pub use stream::IndexError;
pub(crate) use stream::{IndexReader, IndexWriter};

use crate::graph::{DominatorTree, Edges};
use crate::pointers::ScanGaps;
use crate::program::{Found, HeapGraph, Runtime};
use crate::roots::RootSet;
use crate::shapes::Shapes;
use crate::typing::Typed;
use gobinary::Functions;
use goruntime::Objects;
use std::io::{Read, Write};
use std::sync::Arc;

/// Which heap an index is of. Two readings with equal keys find the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexKey {
    /// Length of the core file in bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: u128,
    /// What else decides how it is read: the executable and whether it has debug information.
    pub identity: Vec<u8>,
}

impl IndexKey {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = env!("CARGO_PKG_VERSION").as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&self.modified.to_le_bytes());
        bytes.extend_from_slice(&self.identity);
        bytes
    }
}

impl HeapGraph<'_> {
    /// Writes what [`HeapGraph::load`] needs: about 16 bytes per object.
    ///
    /// # Errors
    /// When `to` does not take it.
    pub fn save_index(&self, key: &IndexKey, to: &mut dyn Write) -> std::io::Result<()> {
        let mut out = IndexWriter::new(to, &key.bytes())?;
        out.section(&[self.gaps.unreadable_spans, self.gaps.opaque_objects])?;
        out.section(&counted(&self.objects, &self.roots))?;
        self.edges.save(&mut out)?;
        self.shapes.save(&self.runtime.types, &mut out)?;
        places::save(&self.places, &self.runtime.types, &mut out)?;
        self.tree.save(&mut out)?;
        out.finish()
    }
}

/// What must be as it was for the rest to fit: objects, their bytes, root groups, what they hold.
fn counted(objects: &Objects, roots: &RootSet) -> [u64; 4] {
    let members = roots.roots.all_members().len() as u64;
    [u64::from(objects.count()), objects.bytes(), roots.roots.len() as u64, members]
}

impl<'r> HeapGraph<'r> {
    /// Reads a heap with the help of an index of at most `len` bytes.
    ///
    /// # Errors
    /// When the index is not one of this heap or is damaged, or the heap cannot be read at all: then
    /// [`HeapGraph::read`] tells why.
    pub fn load(
        runtime: &'r Runtime<'r>,
        functions: &[Functions<'_>],
        key: &IndexKey,
        from: &mut dyn Read,
        len: u64,
    ) -> Result<Self, IndexError> {
        let mut input = IndexReader::new(from, len, &key.bytes())?;
        let gaps = input.array::<u64>(2)?;
        let gaps = match *gaps {
            [unreadable_spans, opaque_objects] => ScanGaps { unreadable_spans, opaque_objects },
            _ => ScanGaps::default(),
        };
        let counted = input.array::<u64>(4)?;
        let found = Found::read(runtime, functions).map_err(|_| IndexError::Other("the heap cannot be read"))?;
        if *counted != self::counted(&found.objects, &found.roots) {
            return Err(IndexError::Other("it is of another heap"));
        }
        let count = found.objects.count();
        let edges = Arc::new(Edges::load(count, &mut input)?);
        let shapes = Shapes::load(&runtime.types, count, &mut input)?;
        let typed = Typed { shapes, places: places::load(&runtime.types, &mut input)? };
        let roots = Arc::clone(&found.roots.roots);
        let tree = DominatorTree::load(Arc::clone(&edges), roots, found.size_of(), &mut input)?;
        input.finish()?;
        Ok(found.graph(runtime, typed, edges, tree, gaps))
    }
}
