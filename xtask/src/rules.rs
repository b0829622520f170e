//! The numbered rules of `docs/spec/contracts.md` and the tests that cite them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use eyre::{Context as _, Result, ensure};

use crate::steps::root;

const RULES: &str = "docs/spec/contracts.md";
const TESTS: &str = "contracts/test";
/// Sources may cite rules too, but a rule needs a test.
const SOURCES: &str = "contracts/src";

/// Whether every rule has a test and every citation a rule.
///
/// # Errors
/// Lists the rules without a test, the unknown numbers with their files, and numbers used twice.
pub(crate) fn check() -> Result<()> {
    let root = root();
    let text = fs::read_to_string(root.join(RULES)).wrap_err(RULES)?;
    let mut faults = Vec::new();
    let mut rules = BTreeSet::new();
    for number in text.lines().filter_map(defined) {
        if !rules.insert(number) {
            faults.push(format!("R{number} is defined twice"));
        }
    }
    ensure!(!rules.is_empty(), "{RULES} defines no rule");
    let tests = citations(&root, TESTS)?;
    let sources = citations(&root, SOURCES)?;
    for (number, file) in tests.iter().chain(&sources) {
        if !rules.contains(number) {
            faults.push(format!("{file} cites R{number}, which is no rule"));
        }
    }
    for number in rules.iter().filter(|number| !tests.contains_key(number)) {
        faults.push(format!("R{number} has no test"));
    }
    ensure!(faults.is_empty(), "{RULES}:\n  {}", faults.join("\n  "));
    Ok(())
}

/// The rule that a line of the page defines: `**R12.** ...`.
fn defined(line: &str) -> Option<u32> {
    line.strip_prefix("**R")?.split_once(".**")?.0.parse().ok()
}

/// Cited numbers, each with a file that does.
fn citations(root: &Path, dir: &str) -> Result<BTreeMap<u32, String>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root.join(dir)).wrap_err_with(|| dir.to_owned())? {
        let entry = entry?;
        let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            found.extend(citations(root, &path)?);
        } else if path.ends_with(".sol") {
            let text = fs::read_to_string(entry.path())?;
            found.extend(text.lines().flat_map(cited).map(|number| (number, path.clone())));
        }
    }
    Ok(found)
}

/// Rules that a line cites: `/// R12, R13.` and nothing else.
fn cited(line: &str) -> Vec<u32> {
    let Some(text) = line.trim().strip_prefix("/// R") else { return Vec::new() };
    let numbers = text.trim_end_matches('.').split(", R").map(str::parse);
    numbers.collect::<Result<_, _>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_and_citations_are_read() {
        assert_eq!(defined("**R12.** A rule."), Some(12));
        assert_eq!(defined("See R12."), None);
        assert_eq!(cited("    /// R1, R23."), [1, 23]);
        assert_eq!(cited("    /// R1"), [1]);
        assert!(cited("    /// Reverts.").is_empty());
        assert!(cited("    // R1.").is_empty());
    }
}
