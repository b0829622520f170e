//! Files of `monitoring/` and the runbooks, and what Prometheus' own tool says of them.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use eyre::{Context as _, Result, bail, ensure};

use crate::steps::{root, succeeds};

/// Writes the files, or with `check` only compares them.
///
/// # Errors
/// When a definition names a metric that does not exist, or with `check` when a file differs.
pub(crate) fn generate(check: bool) -> Result<()> {
    let files = ande_monitoring::files()?;
    let root = root();
    let mut stale = Vec::new();
    for (path, text) in &files {
        let at = root.join(path);
        if fs::read_to_string(&at).is_ok_and(|current| &current == text) {
            continue;
        }
        if check {
            stale.push(path.clone());
            continue;
        }
        fs::create_dir_all(at.parent().unwrap_or(&root))?;
        fs::write(&at, text).wrap_err_with(|| format!("cannot write {path}"))?;
        println!("wrote {path}");
    }
    for path in left_over(&root, &files)? {
        if check {
            stale.push(path);
        } else {
            fs::remove_file(root.join(&path))?;
            println!("removed {path}");
        }
    }
    ensure!(
        stale.is_empty(),
        "{} differ from crates/ande-monitoring; run `cargo xtask gen` and commit the result",
        stale.join(", ")
    );
    Ok(())
}

/// Files of earlier definitions.
fn left_over(root: &Path, files: &BTreeMap<String, String>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for dir in ande_monitoring::GENERATED_DIRS {
        let Ok(entries) = fs::read_dir(root.join(dir)) else { continue };
        for entry in entries {
            let path = format!("{dir}/{}", entry?.file_name().to_string_lossy());
            if !files.contains_key(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Lets `promtool` check configuration, rules, the queries of the panels, and run the unit tests of
/// the alerts.
///
/// # Errors
/// When it finds fault with something, or is not installed.
pub(crate) fn promtool() -> Result<()> {
    if !succeeds("promtool", &["--version"]) {
        bail!(
            "promtool is missing: install Prometheus (Debian: apt-get install prometheus); without it \
             nobody checks the alerts"
        );
    }
    let dir = root().join("monitoring");
    run(&dir, &["check", "config", "prometheus.yml"])?;
    let panels = std::env::temp_dir().join(format!("ande-panels-{}.yml", std::process::id()));
    fs::write(&panels, ande_monitoring::panel_queries_as_rules())?;
    let checked = run(&dir, &["check", "rules", &panels.to_string_lossy()]);
    fs::remove_file(&panels)?;
    checked.wrap_err("a query of a dashboard")?;
    let mut tests: Vec<String> = fs::read_dir(dir.join("tests"))?
        .map(|entry| Ok(format!("tests/{}", entry?.file_name().to_string_lossy())))
        .collect::<Result<_>>()?;
    tests.sort();
    let words: Vec<&str> =
        ["test", "rules"].into_iter().chain(tests.iter().map(String::as_str)).collect();
    run(&dir, &words)?;
    let alerts: usize = ande_monitoring::ALERTS.iter().map(|(_, alerts)| alerts.len()).sum();
    println!("    {alerts} alerts fire on their fault, and no other page does");
    Ok(())
}

/// Asks a Prometheus that watches a live network for every query of every panel and every recording
/// rule.
///
/// # Errors
/// When a query fails or finds nothing.
pub(crate) fn live(prometheus: &str) -> Result<()> {
    let queries = ande_monitoring::live_queries();
    let mut faults = Vec::new();
    for (place, expr) in &queries {
        let output = Command::new("promtool")
            .args(["query", "instant", prometheus, expr])
            .stdin(Stdio::null())
            .output()
            .wrap_err("cannot run promtool (Debian: apt-get install prometheus)")?;
        let found = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            faults.push(format!("{place}: {expr}: {}", error.trim()));
        } else if found.trim().is_empty() {
            faults.push(format!("{place}: {expr}: nothing"));
        }
    }
    println!("{} queries, {} empty or failed", queries.len(), faults.len());
    ensure!(faults.is_empty(), "without an answer:\n  {}", faults.join("\n  "));
    Ok(())
}

/// Runs `promtool`, whose output is shown only when it finds something.
fn run(dir: &Path, args: &[&str]) -> Result<()> {
    let output =
        Command::new("promtool").args(args).current_dir(dir).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!("promtool {} ended with {}", args[..2].join(" "), output.status);
    }
    Ok(())
}
