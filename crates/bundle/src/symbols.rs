//! Which runtime functions a service's own stacks end in, told without its executable.
//!
//! `heap?debug=1` lists the addresses of each stack whole and names its frames only from the first
//! one outside the runtime on (Go `src/runtime/pprof/pprof.go`, `printStackRecord`). The address
//! before that frame lies in the function it called (`runtime.mapassign_faststr`), and
//! `/debug/pprof/symbol` names it. Up to Go 1.25 the runtime leaves out its innermost frame (the
//! direct caller of `mallocgc`): of `append`, `new` and `make` nothing is left to be named there,
//! while maps and string concatenation, which go through several functions, are.
//!
//! Owns the questions and the joining; asking is [`crate::collect`]'s, the grammar of the answer
//! [`profile::read_symbols`]'s. Names of addresses that no stack holds are never looked at.

use crate::ArtifactKind;
use model::Bytes;
use profile::Profile;
use std::collections::{BTreeMap, BTreeSet};

/// Requests per sample.
pub(crate) const MAX_REQUESTS: usize = 2;
/// Largest answer: `MAX_QUERY` asks for less than a thousand names.
pub(crate) const MAX_ANSWER: Bytes = Bytes::mib(1);
/// Longest query, bytes: proxies refuse request lines of 8 KiB.
const MAX_QUERY: usize = 6000;
/// Most names kept of one bundle.
const MAX_NAMES: usize = 1 << 16;

/// A call from a named frame into one that has an address and no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HiddenCall {
    /// Return address in the named frame.
    pub back: u64,
    /// An address inside the function called.
    pub inside: u64,
}

/// Whether an artifact lists stacks as text.
pub(crate) const fn is_heap_text(kind: &ArtifactKind) -> bool {
    matches!(kind, ArtifactKind::HeapText | ArtifactKind::HeapTextAfterGc)
}

/// The calls out of the leading named frame of each stack, each once. Empty for profiles whose
/// leaves have names (`profile.proto`).
pub(crate) fn hidden_calls(text: &Profile) -> BTreeSet<HiddenCall> {
    let mut out = BTreeSet::new();
    for sample in text.samples() {
        let mut inside = None;
        for location in sample.locations() {
            // Locations lie one byte before the return address: inside the call.
            if location.lines().next().is_none() {
                inside = Some(location.address());
                continue;
            }
            if let Some(inside) = inside {
                out.insert(HiddenCall { back: location.address().wrapping_add(1), inside });
            }
            break;
        }
    }
    out
}

/// Addresses in groups that one request each can ask for, at most [`MAX_REQUESTS`].
pub(crate) fn batches(addresses: BTreeSet<u64>) -> Vec<Vec<u64>> {
    // The longest: `+0x` and 16 digits.
    let most = MAX_QUERY / 19;
    let all: Vec<u64> = addresses.into_iter().take(most * MAX_REQUESTS).collect();
    all.chunks(most).map(<[u64]>::to_vec).collect()
}

/// `?0x47a1c3+0x47b020`: a GET, since the default mux of Go 1.22 and later refuses a POST.
pub(crate) fn query(addresses: &[u64]) -> String {
    let list: Vec<String> = addresses.iter().map(|a| format!("{a:#x}")).collect();
    format!("?{}", list.join("+"))
}

/// Whether these names come from a runtime that leaves out the direct callers of `mallocgc` (Go 1.25
/// and older): no program runs without such calls.
pub(crate) fn leaves_out_direct_calls(names: &BTreeMap<u64, String>) -> bool {
    const DIRECT: [&str; 3] = ["runtime.newobject", "runtime.makeslice", "runtime.growslice"];
    !names.is_empty() && !names.values().any(|n| DIRECT.contains(&n.as_str()))
}

/// Adds names up to a bound; what was told first stands.
pub(crate) fn merge(into: &mut BTreeMap<u64, String>, more: BTreeMap<u64, String>) {
    for (address, name) in more {
        if into.len() < MAX_NAMES {
            into.entry(address).or_insert(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use profile::ReadLimits;
    use proptest::prelude::*;

    /// Go 1.27.3, map-cache, shortened.
    const TEXT: &str = "heap profile: 2: 96 [2: 96] @ heap/1048576\n\
        1: 48 [1: 48] @ 0x4098dc 0x6fb0d1 0x6fd4a5\n\
        #\t0x6fb0d0\tmain.(*Store).Open+0x210\t/src/store.go:65\n\
        #\t0x6fd4a4\tmain.main+0xe4\t/src/main.go:9\n\n\
        1: 48 [1: 48] @ 0x6fb0d1 0x6fd4a5\n\
        #\t0x6fb0d0\tmain.(*Store).Open+0x210\t/src/store.go:65\n\
        #\t0x6fd4a4\tmain.main+0xe4\t/src/main.go:9\n\n\
        1: 48 [1: 48] @ 0x404438 0x409001 0x6fb0d1\n\
        #\t0x6fb0d0\tmain.(*Store).Open+0x210\t/src/store.go:65\n\n\
        0: 0 [1: 8] @ 0x404438\n\n";

    #[test]
    fn the_call_before_the_first_name() {
        let p = Profile::read(TEXT.as_bytes(), &ReadLimits::default()).unwrap();
        let calls: Vec<_> = hidden_calls(&p).into_iter().map(|c| (c.back, c.inside)).collect();
        assert_eq!(calls, [(0x6f_b0d1, 0x40_9000), (0x6f_b0d1, 0x40_98db)]);
    }

    #[test]
    fn questions_are_bounded() {
        assert_eq!(query(&[1, 0x2f]), "?0x1+0x2f");
        assert!(batches(BTreeSet::new()).is_empty());
        let batches = batches((u64::MAX - 5000..u64::MAX).collect());
        assert_eq!(batches.len(), MAX_REQUESTS);
        assert!(batches.iter().all(|b| query(b).len() <= MAX_QUERY));
    }

    proptest! {
        #[test]
        fn each_address_is_asked_for_once(set in prop::collection::btree_set(any::<u64>(), 0..600)) {
            let asked: Vec<u64> = batches(set.clone()).concat();
            prop_assert_eq!(asked.iter().copied().collect::<BTreeSet<_>>(), set);
        }
    }
}
