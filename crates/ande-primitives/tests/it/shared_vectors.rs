//! The committed vectors are what this crate computes; the contract tests prove the other half.

use std::path::Path;

use crate::generate;

#[test]
fn committed_vectors_are_current() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/test/vectors");
    for (name, expected) in generate::files() {
        let path = directory.join(name);
        let committed = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("contracts/test/vectors/{name} is missing: {error}"));
        assert!(
            committed == expected,
            "contracts/test/vectors/{name} is out of date; \
             run `cargo run -p ande-primitives --example vectors -- contracts/test/vectors`"
        );
    }
}
