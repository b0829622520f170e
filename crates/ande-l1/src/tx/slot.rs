//! One nonce: its transactions are journaled, sent, watched and replaced until one is in a block.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use alloy::{
    eips::BlockId,
    rpc::types::{TransactionInput, TransactionReceipt, TransactionRequest},
};
use ande_failpoint::reach;
use ande_store::{L1TxRow, L1TxState};
use tracing::{debug, info, warn};

use super::{
    Fees, Prices, TxError, TxManager, TxOutcome, TxRequest, TxStatus,
    fees::calldata_floor,
    journal::Draft,
    manager::Slot,
    send::{Broadcast, broadcast},
};
use crate::L1Error;

/// Purpose of transactions that do nothing.
const CANCEL: &str = "cancel";
/// Looks at a used nonce without a receipt before the transaction counts as foreign.
const FOREIGN_AFTER: u32 = 5;

/// What one look at an open nonce showed.
enum Progress {
    /// Nothing is deep enough yet.
    Open,
    /// One of its transactions is; `None` when that is not the wanted call.
    Settled(Option<TxOutcome>),
}

/// What replaces a transaction that takes too long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// The same call with higher fees.
    Bump,
    /// Nothing, as cheaply as its pool allows: the nonce has to be used up.
    Cancel,
}

/// What was done for an open nonce, and when.
struct Watch {
    remedy: Remedy,
    started: Instant,
    offered: Instant,
    replaced: Instant,
    /// Looks in a row in which the nonce was used but none of our transactions was found.
    unseen: u32,
}

impl Watch {
    fn new(remedy: Remedy) -> Self {
        let now = Instant::now();
        Self { remedy, started: now, offered: now, replaced: now, unseen: 0 }
    }
}

impl TxManager {
    /// Journals and sends the first transaction of a fresh nonce.
    pub(super) async fn first(
        &self,
        purpose: &str,
        request: &TxRequest,
    ) -> Result<L1TxRow, TxError> {
        let gas = self.gas(request).await?;
        let fees = self.suggested(request.blobs.is_some()).await?;
        let fees = fees.check(&self.inner.config.fees)?;
        let nonce = self.inner.client.mined_nonce(self.address()).await?;
        let draft = draft(request, nonce, gas, fees);
        self.journal_and_offer(purpose, &draft).await
    }

    /// Uses an open nonce for `request`: goes on with the same call, replaces another one.
    pub(super) async fn take_over(
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
        let fees = self.suggested(request.blobs.is_some()).await?;
        let fees = fees.replacing(old).check(&self.inner.config.fees)?;
        let draft = draft(request, nonce, gas, fees);
        slot.push(self.journal_and_offer(purpose, &draft).await?);
        Ok(slot)
    }

    /// What the settlement chain charges now.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn prices(&self) -> Result<Prices, L1Error> {
        Prices::now(&self.inner.client, &self.inner.config.fees).await
    }

    async fn suggested(&self, with_blobs: bool) -> Result<Fees, L1Error> {
        Fees::suggested(&self.inner.client, &self.inner.config.fees, with_blobs).await
    }

    fn highest_fees(&self, slot: &[L1TxRow]) -> Result<Fees, TxError> {
        let mut highest = Fees { tip: 0, cap: 0, blob_cap: None };
        for row in slot {
            let fees = Draft::of(row)?.fees;
            highest = Fees {
                tip: highest.tip.max(fees.tip),
                cap: highest.cap.max(fees.cap),
                blob_cap: highest.blob_cap.max(fees.blob_cap),
            };
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
            // The contract compares them; the blobs themselves do not matter to it.
            blob_versioned_hashes: request.blobs.as_ref().map(|blobs| blobs.versioned_hashes()),
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
        reach("tx-after-journal").await;
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
    pub(super) async fn offer(&self, row: &L1TxRow) -> Result<Broadcast, TxError> {
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
                reach("tx-after-broadcast").await;
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
    /// A settlement chain that cannot be asked is waited for until the deadline.
    pub(super) async fn settle(
        &self,
        slot: Slot,
        wanted: Option<(&str, &TxRequest)>,
        deadline: Instant,
    ) -> Result<Option<TxOutcome>, TxError> {
        self.watch(slot, wanted, Watch::new(Remedy::Bump), deadline).await
    }

    /// Gets an open nonce out of the way of a transaction for the other pool: waits for its block,
    /// and when that takes too long replaces it by an empty transaction of the same pool. What it
    /// was for is sent again by whoever wants it.
    pub(super) async fn clear(&self, slot: Slot, deadline: Instant) -> Result<(), TxError> {
        self.watch(slot, None, Watch::new(Remedy::Cancel), deadline).await.map(|_| ())
    }

    async fn watch(
        &self,
        mut slot: Slot,
        wanted: Option<(&str, &TxRequest)>,
        mut watch: Watch,
        deadline: Instant,
    ) -> Result<Option<TxOutcome>, TxError> {
        let config = &self.inner.config;
        loop {
            match self.advance(&mut slot, wanted, &mut watch).await {
                Ok(Progress::Settled(outcome)) => return Ok(outcome),
                Ok(Progress::Open) => {}
                Err(TxError::L1(error)) if error.is_transient() => {
                    debug!(%error, "settlement chain cannot be asked about a transaction");
                }
                Err(error) => return Err(error),
            }
            if Instant::now() >= deadline {
                let purpose = slot.last().map(|row| row.purpose.clone()).unwrap_or_default();
                let seconds = config.send_timeout.as_secs();
                return Err(TxError::Timeout { purpose, seconds });
            }
            tokio::time::sleep(config.poll_interval).await;
        }
    }

    /// Asks once what became of the transactions of a nonce, and sends or replaces them when due.
    async fn advance(
        &self,
        slot: &mut Slot,
        wanted: Option<(&str, &TxRequest)>,
        watch: &mut Watch,
    ) -> Result<Progress, TxError> {
        if let Some((row, receipt)) = self.mined_of(slot).await? {
            watch.unseen = 0;
            return if self.deep_enough(&receipt).await? {
                self.finish(row, &receipt, wanted).await.map(Progress::Settled)
            } else {
                Ok(Progress::Open)
            };
        }
        let Some(last) = slot.last() else { return Ok(Progress::Settled(None)) };
        let nonce = last.nonce;
        if self.inner.client.mined_nonce(self.address()).await? > nonce {
            watch.unseen += 1;
            if watch.unseen < FOREIGN_AFTER {
                return Ok(Progress::Open);
            }
            for row in slot {
                self.inner.store.set_l1_tx_state(row.id, L1TxState::Dropped).await?;
            }
            return Err(TxError::ForeignTransaction { address: self.address(), nonce });
        }
        watch.unseen = 0;
        let config = &self.inner.config;
        if watch.replaced.elapsed() >= config.resubmit_after {
            watch.replaced = Instant::now();
            watch.offered = Instant::now();
            match watch.remedy {
                Remedy::Bump => self.bump(slot).await?,
                Remedy::Cancel => self.cancel(slot).await?,
            }
        } else if watch.offered.elapsed() >= config.rebroadcast_after {
            watch.offered = Instant::now();
            if self.offer(last).await? == Broadcast::Underpriced {
                self.bump(slot).await?;
            }
        } else if watch.started.elapsed() < config.poll_interval
            && last.state == L1TxState::Prepared
            && self.offer(last).await? == Broadcast::Underpriced
        {
            // Refused at once: somebody's transaction holds the nonce in the pool.
            self.bump(slot).await?;
        }
        Ok(Progress::Open)
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
        reach("tx-after-mined").await;
        let block = receipt.block_number.unwrap_or_default();
        self.inner.store.set_l1_tx_state(row.id, L1TxState::Mined { block }).await?;
        match wanted {
            Some((purpose, request)) if row.purpose == purpose && same_call(row, request)? => {
                Ok(Some(self.outcome(row.nonce, receipt, request).await))
            }
            _ => Ok(None),
        }
    }

    pub(super) async fn outcome(
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
            let call = self.call(request);
            TxStatus::Reverted(match self.inner.client.simulate(&call, at).await {
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
        let Some(last) = slot.last() else { return Ok(()) };
        let (draft, purpose) = (Draft::of(last)?, last.purpose.clone());
        self.replace(slot, &purpose, draft).await
    }

    /// Replaces them by one that does nothing.
    async fn cancel(&self, slot: &mut Slot) -> Result<(), TxError> {
        let Some(last) = slot.last() else { return Ok(()) };
        let draft = Draft::of(last)?.emptied(self.address());
        info!(nonce = draft.nonce, cancelled = %last.purpose, "settlement transaction is cancelled");
        self.replace(slot, CANCEL, draft).await
    }

    async fn replace(
        &self,
        slot: &mut Slot,
        purpose: &str,
        mut draft: Draft,
    ) -> Result<(), TxError> {
        let Some(last) = slot.last().cloned() else { return Ok(()) };
        let old = self.highest_fees(slot)?;
        let suggested = self.suggested(draft.blobs.is_some()).await?;
        match suggested.replacing(old).check(&self.inner.config.fees) {
            Ok(fees) => {
                draft.fees = fees;
                let row = self.journal_and_offer(purpose, &draft).await?;
                slot.push(row);
            }
            Err(TxError::FeeLimit { needed, limit } | TxError::BlobFeeLimit { needed, limit }) => {
                warn!(purpose = %last.purpose, needed, limit, "fee limit reached, settlement transaction waits");
                self.offer(&last).await?;
            }
            Err(other) => return Err(other),
        }
        Ok(())
    }
}

fn draft(request: &TxRequest, nonce: u64, gas: u64, fees: Fees) -> Draft {
    let blobs = request.blobs.as_ref().map(|blobs| blobs.sidecar());
    Draft { nonce, to: request.to, input: request.input.clone(), gas, fees, blobs }
}

/// Whether a journaled transaction is this request; its blobs are, when their hashes are.
pub(super) fn same_call(row: &L1TxRow, request: &TxRequest) -> Result<bool, TxError> {
    let draft = Draft::of(row)?;
    let journaled = draft.blobs.map(|blobs| blobs.versioned_hashes().collect::<Vec<_>>());
    let wanted = request.blobs.as_ref().map(|blobs| blobs.versioned_hashes());
    Ok(draft.to == request.to && draft.input == request.input && journaled == wanted)
}

/// Whether an open nonce is held by a transaction with blobs and the request has none, or the
/// other way round.
pub(super) fn is_of_the_other_pool(slot: &Slot, request: &TxRequest) -> Result<bool, TxError> {
    let Some(last) = slot.last() else { return Ok(false) };
    Ok(Draft::of(last)?.blobs.is_some() != request.blobs.is_some())
}

fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
