//! The executor that asks an external client as well.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use async_trait::async_trait;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    BlockBuilder, ClientBlock, ClientHealth, ClientStatus, EngineClient, EngineError,
    PayloadSource,
    builder::BuildOrder,
    link::{Link, Task},
    patience::Patience,
};
use crate::{
    Attributes, EmbeddedExecutor, ExecHead, ExecutionError, Executor, ForcedInput, Payload,
    PayloadStatus, Recovery,
    header::{is_on, not_on_head},
};

/// Shortest block time with an external client: timestamps of headers are whole seconds, and
/// clients want each above its parent's.
pub const MIN_ENGINE_BLOCK_TIME: Duration = Duration::from_secs(1);

/// Most verdicts that are remembered.
const MAX_JUDGED: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Builds blocks with the embedded EVM, or has the client build them, and has every block judged by
/// an external client too.
///
/// A block counts as valid here when both say so. When the client is down, slow, behind or of
/// another opinion, this node does not vote; blocks that the others certified are followed with
/// the embedded EVM alone, and the client gets them as soon as it takes them. A client that failed
/// is asked once per block and no longer waited for, until it answers again.
#[derive(Clone, Debug)]
pub struct EngineExecutor {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    embedded: EmbeddedExecutor,
    patience: Patience,
    /// Whether the client builds blocks too.
    client_builds: bool,
    /// One conversation at a time, bounded by [`Patience`].
    link: tokio::sync::Mutex<Link>,
    /// Blocks that the client found valid.
    judged: Mutex<LruCache<B256, ()>>,
    status: watch::Sender<ClientStatus>,
    /// Whether a client that failed is being brought back beside the chain.
    is_mending: AtomicBool,
}

/// Checks a block time against what external clients can follow.
///
/// # Errors
/// [`EngineError::BlockTime`] when it is shorter than [`MIN_ENGINE_BLOCK_TIME`].
pub fn check_engine_block_time(block_time: Duration) -> Result<(), EngineError> {
    if block_time < MIN_ENGINE_BLOCK_TIME {
        return Err(EngineError::BlockTime(block_time));
    }
    Ok(())
}

impl EngineExecutor {
    /// Joins the embedded EVM and a client. Nothing is asked before
    /// [`recover`](Executor::recover).
    #[must_use]
    pub fn new(
        embedded: EmbeddedExecutor,
        client: EngineClient,
        source: Arc<dyn PayloadSource>,
        patience: Patience,
    ) -> Self {
        let chain_id = embedded.reader().chain_id();
        let client_builds = *client.builder() != BlockBuilder::Embedded;
        let link = Link::new(client, chain_id, embedded.genesis().hash(), source);
        let inner = Inner {
            embedded,
            patience,
            client_builds,
            link: tokio::sync::Mutex::new(link),
            judged: Mutex::new(LruCache::new(MAX_JUDGED)),
            status: watch::Sender::new(ClientStatus::default()),
            is_mending: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// How the client is doing.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<ClientStatus> {
        self.inner.status.subscribe()
    }

    /// The embedded EVM, which has the state for reading.
    #[must_use]
    pub fn embedded(&self) -> &EmbeddedExecutor {
        &self.inner.embedded
    }
}

#[async_trait]
impl Executor for EngineExecutor {
    fn genesis(&self) -> Payload {
        self.inner.embedded.genesis()
    }

    async fn head(&self) -> ExecHead {
        self.inner.embedded.head().await
    }

    /// Fails as well when the client does not take the block: it would not be voted for here.
    async fn propose_forced(
        &self,
        attributes: Attributes,
        forced: Vec<ForcedInput>,
        transactions: Vec<Bytes>,
    ) -> Result<Payload, ExecutionError> {
        let inner = &self.inner;
        check_second(&inner.embedded.head().await, &attributes)?;
        let payload = inner.embedded.propose_forced(attributes, forced, transactions).await?;
        let header = payload.decode_header()?;
        inner.judge(&header, &payload).await.map_err(unavailable)?;
        Ok(payload)
    }

    /// Waits for the client as long as [`Patience`] says; one that failed is not asked.
    async fn client_block(
        &self,
        attributes: &Attributes,
        transactions: &[Bytes],
    ) -> Result<Option<Payload>, ExecutionError> {
        let inner = &self.inner;
        if !inner.client_builds {
            return Ok(None);
        }
        let head = inner.embedded.head().await;
        if !is_on(&head, attributes) {
            return Err(not_on_head(&head, attributes));
        }
        check_second(&head, attributes)?;
        inner.build(&head, attributes, transactions).await.map(Some).map_err(unavailable)
    }

    async fn validate_forced(
        &self,
        attributes: &Attributes,
        forced: Vec<ForcedInput>,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        let inner = &self.inner;
        let status = inner.embedded.validate_forced(attributes, forced, payload).await?;
        if status != PayloadStatus::Valid {
            return Ok(status);
        }
        let header = payload.decode_header()?;
        let head = inner.embedded.head().await;
        if head.hash == header.parent_hash && header.timestamp <= head.timestamp {
            return Ok(PayloadStatus::Syncing(format!(
                "timestamp {} is not after the parent's, as external execution clients want",
                header.timestamp
            )));
        }
        Ok(match inner.judge(&header, payload).await {
            Ok(()) => PayloadStatus::Valid,
            // One client of another opinion does not make the block wrong for ever: the others
            // may certify it, and then this node follows.
            Err(error) => PayloadStatus::Syncing(error.to_string()),
        })
    }

    /// With the embedded EVM alone: the client gets the block when it is committed, or later.
    async fn adopt(
        &self,
        attributes: &Attributes,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        self.inner.embedded.adopt(attributes, payload).await
    }

    /// Never fails because of the client: the block is final whatever the client says. What it
    /// missed it gets with the next question.
    async fn commit(&self, hash: B256) -> Result<(), ExecutionError> {
        self.inner.embedded.commit(hash).await?;
        self.inner.follow().await;
        Ok(())
    }

    /// Waits for the client, compares the chains and gives the client what it lacks.
    async fn recover(&self, tip: Option<&Payload>) -> Result<Recovery, ExecutionError> {
        let inner = &self.inner;
        let recovery = inner.embedded.recover(tip).await?;
        let tip = match tip {
            Some(payload) => ClientBlock { number: payload.number()?, hash: payload.hash() },
            None => ClientBlock { number: 0, hash: inner.embedded.genesis().hash() },
        };
        inner.judged.lock().clear();
        let mut link = inner.link.lock().await;
        let result = loop {
            let before = link.fed();
            let result = link.run(Task::Align(tip), inner.patience.start, &inner.patience).await;
            match &result {
                // As long as it takes blocks it is given more.
                Err(error) if error.is_passing() && link.fed() > before => {
                    tracing::info!(
                        given = link.fed(),
                        to = tip.number,
                        "client gets stored blocks"
                    );
                }
                _ => break result,
            }
        };
        inner.note(&link, &result);
        match result {
            Ok(()) => Ok(recovery),
            Err(
                error @ (EngineError::Ahead { .. }
                | EngineError::OtherChain { .. }
                | EngineError::Genesis { .. }
                | EngineError::ChainId { .. }
                | EngineError::Disagrees { .. }),
            ) => Err(ExecutionError::Recover(error.to_string())),
            Err(error) => Err(unavailable(error)),
        }
    }
}

impl Inner {
    /// Asks the client about a block that the embedded EVM found valid.
    async fn judge(&self, header: &Header, payload: &Payload) -> Result<(), EngineError> {
        let hash = payload.hash();
        if self.judged.lock().get(&hash).is_some() {
            return Ok(());
        }
        let parent =
            ClientBlock { number: header.number.saturating_sub(1), hash: header.parent_hash };
        let task = Task::Judge { parent, payload };
        let deadline = Instant::now() + self.patience.verdict;
        let is_down = self.is_down();
        if is_down && self.is_mending.load(Ordering::Acquire) {
            return Err(EngineError::Returning);
        }
        let mut link = tokio::time::timeout_at(deadline.into(), self.link.lock())
            .await
            .map_err(|_| EngineError::Slow(self.patience.verdict))?;
        let limit = deadline.saturating_duration_since(Instant::now());
        let result = if is_down {
            link.attempt(task, limit).await
        } else {
            link.run(task, limit, &self.patience).await
        };
        self.note(&link, &result);
        drop(link);
        result?;
        self.judged.lock().put(hash, ());
        Ok(())
    }

    async fn build(
        &self,
        head: &ExecHead,
        attributes: &Attributes,
        transactions: &[Bytes],
    ) -> Result<Payload, EngineError> {
        if self.is_down() {
            return Err(EngineError::Returning);
        }
        let limit = self.patience.build;
        let deadline = Instant::now() + limit;
        let mut link = tokio::time::timeout_at(deadline.into(), self.link.lock())
            .await
            .map_err(|_| EngineError::Slow(limit))?;
        let parent = ClientBlock { number: head.number, hash: head.hash };
        let gas_limit = self.embedded.reader().gas_limit();
        let order = BuildOrder { attributes, gas_limit, transactions };
        link.build(parent, order, deadline).await.unwrap_or(Err(EngineError::Slow(limit)))
    }

    /// Makes the head of the embedded EVM the client's. A client that failed is not waited for.
    async fn follow(self: &Arc<Self>) {
        if !self.is_down() {
            let mut link = self.link.lock().await;
            let task = self.newest().await;
            let result = link.run(task, self.patience.verdict, &self.patience).await;
            return self.note(&link, &result);
        }
        if self.is_mending.swap(true, Ordering::AcqRel) {
            return;
        }
        let inner = self.clone();
        tokio::spawn(async move {
            let mut link = inner.link.lock().await;
            let task = inner.newest().await;
            // Given many blocks it may take its time.
            let result = link.attempt(task, inner.patience.start).await;
            inner.note(&link, &result);
            inner.is_mending.store(false, Ordering::Release);
        });
    }

    async fn newest(&self) -> Task<'static> {
        let head = self.embedded.head().await;
        let is_known = self.judged.lock().contains(&head.hash);
        Task::Commit { block: ClientBlock { number: head.number, hash: head.hash }, is_known }
    }

    fn is_down(&self) -> bool {
        matches!(self.status.borrow().health, ClientHealth::Down(_))
    }

    /// Keeps what a conversation showed; what changed is logged, not every failure.
    fn note(&self, link: &Link, result: &Result<(), EngineError>) {
        let health = match result {
            Ok(()) => ClientHealth::Up,
            Err(error @ EngineError::Disagrees { .. }) => {
                ClientHealth::Disagrees(error.to_string())
            }
            Err(error) => ClientHealth::Down(error.to_string()),
        };
        let before = self.status.borrow().health.clone();
        match (&before, &health) {
            (ClientHealth::Up | ClientHealth::Starting, ClientHealth::Down(error)) => {
                tracing::warn!(error, "the execution client failed; this node does not vote");
            }
            (_, ClientHealth::Disagrees(error)) => {
                tracing::error!(
                    error,
                    "the execution client judges otherwise than the embedded EVM"
                );
            }
            (ClientHealth::Down(_) | ClientHealth::Disagrees(_), ClientHealth::Up) => {
                tracing::info!("the execution client is back");
            }
            _ => {}
        }
        self.status.send_modify(|status| {
            status.health = health;
            status.fed = link.fed();
            if let Some(head) = link.last_head() {
                status.head = head.number;
            }
            if result.is_err() {
                status.failures += 1;
            }
        });
    }
}

/// Whether the block has a second of its own.
fn check_second(head: &ExecHead, attributes: &Attributes) -> Result<(), ExecutionError> {
    if head.hash == attributes.parent_execution_hash
        && attributes.timestamp_ms / 1000 <= head.timestamp
    {
        return Err(ExecutionError::Unavailable(format!(
            "the second {} has a block already; external execution clients take one per second",
            head.timestamp
        )));
    }
    Ok(())
}

fn unavailable(error: EngineError) -> ExecutionError {
    ExecutionError::Unavailable(error.to_string())
}
