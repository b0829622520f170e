//! What a process has used so far.

use std::{fs, time::Duration};

use eyre::{ContextCompat as _, Result};

/// Clock ticks per second of `/proc/<pid>/stat`: 100 on every Linux that Rust supports.
const TICKS: f64 = 100.0;

/// CPU time and memory of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu: Duration,
    /// Resident memory in bytes.
    pub(crate) memory: u64,
}

impl Usage {
    /// Of a process that runs.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name in brackets may hold anything.
        let fields: Vec<&str> =
            stat.rsplit_once(')').wrap_err("no name")?.1.split_whitespace().collect();
        let ticks: u64 = fields.get(11).wrap_err("no utime")?.parse::<u64>()?
            + fields.get(12).wrap_err("no stime")?.parse::<u64>()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .wrap_err("no VmRSS")?;
        Ok(Self {
            cpu: Duration::from_secs_f64(ticks as f64 / TICKS),
            memory: resident.parse::<u64>()? * 1024,
        })
    }

    /// Of several processes together.
    ///
    /// # Errors
    /// When one is gone.
    pub(crate) fn of_all(pids: &[u32]) -> Result<Self> {
        pids.iter().try_fold(Self::default(), |sum, pid| {
            let one = Self::of(*pid)?;
            Ok(Self { cpu: sum.cpu + one.cpu, memory: sum.memory + one.memory })
        })
    }
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
}
