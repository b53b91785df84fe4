//! A Go program's heap, read as a whole: anchors, objects, types, roots, edges, dominators. The one
//! place where the order of the steps is written down.

use crate::code::CodeTypes;
use crate::graph::{DominatorTree, Edges, GraphError, SizeOf};
use crate::paths::Names;
use crate::pointers::{HeapView, ScanGaps};
use crate::roots::RootSet;
use crate::shapes::Shapes;
use crate::typing::{Typed, Typer};
use crate::variables::Variables;
use crate::wrappers::wrapped;
use gobinary::layout::{Layout, NoLayout};
use gobinary::{BinaryError, Functions, Memory, ModuleData, RuntimeTypes, TypedPlace, find_modules};
use goruntime::{Buckets, Goroutines, HeapAnchor, Objects, QueuedFinalizer, RuntimeCounts};
use goruntime::{RuntimeError, Spans, Specials};
use rustc_hash::FxHashMap;
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;

/// Why a heap could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeapError {
    /// No layout for the program's Go release.
    #[error(transparent)]
    Layout(#[from] NoLayout),
    /// The module data was not found.
    #[error(transparent)]
    Binary(#[from] BinaryError),
    /// The heap's root was not found or not readable.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// More objects or edges than can be numbered.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

/// A step of the reading, for progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Finding the runtime's structures.
    Anchors,
    /// Finding the objects.
    Objects,
    /// Following pointers.
    Edges,
    /// Giving objects types.
    Types,
    /// Dominators and retained sizes.
    Dominators,
}

impl Step {
    /// What is being done, for a person.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Anchors => "finding the runtime's structures",
            Self::Objects => "finding objects",
            Self::Edges => "following pointers",
            Self::Types => "finding types",
            Self::Dominators => "computing what each object retains",
        }
    }
}

/// The runtime's structures in a program's memory.
pub struct Runtime<'m> {
    /// The program's memory.
    pub memory: &'m dyn Memory,
    /// Its types.
    pub types: RuntimeTypes<'m>,
    /// Its heap.
    pub anchor: HeapAnchor,
    /// Its goroutines; what is missing when they were not found.
    pub goroutines: Result<Goroutines, RuntimeError>,
    /// Its heap profile.
    pub buckets: Buckets,
    /// What it counts itself, where that was found.
    pub counts: Option<RuntimeCounts>,
}

impl<'m> Runtime<'m> {
    /// Finds the structures of a program with this layout.
    ///
    /// # Errors
    /// When the module data or the heap are not found.
    pub fn find(memory: &'m dyn Memory, layout: Layout) -> Result<Self, HeapError> {
        let modules = find_modules(memory, &layout, None)?;
        let data = modules.first().map_or(0..0, data_of);
        let anchor = HeapAnchor::search(memory, &layout, data.clone())?;
        let goroutines = Goroutines::search(memory, &layout, data.clone());
        let buckets = Buckets::search(memory, &layout, data.clone());
        let counts = RuntimeCounts::search(memory, &layout, &anchor, data);
        Ok(Self { memory, types: RuntimeTypes::new(memory, layout, modules), anchor, goroutines, buckets, counts })
    }

    /// The layout it is read with.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        self.types.layout()
    }
}

/// Addresses of a module's variables.
fn data_of(module: &ModuleData) -> Range<u64> {
    module.noptrdata..module.enoptrbss
}

/// What is quickly found of a heap: its objects and what holds them from outside.
pub(crate) struct Found {
    pub(crate) objects: Arc<Objects>,
    specials: Specials,
    queued: Vec<QueuedFinalizer>,
    pub(crate) roots: RootSet,
    manual_bytes: u64,
    wrapped: FxHashMap<u64, String>,
}

impl Found {
    /// Reads objects, special records and roots.
    pub(crate) fn read(runtime: &Runtime<'_>, functions: &[Functions<'_>]) -> Result<Self, HeapError> {
        let (memory, layout) = (runtime.memory, runtime.layout());
        let spans = Spans::read(memory, layout, &runtime.anchor)?;
        let manual_bytes = spans.manual_bytes;
        let objects = Arc::new(Objects::read(memory, spans));
        let specials = Specials::read(memory, layout, &objects);
        let none = Goroutines { list: Vec::new(), dead: 0, dead_stack_bytes: 0, distrusted: 0 };
        let goroutines = runtime.goroutines.as_ref().unwrap_or(&none);
        let view = HeapView { memory, types: &runtime.types, anchor: &runtime.anchor, objects: &objects };
        let data = runtime.types.modules().first().map_or(0..0, data_of);
        let queued = goruntime::queued_finalizers(memory, layout, &data, &objects);
        let roots = RootSet::read(&view, goroutines, &specials, &queued, functions);
        let wrapped = wrapped(memory, layout.arch, goroutines, functions);
        Ok(Self { objects, specials, queued, roots, manual_bytes, wrapped })
    }

    fn view<'a>(&'a self, runtime: &'a Runtime<'_>) -> HeapView<'a> {
        HeapView { memory: runtime.memory, types: &runtime.types, anchor: &runtime.anchor, objects: &self.objects }
    }

    /// Bytes of an object; groups have none.
    pub(crate) fn size_of(&self) -> SizeOf {
        let objects = Arc::clone(&self.objects);
        Arc::new(move |node| objects.size(node).unwrap_or(0))
    }

    /// Adds what takes longer.
    pub(crate) fn graph<'r>(
        self,
        runtime: &'r Runtime<'r>,
        typed: Typed,
        edges: Arc<Edges>,
        tree: DominatorTree,
        gaps: ScanGaps,
    ) -> HeapGraph<'r> {
        let Self { objects, specials, queued, roots, manual_bytes, wrapped } = self;
        let Typed { shapes, places } = typed;
        HeapGraph {
            runtime,
            objects,
            specials,
            queued,
            shapes,
            edges,
            roots,
            tree,
            gaps,
            manual_bytes,
            places,
            wrapped,
        }
    }
}

/// Objects, types, edges and what each object retains.
pub struct HeapGraph<'r> {
    /// Where it was read from.
    pub runtime: &'r Runtime<'r>,
    /// The objects.
    pub objects: Arc<Objects>,
    /// Special records of objects.
    pub specials: Specials,
    /// Finalizers that are to be called.
    pub queued: Vec<QueuedFinalizer>,
    /// What the objects are.
    pub shapes: Shapes,
    /// Pointers between objects.
    pub edges: Arc<Edges>,
    /// The roots.
    pub roots: RootSet,
    /// Dominators and retained sizes.
    pub tree: DominatorTree,
    /// What could not be followed.
    pub gaps: ScanGaps,
    /// Bytes of spans that the runtime manages by hand.
    pub manual_bytes: u64,
    /// Variables whose types are known.
    pub(crate) places: Vec<TypedPlace>,
    /// What the wrappers call in which goroutines start, by the wrappers' addresses.
    pub(crate) wrapped: FxHashMap<u64, String>,
}

impl<'r> HeapGraph<'r> {
    /// Reads the heap. `names` says where functions start, `functions` (one per module) where frames keep pointers; `step` is told what is being done.
    ///
    /// # Errors
    /// When the spans cannot be read, or there are more than 2^31 objects.
    pub fn read(
        runtime: &'r Runtime<'r>,
        names: &dyn Names,
        functions: &[Functions<'_>],
        step: &mut dyn FnMut(Step),
    ) -> Result<Self, HeapError> {
        step(Step::Objects);
        let found = Found::read(runtime, functions)?;
        let none = Goroutines { list: Vec::new(), dead: 0, dead_stack_bytes: 0, distrusted: 0 };
        let goroutines = runtime.goroutines.as_ref().unwrap_or(&none);
        let (specials, roots) = (&found.specials, &found.roots);
        let view = found.view(runtime);
        step(Step::Edges);
        let (edges, gaps) = view.edges(&roots.roots)?;
        let edges = Arc::new(edges);
        step(Step::Types);
        // Types and dominators need nothing of each other.
        let (typed, tree) = std::thread::scope(|scope| {
            let size = found.size_of();
            let (edges, roots) = (Arc::clone(&edges), Arc::clone(&roots.roots));
            let tree = scope.spawn(move || DominatorTree::new(edges, roots, size));
            let is_entry = |pc| names.is_function_start(pc);
            let code = OnceCell::new();
            let read = || CodeTypes::read(&view, functions, goroutines, specials, &runtime.buckets);
            let read = || code.get_or_init(read);
            let mut typer = Typer::new(view, &is_entry).with_code(&read);
            let variables = names.debug().map(|d| Variables::read(&view, d, goroutines, functions));
            if let (Some(debug), Some(variables)) = (names.debug(), &variables) {
                typer = typer.with_debug(debug, variables);
            }
            let typed = typer.run(goroutines, specials, &found.queued);
            step(Step::Dominators);
            (typed, tree.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let tree = tree?;
        Ok(found.graph(runtime, typed, edges, tree, gaps))
    }

    /// The heap as readers of single objects want it.
    #[must_use]
    pub fn view(&self) -> HeapView<'_> {
        HeapView {
            memory: self.runtime.memory,
            types: &self.runtime.types,
            anchor: &self.runtime.anchor,
            objects: &self.objects,
        }
    }
}
