//! The figures, for people and for programs.

use std::{collections::BTreeMap, fmt, time::Duration};

use eyre::Result;
use serde::Serialize;

use crate::{drive::Outcome, process::STAGES};

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured.
    pub(crate) target: String,
    /// Nodes on this machine, each of which recovers every signature.
    pub(crate) nodes: usize,
    /// Kind of transactions.
    pub(crate) work: String,
    /// Transactions per request.
    pub(crate) batch: usize,
    /// Rate that was asked for, transactions per second.
    pub(crate) rate: Option<u32>,
    /// Sender recoveries per second of all cores, the mean of just before and just after. One node
    /// cannot take more transactions, and each of several on this machine not more than its share.
    pub(crate) signature_bound: f64,
    /// Transactions in blocks.
    pub(crate) transactions: usize,
    /// Transactions in blocks per second.
    pub(crate) per_second: f64,
    /// Transactions acknowledged per second.
    pub(crate) intake_per_second: f64,
    /// Median time from sending to the certified block, milliseconds.
    pub(crate) p50_ms: u128,
    /// 99th percentile of it.
    pub(crate) p99_ms: u128,
    /// CPU time of all processes per transaction, microseconds.
    pub(crate) cpu_us: f64,
    /// Parts of it by stage; nothing for processes whose threads do not tell.
    pub(crate) stages_us: BTreeMap<&'static str, f64>,
    /// CPU time of the load generator per transaction, microseconds.
    pub(crate) own_cpu_us: f64,
    /// Memory of all processes before, MiB.
    pub(crate) memory_before_mib: u64,
    /// Memory of all processes after, MiB.
    pub(crate) memory_after_mib: u64,
    /// Blocks made meanwhile.
    pub(crate) blocks: u64,
}

impl Row {
    /// A row of the table.
    ///
    /// # Errors
    /// When nothing was measured.
    pub(crate) fn new(
        target: &str,
        work: &str,
        batch: usize,
        rate: Option<u32>,
        signature_bound: f64,
        outcome: &Outcome,
    ) -> Result<Self> {
        eyre::ensure!(outcome.included > 0, "{target}: no transaction got into a block");
        let per = |time: Duration| time.as_secs_f64() * 1e6 / outcome.included as f64;
        Ok(Self {
            target: target.into(),
            nodes: outcome.nodes,
            work: work.into(),
            batch,
            rate,
            signature_bound,
            transactions: outcome.included,
            per_second: outcome.per_second(),
            intake_per_second: outcome.intake,
            p50_ms: outcome.latency(0.5).as_millis(),
            p99_ms: outcome.latency(0.99).as_millis(),
            cpu_us: outcome.cpu_per_transaction().as_secs_f64() * 1e6,
            stages_us: outcome.stages.iter().map(|(stage, cpu)| (*stage, per(*cpu))).collect(),
            own_cpu_us: per(outcome.own_cpu),
            memory_before_mib: outcome.memory.0 >> 20,
            memory_after_mib: outcome.memory.1 >> 20,
            blocks: outcome.blocks,
        })
    }
}

/// Everything of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Load average before.
    pub(crate) load_before: f64,
    /// Load average after.
    pub(crate) load_after: f64,
    /// Sender recoveries per second of one core, at the start.
    pub(crate) recover_one: f64,
    /// Requests per second with one transaction each that are sent and answered when nobody looks
    /// at them, at the start.
    pub(crate) requests: f64,
    /// Time between blocks of our nodes.
    pub(crate) block_time: Duration,
    /// From the last block of the steady load until the settlement chain accepted all of it.
    pub(crate) settled_after_ms: Option<u128>,
    /// Measurements in their order.
    pub(crate) rows: Vec<Row>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "load average {:.2} before, {:.2} after", self.load_before, self.load_after)?;
        writeln!(
            f,
            "signature bound of one core {:.0}/s; request bound {:.0}/s; block time {} ms",
            self.recover_one,
            self.requests,
            self.block_time.as_millis()
        )?;
        writeln!(
            f,
            "\n{:<14} {:<9} {:>5} {:>7} {:>8} {:>9} {:>7} {:>7} {:>9} {:>9} {:>11} {:>7} {:>7} {:>8}",
            "target",
            "work",
            "batch",
            "count",
            "tx/s",
            "intake/s",
            "p50 ms",
            "p99 ms",
            "us/tx",
            "load us",
            "MiB",
            "bound/s",
            "of sig",
            "x anvil"
        )?;
        for row in &self.rows {
            let yardstick = self
                .rows
                .iter()
                .find(|other| {
                    other.target == "anvil" && other.work == row.work && other.batch == row.batch
                })
                .filter(|_| row.target != "anvil" && row.rate.is_none())
                .map_or_else(String::new, |anvil| {
                    format!("{:.2}", row.per_second / anvil.per_second)
                });
            writeln!(
                f,
                "{:<14} {:<9} {:>5} {:>7} {:>8.0} {:>9.0} {:>7} {:>7} {:>9.1} {:>9.1} {:>11} {:>7.0} {:>7.2} {:>8}",
                row.target,
                row.work,
                row.batch,
                row.transactions,
                row.per_second,
                row.intake_per_second,
                row.p50_ms,
                row.p99_ms,
                row.cpu_us,
                row.own_cpu_us,
                format!("{}-{}", row.memory_before_mib, row.memory_after_mib),
                row.signature_bound,
                row.per_second * row.nodes as f64 / row.signature_bound,
                yardstick
            )?;
        }
        self.write_stages(f)?;
        if let Some(ms) = self.settled_after_ms {
            writeln!(f, "\nall blocks of the steady load were posted {ms} ms after the last one")?;
        }
        Ok(())
    }
}

impl Report {
    fn write_stages(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nCPU time per transaction by stage, us\n{:<14} {:<9} {:>5}", "", "", "batch")?;
        for stage in STAGES {
            write!(f, " {stage:>9}")?;
        }
        writeln!(f, " {:>9}", "other")?;
        for row in self.rows.iter().filter(|row| !row.stages_us.is_empty()) {
            write!(f, "{:<14} {:<9} {:>5}", row.target, row.work, row.batch)?;
            for stage in STAGES {
                write!(f, " {:>9.1}", row.stages_us.get(stage).copied().unwrap_or_default())?;
            }
            let known: f64 = row.stages_us.values().sum();
            writeln!(f, " {:>9.1}", (row.cpu_us - known).max(0.0))?;
        }
        Ok(())
    }
}
