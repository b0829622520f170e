//! The transaction manager.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes},
    rpc::types::{TransactionInput, TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
};
use ande_contracts::Reverted;
use ande_primitives::ValidatorKey;
use ande_store::{L1TxRow, L1TxState, Store};
use tokio::sync::Mutex;
use tracing::{debug, info, warn};

use super::{
    FeePolicy, Fees, TxError,
    fees::calldata_floor,
    journal::Draft,
    send::{Broadcast, broadcast},
};
use crate::{L1Client, L1Error, failpoint};

/// Looks at a used nonce without a receipt before the transaction counts as foreign.
const FOREIGN_AFTER: u32 = 5;

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
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: L1Client,
    store: Store,
    signer: PrivateKeySigner,
    config: TxConfig,
    /// Held while a nonce is open: nonces are used strictly one after the other.
    turn: Mutex<()>,
}

/// All journaled transactions with one nonce, oldest first.
type Slot = Vec<L1TxRow>;

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
        let used = client.mined_nonce(self.address()).await?;
        let mut slots: BTreeMap<u64, Slot> = BTreeMap::new();
        for row in rows {
            slots.entry(row.nonce).or_default().push(row);
        }
        let mut open = BTreeMap::new();
        for (nonce, slot) in slots {
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

    async fn mined_of<'a>(
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

    /// Journals and sends the first transaction of a fresh nonce.
    async fn first(&self, purpose: &str, request: &TxRequest) -> Result<L1TxRow, TxError> {
        let gas = self.gas(request).await?;
        let fees = Fees::suggested(&self.inner.client, &self.inner.config.fees).await?;
        let fees = fees.check(&self.inner.config.fees)?;
        let nonce = self.inner.client.mined_nonce(self.address()).await?;
        let draft = Draft { nonce, to: request.to, input: request.input.clone(), gas, fees };
        self.journal_and_offer(purpose, &draft).await
    }

    /// Uses an open nonce for `request`: goes on with the same call, replaces another one.
    async fn take_over(
        &self,
        nonce: u64,
        mut slot: Slot,
        purpose: &str,
        request: &TxRequest,
    ) -> Result<Slot, TxError> {
        let Some(last) = slot.last() else { return Ok(slot) };
        if last.purpose == purpose && same_call(last, request)? {
            info!(purpose, nonce, hash = %last.hash, "settlement transaction resumed");
            self.offer(last).await?;
            return Ok(slot);
        }
        info!(purpose, nonce, replaced = %last.purpose, "open nonce is used for another settlement transaction");
        let gas = self.gas(request).await?;
        let old = self.highest_fees(&slot)?;
        let fees = Fees::suggested(&self.inner.client, &self.inner.config.fees).await?;
        let fees = fees.replacing(old).check(&self.inner.config.fees)?;
        let draft = Draft { nonce, to: request.to, input: request.input.clone(), gas, fees };
        slot.push(self.journal_and_offer(purpose, &draft).await?);
        Ok(slot)
    }

    fn highest_fees(&self, slot: &[L1TxRow]) -> Result<Fees, TxError> {
        let mut highest = Fees { tip: 0, cap: 0 };
        for row in slot {
            let fees = Draft::of(row)?.fees;
            highest = Fees { tip: highest.tip.max(fees.tip), cap: highest.cap.max(fees.cap) };
        }
        Ok(highest)
    }

    async fn gas(&self, request: &TxRequest) -> Result<u64, TxError> {
        let floor = calldata_floor(&request.input);
        let gas = match request.gas_limit {
            Some(gas) => gas,
            None => {
                let call = self.call(request);
                match self.inner.client.estimate_gas(&call).await {
                    // A fifth more: the state may change before the transaction runs.
                    Ok(gas) => gas.saturating_add(gas / 5),
                    Err(L1Error::Reverted(reverted)) => {
                        return Err(TxError::WouldRevert(reverted));
                    }
                    Err(L1Error::Rpc { message, .. })
                        if matches!(
                            super::send::classify(&message),
                            Broadcast::InsufficientFunds(_)
                        ) =>
                    {
                        return Err(TxError::InsufficientFunds {
                            address: self.address(),
                            message,
                        });
                    }
                    Err(other) => return Err(other.into()),
                }
            }
        };
        Ok(gas.max(floor))
    }

    fn call(&self, request: &TxRequest) -> TransactionRequest {
        TransactionRequest {
            from: Some(self.address()),
            to: Some(request.to.into()),
            input: TransactionInput::new(request.input.clone()),
            ..Default::default()
        }
    }

    /// Persist, then send: the row is durable before a byte leaves.
    async fn journal_and_offer(&self, purpose: &str, draft: &Draft) -> Result<L1TxRow, TxError> {
        let (hash, raw) = draft.sign(self.inner.client.chain_id(), &self.inner.signer)?;
        let mut row = L1TxRow {
            id: 0,
            purpose: purpose.to_owned(),
            sender: self.address(),
            nonce: draft.nonce,
            hash,
            raw,
            state: L1TxState::Prepared,
            created_at_ms: now_ms(),
        };
        row.id = self.inner.store.put_l1_tx(&row).await?;
        failpoint("tx-after-journal").await;
        info!(
            purpose,
            nonce = row.nonce,
            hash = %row.hash,
            fee_cap = draft.fees.cap,
            gas = draft.gas,
            "settlement transaction journaled"
        );
        let answer = broadcast(&self.inner.client, &row.raw).await;
        self.note(&mut row, &answer).await?;
        Ok(row)
    }

    /// Sends a journaled transaction once more.
    async fn offer(&self, row: &L1TxRow) -> Result<Broadcast, TxError> {
        let answer = broadcast(&self.inner.client, &row.raw).await;
        self.note(&mut row.clone(), &answer).await?;
        Ok(answer)
    }

    async fn note(&self, row: &mut L1TxRow, answer: &Broadcast) -> Result<(), TxError> {
        match answer {
            Broadcast::Accepted => {
                if row.state == L1TxState::Prepared {
                    self.inner.store.set_l1_tx_state(row.id, L1TxState::Broadcast).await?;
                    row.state = L1TxState::Broadcast;
                }
                failpoint("tx-after-broadcast").await;
                Ok(())
            }
            Broadcast::NonceTooLow | Broadcast::Underpriced => Ok(()),
            Broadcast::Unclear(reason) => {
                warn!(purpose = %row.purpose, reason, "settlement transaction may not have arrived, trying again");
                Ok(())
            }
            Broadcast::InsufficientFunds(message) => {
                self.inner.store.set_l1_tx_state(row.id, L1TxState::Dropped).await?;
                let message = message.clone();
                Err(TxError::InsufficientFunds { address: self.address(), message })
            }
            Broadcast::Refused(reason) => {
                self.inner.store.set_l1_tx_state(row.id, L1TxState::Dropped).await?;
                Err(TxError::Refused(reason.clone()))
            }
        }
    }

    /// Watches an open nonce until one of its transactions is deep enough, replacing it with
    /// higher fees when it takes too long. `None` when the mined one is not the wanted call.
    async fn settle(
        &self,
        mut slot: Slot,
        wanted: Option<(&str, &TxRequest)>,
        deadline: Instant,
    ) -> Result<Option<TxOutcome>, TxError> {
        let config = &self.inner.config;
        let started = Instant::now();
        let mut offered = Instant::now();
        let mut replaced = Instant::now();
        let mut unseen = 0u32;
        loop {
            match self.mined_of(&slot).await {
                Ok(Some((row, receipt))) => {
                    unseen = 0;
                    if self.deep_enough(&receipt).await? {
                        return self.finish(row, &receipt, wanted).await;
                    }
                }
                Ok(None) => {
                    let Some(last) = slot.last() else { return Ok(None) };
                    let nonce = last.nonce;
                    if self.inner.client.mined_nonce(self.address()).await? > nonce {
                        unseen += 1;
                        if unseen >= FOREIGN_AFTER {
                            for row in &slot {
                                self.inner
                                    .store
                                    .set_l1_tx_state(row.id, L1TxState::Dropped)
                                    .await?;
                            }
                            let address = self.address();
                            return Err(TxError::ForeignTransaction { address, nonce });
                        }
                    } else {
                        unseen = 0;
                        if replaced.elapsed() >= config.resubmit_after {
                            replaced = Instant::now();
                            offered = Instant::now();
                            self.bump(&mut slot).await?;
                        } else if offered.elapsed() >= config.rebroadcast_after {
                            offered = Instant::now();
                            if self.offer(last).await? == Broadcast::Underpriced {
                                self.bump(&mut slot).await?;
                            }
                        } else if started.elapsed() < config.poll_interval
                            && last.state == L1TxState::Prepared
                            && self.offer(last).await? == Broadcast::Underpriced
                        {
                            // Refused at once: somebody's transaction holds the nonce in the pool.
                            self.bump(&mut slot).await?;
                        }
                    }
                }
                Err(error) if error.is_transient() => {
                    debug!(%error, "settlement chain cannot be asked for a receipt");
                }
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= deadline {
                let purpose = slot.last().map(|row| row.purpose.clone()).unwrap_or_default();
                let seconds = config.send_timeout.as_secs();
                return Err(TxError::Timeout { purpose, seconds });
            }
            tokio::time::sleep(config.poll_interval).await;
        }
    }

    async fn deep_enough(&self, receipt: &TransactionReceipt) -> Result<bool, L1Error> {
        if self.inner.config.confirmations <= 1 {
            return Ok(true);
        }
        let latest = self.inner.client.latest_number().await?;
        let block = receipt.block_number.unwrap_or(u64::MAX);
        Ok(latest.saturating_add(1) >= block.saturating_add(self.inner.config.confirmations))
    }

    async fn finish(
        &self,
        row: &L1TxRow,
        receipt: &TransactionReceipt,
        wanted: Option<(&str, &TxRequest)>,
    ) -> Result<Option<TxOutcome>, TxError> {
        failpoint("tx-after-mined").await;
        let block = receipt.block_number.unwrap_or_default();
        self.inner.store.set_l1_tx_state(row.id, L1TxState::Mined { block }).await?;
        match wanted {
            Some((purpose, request)) if row.purpose == purpose && same_call(row, request)? => {
                Ok(Some(self.outcome(row.nonce, receipt, request).await))
            }
            _ => Ok(None),
        }
    }

    async fn outcome(
        &self,
        nonce: u64,
        receipt: &TransactionReceipt,
        request: &TxRequest,
    ) -> TxOutcome {
        let block = receipt.block_number.unwrap_or_default();
        let status = if receipt.status() {
            TxStatus::Succeeded
        } else {
            // On the state before the block; the reason is for people only.
            let at = BlockId::number(block.saturating_sub(1));
            let call =
                self.inner.client.dry_run(self.address(), request.to, request.input.clone(), at);
            TxStatus::Reverted(match call.await {
                Err(L1Error::Reverted(reverted)) => Some(reverted),
                _ => None,
            })
        };
        TxOutcome {
            hash: receipt.transaction_hash,
            nonce,
            block,
            block_hash: receipt.block_hash.unwrap_or_default(),
            gas_used: receipt.gas_used,
            status,
        }
    }

    /// Replaces the transactions of an open nonce by one with higher fees. When the limit forbids
    /// that, the last one is sent again: it may have been dropped.
    async fn bump(&self, slot: &mut Slot) -> Result<(), TxError> {
        let Some(last) = slot.last().cloned() else { return Ok(()) };
        let mut draft = Draft::of(&last)?;
        let old = self.highest_fees(slot)?;
        let suggested = Fees::suggested(&self.inner.client, &self.inner.config.fees).await?;
        match suggested.replacing(old).check(&self.inner.config.fees) {
            Ok(fees) => {
                draft.fees = fees;
                let row = self.journal_and_offer(&last.purpose, &draft).await?;
                slot.push(row);
            }
            Err(TxError::FeeLimit { needed, limit }) => {
                warn!(purpose = %last.purpose, needed, limit, "fee limit reached, settlement transaction waits");
                self.offer(&last).await?;
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

fn same_call(row: &L1TxRow, request: &TxRequest) -> Result<bool, TxError> {
    let draft = Draft::of(row)?;
    Ok(draft.to == request.to && draft.input == request.input)
}

fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
