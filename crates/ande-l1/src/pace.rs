//! How often the settlement chain is looked at: when blocks come, while somebody waits for
//! something there; seldom otherwise. Endpoints count requests.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;

use crate::{L1Config, L1View};

/// Whether somebody waits for something on the settlement chain. At first somebody does.
#[derive(Clone, Debug)]
pub struct Pace(Arc<watch::Sender<bool>>);

impl Pace {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(true)))
    }

    /// Says whether somebody does. Who begins to wait is not kept waiting by a long pause.
    pub fn set_waiting(&self, waiting: bool) {
        self.0.send_if_modified(|was| std::mem::replace(was, waiting) != waiting);
    }

    /// Resolves when the time for the next look has come.
    pub(crate) async fn pause(&self, config: &L1Config, view: &L1View) {
        let mut waiting = self.0.subscribe();
        // Before the launch there is nothing else to wait for.
        if view.launched && !*waiting.borrow_and_update() {
            let begins = waiting.wait_for(|waiting| *waiting);
            let idle = config.idle_interval.max(config.poll_interval);
            // Whoever waits meanwhile ends the pause.
            let _ = tokio::time::timeout(idle, begins).await;
        } else {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let due = until_next_block(view, now).min(config.idle_interval);
            tokio::time::sleep(config.poll_interval.max(due)).await;
        }
    }
}

/// Time until there can be another block; zero when it is late or its time is not known. After an
/// outage it may be much too long: no pause may be as long as it says.
fn until_next_block(view: &L1View, now: Duration) -> Duration {
    let Some(block_time) = view.block_time else { return Duration::ZERO };
    let next = Duration::from_secs(view.latest_time).saturating_add(block_time);
    // The two clocks may differ.
    next.saturating_sub(now).min(block_time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_looks_before_a_block_is_due() {
        let view = |block_time: Option<u64>| L1View {
            latest_time: 1_000,
            block_time: block_time.map(Duration::from_secs),
            ..L1View::default()
        };
        let secs = Duration::from_secs;
        for (block_time, now, until) in [
            (Some(12), 1_003, 9),
            (Some(12), 1_012, 0),
            (Some(12), 2_000, 0),
            (Some(0), 1_000, 0),
            // The clock here is behind.
            (Some(12), 10, 12),
            (None, 1_000, 0),
        ] {
            assert_eq!(until_next_block(&view(block_time), secs(now)), secs(until), "at {now}");
        }
    }
}
