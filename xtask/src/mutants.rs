//! `cargo xtask mutants contracts`: faults that the tests of the contracts must notice.
//!
//! Each file of `contracts/test/mutants` is a patch that makes the contracts wrong in one place. Its
//! first line says what is wrong, its second which file of tests should notice. Those tests run on a
//! copy of the project with the patch applied, and all others when they pass; one must fail. A mutant
//! that survives is a missing test.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Instant,
};

use eyre::{Context as _, ContextCompat as _, Result, bail, ensure};

use crate::steps::{self, root, seconds, target_dir};

const MUTANTS: &str = "contracts/test/mutants";
/// Written by a run of all mutants.
const PAGE: &str = "contracts/MUTANTS.md";
/// What the tests need of the repository.
const COPIED: [&str; 4] = ["foundry.toml", "contracts/src", "contracts/test", "contracts/script"];
const LINKED: [&str; 2] = ["node_modules", "tools"];
/// Failures that forge would run again with the next mutant.
const FORGOTTEN: [&str; 2] = ["contracts/cache/fuzz", "contracts/cache/invariant"];
/// Gas differs in nearly every mutant and in this profile; no fault is found by that.
const LEFT_OUT: &str = "contracts/test/gas/*";
/// Random tests find the same with every run.
const SEED: &str = "0x1";
/// Compiles several times faster than what is deployed.
const PROFILE: &str = "quick";

const HEAD: &str = "\
# Mutants

Made by `cargo xtask mutants contracts`; do not edit. Each line is a fault that a patch of `contracts/test/mutants` puts into
the contracts, and the first test that failed because of it, in tests that run until one fails.

| Mutant | Fault | Noticed by | In `contracts/test/` |
|---|---|---|---|
";

struct Mutant {
    name: String,
    fault: String,
    /// File of tests, from `contracts/test`.
    tests: String,
    patch: PathBuf,
}

/// Who noticed a mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Witness {
    test: String,
    /// File of the test, from `contracts/test`.
    file: String,
}

/// Runs the mutants whose name contains one of `filters`, without any all, and prints a table. What an
/// earlier run found is kept as long as contracts, tests and patch are the same.
///
/// # Errors
/// When a mutant survives or does not compile, or the tests fail without any.
pub(crate) fn run(filters: &[String]) -> Result<()> {
    let mut mutants = all()?;
    let total = mutants.len();
    mutants.retain(|mutant| {
        filters.is_empty() || filters.iter().any(|filter| mutant.name.contains(filter))
    });
    ensure!(!mutants.is_empty(), "no mutant of {MUTANTS} has such a name");
    let work = target_dir().join("mutants");
    prepare(&work)?;
    let sources = digest(&COPIED.map(|path| root().join(path)))?;
    sound(&work, sources)?;
    let mut page = String::from(HEAD);
    let mut survivors = Vec::new();
    for mutant in &mutants {
        let start = Instant::now();
        let witness = witness(&work, sources, mutant).unwrap_or_else(|error| {
            eprintln!("{}: {error:#}", mutant.name);
            None
        });
        let Some(Witness { test, file }) = witness else {
            println!("{}: NOT NOTICED ({})", mutant.name, mutant.fault);
            survivors.push(mutant.name.as_str());
            continue;
        };
        println!("{}: noticed by {test} of {file} in {}", mutant.name, seconds(start.elapsed()));
        writeln!(page, "| {} | {} | `{test}` | {file} |", mutant.name, mutant.fault)?;
    }
    println!("\n{} of {} mutants noticed", mutants.len() - survivors.len(), mutants.len());
    ensure!(survivors.is_empty(), "not noticed: {}", survivors.join(", "));
    if mutants.len() == total {
        writeln!(page, "\n{total} mutants, all noticed.")?;
        fs::write(root().join(PAGE), page)?;
    }
    Ok(())
}

fn all() -> Result<Vec<Mutant>> {
    let mut mutants = Vec::new();
    for patch in files(&root().join(MUTANTS))? {
        if patch.extension() != Some(OsStr::new("patch")) {
            continue;
        }
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&patch)?;
        let mut lines = text.lines();
        let fault = lines.next().unwrap_or_default().to_owned();
        let tests = lines.next().and_then(|line| line.strip_prefix("test: "));
        let tests = tests.wrap_err_with(|| format!("{name} names no tests"))?.to_owned();
        mutants.push(Mutant { name, fault, tests, patch });
    }
    Ok(mutants)
}

/// Fails when the tests do without a mutant: then they would notice everything.
fn sound(work: &Path, sources: u64) -> Result<()> {
    let kept = work.join("verdicts/none");
    if fs::read_to_string(&kept).is_ok_and(|text| text == sources.to_string()) {
        return Ok(());
    }
    let failed = verdict(&test(work, &["--no-match-path", LEFT_OUT])?)?;
    ensure!(
        failed.is_none(),
        "{} fails without a mutant",
        failed.map_or_else(String::new, |w| w.test)
    );
    Ok(fs::write(kept, sources.to_string())?)
}

/// The test that fails with the mutant, none when all of them pass.
fn witness(work: &Path, sources: u64, mutant: &Mutant) -> Result<Option<Witness>> {
    let key = format!("{sources} {}", digest(std::slice::from_ref(&mutant.patch))?);
    let kept = work.join("verdicts").join(&mutant.name);
    if let Some(witness) = fs::read_to_string(&kept).ok().and_then(|text| recall(&text, &key)) {
        return Ok(Some(witness));
    }
    apply(work, &mutant.patch, false)?;
    let witness = notice(work, mutant);
    apply(work, &mutant.patch, true)?;
    let witness = witness?;
    if let Some(Witness { test, file }) = &witness {
        fs::write(kept, format!("{key}\n{test}\n{file}"))?;
    }
    Ok(witness)
}

fn recall(text: &str, key: &str) -> Option<Witness> {
    let mut lines = text.lines();
    (lines.next()? == key).then_some(())?;
    Some(Witness { test: lines.next()?.to_owned(), file: lines.next()?.to_owned() })
}

fn notice(work: &Path, mutant: &Mutant) -> Result<Option<Witness>> {
    let named = format!("contracts/test/{}", mutant.tests);
    let witness = verdict(&test(work, &["--match-path", &named])?)?;
    if witness.is_some() {
        return Ok(witness);
    }
    let others = format!("{{{named},{LEFT_OUT}}}");
    verdict(&test(work, &["--no-match-path", &others])?)
}

/// A fresh copy of the sources. What was compiled before stays.
fn prepare(work: &Path) -> Result<()> {
    fs::create_dir_all(work.join("verdicts"))?;
    for path in COPIED {
        let (from, to) = (root().join(path), work.join(path));
        if from.is_dir() {
            if to.exists() {
                fs::remove_dir_all(&to)?;
            }
            copy_directory(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    for path in LINKED {
        let link = work.join(path);
        if !link.exists() {
            std::os::unix::fs::symlink(root().join(path), link)?;
        }
    }
    Ok(())
}

fn apply(work: &Path, patch: &Path, reverse: bool) -> Result<()> {
    let applied = Command::new("git")
        .arg("apply")
        .args(reverse.then_some("--reverse"))
        .arg(patch)
        // Git must not take our repository for the one to patch.
        .env("GIT_CEILING_DIRECTORIES", work.parent().unwrap_or(work))
        .current_dir(work)
        .output()?;
    let reason = String::from_utf8_lossy(&applied.stderr);
    ensure!(applied.status.success(), "the patch does not apply:\n{reason}");
    Ok(())
}

/// Runs tests until one fails.
fn test(work: &Path, which: &[&str]) -> Result<Output> {
    for path in FORGOTTEN {
        if work.join(path).exists() {
            fs::remove_dir_all(work.join(path))?;
        }
    }
    let mut forge = steps::forge();
    forge.args(["test", "--fail-fast", "--fuzz-seed", SEED, "--root"]).arg(work).args(which);
    Ok(forge.env("FOUNDRY_PROFILE", PROFILE).current_dir(work).output()?)
}

/// The test that failed, none when all passed.
fn verdict(output: &Output) -> Result<Option<Witness>> {
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(witness) = failed(&text) else {
        bail!("no test ran:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    };
    Ok(Some(witness))
}

/// The first failure in what forge printed.
fn failed(text: &str) -> Option<Witness> {
    let at = text.lines().position(|line| line.starts_with("[FAIL"))?;
    // The suite stands above: "Ran 30 tests for contracts/test/unit/Batches.t.sol:BatchesTest".
    let suite =
        text.lines().take(at).filter_map(|line| line.split_once(" for contracts/test/")).last()?;
    let file = suite.1.split(':').next()?.to_owned();
    // The name stands behind the reason; behind a sequence of calls on a line of its own.
    let test = text.lines().skip(at).find_map(|line| {
        let name = line.rsplit(']').next()?.trim().split('(').next()?;
        let is_test = ["test", "invariant", "setUp"].iter().any(|start| name.starts_with(start));
        is_test.then(|| name.to_owned())
    })?;
    Some(Witness { test, file })
}

/// What these files contain, for this build of the task only.
fn digest(paths: &[PathBuf]) -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    for path in paths {
        for file in files(path)? {
            if file.extension() == Some(OsStr::new("patch")) && !paths.contains(&file) {
                continue;
            }
            file.hash(&mut hasher);
            fs::read(&file)?.hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}

/// The file itself, or all below a directory, in order.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).wrap_err_with(|| path.display().to_string())? {
        found.extend(files(&entry?.path())?);
    }
    found.sort();
    Ok(found)
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)? {
        let target = to.join(file.strip_prefix(from)?);
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        fs::copy(file, target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_says_what_it_does_and_where() {
        let mutants = all().unwrap();
        assert!(mutants.len() >= 12, "{} mutants", mutants.len());
        for mutant in mutants {
            let text = fs::read_to_string(&mutant.patch).unwrap();
            assert!(!mutant.fault.starts_with("---"), "{}: no first line", mutant.name);
            assert!(text.contains("\n--- a/contracts/src/"), "{}: no source", mutant.name);
            assert!(root().join("contracts/test").join(&mutant.tests).is_file(), "{}", mutant.name);
        }
    }

    #[test]
    fn a_failure_is_found_in_the_output() {
        let text = "Ran 2 tests for contracts/test/unit/A.t.sol:ATest\n[PASS] test_a() (gas: 1)\n\
            Ran 9 tests for contracts/test/unit/B.t.sol:BTest\n\
            [FAIL: next call did not revert] test_b(uint256) (runs: 3)\n";
        let witness = Witness { test: "test_b".to_owned(), file: "unit/B.t.sol".to_owned() };
        assert_eq!(failed(text), Some(witness));
        let text = "Ran 1 test for contracts/test/invariant/C.t.sol:C\n[FAIL: B4]\n\t[Sequence]\n\
            \t\tsender=0x01 calldata=act_wait(uint256) args=[1]\n invariant_I() (runs: 1)\n";
        let witness =
            Witness { test: "invariant_I".to_owned(), file: "invariant/C.t.sol".to_owned() };
        assert_eq!(failed(text), Some(witness));
        assert_eq!(failed("Compiler run failed\n"), None);
    }
}
