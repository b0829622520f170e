//! What a process has used so far.

use std::{collections::BTreeMap, fs, time::Duration};

use eyre::{ContextCompat as _, Result};

/// Clock ticks per second of `/proc/<pid>/stat`: 100 on every Linux that Rust supports.
const TICKS: f64 = 100.0;

/// What threads with these names work on. The kernel cuts names after 15 bytes.
const THREADS: [(&str, &str); 10] = [
    ("ande-serve", "serve"),
    ("ande-recover", "recover"),
    ("ande-work", "execute"),
    // Threads of the state's tries have no name of their own.
    ("ande-node", "execute"),
    ("state-writer", "store"),
    ("ande-index", "store"),
    ("fjall:", "store"),
    ("sqlx-sqlite", "store"),
    ("ande-blobs", "post"),
    ("futures-timer", "serve"),
];

/// What nodes do: `serve` is JSON-RPC, pool, gossip and consensus, `recover` the recovery of
/// signers, `execute` building and checking blocks, `store` everything durable, `post` the
/// commitments of blobs.
pub(crate) const STAGES: [&str; 5] = ["serve", "recover", "execute", "store", "post"];

/// CPU time by stage.
pub(crate) type Stages = BTreeMap<&'static str, Duration>;

/// CPU time and memory of a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time, also of threads that ended.
    pub(crate) cpu: Duration,
    /// That of the threads that run, by what they do.
    pub(crate) stages: Stages,
    /// Resident memory in bytes.
    pub(crate) memory: u64,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let (_, cpu) = parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?)?;
        let mut stages = Stages::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            // A thread may end meanwhile.
            let Ok(stat) = fs::read_to_string(task?.path().join("stat")) else { continue };
            let (name, cpu) = parse_stat(&stat)?;
            if let Some((_, stage)) = THREADS.iter().find(|(prefix, _)| name.starts_with(prefix)) {
                *stages.entry(stage).or_default() += cpu;
            }
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .wrap_err("no VmRSS")?;
        Ok(Self { cpu, stages, memory: resident.parse::<u64>()? * 1024 })
    }

    /// Of several processes together.
    ///
    /// # Errors
    /// When one is gone.
    pub(crate) fn of_all(pids: &[u32]) -> Result<Self> {
        pids.iter().try_fold(Self::default(), |mut sum, pid| {
            let one = Self::of(*pid)?;
            sum.cpu += one.cpu;
            sum.memory += one.memory;
            for (stage, cpu) in one.stages {
                *sum.stages.entry(stage).or_default() += cpu;
            }
            Ok(sum)
        })
    }

    /// CPU time by stage since an earlier look.
    pub(crate) fn stages_since(&self, before: &Self) -> Stages {
        let used = |stage: &&'static str, cpu: &Duration| {
            cpu.saturating_sub(before.stages.get(stage).copied().unwrap_or_default())
        };
        self.stages.iter().map(|(stage, cpu)| (*stage, used(stage, cpu))).collect()
    }
}

/// Name and CPU time in a `stat` of a process or a thread.
fn parse_stat(stat: &str) -> Result<(&str, Duration)> {
    // The name in brackets may hold anything.
    let (head, tail) = stat.rsplit_once(')').wrap_err("no name")?;
    let name = head.split_once('(').wrap_err("no name")?.1;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let ticks: u64 = fields.get(11).wrap_err("no utime")?.parse::<u64>()?
        + fields.get(12).wrap_err("no stime")?.parse::<u64>()?;
    Ok((name, Duration::from_secs_f64(ticks as f64 / TICKS)))
}

/// Load average of the last minute.
///
/// # Errors
/// On a system without `/proc`.
pub(crate) fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split_whitespace().next().wrap_err("no load average")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_usage_is_known() {
        let pid = std::process::id();
        let usage = Usage::of_all(&[pid]).unwrap();
        assert!(usage.memory > 100_000);
        assert!(Usage::of(u32::MAX).is_err());
        assert!(load_average().unwrap() >= 0.0);
    }

    #[test]
    fn threads_are_counted_by_what_they_do() {
        let stat = "7 (ande-serve (x)) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 5";
        assert_eq!(parse_stat(stat).unwrap(), ("ande-serve (x)", Duration::from_secs(3)));
        let at = |secs| Usage {
            stages: Stages::from([("serve", Duration::from_secs(secs))]),
            ..Usage::default()
        };
        let used = at(5).stages_since(&at(3));
        assert_eq!(used, Stages::from([("serve", Duration::from_secs(2))]));
    }
}
