//! profile.proto out of [`Columns`]: what `go tool pprof` opens. Owns field order (the order of
//! pprof's own encoder) and gzip; decides nothing about content.

use crate::columns::{Columns, NONE, TypeUnit};
use crate::wire::{put_bytes, put_uint, put_varint};

/// The whole message, uncompressed.
pub(crate) fn encode(c: &Columns) -> Vec<u8> {
    let mut out = Vec::with_capacity(c.buf.len() / 2 + c.stack.len() * 2 + c.values.len() * 3);
    let mut msg = Vec::with_capacity(1024);
    for t in &c.sample_types {
        type_unit(&mut msg, t);
        flush(&mut out, 1, &mut msg);
    }
    samples(c, &mut out, &mut msg);
    for m in &c.mappings {
        put_uint(&mut msg, 1, m.id);
        put_uint(&mut msg, 2, m.start);
        put_uint(&mut msg, 3, m.limit);
        put_uint(&mut msg, 4, m.offset);
        put_uint(&mut msg, 5, u64::from(m.file));
        put_uint(&mut msg, 6, u64::from(m.build_id));
        for bit in 0..4 {
            put_uint(&mut msg, 7 + bit, u64::from(m.has >> bit & 1));
        }
        flush(&mut out, 3, &mut msg);
    }
    locations(c, &mut out, &mut msg);
    for f in &c.functions {
        put_uint(&mut msg, 1, f.id);
        put_uint(&mut msg, 2, u64::from(f.name));
        put_uint(&mut msg, 3, u64::from(f.system_name));
        put_uint(&mut msg, 4, u64::from(f.file));
        put_uint(&mut msg, 5, f.start_line as u64);
        flush(&mut out, 5, &mut msg);
    }
    for i in 0..c.strings.len() as u32 {
        put_bytes(&mut out, 6, c.bytes(i));
    }
    put_uint(&mut out, 7, u64::from(c.drop_frames));
    put_uint(&mut out, 8, u64::from(c.keep_frames));
    put_uint(&mut out, 9, c.time_nanos as u64);
    put_uint(&mut out, 10, c.duration_nanos as u64);
    if let Some(t) = &c.period_type {
        type_unit(&mut msg, t);
        flush(&mut out, 11, &mut msg);
    }
    put_uint(&mut out, 12, c.period as u64);
    if !c.comments.is_empty() {
        for s in &c.comments {
            put_varint(&mut msg, u64::from(*s));
        }
        flush(&mut out, 13, &mut msg);
    }
    put_uint(&mut out, 14, u64::from(c.default_sample_type));
    put_uint(&mut out, 15, u64::from(c.doc_url));
    out
}

fn samples(c: &Columns, out: &mut Vec<u8>, msg: &mut Vec<u8>) {
    let mut packed = Vec::with_capacity(256);
    for i in 0..c.samples() {
        for l in c.stack_of(i) {
            put_varint(&mut packed, location_id(c, *l));
        }
        if !packed.is_empty() {
            put_bytes(msg, 1, &packed);
            packed.clear();
        }
        for v in c.values_of(i) {
            put_varint(&mut packed, *v as u64);
        }
        put_bytes(msg, 2, &packed);
        packed.clear();
        for l in c.labels_of(i) {
            put_uint(&mut packed, 1, u64::from(l.key));
            put_uint(&mut packed, 2, u64::from(l.text));
            put_uint(&mut packed, 3, l.number as u64);
            put_uint(&mut packed, 4, u64::from(l.unit));
            put_bytes(msg, 3, &packed);
            packed.clear();
        }
        flush(out, 2, msg);
    }
}

fn locations(c: &Columns, out: &mut Vec<u8>, msg: &mut Vec<u8>) {
    let mut line = Vec::with_capacity(32);
    for (i, l) in c.locations.iter().enumerate() {
        put_uint(msg, 1, l.id);
        if l.mapping != NONE {
            let id = c.mappings.get(l.mapping as usize).map_or(0, |m| m.id);
            put_uint(msg, 2, id);
        }
        put_uint(msg, 3, l.address);
        for n in c.lines_of(i as u32) {
            put_uint(&mut line, 1, c.function(n).id);
            put_uint(&mut line, 2, n.line as u64);
            put_uint(&mut line, 3, n.column as u64);
            put_bytes(msg, 4, &line);
            line.clear();
        }
        put_uint(msg, 5, u64::from(l.folded));
        flush(out, 4, msg);
    }
}

fn location_id(c: &Columns, i: u32) -> u64 {
    c.locations.get(i as usize).map_or(0, |l| l.id)
}

fn type_unit(msg: &mut Vec<u8>, t: &TypeUnit) {
    put_uint(msg, 1, u64::from(t.kind));
    put_uint(msg, 2, u64::from(t.unit));
}

fn flush(out: &mut Vec<u8>, number: u32, msg: &mut Vec<u8>) {
    put_bytes(out, number, msg);
    msg.clear();
}

/// One gzip member around `data`.
pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let level = libdeflater::CompressionLvl::new(1).unwrap_or_default();
    let mut z = libdeflater::Compressor::new(level);
    let mut out = vec![0; z.gzip_compress_bound(data.len())];
    // The bound is sufficient by libdeflate's contract; an empty answer would mean it is broken.
    let n = z.gzip_compress(data, &mut out).unwrap_or(0);
    out.truncate(n);
    out
}
