//! The engine as the node sees it.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{AppError, Application, View};

/// Why an engine stopped before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine could not start.
    #[error("the consensus engine cannot start: {0}")]
    Start(String),
    /// The engine stopped by itself; its state is doubtful until restarted.
    #[error("the consensus engine stopped: {0}")]
    Stopped(String),
    /// The chain reported a fatal fault.
    #[error("the chain cannot go on: {0}")]
    Application(#[from] AppError),
}

/// Decides the order of blocks. Owns its network and its log.
#[async_trait]
pub trait OrderingEngine: Send + 'static {
    /// What the engine sees. A hint for RPC, metrics, forwarding and the load balancer; nothing is
    /// decided from it.
    fn view(&self) -> watch::Receiver<View>;

    /// Runs until `shutdown`, then leaves nothing half-written and returns `Ok`.
    ///
    /// # Errors
    /// [`EngineError`]: the caller must exit the process with a non-zero code.
    async fn run(
        self: Box<Self>,
        app: Arc<dyn Application>,
        shutdown: CancellationToken,
    ) -> Result<(), EngineError>;
}
