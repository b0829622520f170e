//! Signals: the first one drains and stops, the second one stops at once.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Told in two steps: leave the load balancer, then stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown {
    /// Cancelled when the node should no longer get new clients.
    pub(crate) draining: CancellationToken,
    /// Cancelled when everything must stop.
    pub(crate) stop: CancellationToken,
}

impl Shutdown {
    /// Follows SIGTERM and SIGINT. A second signal ends the process with code 130.
    ///
    /// # Errors
    /// When the signal handlers cannot be installed.
    pub(crate) fn on_signals(&self, drain: Duration) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let this = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            info!(drain_ms = drain.as_millis() as u64, "stopping; a second signal stops at once");
            this.draining.cancel();
            tokio::select! {
                () = tokio::time::sleep(drain) => {}
                _ = terminate.recv() => at_once(),
                _ = interrupt.recv() => at_once(),
            }
            this.stop.cancel();
            tokio::select! {
                _ = terminate.recv() => at_once(),
                _ = interrupt.recv() => at_once(),
            }
        });
        Ok(())
    }
}

fn at_once() -> ! {
    warn!("stopped by a second signal");
    std::process::exit(130)
}
