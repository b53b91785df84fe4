//! One Parquet file, written row by row: rows are kept until a row group is full, so that memory does not grow with
//! the table. Owns types and encodings of columns.

use crate::ExportError;
use parquet::basic::{Compression, Encoding};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows of a row group.
const GROUP: usize = 1 << 18;

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 32 bits without sign.
    U32,
    /// 64 bits without sign.
    U64,
    /// The same, growing from row to row: stored as differences.
    RisingU32,
    /// The same of 64 bits.
    RisingU64,
    /// UTF-8.
    Text,
    /// True or false.
    Bool,
}

/// A column: its name, what it holds, whether it may be null.
pub(crate) type Column = (&'static str, Kind, bool);

/// A value.
#[derive(Clone, Copy)]
pub(crate) enum Value<'a> {
    U32(u32),
    U64(u64),
    Text(&'a str),
    Bool(bool),
    Null,
}

impl From<Option<u32>> for Value<'_> {
    fn from(value: Option<u32>) -> Self {
        value.map_or(Value::Null, Value::U32)
    }
}

impl From<Option<u64>> for Value<'_> {
    fn from(value: Option<u64>) -> Self {
        value.map_or(Value::Null, Value::U64)
    }
}

/// Values of a column that are not written yet.
enum Buffer {
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Text(Vec<ByteArray>),
    Bool(Vec<bool>),
}

/// A table that is being written.
pub(crate) struct Table {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
    buffers: Vec<Buffer>,
    /// For columns that may be null: 1 for each value, 0 for each null.
    present: Vec<Option<Vec<i16>>>,
    pending: usize,
    rows: u64,
}

impl Table {
    /// Creates `dir/name.parquet`.
    pub(crate) fn create(dir: &Path, name: &str, columns: &[Column]) -> Result<Self, ExportError> {
        let path = dir.join(format!("{name}.parquet"));
        let file = File::create(&path).map_err(|error| ExportError::Io { path: path.clone(), error })?;
        let table = |error| ExportError::Table { path: path.clone(), error };
        let schema = Arc::new(parse_message_type(&message(name, columns)).map_err(table)?);
        let created = concat!("oomph ", env!("CARGO_PKG_VERSION")).to_owned();
        let mut properties = WriterProperties::builder().set_created_by(created).set_compression(Compression::SNAPPY);
        for (column, _, _) in columns.iter().filter(|c| matches!(c.1, Kind::RisingU32 | Kind::RisingU64)) {
            let column = ColumnPath::from(*column);
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        }
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).map_err(table)?;
        let buffer = |kind: Kind| match kind {
            Kind::U32 | Kind::RisingU32 => Buffer::Int32(Vec::new()),
            Kind::U64 | Kind::RisingU64 => Buffer::Int64(Vec::new()),
            Kind::Text => Buffer::Text(Vec::new()),
            Kind::Bool => Buffer::Bool(Vec::new()),
        };
        Ok(Self {
            writer,
            buffers: columns.iter().map(|c| buffer(c.1)).collect(),
            present: columns.iter().map(|c| c.2.then(Vec::new)).collect(),
            pending: 0,
            rows: 0,
            path,
        })
    }

    /// Adds a row: one value per column. A value of another type than its column's is null, or the column's zero.
    pub(crate) fn row(&mut self, values: &[Value<'_>]) -> Result<(), ExportError> {
        for (i, (buffer, present)) in self.buffers.iter_mut().zip(&mut self.present).enumerate() {
            let value = values.get(i).copied().unwrap_or(Value::Null);
            let is_null = matches!(value, Value::Null);
            if let Some(present) = present {
                present.push(i16::from(!is_null));
                if is_null {
                    continue;
                }
            }
            buffer.push(value);
        }
        self.pending += 1;
        self.rows += 1;
        if self.pending >= GROUP { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        if self.pending == 0 {
            return Ok(());
        }
        self.pending = 0;
        let written = write_group(&mut self.writer, &mut self.buffers, &mut self.present);
        written.map_err(|error| ExportError::Table { path: self.path.clone(), error })
    }

    /// Writes what is left and the file's end; says how many rows there are.
    pub(crate) fn finish(mut self) -> Result<(PathBuf, u64), ExportError> {
        self.flush()?;
        let closed = self.writer.close();
        closed.map_err(|error| ExportError::Table { path: self.path.clone(), error })?;
        Ok((self.path, self.rows))
    }
}

impl Buffer {
    fn push(&mut self, value: Value<'_>) {
        match (self, value) {
            (Self::Int32(to), Value::U32(n)) => to.push(n.cast_signed()),
            (Self::Int32(to), _) => to.push(0),
            (Self::Int64(to), Value::U64(n)) => to.push(n.cast_signed()),
            (Self::Int64(to), Value::U32(n)) => to.push(i64::from(n)),
            (Self::Int64(to), _) => to.push(0),
            (Self::Text(to), Value::Text(text)) => to.push(ByteArray::from(text)),
            (Self::Text(to), _) => to.push(ByteArray::from("")),
            (Self::Bool(to), value) => to.push(matches!(value, Value::Bool(true))),
        }
    }
}

fn write_group(
    writer: &mut SerializedFileWriter<File>,
    buffers: &mut [Buffer],
    present: &mut [Option<Vec<i16>>],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    let mut columns = buffers.iter_mut().zip(present);
    while let Some(mut to) = group.next_column()? {
        let Some((buffer, present)) = columns.next() else { break };
        let levels = present.as_deref();
        match (to.untyped(), &*buffer) {
            (ColumnWriter::Int32ColumnWriter(to), Buffer::Int32(values)) => to.write_batch(values, levels, None)?,
            (ColumnWriter::Int64ColumnWriter(to), Buffer::Int64(values)) => to.write_batch(values, levels, None)?,
            (ColumnWriter::ByteArrayColumnWriter(to), Buffer::Text(values)) => to.write_batch(values, levels, None)?,
            (ColumnWriter::BoolColumnWriter(to), Buffer::Bool(values)) => to.write_batch(values, levels, None)?,
            _ => return Err(ParquetError::General("a column of another type than its values".to_owned())),
        };
        to.close()?;
        match buffer {
            Buffer::Int32(values) => values.clear(),
            Buffer::Int64(values) => values.clear(),
            Buffer::Text(values) => values.clear(),
            Buffer::Bool(values) => values.clear(),
        }
        if let Some(present) = present {
            present.clear();
        }
    }
    group.close()?;
    Ok(())
}

/// The schema in the format's own notation.
fn message(name: &str, columns: &[Column]) -> String {
    let mut text = format!("message {name} {{\n");
    for (column, kind, optional) in columns {
        let repetition = if *optional { "optional" } else { "required" };
        let (physical, logical) = match kind {
            Kind::U32 | Kind::RisingU32 => ("int32", " (INTEGER(32,false))"),
            Kind::U64 | Kind::RisingU64 => ("int64", " (INTEGER(64,false))"),
            Kind::Text => ("binary", " (STRING)"),
            Kind::Bool => ("boolean", ""),
        };
        text.push_str(&format!("  {repetition} {physical} {column}{logical};\n"));
    }
    text.push('}');
    text
}
