//! Keeps an execution client on the node's chain: finds where it is and gives it what it lacks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use async_trait::async_trait;

use super::{ClientBlock, EngineClient, EngineError, EngineStatus, Patience, builder::BuildOrder};
use crate::{ExecutionError, Payload};

/// The committed blocks that this node has stored, for a client that missed them.
#[async_trait]
pub trait PayloadSource: Send + Sync + 'static {
    /// The payload of a committed block, none if it is not stored.
    ///
    /// # Errors
    /// [`ExecutionError::Index`] when the storage cannot be read.
    async fn payload(&self, number: u64) -> Result<Option<Payload>, ExecutionError>;
}

/// What the client shall do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Task<'a> {
    /// Be at this block of the chain, or further.
    Align(ClientBlock),
    /// Execute a block on `parent`, the node's head.
    Judge { parent: ClientBlock, payload: &'a Payload },
    /// Make a committed block the head. `is_known` when it was judged before.
    Commit { block: ClientBlock, is_known: bool },
}

/// A client and what is known about it.
pub(super) struct Link {
    client: EngineClient,
    chain_id: u64,
    genesis: B256,
    source: Arc<dyn PayloadSource>,
    /// Whether chain id and block 0 were found equal.
    is_checked: bool,
    /// The client's head as long as nothing went wrong: a block of the node's chain.
    head: Option<ClientBlock>,
    /// The head as it was known last, whatever went wrong since.
    last_head: Option<ClientBlock>,
    /// Stored blocks that the client was given because it lacked them.
    fed: u64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("client", &self.client)
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        client: EngineClient,
        chain_id: u64,
        genesis: B256,
        source: Arc<dyn PayloadSource>,
    ) -> Self {
        Self {
            client,
            chain_id,
            genesis,
            source,
            is_checked: false,
            head: None,
            last_head: None,
            fed: 0,
        }
    }

    /// The client's head as far as it is known.
    pub(super) const fn last_head(&self) -> Option<ClientBlock> {
        self.last_head
    }

    /// How many stored blocks the client was given because it lacked them.
    pub(super) const fn fed(&self) -> u64 {
        self.fed
    }

    /// Has a task done, tried once.
    pub(super) async fn attempt(
        &mut self,
        task: Task<'_>,
        limit: Duration,
    ) -> Result<(), EngineError> {
        let result = tokio::time::timeout(limit, self.once(task))
            .await
            .unwrap_or(Err(EngineError::Slow(limit)));
        if result.is_err() {
            self.forget();
        }
        result
    }

    /// Has a task done, again and again while that may help, until the limit.
    pub(super) async fn run(
        &mut self,
        task: Task<'_>,
        limit: Duration,
        patience: &Patience,
    ) -> Result<(), EngineError> {
        let deadline = Instant::now() + limit;
        let mut pause = patience.first_pause;
        let mut last = EngineError::Slow(limit);
        loop {
            match tokio::time::timeout_at(deadline.into(), self.once(task)).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => {
                    self.forget();
                    if !error.is_passing() || Instant::now() + pause >= deadline {
                        return Err(error);
                    }
                    last = error;
                }
                Err(_) => {
                    self.forget();
                    return Err(last);
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(patience.longest_pause);
        }
    }

    /// Has the client build a block on `parent`, the node's head; none when it took too long. That
    /// a client builds none says nothing about its verdicts.
    pub(super) async fn build(
        &mut self,
        parent: ClientBlock,
        order: BuildOrder<'_>,
        deadline: Instant,
    ) -> Option<Result<Payload, EngineError>> {
        let built = tokio::time::timeout_at(deadline.into(), async {
            self.align(parent).await?;
            self.client.build(order).await
        });
        let result = built.await.ok();
        if !matches!(result, Some(Ok(_))) {
            self.forget();
        }
        result
    }

    async fn once(&mut self, task: Task<'_>) -> Result<(), EngineError> {
        match task {
            Task::Align(tip) => self.align(tip).await,
            Task::Judge { parent, payload } => {
                self.align(parent).await?;
                self.execute(payload).await
            }
            Task::Commit { block, is_known } => self.commit(block, is_known).await,
        }
    }

    /// After a failure nothing is known about the client: it may have been started anew, with an
    /// older head or other data.
    fn forget(&mut self) {
        self.head = None;
        self.is_checked = false;
    }

    fn is_at(&mut self, head: ClientBlock) {
        self.head = Some(head);
        self.last_head = Some(head);
    }

    /// The client's head, which must be a block of the chain that ends in `tip`.
    async fn head(&mut self, tip: ClientBlock) -> Result<ClientBlock, EngineError> {
        if let Some(head) = self.head {
            return Ok(head);
        }
        self.check().await?;
        let head = self.client.head().await?;
        let ours = match head.number {
            0 => Some(self.genesis),
            number if number == tip.number => Some(tip.hash),
            number => self.stored(number).await?.map(|payload| payload.hash()),
        };
        match ours {
            Some(ours) if ours == head.hash => {
                self.is_at(head);
                Ok(head)
            }
            Some(ours) => {
                Err(EngineError::OtherChain { number: head.number, ours, theirs: head.hash })
            }
            None if head.number > tip.number => {
                Err(EngineError::Ahead { number: head.number, hash: head.hash })
            }
            None => Err(EngineError::NotStored(head.number)),
        }
    }

    /// Gives the client every committed block up to `tip` that it lacks.
    async fn align(&mut self, tip: ClientBlock) -> Result<(), EngineError> {
        let mut head = self.head(tip).await?;
        while head.number < tip.number {
            let number = head.number + 1;
            let payload = self.stored(number).await?.ok_or(EngineError::NotStored(number))?;
            head = self.feed(&payload).await?;
        }
        Ok(())
    }

    async fn commit(&mut self, block: ClientBlock, is_known: bool) -> Result<(), EngineError> {
        match self.head {
            // It is ahead while this node replays.
            Some(head) if head.number >= block.number => Ok(()),
            Some(head) if is_known && head.number + 1 == block.number => {
                self.make_head(block).await?;
                self.is_at(block);
                Ok(())
            }
            _ => self.align(block).await,
        }
    }

    /// Executes a committed block and makes it the client's head.
    async fn feed(&mut self, payload: &Payload) -> Result<ClientBlock, EngineError> {
        let block = ClientBlock { number: payload.number()?, hash: payload.hash() };
        self.execute(payload).await?;
        self.make_head(block).await?;
        self.is_at(block);
        self.fed += 1;
        Ok(block)
    }

    /// Has a block executed. A client that was ended without warning may have lost the states of
    /// its newest blocks but not the blocks: it is given more and more of them again.
    async fn execute(&self, payload: &Payload) -> Result<(), EngineError> {
        let block = ClientBlock { number: payload.number()?, hash: payload.hash() };
        let mut back = 1;
        let mut first = block.number;
        loop {
            let answer = match self.client.new_payload(payload).await? {
                EngineStatus::Valid => return Ok(()),
                EngineStatus::Invalid(reason) => return Err(disagrees(block, reason)),
                EngineStatus::Syncing => "SYNCING",
                EngineStatus::Accepted => "ACCEPTED",
            };
            if first <= 1 {
                return Err(EngineError::NotReady {
                    number: block.number,
                    hash: block.hash,
                    answer,
                });
            }
            first = block.number.saturating_sub(back).max(1);
            tracing::warn!(number = block.number, answer, first, "execution client lost states");
            self.feed_again(first..block.number).await?;
            back = back.saturating_mul(4);
        }
    }

    /// Gives the client blocks that it should have; stops where it does not execute them.
    async fn feed_again(&self, numbers: std::ops::Range<u64>) -> Result<(), EngineError> {
        for number in numbers {
            let payload = self.stored(number).await?.ok_or(EngineError::NotStored(number))?;
            let block = ClientBlock { number, hash: payload.hash() };
            match self.client.new_payload(&payload).await? {
                EngineStatus::Valid => self.make_head(block).await?,
                EngineStatus::Invalid(reason) => return Err(disagrees(block, reason)),
                EngineStatus::Syncing | EngineStatus::Accepted => return Ok(()),
            }
        }
        Ok(())
    }

    async fn make_head(&self, block: ClientBlock) -> Result<(), EngineError> {
        let answer = match self.client.forkchoice(block.hash).await? {
            EngineStatus::Valid => return Ok(()),
            EngineStatus::Invalid(reason) => return Err(disagrees(block, reason)),
            EngineStatus::Syncing => "SYNCING",
            EngineStatus::Accepted => "ACCEPTED",
        };
        Err(EngineError::NotReady { number: block.number, hash: block.hash, answer })
    }

    /// Compares the chains once per connection.
    async fn check(&mut self) -> Result<(), EngineError> {
        if self.is_checked {
            return Ok(());
        }
        let theirs = self.client.chain_id().await?;
        if theirs != self.chain_id {
            return Err(EngineError::ChainId { ours: self.chain_id, theirs });
        }
        let theirs = self.client.block(0).await?.map_or(B256::ZERO, |block| block.hash);
        if theirs != self.genesis {
            return Err(EngineError::Genesis { ours: self.genesis, theirs });
        }
        self.is_checked = true;
        Ok(())
    }

    async fn stored(&self, number: u64) -> Result<Option<Payload>, EngineError> {
        self.source.payload(number).await.map_err(|error| EngineError::Source(error.to_string()))
    }
}

const fn disagrees(block: ClientBlock, reason: String) -> EngineError {
    EngineError::Disagrees { number: block.number, hash: block.hash, reason }
}
