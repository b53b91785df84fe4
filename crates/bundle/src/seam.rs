//! temporary
use profile::ProfileKind;
pub(crate) fn read_memstats(_text: &[u8]) -> (Option<model::MemStats>, Vec<model::Gap>) {
    (None, Vec::new())
}
pub(crate) fn profile_kind(bytes: &[u8]) -> Result<ProfileKind, String> {
    let _ = bytes;
    Ok(ProfileKind::Unknown)
}
pub(crate) fn time_nanos(_p: &profile::Profile) -> i64 {
    0
}
