//! gzip and zstd around a profile: inflates within a limit, and salvages the readable prefix of a
//! damaged stream. Refuses data that inflates beyond [`ReadLimits`]; knows nothing of what is inside.
//!
//! The whole-buffer path is libdeflate (about twice as fast as streaming zlib). It needs a size to
//! inflate into; gzip's ISIZE trailer is only a hint (it may lie, and holds the last member's size
//! modulo 2^32), so the buffer starts from the hint bounded by what DEFLATE can reach from the
//! input's length, and grows up to the limit. Whatever libdeflate refuses, and files of several
//! members, are read again as a stream, which yields all bytes before the damage.

use crate::gaps::Gaps;
use crate::{ProfileError, ReadLimits};
use flate2::bufread::GzDecoder;
use libdeflater::{Crc, DecompressionError, Decompressor};
use model::{Bytes, Gap};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder, StreamingDecoder};
use std::borrow::Cow;
use std::io::Read;

/// DEFLATE cannot expand by more than this factor (258 bytes from 2 bits).
const DEFLATE_MAX_RATIO: usize = 1032;

/// The bytes inside, borrowed when there is no container. `spare` is a buffer to use again.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    limits: &ReadLimits,
    gaps: &mut Gaps,
    spare: Vec<u8>,
) -> Result<Cow<'a, [u8]>, ProfileError> {
    if bytes.is_empty() {
        return Err(ProfileError::Empty);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return gunzip(bytes, limits, gaps, spare).map(Cow::Owned);
    }
    if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return unzstd(bytes, limits, gaps).map(Cow::Owned);
    }
    if bytes.len() > limits.max_len() {
        return Err(ProfileError::InputTooLarge {
            size: Bytes(bytes.len() as u64),
            limit: Bytes(limits.max_len() as u64),
        });
    }
    Ok(Cow::Borrowed(bytes))
}

fn gunzip(bytes: &[u8], limits: &ReadLimits, gaps: &mut Gaps, spare: Vec<u8>) -> Result<Vec<u8>, ProfileError> {
    let max = limits.max_len();
    match inflate_whole(bytes, max, spare) {
        Whole::Done(out) => Ok(out),
        Whole::TooLarge => Err(too_large("gzip", bytes, max)),
        Whole::No => stream(bytes, max, gaps),
    }
}

/// How the whole-buffer attempt ended.
enum Whole {
    Done(Vec<u8>),
    TooLarge,
    /// Damaged, or more than one member: to be read as a stream.
    No,
}

fn inflate_whole(input: &[u8], max: usize, mut out: Vec<u8>) -> Whole {
    let Some(trailer) = input.last_chunk::<8>() else {
        return Whole::No;
    };
    let [c0, c1, c2, c3, n0, n1, n2, n3] = *trailer;
    let crc = u32::from_le_bytes([c0, c1, c2, c3]);
    let isize = u32::from_le_bytes([n0, n1, n2, n3]);
    let reach = input.len().saturating_mul(DEFLATE_MAX_RATIO);
    let mut size = match isize as usize {
        n if n <= reach => n,
        _ => input.len().saturating_mul(4),
    }
    .min(max)
    // A hint of many times the usual ratio is not believed at once.
    .min(input.len().saturating_mul(64).max(1 << 16));
    let mut decompressor = Decompressor::new();
    loop {
        out.resize(size, 0);
        // Behind a header without options (Go writes these ten bytes) only DEFLATE is asked for: the
        // checksum is then taken once.
        let result = match input {
            [0x1f, 0x8b, 8, 0, _, _, _, _, _, _, deflated @ ..] => decompressor.deflate_decompress(deflated, &mut out),
            _ => decompressor.gzip_decompress(input, &mut out),
        };
        match result {
            Ok(n) => {
                out.truncate(n);
                // libdeflate stops at the end of the first member: was that all?
                let mut sum = Crc::new();
                sum.update(&out);
                let all = n as u32 == isize && sum.sum() == crc;
                return if all { Whole::Done(out) } else { Whole::No };
            }
            Err(DecompressionError::InsufficientSpace) if size < max => {
                size = size.saturating_mul(4).max(1 << 16).min(max);
            }
            Err(DecompressionError::InsufficientSpace) => return Whole::TooLarge,
            Err(_) => return Whole::No,
        }
    }
}

/// Member by member, keeping what came before any damage.
fn stream(bytes: &[u8], max: usize, gaps: &mut Gaps) -> Result<Vec<u8>, ProfileError> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while rest.starts_with(&[0x1f, 0x8b]) {
        let mut decoder = GzDecoder::new(rest);
        let room = max.saturating_sub(out.len()) as u64;
        let result = decoder.by_ref().take(room + 1).read_to_end(&mut out);
        if out.len() > max {
            return Err(too_large("gzip", bytes, max));
        }
        if let Err(e) = result {
            let detail = e.to_string();
            if out.is_empty() {
                return Err(ProfileError::Compression { format: "gzip", detail });
            }
            gaps.push(Gap::at(
                out.len() as u64,
                format!("the gzip data is damaged or cut here ({detail}); what came before it was read"),
            ));
            return Ok(out);
        }
        rest = decoder.into_inner();
    }
    // Zero padding after the last member is common and harmless.
    if rest.iter().any(|b| *b != 0) {
        gaps.push(Gap::of(format!(
            "{} bytes after the end of the gzip data are no gzip member and were left out",
            rest.len()
        )));
    }
    Ok(out)
}

fn unzstd(bytes: &[u8], limits: &ReadLimits, gaps: &mut Gaps) -> Result<Vec<u8>, ProfileError> {
    let max = limits.max_len();
    let mut out = Vec::new();
    let mut rest = bytes;
    let mut failure = None;
    while rest.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let (frame, before) = (rest, out.len());
        match StreamingDecoder::new(&mut rest) {
            Ok(mut decoder) => {
                let room = max.saturating_sub(out.len()) as u64;
                let result = decoder.by_ref().take(room + 1).read_to_end(&mut out);
                // The library leaves the comparison to its caller.
                let sums = decoder.decoder.get_checksum_from_data().zip(decoder.decoder.get_calculated_checksum());
                failure = match result {
                    Err(e) => Some(e.to_string()),
                    Ok(_) if sums.is_some_and(|(told, is)| told != is) => {
                        Some("its checksum does not match".to_owned())
                    }
                    Ok(_) => None,
                };
            }
            Err(e) => failure = Some(e.to_string()),
        }
        if out.len() > max {
            return Err(too_large("zstd", bytes, max));
        }
        if failure.is_some() || rest.len() == frame.len() {
            if failure.is_some() {
                salvage_zstd(frame, max, before, &mut out);
            }
            break;
        }
    }
    if let Some(detail) = failure {
        if out.is_empty() {
            return Err(ProfileError::Compression { format: "zstd", detail });
        }
        gaps.push(Gap::at(
            out.len() as u64,
            format!("the zstd data is damaged or cut here ({detail}); what came before it was read"),
        ));
    }
    Ok(out)
}

/// Puts what the whole blocks of a damaged frame hold behind the first `before` bytes of `out`. The
/// library gives nothing of the last window before a frame has ended, so the blocks before the
/// damage are read again with an empty last block after them (and a checksum that nobody compares).
fn salvage_zstd(frame: &[u8], max: usize, before: usize, out: &mut Vec<u8>) {
    let mut decoder = FrameDecoder::new();
    let mut rest = frame;
    let mut end = 0;
    if decoder.init(&mut rest).is_ok() {
        while let Ok(done) = decoder.decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1)) {
            if done {
                // Damaged in nothing but its checksum.
                return;
            }
            end = frame.len() - rest.len();
            decoder.collect();
        }
    }
    let ended = frame.get(..end).unwrap_or_default().chain(&[1, 0, 0, 0, 0, 0, 0][..]);
    if let Ok(again) = StreamingDecoder::new(ended) {
        out.truncate(before);
        let room = max.saturating_sub(before) as u64;
        // Whatever comes out before an error is what could be had.
        let _ = again.take(room).read_to_end(out);
    }
}

fn too_large(format: &'static str, bytes: &[u8], max: usize) -> ProfileError {
    ProfileError::TooLarge { format, limit: Bytes(max as u64), compressed: Bytes(bytes.len() as u64) }
}
