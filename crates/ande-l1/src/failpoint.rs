//! Places at which tests stop the process.
//!
//! With the cargo feature `failpoints` the environment variable `ANDE_FAILPOINT=<name>:<action>`
//! makes the first pass of the named point `abort` the process (as a power cut would: nothing is
//! flushed, nothing is unwound), `panic` the task, or `hang` it for ever. Without the feature the
//! points are empty. The names are listed in [`FAILPOINTS`].

/// Every point, in the order in which a batch passes them.
pub const FAILPOINTS: &[&str] = &[
    "batcher-after-create",
    "batcher-after-sign",
    "batcher-after-certify",
    "tx-after-journal",
    "tx-after-broadcast",
    "tx-after-mined",
    "batcher-after-post",
    "batcher-after-include",
];

/// Passes a point.
#[cfg(not(feature = "failpoints"))]
#[inline]
pub async fn failpoint(_name: &'static str) {}

/// Passes a point.
#[cfg(feature = "failpoints")]
#[allow(clippy::panic)]
pub async fn failpoint(name: &'static str) {
    use std::sync::atomic::{AtomicBool, Ordering};
    static PASSED: AtomicBool = AtomicBool::new(false);
    debug_assert!(FAILPOINTS.contains(&name));
    let Ok(setting) = std::env::var("ANDE_FAILPOINT") else { return };
    let Some((point, action)) = setting.split_once(':') else { return };
    if point != name || PASSED.swap(true, Ordering::SeqCst) {
        return;
    }
    tracing::error!(point = name, action, "stopped at a failpoint");
    match action {
        "abort" => std::process::abort(),
        "panic" => panic!("failpoint {name}"),
        "hang" => std::future::pending().await,
        _ => {}
    }
}
