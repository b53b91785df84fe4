//! Every number that decides something about a watched service, with its default and its reason.

use serde::{Deserialize, Serialize};

macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $field:ident = $default:expr;)*) => {
        /// Thresholds of [`crate::Monitor`]. Seconds, bytes and shares of 1 unless said otherwise.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
        pub struct MonitorSettings {
            $($(#[doc = $doc])+ pub $field: f64,)*
        }

        impl Default for MonitorSettings {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl MonitorSettings {
            /// Each field with the lines of its comment, for a documented configuration.
            pub const DOCS: &'static [(&'static str, &'static [&'static str])] = &[$((stringify!($field), &[$($doc),+]),)*];
        }
    };
}

settings! {
    /// Growth must have gone on for this many seconds before anybody is called: batches and bursts end sooner.
    growth_seconds = 18.0;
    /// ... and have taken this share of the limit.
    growth_share = 0.08;
    /// A warning needs the median forecast below this many seconds,
    warn_seconds = 55.0;
    /// or below this share of the time for which growth was observed: nobody is called for what lies twice as far
    /// ahead as was seen.
    warn_share_of_observed = 0.4;
    /// Warnings are about the next this many seconds; what is further off is a notice.
    warn_horizon_seconds = 86_400.0;
    /// Critical below this many seconds; a warning where one in ten would be as soon.
    critical_seconds = 30.0;
    /// A rise of which a single step is more than this share is a jump: a notice, until it is near the limit.
    jump_share = 0.5;
    /// A rise whose later half is below this share of its earlier half is levelling off.
    levelling_off = 0.75;
    /// Later half over earlier half from which growth is taken for growth by a share of itself.
    accelerating = 1.5;
    /// Share of the limit above which a warning needs no history of new peaks.
    near_limit = 0.9;
    /// Early forecast (10 %) below which samples are taken each second.
    pace_fast_seconds = 120.0;
    /// Early forecast below which samples are taken four times a second, from outside only.
    pace_urgent_seconds = 30.0;
    /// GC cycles a second against a goal that the memory limit pins, from which it is a spiral.
    spiral_cycles_per_s = 1.0;
    /// Live heap as a share of the pinned goal that makes it one.
    spiral_live_share = 0.85;
}
