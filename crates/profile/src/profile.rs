//! A profile and read access to its rows. Owns telling the formats apart; decoding, text and
//! containers have modules of their own. Refuses what is no profile, with a reason.

use crate::columns::{Columns, Function, Line, NONE};
use crate::decode::Message;
use crate::gaps::Gaps;
use crate::kind::{ProfileKind, ValueType};
use crate::{ProfileError, ReadLimits, container, encode, error, text};
use model::Gap;
use std::borrow::Cow;

/// A profile: columns over one buffer, samples in the order they were read.
#[derive(Clone, Debug)]
pub struct Profile {
    pub(crate) c: Columns,
    pub(crate) gaps: Vec<Gap>,
}

/// What was found in a file.
#[expect(clippy::large_enum_variant, reason = "one at a time, taken apart where it is made")]
pub(crate) enum Opened {
    /// One of the text forms, read.
    Text(Columns),
    /// profile.proto, without its samples.
    Proto(Message),
}

/// Opens what [`Profile::read`] reads, in the memory of `spare`, whose rows are lost.
pub(crate) fn open(
    bytes: &[u8],
    limits: &ReadLimits,
    gaps: &mut Gaps,
    mut spare: Message,
) -> Result<Opened, ProfileError> {
    let data = container::open(bytes, limits, gaps, std::mem::take(&mut spare.c.buf))?;
    if data.is_empty() {
        return Err(ProfileError::Empty);
    }
    if let Some(c) = text::read(&data, gaps)? {
        return Ok(Opened::Text(c));
    }
    // A Profile message starts with a length-delimited or varint field; text, HTML, JSON and
    // traces are told apart before their bytes are taken for one.
    if let known @ (ProfileError::HtmlPage
    | ProfileError::Json
    | ProfileError::ExecutionTrace { .. }
    | ProfileError::OtherFile { .. }) = error::describe(&data)
    {
        return Err(known);
    }
    let message = Message::read(data.into_owned(), gaps, spare);
    if message.c.sample_types.is_empty() || message.c.sample_types.iter().all(|t| t.kind == 0) {
        return Err(error::describe(&message.c.buf));
    }
    Ok(Opened::Proto(message))
}

impl Profile {
    /// Reads gzip, zstd or plain profile.proto, or the text of `heap?debug=1`, `allocs?debug=1`,
    /// `goroutine?debug=1`, `threadcreate?debug=1`, `mutex?debug=1` and `block?debug=1`.
    ///
    /// # Errors
    /// When the bytes are no profile at all, or inflate beyond the limit. Damage that leaves
    /// something to read is told by [`Profile::gaps`].
    pub fn read(bytes: &[u8], limits: &ReadLimits) -> Result<Self, ProfileError> {
        let mut gaps = Gaps::default();
        let c = match open(bytes, limits, &mut gaps, Message::default())? {
            Opened::Text(c) => c,
            Opened::Proto(message) => message.into_columns(&mut gaps),
        };
        Ok(Self { c, gaps: gaps.finish() })
    }

    /// What it is of.
    #[must_use]
    pub fn kind(&self) -> ProfileKind {
        ProfileKind::of(self.c.sample_types.iter().map(|t| self.c.str(t.kind)))
    }

    /// What had to be left out.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Sample types in order.
    #[must_use]
    pub fn sample_types(&self) -> Vec<ValueType> {
        self.c
            .sample_types
            .iter()
            .map(|t| ValueType { kind: self.c.str(t.kind).to_owned(), unit: self.c.str(t.unit).to_owned() })
            .collect()
    }

    /// The sample type shown when none is asked for: the profile's default, else the last one
    /// (`go tool pprof`'s rule).
    #[must_use]
    pub fn default_sample_type(&self) -> String {
        let named = self.c.str(self.c.default_sample_type);
        let known = self.c.sample_types.iter().any(|t| self.c.str(t.kind) == named);
        if !named.is_empty() && known {
            named.to_owned()
        } else {
            self.c.sample_types.last().map_or_else(String::new, |t| self.c.str(t.kind).to_owned())
        }
    }

    /// Column number of a sample type by name; the empty name asks for the default one. Like
    /// `go tool pprof -sample_index`, takes a column number too.
    ///
    /// # Errors
    /// [`ProfileError::NoSampleType`].
    pub fn sample_index(&self, name: &str) -> Result<usize, ProfileError> {
        let default;
        let asked = if name.is_empty() {
            default = self.default_sample_type();
            &default
        } else {
            name
        };
        let by_name = (self.c.sample_types.iter()).position(|t| self.c.str(t.kind) == asked);
        let by_number = asked.parse::<usize>().ok().filter(|i| *i < self.c.sample_types.len());
        by_name
            .or(by_number)
            .ok_or_else(|| ProfileError::NoSampleType { asked: asked.to_owned(), available: self.type_names() })
    }

    pub(crate) fn type_names(&self) -> String {
        let names: Vec<_> =
            (self.c.sample_types.iter()).map(|t| format!("{}/{}", self.c.str(t.kind), self.c.str(t.unit))).collect();
        names.join(", ")
    }

    /// Fails unless this is a profile of `kind`.
    ///
    /// # Errors
    /// [`ProfileError::WrongKind`].
    pub fn expect_kind(&self, kind: ProfileKind) -> Result<(), ProfileError> {
        if self.kind() == kind {
            return Ok(());
        }
        Err(ProfileError::WrongKind { expected: kind, found: self.kind(), sample_types: self.type_names() })
    }

    /// Number of samples.
    #[must_use]
    pub fn sample_count(&self) -> usize {
        self.c.samples()
    }

    /// Number of locations.
    #[must_use]
    pub fn location_count(&self) -> usize {
        self.c.locations.len()
    }

    /// Number of functions.
    #[must_use]
    pub fn function_count(&self) -> usize {
        self.c.functions.len()
    }

    /// Samples in order.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = SampleRef<'_>> {
        (0..self.c.samples()).map(|index| SampleRef { c: &self.c, index })
    }

    /// Sum of one sample type's values, as `go tool pprof` totals them: absolute values; in a
    /// difference made by [`Profile::diff`], those of the base alone.
    #[must_use]
    pub fn total(&self, index: usize) -> i64 {
        crate::top::total(&self.c, index)
    }

    /// When it was taken, nanoseconds since 1970; 0 when not recorded.
    #[must_use]
    pub fn time_nanos(&self) -> i64 {
        self.c.time_nanos
    }

    /// How long it covers, nanoseconds; 0 when not recorded.
    #[must_use]
    pub fn duration_nanos(&self) -> i64 {
        self.c.duration_nanos
    }

    /// Sampling period, in [`Profile::period_type`]'s unit (for heap: MemProfileRate in bytes).
    #[must_use]
    pub fn period(&self) -> i64 {
        self.c.period
    }

    /// What the period counts.
    #[must_use]
    pub fn period_type(&self) -> Option<ValueType> {
        self.c
            .period_type
            .map(|t| ValueType { kind: self.c.str(t.kind).to_owned(), unit: self.c.str(t.unit).to_owned() })
    }

    /// Comments.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.c.comments.iter().map(|s| self.c.str(*s))
    }

    /// Link to documentation; empty when there is none.
    #[must_use]
    pub fn doc_url(&self) -> &str {
        self.c.str(self.c.doc_url)
    }

    /// Mappings; the first is the main program.
    pub fn mappings(&self) -> impl ExactSizeIterator<Item = MappingRef<'_>> {
        self.c.mappings.iter().map(|m| MappingRef {
            start: m.start,
            limit: m.limit,
            offset: m.offset,
            file: self.c.str(m.file),
            build_id: self.c.str(m.build_id),
        })
    }

    /// gzip-compressed profile.proto that `go tool pprof` opens.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        encode::gzip(&self.write_uncompressed())
    }

    /// profile.proto without compression.
    #[must_use]
    pub fn write_uncompressed(&self) -> Vec<u8> {
        encode::encode(&self.c)
    }

    /// This profile without the frames its `drop_frames`/`keep_frames` name.
    pub(crate) fn pruned(&self) -> Result<Cow<'_, Columns>, ProfileError> {
        crate::prune::prune(&self.c)
    }
}

/// One sample.
#[derive(Clone, Copy)]
pub struct SampleRef<'a> {
    c: &'a Columns,
    index: usize,
}

impl<'a> SampleRef<'a> {
    /// One value per sample type.
    #[must_use]
    pub fn values(&self) -> &'a [i64] {
        self.c.values_of(self.index)
    }

    /// Locations, leaf first.
    pub fn locations(&self) -> impl DoubleEndedIterator<Item = LocationRef<'a>> + ExactSizeIterator {
        let c = self.c;
        (c.stack_of(self.index).iter()).map(move |index| LocationRef { c, index: *index })
    }

    /// Labels in order.
    pub fn labels(&self) -> impl Iterator<Item = LabelRef<'a>> {
        let c = self.c;
        c.labels_of(self.index).iter().map(move |l| LabelRef {
            key: c.str(l.key),
            text: (l.text != 0).then(|| c.str(l.text)),
            number: l.number,
            unit: c.str(l.unit),
        })
    }
}

/// A label of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelRef<'a> {
    /// Its name.
    pub key: &'a str,
    /// Its text; `None` for a number.
    pub text: Option<&'a str>,
    /// Its number; 0 for a text.
    pub number: i64,
    /// The number's unit; may be empty.
    pub unit: &'a str,
}

/// A program location: one address, with the functions inlined there.
#[derive(Clone, Copy)]
pub struct LocationRef<'a> {
    c: &'a Columns,
    index: u32,
}

impl<'a> LocationRef<'a> {
    /// Row number, for tables of one's own.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index as usize
    }

    /// Address; for a caller, the return address less one.
    #[must_use]
    pub fn address(&self) -> u64 {
        (self.c.locations.get(self.index as usize)).map_or(0, |l| l.address)
    }

    /// Functions, the innermost inlined one first; empty where nothing is known.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = LineRef<'a>> + ExactSizeIterator {
        let c = self.c;
        c.lines_of(self.index).iter().map(move |l| LineRef::new(c, l))
    }

    /// Whether a mapping is recorded.
    #[must_use]
    pub fn has_mapping(&self) -> bool {
        (self.c.locations.get(self.index as usize)).is_some_and(|l| l.mapping != NONE)
    }
}

/// A function's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineRef<'a> {
    /// Function name as the linker has it.
    pub function: &'a str,
    /// Source file.
    pub file: &'a str,
    /// Line; 0 when not recorded.
    pub line: i64,
}

impl<'a> LineRef<'a> {
    fn new(c: &'a Columns, l: &Line) -> Self {
        let f: Function = c.function(l);
        Self { function: c.str(f.name), file: c.str(f.file), line: l.line }
    }
}

/// A mapping of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingRef<'a> {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub limit: u64,
    /// Offset in the file.
    pub offset: u64,
    /// File.
    pub file: &'a str,
    /// Build id.
    pub build_id: &'a str,
}
