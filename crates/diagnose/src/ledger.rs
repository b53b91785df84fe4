//! placeholder
/// placeholder
pub fn ledger(_s: &bundle::SampleFacts, _b: Option<&bundle::BuildFacts>) -> Option<model::Ledger> {
    None
}
