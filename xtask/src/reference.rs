//! References that tests make of the programs: `docs/cli.md` and `docs/openrpc.json`. The tests
//! themselves say when one is stale.

use eyre::Result;

use crate::{
    check::{FAILPOINTS, PRODUCT},
    steps::{cargo, step},
};

/// The tests that compare a reference with the program, or write it.
const TESTS: &str = "the_committed_";
/// Their binaries.
const BINARIES: [&str; 4] = ["--test", "offline", "--test", "rpc"];

/// Writes the files. Builds the product.
///
/// # Errors
/// When it does not build, or a file cannot be written.
pub(crate) fn generate() -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--locked"]).args(PRODUCT).args(FAILPOINTS).args(BINARIES);
    test.args(["--", TESTS]).env("ANDE_WRITE_DOCS", "1");
    step("write the references of the programs", &mut test)
}
