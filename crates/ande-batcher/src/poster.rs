//! Certifies and posts batches, one after the other.

use std::{sync::Arc, time::Duration};

use alloy::{eips::BlockId, primitives::Address, sol_types::SolCall as _};
use ande_consensus::{ConsensusSigner, DataLayer};
use ande_contracts::{
    AndeSequencerCoordinator as Coordinator, ContractError, Reverted, batch_header_to_sol,
    da_pointer_to_sol, quorum_certificate_to_sol,
};
use ande_failpoint::reach;
use ande_l1::{BlobBundle, L1Error, L1View, TxError, TxManager, TxRequest, TxStatus};
use ande_peer::PeerClient;
use ande_primitives::{BatchHeader, DaKind, DaPointer, EpochSet, QuorumCertificate};
use ande_store::{BatchRow, BatchState};
use ande_telemetry::{DaLabels, Metrics};
use tokio::sync::{Mutex, watch};
use tracing::{debug, info, warn};

use crate::{
    BatcherConfig, BatcherError, CheckpointService, Ledger,
    certify::{Certified, Collector},
    data::{Bundles, DataRules, pointer, proofs},
    layer::Puts,
    place::{Posting, choose},
    turn::{Pause, Waiting, posting_rank, step},
    witness::Witness,
};

/// How long the own receipt is waited for after the batch is seen to be accepted.
const OWN_RECEIPT: Duration = Duration::from_secs(1);
/// Time between two looks for a batch that is not cut yet.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Longest time that the reader is given to see the own posting.
const MAX_UNSEEN: Duration = Duration::from_secs(20);

/// Posts batches when it is this node's turn.
pub(crate) struct Poster {
    pub(crate) witness: Witness,
    pub(crate) config: BatcherConfig,
    pub(crate) ledger: Ledger,
    pub(crate) service: CheckpointService,
    pub(crate) signer: Arc<dyn ConsensusSigner>,
    pub(crate) peers: PeerClient,
    pub(crate) transactions: TxManager,
    pub(crate) coordinator: Address,
    pub(crate) view: watch::Receiver<L1View>,
    pub(crate) metrics: Metrics,
    pub(crate) waiting: Waiting,
    pub(crate) bundles: Mutex<Bundles>,
    pub(crate) layer: Option<Arc<dyn DataLayer>>,
    pub(crate) puts: Mutex<Puts>,
    pub(crate) pause: Pause,
}

impl Poster {
    /// Does what is due; returns whether something was done.
    ///
    /// # Errors
    /// Fatal errors only; others are logged and tried again after a pause.
    pub(crate) async fn step(&mut self) -> Result<bool, BatcherError> {
        if self.pause.is_on() {
            return Ok(false);
        }
        match self.post_next().await {
            Ok(done) => {
                if done {
                    self.pause.end();
                }
                Ok(done)
            }
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                self.metrics.post_failures.inc();
                // Those whose turn it is come first when the layer is back.
                if matches!(error, BatcherError::Layer { .. }) {
                    self.waiting.again();
                }
                let pause_ms = self.pause.begin().as_millis();
                warn!(%error, pause_ms, "posting failed, trying again");
                Ok(false)
            }
        }
    }

    /// Posts the batch after the accepted tip if it is stored and this node's turn.
    async fn post_next(&mut self) -> Result<bool, BatcherError> {
        let view = self.view.borrow().clone();
        let Some(tip) = view.tip.filter(|_| view.is_up()) else { return Ok(false) };
        let index = tip.index + 1;
        let Some(row) = self.ledger.store().batch(index).await? else { return Ok(false) };
        // Until the follower replaced what extends another batch there is nothing to post.
        if row.header.parent_batch_hash != tip.hash {
            return Ok(false);
        }
        let set = self.set(&row.header).await?;
        let Some(rank) = posting_rank(&set, &row.header, self.signer.address()) else {
            return Ok(false);
        };
        if !self.waiting.is_over(index, rank, step(self.config.takeover, &view)) {
            return Ok(false);
        }
        if rank > 0 {
            info!(batch = index, rank, "taking over a batch that was not posted");
        }
        let Some((row, bundle)) = self.placed(row).await? else { return Ok(false) };
        let row = self.certified(row, &set, &view, bundle.as_deref()).await?;
        let Some(row) = row else { return Ok(true) };
        self.metrics.contract_submits.inc();
        if self.pause.failures() > 0 {
            self.metrics.contract_submit_retries.inc();
        }
        let posted = self.hand_over(&row, bundle).await.inspect_err(|_| {
            self.metrics.contract_submit_failed.inc();
        })?;
        if posted {
            self.metrics.settlement_included.inc();
            if rank > 0 {
                self.metrics.settlement_recovered.inc();
            }
        }
        Ok(posted)
    }

    async fn hand_over(
        &self,
        row: &BatchRow,
        bundle: Option<Arc<BlobBundle>>,
    ) -> Result<bool, BatcherError> {
        self.check(row).await?;
        self.submit(row, bundle).await
    }

    async fn set(&self, header: &BatchHeader) -> Result<Arc<EpochSet>, BatcherError> {
        let set = self.ledger.store().set_in(header.era, header.epoch).await?;
        set.ok_or(BatcherError::MissingSet(header.epoch))
    }

    /// The row with its place decided, its data on the data layer or its blobs if that is its place.
    /// None when the data is not here: it was adopted without, and others have it.
    async fn placed(
        &self,
        row: BatchRow,
    ) -> Result<Option<(BatchRow, Option<Arc<BlobBundle>>)>, BatcherError> {
        let index = row.header.batch_index;
        if row.data.is_empty() {
            debug!(batch = index, "batch cannot be posted here without its data");
            return Ok(None);
        }
        let rules = DataRules::from(&self.config);
        // What is certified stays where it is.
        let kind = match (&row.qc, rules.fixed(row.data.len())) {
            (Some(_), _) => row.da.kind,
            (None, Some(fixed)) => fixed,
            (None, None) => {
                let quorum = self.set(&row.header).await?.committee.size() * 2 / 3 + 1;
                let prices = self.transactions.prices().await?;
                choose(&Posting::new(&row.data, quorum), &prices)
            }
        };
        let (da, bundle) = match kind {
            DaKind::Blobs => {
                let bundle = self.bundles.lock().await.of(index, &row.data, rules.form).await?;
                (pointer(&bundle, row.data.len()), Some(bundle))
            }
            DaKind::Calldata => (DaPointer::calldata(&row.data), None),
            DaKind::Celestia => (self.put(&row).await?, None),
        };
        if da == row.da {
            return Ok(Some((row, bundle)));
        }
        let change = |row: &mut BatchRow| {
            row.da = da;
            row.qc = None;
        };
        let row = self.ledger.update(index, row.header.content_hash(), change).await?;
        Ok(row.map(|row| (row, bundle)))
    }

    /// Pointer to the data on the data layer, which has it when this returns.
    async fn put(&self, row: &BatchRow) -> Result<DaPointer, BatcherError> {
        // Stored only after it was read back.
        if row.da.kind == DaKind::Celestia {
            return Ok(row.da);
        }
        let index = row.header.batch_index;
        let layer = self.layer.as_ref().ok_or(BatcherError::NoLayer(index))?;
        self.puts.lock().await.of(index, &row.data, layer, self.ledger.store()).await
    }

    /// The row with a certificate, collected now if it has none. None when the attempt is used up
    /// and the next one must be tried.
    async fn certified(
        &self,
        row: BatchRow,
        set: &EpochSet,
        view: &L1View,
        bundle: Option<&BlobBundle>,
    ) -> Result<Option<BatchRow>, BatcherError> {
        if row.qc.is_some() {
            return Ok(Some(row));
        }
        let index = row.header.batch_index;
        let collector = Collector {
            service: &self.service,
            signer: &self.signer,
            peers: &self.peers,
            view,
            set,
            witness: &self.witness,
        };
        let content = row.header.content_hash();
        match collector.collect(&row, bundle.map(proofs).unwrap_or_default()).await? {
            Certified::Quorum(certificate) => {
                reach("batcher-after-sign").await;
                info!(batch = index, attempt = row.attempt, "batch certified");
                let keep = |row: &mut BatchRow| row.qc = Some(certificate);
                let row = self.ledger.update(index, content, keep).await?;
                reach("batcher-after-certify").await;
                Ok(row)
            }
            Certified::OtherAttempt(reason) => {
                let attempt = self.ledger.next_attempt(set, row.attempt);
                warn!(
                    batch = index,
                    attempt, reason, "attempt is used by other data, taking the next one"
                );
                self.ledger.update(index, content, |row| row.attempt = attempt).await?;
                Ok(None)
            }
        }
    }

    /// Gets place and certificate of the next batch ready while the one before is on its way.
    /// Returns only with a fatal error; what else fails is tried again when its turn comes.
    async fn prepare(&self, index: u64) -> BatcherError {
        match self.certified_ahead(index).await {
            Err(error) if error.is_fatal() => return error,
            Err(error) => debug!(batch = index, %error, "batch cannot be prepared yet"),
            Ok(()) => {}
        }
        std::future::pending().await
    }

    async fn certified_ahead(&self, index: u64) -> Result<(), BatcherError> {
        let mut heads = self.ledger.store().heads();
        let row = loop {
            heads.mark_unchanged();
            if let Some(row) = self.ledger.store().batch(index).await? {
                break row;
            }
            // Cut a moment after the block that completes it.
            if matches!(tokio::time::timeout(LOOK_AGAIN, heads.changed()).await, Ok(Err(_))) {
                return Ok(());
            }
        };
        let set = self.set(&row.header).await?;
        if posting_rank(&set, &row.header, self.signer.address()) != Some(0) {
            return Ok(());
        }
        let Some((row, bundle)) = self.placed(row).await? else { return Ok(()) };
        let view = self.view.borrow().clone();
        self.certified(row, &set, &view, bundle.as_deref()).await.map(|_| ())
    }

    /// Asks the contract whether it would accept the batch, before anything is paid.
    async fn check(&self, row: &BatchRow) -> Result<(), BatcherError> {
        let Some(certificate) = &row.qc else { return Ok(()) };
        let call = Coordinator::checkBatchCall {
            header: batch_header_to_sol(&row.header),
            da: da_pointer_to_sol(&row.da),
            qc: quorum_certificate_to_sol(certificate),
            skips: row.skips.clone(),
        };
        let client = self.transactions.client();
        let answer = client
            .dry_run(
                self.transactions.address(),
                self.coordinator,
                call.abi_encode().into(),
                BlockId::latest(),
            )
            .await;
        match answer {
            Ok(()) => Ok(()),
            Err(L1Error::Reverted(reverted)) => self.refused(row, &reverted).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Notes why the contract refuses. A certificate that it does not believe is collected anew.
    async fn refused(&self, row: &BatchRow, reverted: &Reverted) -> Result<(), BatcherError> {
        let index = row.header.batch_index;
        let reason = reverted.to_string();
        if is_taken(reverted) {
            debug!(batch = index, reason, "batch was posted by another validator");
        }
        let bad_certificate = matches!(
            reverted.error.as_deref(),
            Some(
                ContractError::BadSigner(_)
                    | ContractError::BadBitmap(_)
                    | ContractError::BadCertLength(_)
                    | ContractError::QuorumNotReached(_)
            )
        );
        let taken = is_taken(reverted);
        if taken {
            self.metrics.contract_already_known.inc();
        } else {
            self.metrics.settlement_failed.inc();
        }
        let noted = reason.clone();
        self.ledger
            .update(index, row.header.content_hash(), |row| {
                if matches!(row.state, BatchState::Included | BatchState::Finalized) || taken {
                    return;
                }
                row.state = BatchState::Failed;
                row.error = Some(noted);
                if bad_certificate {
                    row.qc = None;
                }
            })
            .await?;
        Err(BatcherError::Refused { index, reason })
    }

    /// Sends the batch and waits for its block, or until somebody else's posting is accepted.
    async fn submit(
        &self,
        row: &BatchRow,
        bundle: Option<Arc<BlobBundle>>,
    ) -> Result<bool, BatcherError> {
        let index = row.header.batch_index;
        let content = row.header.content_hash();
        let Some(request) = self.request(row, bundle) else { return Ok(false) };
        self.ledger
            .update(index, content, |row| {
                if matches!(row.state, BatchState::Created | BatchState::Failed) {
                    row.state = BatchState::Submitted;
                    row.error = None;
                }
            })
            .await?;
        if row.state == BatchState::Created {
            self.metrics.settlement_submitted.inc();
            let place = match row.da.kind {
                DaKind::Calldata => "calldata",
                DaKind::Blobs => "blobs",
                DaKind::Celestia => "celestia",
            };
            self.metrics.da_submissions.inc(&DaLabels::new(place));
            self.metrics.da_bytes.inc_by(row.data.len() as u64);
        }
        let purpose = purpose(row);
        let mut view = self.view.clone();
        // Gives no guard back: one that lives across the match would pin this task to its thread.
        let accepted = async {
            let _ = view.wait_for(|view| view.tip.is_some_and(|tip| tip.index >= index)).await;
            // Mostly it is the own one, whose receipt comes at any moment.
            tokio::time::sleep(OWN_RECEIPT).await;
        };
        let outcome = tokio::select! {
            outcome = self.transactions.send(&purpose, &request) => match outcome {
                Ok(outcome) => outcome,
                Err(TxError::WouldRevert(reverted)) => {
                    self.refused(row, &reverted).await?;
                    return Ok(false);
                }
                Err(error) => return Err(error.into()),
            },
            // The open transaction is replaced by the next one or refused by the contract.
            () = accepted => {
                info!(batch = index, "batch is accepted, own transaction is not waited for");
                return Ok(true);
            }
            fatal = self.prepare(index + 1) => return Err(fatal),
        };
        reach("batcher-after-post").await;
        match outcome.status {
            TxStatus::Succeeded => {
                info!(batch = index, l1_block = outcome.block, transaction = %outcome.hash, gas = outcome.gas_used, "batch posted");
                self.ledger
                    .update(index, content, |row| {
                        if row.state != BatchState::Finalized {
                            row.state = BatchState::Included;
                        }
                        row.l1_tx = Some(outcome.hash);
                        row.l1_block = Some(outcome.block);
                        row.error = None;
                    })
                    .await?;
                self.wait_for_view(index).await;
                Ok(true)
            }
            TxStatus::Reverted(reverted) => {
                let reverted = reverted.unwrap_or_else(|| Reverted::decode(Default::default()));
                self.refused(row, &reverted).await?;
                Ok(false)
            }
        }
    }

    /// The reader sees the block a moment later; until then the batch would look unposted.
    async fn wait_for_view(&self, index: u64) {
        let mut view = self.view.clone();
        let seen = view.wait_for(|view| view.tip.is_some_and(|tip| tip.index >= index));
        let _ = tokio::time::timeout(MAX_UNSEEN, seen).await;
    }

    fn request(&self, row: &BatchRow, bundle: Option<Arc<BlobBundle>>) -> Option<TxRequest> {
        let certificate: &QuorumCertificate = row.qc.as_ref()?;
        let (header, da) = (batch_header_to_sol(&row.header), da_pointer_to_sol(&row.da));
        let (qc, skips) = (quorum_certificate_to_sol(certificate), row.skips.clone());
        let input = match &bundle {
            Some(bundle) => Coordinator::submitBatchWithBlobsCall {
                header,
                da,
                versionedHashes: bundle.versioned_hashes(),
                qc,
                skips,
            }
            .abi_encode(),
            None if row.da.kind == DaKind::Celestia => {
                Coordinator::submitBatchCall { header, da, qc, skips }.abi_encode()
            }
            None => Coordinator::submitBatchWithCalldataCall {
                header,
                da,
                qc,
                skips,
                data: row.data.clone(),
            }
            .abi_encode(),
        };
        Some(TxRequest { blobs: bundle, ..TxRequest::call(self.coordinator, input.into()) })
    }
}

/// Refusals that mean that the batch chain moved on meanwhile.
fn is_taken(reverted: &Reverted) -> bool {
    matches!(
        reverted.error.as_deref(),
        Some(ContractError::NotContiguous(_) | ContractError::WrongParent(_))
    )
}

/// Purpose in the journal: the same content of the same batch is never posted twice.
fn purpose(row: &BatchRow) -> String {
    format!("batch:{}:{}:{}", row.header.batch_index, row.header.content_hash(), row.attempt)
}
