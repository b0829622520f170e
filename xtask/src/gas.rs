//! `contracts/GAS.md`: the gas that the tests of the contracts measured, as tables.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use eyre::{Context as _, ContextCompat as _, Result, ensure};

/// The figures; `forge test` fails when one of them is not what it measures.
const FIGURES: &str = "contracts/snapshots/transactions.json";
/// Sizes of sets; figures end with `_n<size>`.
const SIZES: [u32; 7] = [3, 4, 10, 32, 48, 64, 100];
/// What Aztec's `propose` costs with a committee of 48, whose signatures it stores unchecked.
const AZTEC_PROPOSE: u64 = 324_449;
const AZTEC_COMMITTEE: u32 = 48;

/// Transactions whose gas depends on the set, with what was measured.
const BY_SIZE: [(&str, &str); 16] = [
    ("submitBatch", "`submitBatchWithCalldata`, 4 bytes"),
    ("submitBatch_first", "the same, first batch of a chain"),
    ("submitBatch_1blob", "`submitBatchWithBlobs`, 1 blob"),
    ("submitBatch_6blobs", "`submitBatchWithBlobs`, 6 blobs"),
    ("submitBatch_celestia", "`submitBatch`, Celestia"),
    ("openTerm", "`openTerm`"),
    ("freezeEpoch", "`freezeEpoch`, changed set"),
    ("freezeEpoch_unchanged", "`freezeEpoch`, the same set"),
    ("registerValidator", "`registerValidator`, one more"),
    ("registerValidator_evicting", "`registerValidator`, in place of the lowest stake"),
    ("submitVoteEvidence", "`submitVoteEvidence`"),
    ("settleDowntime", "`settleDowntime`, one window skipped"),
    ("enqueueForced", "`enqueueForced`, 110 bytes"),
    ("escapeBatch", "`escapeBatch`, 2 entries"),
    ("requestExit", "`requestExit`"),
    ("claimExit", "`claimExit`"),
];

const HEAD: &str = "\
# Gas

Made by `cargo xtask gen` from `contracts/snapshots/transactions.json`; do not edit. The tests in `contracts/test/gas` run
each call as a transaction of its own, so intrinsic gas, calldata, cold accounts and refunds are part of the figure; they
fail when a figure differs by one or exceeds its budget. Equal stakes; certificates of just more than two thirds.
Blob gas is not included: the settlement chain prices it apart.

## By number of validators

";

const BATCHES: &str = "
Batches are the second of an epoch, with an empty forced queue that was never used. A batch grows with the signatures that are
checked; a changed set, an eviction and a settlement of downtime grow with the members. A set of up to 16 is frozen by the
batch that opens an epoch; its `freezeEpoch` was measured where a larger set shrank.

## Beside another design

";

/// Text of the page.
///
/// # Errors
/// When a figure is missing, or a batch costs more than four fifths of the reference.
pub(crate) fn page(root: &Path) -> Result<String> {
    let text = fs::read_to_string(root.join(FIGURES)).wrap_err(FIGURES)?;
    let figures: BTreeMap<String, String> = serde_json::from_str(&text).wrap_err(FIGURES)?;
    let mut rest: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, gas) in &figures {
        rest.insert(name, gas.parse().wrap_err_with(|| format!("{FIGURES}: {name}"))?);
    }
    let mut page = String::from(HEAD);
    let sizes: Vec<String> = SIZES.iter().map(|n| format!("n = {n}")).collect();
    writeln!(page, "| Transaction | {} |", sizes.join(" | "))?;
    writeln!(page, "|---|{}", "---:|".repeat(SIZES.len()))?;
    let mut ours = 0;
    for (name, what) in BY_SIZE {
        write!(page, "| {what} |")?;
        for n in SIZES {
            let key = format!("{name}_n{n}");
            let gas = rest.remove(key.as_str()).wrap_err_with(|| format!("{FIGURES}: no {key}"))?;
            write!(page, " {} |", grouped(gas))?;
            if name == "submitBatch" && n == AZTEC_COMMITTEE {
                ours = gas;
            }
        }
        page.push('\n');
    }
    ensure!(ours * 5 <= AZTEC_PROPOSE * 4, "a batch of {AZTEC_COMMITTEE} validators costs {ours}");
    page.push_str(BATCHES);
    let percent = ours * 100 / AZTEC_PROPOSE;
    writeln!(
        page,
        "With {AZTEC_COMMITTEE} validators `submitBatchWithCalldata` costs {}, with the quorum checked. Aztec's `propose` costs {} with a\n\
         committee of {AZTEC_COMMITTEE} (benchmark in their repository), with the quorum unchecked. That is {percent} %; above 80 % this page\n\
         cannot be made.\n\n## Other transactions\n\n| Transaction | Gas |\n|---|---:|",
        grouped(ours),
        grouped(AZTEC_PROPOSE),
    )?;
    for (name, gas) in rest {
        writeln!(page, "| `{name}` | {} |", grouped(gas))?;
    }
    Ok(page)
}

/// With a comma between thousands.
fn grouped(gas: u64) -> String {
    let digits = gas.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i != 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(324_449), "324,449");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
