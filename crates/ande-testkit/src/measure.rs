//! Gaps without blocks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ande_devnet::Rpc;
use tokio::task::JoinHandle;

const POLL: Duration = Duration::from_millis(20);

/// Watches the certified height of nodes and notes when it grew anywhere.
#[derive(Debug)]
pub struct HeightWatch {
    seen: Arc<Mutex<Vec<(Instant, u64)>>>,
    task: JoinHandle<()>,
}

impl HeightWatch {
    /// Starts watching the nodes behind these clients.
    #[must_use]
    pub fn start(rpcs: Vec<Rpc>) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            // One node at a time: asking all of them at once would load what is measured.
            for rpc in rpcs.iter().cycle() {
                if let Ok(height) = rpc.height().await {
                    let mut seen = sink.lock().unwrap_or_else(PoisonError::into_inner);
                    if seen.last().is_none_or(|(_, last)| *last < height) {
                        seen.push((Instant::now(), height));
                    }
                }
                tokio::time::sleep(POLL).await;
            }
        });
        Self { seen, task }
    }

    /// The growth of the height seen so far.
    #[must_use]
    pub fn seen(&self) -> Vec<(Instant, u64)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Latest height seen.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.seen().last().map_or(0, |(_, height)| *height)
    }

    /// The longest time without a new block among those that overlap `from..to`, in that span
    /// widened to the blocks around it.
    #[must_use]
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let seen = self.seen();
        seen.windows(2)
            .filter(|pair| pair[1].0 >= from && pair[0].0 <= to)
            .map(|pair| pair[1].0 - pair[0].0)
            .max()
            .unwrap_or_default()
    }
}

impl Drop for HeightWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Measured gaps.
#[derive(Clone, Debug, Default)]
pub struct Gaps(Vec<Duration>);

impl Gaps {
    /// Adds one.
    pub fn push(&mut self, gap: Duration) {
        self.0.push(gap);
        self.0.sort_unstable();
    }

    /// The largest.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl core::fmt::Display for Gaps {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let ms = |gap: Option<&Duration>| gap.map_or(0, Duration::as_millis);
        write!(
            f,
            "{} gaps: min {} ms, median {} ms, max {} ms",
            self.0.len(),
            ms(self.0.first()),
            ms(self.0.get(self.0.len() / 2)),
            ms(self.0.last()),
        )
    }
}
