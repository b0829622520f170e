//! `cargo xtask coverage contracts`: which lines and branches of the contracts the tests reach.

use std::{collections::BTreeMap, fs, path::Path};

use eyre::{Context as _, ContextCompat as _, Result, ensure};

use crate::steps::{self, step, target_dir};

const SOURCES: &str = "contracts/src/";
/// Code is compiled without optimisation for this, so its gas means nothing.
const LEFT_OUT: &str = "contracts/test/gas/*";
/// Random tests find the same with every run.
const SEED: &str = "0x1";
/// Least share of lines and of branches, in per cent.
const LEAST_LINES: f64 = 100.0;
const LEAST_BRANCHES: f64 = 95.0;

/// What was reached of one file.
#[derive(Debug, Default, PartialEq)]
struct Reached {
    lines: Share,
    branches: Share,
    /// Lines that nothing reaches, and lines with a way that nothing takes.
    missed: Vec<u32>,
    untaken: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Share {
    of: u32,
    hit: u32,
}

impl Share {
    fn count(&mut self, hit: bool) {
        self.of += 1;
        self.hit += u32::from(hit);
    }

    fn add(&mut self, other: Self) {
        self.of += other.of;
        self.hit += other.hit;
    }

    fn percent(self) -> f64 {
        if self.of == 0 { 100.0 } else { 100.0 * f64::from(self.hit) / f64::from(self.of) }
    }

    fn shown(self) -> String {
        format!("{:.2} % ({} of {})", self.percent(), self.hit, self.of)
    }
}

/// Runs the tests and prints the coverage of each source, with what is missing.
///
/// # Errors
/// When a test fails, or the tests reach too little.
pub(crate) fn run() -> Result<()> {
    let report = target_dir().join("coverage/contracts.lcov");
    fs::create_dir_all(report.parent().unwrap_or(&report))?;
    let mut forge = steps::forge();
    forge.args(["coverage", "--fuzz-seed", SEED, "--no-match-path", LEFT_OUT]);
    forge.args(["--report", "lcov", "--report-file"]).arg(&report);
    // What is not optimised is above the limit for code, of which the compiler warns.
    step("test the contracts", forge.env("FOUNDRY_DENY", "never"))?;
    judge(&read(&report)?)
}

fn read(report: &Path) -> Result<BTreeMap<String, Reached>> {
    let text = fs::read_to_string(report).wrap_err_with(|| report.display().to_string())?;
    parse(&text)
}

/// Reads the records `SF` (file), `DA` (line, count) and `BRDA` (line, branch, way, count) of a report.
fn parse(text: &str) -> Result<BTreeMap<String, Reached>> {
    let mut files: BTreeMap<String, Reached> = BTreeMap::new();
    let mut file = String::new();
    for record in text.lines() {
        let Some((kind, rest)) = record.split_once(':') else { continue };
        if kind == "SF" {
            rest.clone_into(&mut file);
        }
        let Some(name) = file.strip_prefix(SOURCES) else { continue };
        let fields: Vec<&str> = rest.split(',').collect();
        let line = || -> Result<u32> { fields[0].parse().wrap_err_with(|| record.to_owned()) };
        let hit = |at: usize| -> Result<bool> {
            let count = fields.get(at).wrap_err_with(|| record.to_owned())?;
            Ok(*count != "0" && *count != "-")
        };
        let reached = files.entry(name.to_owned()).or_default();
        match kind {
            "DA" => {
                reached.lines.count(hit(1)?);
                if !hit(1)? {
                    reached.missed.push(line()?);
                }
            }
            "BRDA" => {
                reached.branches.count(hit(3)?);
                if !hit(3)? {
                    reached.untaken.push(line()?);
                }
            }
            _ => {}
        }
    }
    Ok(files)
}

fn judge(files: &BTreeMap<String, Reached>) -> Result<()> {
    let (mut lines, mut branches) = (Share::default(), Share::default());
    println!("\n| {SOURCES} | Lines | Branches |\n|---|---:|---:|");
    for (name, reached) in files {
        println!("| {name} | {} | {} |", reached.lines.shown(), reached.branches.shown());
        lines.add(reached.lines);
        branches.add(reached.branches);
    }
    println!("| all | {} | {} |\n", lines.shown(), branches.shown());
    for (name, reached) in files {
        for line in &reached.missed {
            println!("{SOURCES}{name}:{line}: no test comes here");
        }
        for line in &reached.untaken {
            println!("{SOURCES}{name}:{line}: one way is never taken");
        }
    }
    ensure!(lines.of != 0, "the report names no file of {SOURCES}");
    ensure!(lines.percent() >= LEAST_LINES, "lines: {}", lines.shown());
    ensure!(branches.percent() >= LEAST_BRANCHES, "branches: {}", branches.shown());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "TN:\nSF:contracts/test/A.t.sol\nDA:1,0\nend_of_record\n\
        SF:contracts/src/A.sol\nDA:3,7\nDA:4,0\nBRDA:3,0,0,-\nBRDA:3,0,1,2\nend_of_record\n";

    #[test]
    fn a_report_is_counted() {
        let files = parse(REPORT).unwrap();
        assert_eq!(files.len(), 1, "tests are not counted");
        let expected = Reached {
            lines: Share { of: 2, hit: 1 },
            branches: Share { of: 2, hit: 1 },
            missed: vec![4],
            untaken: vec![3],
        };
        assert_eq!(files["A.sol"], expected);
    }

    #[test]
    fn too_little_is_an_error() {
        assert!(judge(&parse(REPORT).unwrap()).unwrap_err().to_string().starts_with("lines: 50"));
        let half = REPORT.replace("DA:4,0", "DA:4,1");
        assert!(judge(&parse(&half).unwrap()).unwrap_err().to_string().starts_with("branches: 50"));
        let all = half.replace(",-", ",1");
        judge(&parse(&all).unwrap()).unwrap();
        assert!(judge(&BTreeMap::new()).is_err(), "nothing is not everything");
    }
}
