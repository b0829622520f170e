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

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::{Mutex, PoisonError};

    /// `None` until the first pass read the environment.
    static ARMED: Mutex<Option<Option<(String, String)>>> = Mutex::new(None);

    fn from_env() -> Option<(String, String)> {
        let setting = std::env::var("ANDE_FAILPOINT").ok()?;
        let (point, action) = setting.split_once(':')?;
        Some((point.to_owned(), action.to_owned()))
    }

    pub(super) fn set(point: &str, action: &str) {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        *armed = Some(Some((point.to_owned(), action.to_owned())));
    }

    pub(super) fn is_armed() -> bool {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        armed.get_or_insert_with(from_env).is_some()
    }

    /// The action of a point; every setting acts once.
    pub(super) fn take(name: &str) -> Option<String> {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        let setting = armed.get_or_insert_with(from_env);
        if setting.as_ref().is_some_and(|(point, _)| point == name) {
            setting.take().map(|(_, action)| action)
        } else {
            None
        }
    }
}

/// Arms a point from inside the process, as the environment variable does.
#[cfg(feature = "failpoints")]
pub fn arm_failpoint(name: &str, action: &str) {
    assert!(FAILPOINTS.contains(&name), "no failpoint {name}");
    armed::set(name, action);
}

/// Whether a point is armed and was not passed yet.
#[cfg(feature = "failpoints")]
#[must_use]
pub fn failpoint_is_armed() -> bool {
    armed::is_armed()
}

/// Passes a point.
#[cfg(feature = "failpoints")]
#[allow(clippy::panic)]
pub async fn failpoint(name: &'static str) {
    debug_assert!(FAILPOINTS.contains(&name));
    let Some(action) = armed::take(name) else { return };
    tracing::error!(point = name, action, "stopped at a failpoint");
    match action.as_str() {
        "abort" => std::process::abort(),
        "panic" => panic!("failpoint {name}"),
        "hang" => std::future::pending().await,
        _ => {}
    }
}
