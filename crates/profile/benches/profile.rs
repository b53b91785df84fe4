//! Reading, top and merge on a synthetic heap profile of 25,000 stacks.
fn main() {
    divan::main();
}
