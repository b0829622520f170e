//! Steady load for a long time, and whether memory stays what it is.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use eyre::{ContextCompat as _, Result, bail};
use serde::Serialize;

use crate::{
    drive::{Drive, drive},
    process::Usage,
    signed::{Work, sign_all},
    target::{CHAIN_ID, Target},
};

/// Transactions are signed for so much load at a time.
const ROUND: Duration = Duration::from_secs(10);
/// Growth from the middle third to the last one that is still called flat, percent.
const FLAT_PERCENT: f64 = 5.0;

/// One look at the nodes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Sample {
    /// Since the start.
    pub(crate) seconds: u64,
    /// Transactions in blocks so far.
    pub(crate) transactions: usize,
    /// Resident memory of all nodes, MiB.
    pub(crate) memory_mib: u64,
    /// 99th percentile of the time to the certified block since the last look, milliseconds.
    pub(crate) p99_ms: u128,
}

/// All looks at the nodes.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Soak {
    /// In their order.
    pub(crate) samples: Vec<Sample>,
}

impl Soak {
    /// By how many percent the memory of the last third is above that of the middle one: the first
    /// third fills caches. None with less than three samples.
    pub(crate) fn growth_percent(&self) -> Option<f64> {
        let third = self.samples.len() / 3;
        let mean = |samples: &[Sample]| {
            samples.iter().map(|sample| sample.memory_mib as f64).sum::<f64>() / third as f64
        };
        let (before, last) = self.samples.split_at(self.samples.len() - third);
        let middle = before.get(before.len().checked_sub(third)?..)?;
        (third > 0).then(|| (mean(last) / mean(middle) - 1.0) * 100.0)
    }
}

impl fmt::Display for Soak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:>8} {:>12} {:>10} {:>8}", "seconds", "transactions", "MiB", "p99 ms")?;
        for Sample { seconds, transactions, memory_mib, p99_ms } in &self.samples {
            writeln!(f, "{seconds:>8} {transactions:>12} {memory_mib:>10} {p99_ms:>8}")?;
        }
        match self.growth_percent() {
            None => writeln!(f, "too short to say whether memory is flat"),
            Some(growth) => {
                let verdict = if growth <= FLAT_PERCENT { "flat" } else { "NOT flat" };
                writeln!(
                    f,
                    "memory is {verdict}: {growth:+.1} % from the middle third to the last one"
                )
            }
        }
    }
}

/// Loads a chain for so long. The accounts stay the same, so the state does not grow.
///
/// # Errors
/// When transactions are refused or lost, or the chain does not answer.
pub(crate) async fn soak(
    target: &Target,
    plan: &Drive,
    senders: usize,
    time: Duration,
    say: &dyn Fn(&str),
) -> Result<Soak> {
    let mut senders = target.senders(senders).await?;
    let rate = plan.rate.wrap_err("a steady load has a rate")?;
    let count = usize::try_from(u64::from(rate) * ROUND.as_secs())?;
    let start = Instant::now();
    let (mut soak, mut total) = (Soak::default(), 0);
    while start.elapsed() < time {
        let signed = sign_all(&mut senders, CHAIN_ID, Work::Transfer, count, 0)?;
        let outcome = drive(plan, Arc::new(signed)).await?;
        if outcome.refused > 0 {
            let reason = outcome.first_refusal.unwrap_or_default();
            bail!("{} transactions were refused: {reason}", outcome.refused);
        }
        total += outcome.included;
        let sample = Sample {
            seconds: start.elapsed().as_secs(),
            transactions: total,
            memory_mib: Usage::of_all(&plan.pids)?.memory >> 20,
            p99_ms: outcome.latency(0.99).as_millis(),
        };
        say(&format!("{} MiB after {total} transactions", sample.memory_mib));
        soak.samples.push(sample);
    }
    Ok(soak)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(memory: &[u64]) -> Soak {
        let sample = |memory_mib: &u64| Sample {
            seconds: 0,
            transactions: 0,
            memory_mib: *memory_mib,
            p99_ms: 0,
        };
        Soak { samples: memory.iter().map(sample).collect() }
    }

    #[test]
    fn only_growth_after_the_first_third_counts() {
        assert_eq!(of(&[1, 2]).growth_percent(), None);
        assert_eq!(of(&[10, 100, 100]).growth_percent(), Some(0.0));
        let growing = of(&[10, 50, 100, 100, 150, 150]);
        assert_eq!(growing.growth_percent(), Some(50.0));
        assert!(growing.to_string().contains("NOT flat"));
        assert!(of(&[10, 50, 100, 100, 104, 104]).to_string().contains("is flat"));
        // What does not divide by three belongs to the start.
        assert_eq!(of(&[1, 10, 100, 100]).growth_percent(), Some(0.0));
    }
}
