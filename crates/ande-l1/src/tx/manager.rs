//! The transaction manager.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, Bytes},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
};
use ande_contracts::Reverted;
use ande_primitives::ValidatorKey;
use ande_store::{L1TxRow, L1TxState, Store};
use tokio::sync::Mutex;
use tracing::{debug, warn};

use super::{
    FeePolicy, TxError,
    slot::{is_of_the_other_pool, same_call},
};
use crate::{BlobBundle, L1Client, L1Error};

/// How a manager works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxConfig {
    /// Blocks, counting its own, that a transaction must be in before it counts as mined.
    pub confirmations: u64,
    /// Pause between two looks for a receipt.
    pub poll_interval: Duration,
    /// After this time a transaction is handed over once more; it may have been dropped.
    pub rebroadcast_after: Duration,
    /// After this time without a block it is replaced with higher fees.
    pub resubmit_after: Duration,
    /// After this time the caller gets [`TxError::Timeout`]; the transaction stays journaled.
    pub send_timeout: Duration,
    /// Fee limits.
    pub fees: FeePolicy,
}

impl Default for TxConfig {
    fn default() -> Self {
        Self {
            confirmations: 1,
            poll_interval: Duration::from_secs(1),
            rebroadcast_after: Duration::from_secs(15),
            resubmit_after: Duration::from_secs(48),
            send_timeout: Duration::from_secs(600),
            fees: FeePolicy::default(),
        }
    }
}

/// A call to a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxRequest {
    /// The contract.
    pub to: Address,
    /// Encoded call.
    pub input: Bytes,
    /// Gas limit; estimated when none.
    pub gas_limit: Option<u64>,
    /// Blobs that the transaction carries.
    pub blobs: Option<Arc<BlobBundle>>,
}

impl TxRequest {
    /// A call without blobs whose gas is estimated.
    #[must_use]
    pub const fn call(to: Address, input: Bytes) -> Self {
        Self { to, input, gas_limit: None, blobs: None }
    }
}

/// What a mined transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxStatus {
    /// It took effect.
    Succeeded,
    /// It was refused on chain, with the reason when it can still be found out.
    Reverted(Option<Reverted>),
}

/// A transaction in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxOutcome {
    /// Its hash.
    pub hash: B256,
    /// Its nonce.
    pub nonce: u64,
    /// Number of its block.
    pub block: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Gas it used.
    pub gas_used: u64,
    /// What it did.
    pub status: TxStatus,
}

/// Sends transactions of one key, one after the other. Every transaction is in the journal before
/// it leaves, with its nonce, so that after a crash the same one goes on instead of a second one.
#[derive(Clone, Debug)]
pub struct TxManager {
    pub(super) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) client: L1Client,
    pub(super) store: Store,
    pub(super) signer: PrivateKeySigner,
    pub(super) config: TxConfig,
    /// Held while a nonce is open: nonces are used strictly one after the other.
    turn: Mutex<()>,
}

/// All journaled transactions with one nonce, oldest first.
pub(super) type Slot = Vec<L1TxRow>;

impl TxManager {
    /// A manager for `key`. No other program may send with this key.
    #[must_use]
    pub fn new(client: L1Client, store: Store, key: &ValidatorKey, config: TxConfig) -> Self {
        let signer = PrivateKeySigner::from_signing_key(key.signing_key().clone());
        Self { inner: Arc::new(Inner { client, store, signer, config, turn: Mutex::new(()) }) }
    }

    /// The paying account.
    #[must_use]
    pub fn address(&self) -> Address {
        self.inner.signer.address()
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &L1Client {
        &self.inner.client
    }

    /// Brings the journal up to date with the chain: which transactions are in a block, which are
    /// final (`final_block`), which fell out of the chain and must be sent again. Called at the
    /// start and after settlement blocks.
    ///
    /// # Errors
    /// When the chain cannot be asked or the journal not be written.
    pub async fn reconcile(&self, final_block: u64) -> Result<(), TxError> {
        // A transaction under way is watched by its sender.
        let Ok(_turn) = self.inner.turn.try_lock() else { return Ok(()) };
        let pending = self.look(final_block).await?;
        for row in pending.values().filter_map(|slot| slot.last()) {
            debug!(purpose = %row.purpose, nonce = row.nonce, "settlement transaction is not in a block, sending it again");
            self.offer(row).await?;
        }
        Ok(())
    }

    /// Sends a transaction and waits until it is in a block deep enough. A journaled transaction
    /// of the same purpose and content is resumed, not repeated.
    ///
    /// # Errors
    /// See [`TxError`]; with [`TxError::Timeout`] and [`TxError::L1`] the transaction may still get
    /// into a block and is resumed by the next call.
    pub async fn send(&self, purpose: &str, request: &TxRequest) -> Result<TxOutcome, TxError> {
        let _turn = self.inner.turn.lock().await;
        let deadline = Instant::now() + self.inner.config.send_timeout;
        let mut foreign = 0u32;
        loop {
            let mut pending = self.look(0).await?;
            if let Some(done) = self.already_mined(purpose, request).await? {
                return Ok(done);
            }
            let open = match pending.pop_first() {
                // After a reorganisation several may wait again: the lowest first, as it was.
                Some((_, slot)) if !pending.is_empty() => {
                    self.settle(slot, None, deadline).await?;
                    continue;
                }
                // Pools keep transactions with blobs apart and give an account to one of them: what
                // is open goes first, or is cancelled.
                Some((_, slot)) if is_of_the_other_pool(&slot, request)? => {
                    self.clear(slot, deadline).await?;
                    continue;
                }
                Some((nonce, slot)) => self.take_over(nonce, slot, purpose, request).await?,
                None => vec![self.first(purpose, request).await?],
            };
            match self.settle(open, Some((purpose, request)), deadline).await {
                Ok(Some(outcome)) => return Ok(outcome),
                // Another transaction took the nonce: ours of before, so look again.
                Ok(None) => {}
                Err(TxError::ForeignTransaction { address, nonce }) => {
                    foreign += 1;
                    warn!(%address, nonce, "nonce was used by a transaction that this node did not send");
                    if foreign >= 3 {
                        return Err(TxError::ForeignTransaction { address, nonce });
                    }
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Marks what is mined or final and returns the open nonces.
    async fn look(&self, final_block: u64) -> Result<BTreeMap<u64, Slot>, TxError> {
        let Inner { client, store, .. } = self.inner.as_ref();
        let rows = store.open_l1_txs(self.address()).await?;
        if rows.is_empty() {
            return Ok(BTreeMap::new());
        }
        // What the reader knows to be final, unless the caller knows more.
        let read = store.l1_cursor().await?.map_or(0, |cursor| cursor.number);
        let final_block = final_block.max(read);
        let used = client.mined_nonce(self.address()).await?;
        let mut slots: BTreeMap<u64, Slot> = BTreeMap::new();
        for row in rows {
            slots.entry(row.nonce).or_default().push(row);
        }
        let mut open = BTreeMap::new();
        for (nonce, slot) in slots {
            // In a block and not final: nothing to find out, without asking for every receipt.
            let waits = slot
                .iter()
                .any(|row| matches!(row.state, L1TxState::Mined { block } if block > final_block));
            if waits && nonce < used {
                continue;
            }
            if let Some((row, receipt)) = self.mined_of(&slot).await? {
                let block = receipt.block_number.unwrap_or_default();
                if block <= final_block {
                    store.set_l1_tx_state(row.id, L1TxState::Final).await?;
                } else if row.state != (L1TxState::Mined { block }) {
                    store.set_l1_tx_state(row.id, L1TxState::Mined { block }).await?;
                }
                if block <= final_block {
                    self.close_others(&slot, row.id, L1TxState::Replaced).await?;
                }
                continue;
            }
            if nonce < used {
                // Used, but by none of ours that this endpoint knows of. Only finality decides:
                // until then the block with ours may come back.
                if final_block > 0 && client.nonce_at(self.address(), final_block).await? > nonce {
                    self.close_others(&slot, 0, L1TxState::Dropped).await?;
                }
                continue;
            }
            let mut slot = slot;
            for row in &mut slot {
                if matches!(row.state, L1TxState::Mined { .. }) {
                    warn!(purpose = %row.purpose, nonce, "settlement transaction fell out of the chain");
                    store.set_l1_tx_state(row.id, L1TxState::Broadcast).await?;
                    row.state = L1TxState::Broadcast;
                }
            }
            open.insert(nonce, slot);
        }
        Ok(open)
    }

    async fn close_others(
        &self,
        slot: &[L1TxRow],
        winner: i64,
        state: L1TxState,
    ) -> Result<(), TxError> {
        for row in slot.iter().filter(|row| row.id != winner && row.state != state) {
            self.inner.store.set_l1_tx_state(row.id, state).await?;
        }
        Ok(())
    }

    pub(super) async fn mined_of<'a>(
        &self,
        slot: &'a [L1TxRow],
    ) -> Result<Option<(&'a L1TxRow, TransactionReceipt)>, L1Error> {
        for row in slot.iter().rev() {
            if let Some(receipt) = self.inner.client.receipt(row.hash).await?
                && receipt.block_number.is_some()
            {
                return Ok(Some((row, receipt)));
            }
        }
        Ok(None)
    }

    /// The outcome of the same purpose and content from before a crash.
    async fn already_mined(
        &self,
        purpose: &str,
        request: &TxRequest,
    ) -> Result<Option<TxOutcome>, TxError> {
        for row in &self.inner.store.l1_txs_for(purpose).await? {
            if row.sender != self.address() || !same_call(row, request)? {
                continue;
            }
            if let Some(receipt) = self.inner.client.receipt(row.hash).await?
                && receipt.status()
            {
                return Ok(Some(self.outcome(row.nonce, &receipt, request).await));
            }
        }
        Ok(None)
    }
}
