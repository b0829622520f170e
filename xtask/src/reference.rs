//! References that tests make of the programs: `docs/{cli,config,errors}.md` and
//! `docs/openrpc.json`.

use eyre::Result;

use crate::{
    check::{FAILPOINTS, PRODUCT},
    steps::{cargo, step},
};

/// The tests that compare a reference with the program, or write it.
const TESTS: &str = "the_committed_";
/// Their binaries.
const BINARIES: [&str; 4] = ["--test", "offline", "--test", "rpc"];

/// Writes the files, or with `check` only compares them. Builds the product.
///
/// # Errors
/// When it does not build, a file cannot be written, or with `check` one differs.
pub(crate) fn generate(check: bool) -> Result<()> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--locked"]).args(PRODUCT).args(FAILPOINTS).args(BINARIES);
    test.args(["--", TESTS]);
    if check {
        return step("references of the programs are current", test.env_remove("ANDE_WRITE_DOCS"));
    }
    step("write the references of the programs", test.env("ANDE_WRITE_DOCS", "1"))
}
