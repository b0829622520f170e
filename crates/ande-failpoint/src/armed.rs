//! What is armed.

use std::sync::{Mutex, PoisonError};

use crate::{CHAIN, FAULTS, LAYER, REPLAY, SETTLEMENT};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Abort,
    Panic,
    Hang,
    Corrupt,
}

impl Action {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "abort" => Some(Self::Abort),
            "panic" => Some(Self::Panic),
            "hang" => Some(Self::Hang),
            "corrupt" => Some(Self::Corrupt),
            _ => None,
        }
    }
}

/// The point and its action; `None` until the first pass read the environment.
static ARMED: Mutex<Option<Option<(String, Action)>>> = Mutex::new(None);

fn known(name: &str) -> bool {
    SETTLEMENT.contains(&name)
        || LAYER.contains(&name)
        || CHAIN.contains(&name)
        || REPLAY.contains(&name)
        || FAULTS.contains(&name)
}

/// # Panics
/// On a point or an action that does not exist: a test that stops nothing proves nothing.
#[allow(clippy::panic)]
fn setting(point: &str, action: &str) -> (String, Action) {
    assert!(known(point), "no failpoint {point}");
    let action = Action::parse(action).unwrap_or_else(|| panic!("no action {action}"));
    (point.to_owned(), action)
}

fn from_env() -> Option<(String, Action)> {
    let text = std::env::var("ANDE_FAILPOINT").ok()?;
    let (point, action) = text.split_once(':').unwrap_or((&text, ""));
    Some(setting(point, action))
}

/// Arms a point from inside the process, as the environment variable does.
///
/// # Panics
/// On a point or an action that does not exist.
pub fn arm(point: &str, action: &str) {
    let setting = setting(point, action);
    *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Some(setting));
}

/// Whether a point is armed and was not passed yet.
#[must_use]
pub fn is_armed() -> bool {
    ARMED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(from_env).is_some()
}

/// Acts if this point is armed, once; whether to hang.
#[allow(clippy::panic)]
pub(crate) fn act(name: &'static str) -> bool {
    assert!(known(name), "failpoint {name} is not listed");
    let action = {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        let setting = armed.get_or_insert_with(from_env);
        match setting {
            Some((point, action)) if point == name && *action != Action::Corrupt => {
                let action = *action;
                *setting = None;
                action
            }
            _ => return false,
        }
    };
    tracing::error!(point = name, ?action, "stopped at a failpoint");
    match action {
        Action::Abort => std::process::abort(),
        Action::Panic => panic!("failpoint {name}"),
        Action::Hang => true,
        Action::Corrupt => false,
    }
}

/// Whether this fault is armed, for as long as the process lives.
pub(crate) fn is_corrupt(name: &str) -> bool {
    assert!(known(name), "fault {name} is not listed");
    let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    let setting = armed.get_or_insert_with(from_env);
    matches!(setting, Some((point, Action::Corrupt)) if point == name)
}
