//! How much memory this process may use.

use std::{fs, path::Path};

/// Bytes of memory of the machine, or of the control group if that allows less; none where neither
/// can be read.
pub(super) fn limit() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(total);
    let group = fs::read_to_string("/proc/self/cgroup").ok().as_deref().and_then(group_limit);
    machine.into_iter().chain(group).min()
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1 << 10)
}

/// The lowest `memory.max` of the group named in `/proc/self/cgroup` and of those around it.
fn group_limit(cgroup: &str) -> Option<u64> {
    let group = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let inner = Path::new("/sys/fs/cgroup").join(group);
    inner
        .ancestors()
        .take_while(|dir| dir.starts_with("/sys/fs/cgroup"))
        .filter_map(|dir| fs::read_to_string(dir.join("memory.max")).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_in_bytes() {
        let text = "MemTotal:       24689812 kB\nMemFree:         1 kB\n";
        assert_eq!(total(text), Some(24_689_812 << 10));
        assert_eq!(total("MemFree: 1 kB"), None);
        assert_eq!(total("MemTotal: many kB"), None);
        assert!(limit().is_some_and(|bytes| bytes > 1 << 20));
    }
}
