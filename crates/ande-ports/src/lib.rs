//! Ports that stay free until a test uses them.
//!
//! A port that the kernel hands out for port 0 belongs to the range of outgoing connections: between
//! the moment when it is found and the moment when the service under test listens, and again while
//! that service restarts, any connection of any process may take it. The ports given out here lie
//! below that range, and a lock file keeps other test processes away for the life of this one.

use std::{
    fs::{File, OpenOptions},
    io,
    net::{Ipv4Addr, TcpListener},
    ops::Range,
    path::PathBuf,
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

/// Below Linux's default range of outgoing connections (32768 to 60999), above well-known services.
const RANGE: Range<u16> = 11_000..32_000;

/// Locks of this process; dropped, and with that released, when it ends.
static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Reserves a TCP port on loopback for the life of this process. Nobody listens on it now, no
/// outgoing connection gets it, and no other caller of this function does.
///
/// # Errors
/// When the lock directory cannot be made or no port is left.
pub fn reserve() -> io::Result<u16> {
    let dir = lock_dir()?;
    let start = start();
    for port in (start..RANGE.end).chain(RANGE.start..start) {
        let Ok(lock) = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(dir.join(port.to_string()))
        else {
            continue;
        };
        if lock.try_lock().is_ok() && is_free(port) {
            HELD.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(lock);
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no free port from {} to {}", RANGE.start, RANGE.end),
    ))
}

/// Whether a listener could be opened on loopback.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn lock_dir() -> io::Result<PathBuf> {
    let dir = std::env::temp_dir().join("ande-ports");
    std::fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Where to begin: processes that start together spread over the range.
fn start() -> u16 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    let spread = std::process::id().wrapping_mul(7919).wrapping_add(nanos);
    let width = u32::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(spread % width).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn nobody_gets_a_port_twice() {
        let threads: Vec<_> = (0..8)
            .map(|_| std::thread::spawn(|| (0..25).map(|_| reserve().unwrap()).collect::<Vec<_>>()))
            .collect();
        let ports: Vec<u16> = threads.into_iter().flat_map(|t| t.join().unwrap()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), ports.len());
        assert!(ports.iter().all(|port| RANGE.contains(port) && is_free(*port)));
    }

    #[test]
    fn a_reserved_port_is_locked() {
        let port = reserve().unwrap();
        let lock = File::open(lock_dir().unwrap().join(port.to_string())).unwrap();
        assert!(lock.try_lock().is_err());
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let port = reserve().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(!is_free(port));
        drop(listener);
        assert!(is_free(port));
    }
}
