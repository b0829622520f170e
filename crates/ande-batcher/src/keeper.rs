//! Duties on the contract that anyone may do and somebody must: proofs of misbehaviour brought,
//! sets frozen, downtime judged.

use std::time::{Duration, Instant};

use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, U256},
    sol_types::SolCall as _,
};
use ande_consensus::{CheckpointEvidence, Evidence};
use ande_contracts::{AndeConsensus, ContractError, Reverted, checkpoint_to_sol, vote_to_sol};
use ande_l1::{L1View, TxError, TxManager, TxRequest, TxStatus};
use ande_primitives::{Epoch, EpochSet, Era, Signature};
use ande_store::Store;
use ande_telemetry::Metrics;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::{
    BatcherError,
    turn::{Pause, Waiting, keeper_rank, step},
};

/// Sets up to this size are frozen by the contract itself.
const AUTO_FREEZE_MAX: usize = 16;
/// Closed epochs whose downtime is looked at after a start.
const LOOK_BACK: u64 = 16;
/// Nothing is said of a standstill before it is this long, in settlement seconds, and not more often
/// looked at.
const STANDSTILL: u64 = 3_600;
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The contract jails nobody for fewer windows.
const MIN_SKIPPED: u32 = 2;

/// Does what the contract leaves to its users.
pub(crate) struct Keeper {
    pub(crate) store: Store,
    /// Key by which this node is a member.
    pub(crate) own: Address,
    pub(crate) transactions: TxManager,
    pub(crate) consensus: Address,
    pub(crate) view: watch::Receiver<L1View>,
    pub(crate) metrics: Metrics,
    /// How long the members before this one in a task's order are waited for, each.
    pub(crate) takeover: Duration,
    pub(crate) turns: Turns,
    pub(crate) pause: Pause,
}

/// What is waited for.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    freezing: Waiting,
    reporting: Waiting,
    accusing: Waiting,
    settling: Waiting,
    /// When it was last asked whether a halt or a relaunch is possible, and what was said.
    standstill: Option<Instant>,
    advised: Option<(Era, u64)>,
    /// Epoch whose downtime is looked at next; none before the first look.
    unsettled: Option<Epoch>,
}

impl Keeper {
    /// Does what is due; returns whether something was done.
    ///
    /// # Errors
    /// Fatal errors only; others are logged and tried again after a pause.
    pub(crate) async fn step(&mut self) -> Result<bool, BatcherError> {
        let view = self.view.borrow().clone();
        if self.pause.is_on() || !view.is_up() {
            return Ok(false);
        }
        match self.one_duty(&view).await {
            Ok(done) => {
                if done {
                    self.pause.end();
                }
                Ok(done)
            }
            Err(error) if error.is_fatal() => Err(error),
            Err(error) => {
                let pause_ms = self.pause.begin().as_millis();
                warn!(%error, pause_ms, "a duty on the contract failed, trying again");
                Ok(false)
            }
        }
    }

    async fn one_duty(&mut self, view: &L1View) -> Result<bool, BatcherError> {
        self.advise(view).await?;
        Ok(self.report_votes(view).await?
            || self.report_checkpoints(view).await?
            || self.freeze_next(view).await?
            || self.settle_downtime(view).await?)
    }

    /// Brings the oldest pair of contradicting votes that the contract has not judged.
    async fn report_votes(&mut self, view: &L1View) -> Result<bool, BatcherError> {
        let Some(config) = view.config else { return Ok(false) };
        let Some(evidence) = self.store.unreported_evidence(1).await?.pop() else {
            return Ok(false);
        };
        let vote = &evidence.first.vote;
        let (signer, kind) = (evidence.signer, vote.kind as u8);
        let accusation = Accusation {
            signer,
            era: vote.era,
            epoch: vote.epoch,
            task: vote.height.0,
            purpose: format!("evidence:{signer}:{}:{}:{kind}", vote.height, vote.round),
        };
        let input = |offender| vote_call(config.l2_chain_id, &evidence, offender);
        if !self.accuse(view, &accusation, |turns| &mut turns.reporting, input).await? {
            return Ok(false);
        }
        self.store.mark_reported(&evidence).await?;
        Ok(true)
    }

    /// Brings the oldest pair of contradicting checkpoints that the contract has not judged.
    async fn report_checkpoints(&mut self, view: &L1View) -> Result<bool, BatcherError> {
        let Some(config) = view.config else { return Ok(false) };
        let Some(evidence) = self.store.unreported_checkpoints(1).await?.pop() else {
            return Ok(false);
        };
        let checkpoint = &evidence.first.checkpoint;
        let (signer, batch) = (evidence.signer, checkpoint.batch_index);
        let accusation = Accusation {
            signer,
            era: checkpoint.era,
            epoch: checkpoint.epoch,
            task: batch,
            purpose: format!("checkpoints:{signer}:{}:{batch}", checkpoint.era),
        };
        let input = |offender| checkpoint_call(config.l2_chain_id, &evidence, offender);
        if !self.accuse(view, &accusation, |turns| &mut turns.accusing, input).await? {
            return Ok(false);
        }
        self.store.mark_checkpoints_reported(&evidence).await?;
        Ok(true)
    }

    /// Brings a proof when it is this node's turn; whether it is judged now, here or before.
    async fn accuse(
        &mut self,
        view: &L1View,
        accusation: &Accusation,
        waiting: impl Fn(&mut Turns) -> &mut Waiting + Send,
        input: impl Fn(usize) -> Vec<u8> + Send,
    ) -> Result<bool, BatcherError> {
        let Accusation { signer, era, epoch, task, purpose } = accusation;
        let set = self.store.set_in(*era, *epoch).await?;
        let set = set.ok_or(BatcherError::MissingSet(*epoch))?;
        let Some(offender) = set.committee.index_of(*signer) else {
            error!(%signer, epoch = epoch.0, "evidence against somebody outside the set is put away");
            return Ok(true);
        };
        // Everyone with the proof may bring it; the offender is not waited for.
        let rank_of = |signer| keeper_rank(&set.committee, *task, signer);
        let mut rank = rank_of(self.own).unwrap_or(u32::MAX);
        if rank_of(*signer).is_some_and(|offenders| offenders < rank) {
            rank -= 1;
        }
        if !waiting(&mut self.turns).is_over(*task, rank, step(self.takeover, view)) {
            return Ok(false);
        }
        match self.send(purpose, input(offender).into()).await? {
            Sent::Done => {
                warn!(%signer, purpose, "contradiction brought to the contract, its author is slashed");
                self.metrics.evidence_reported.inc();
            }
            Sent::Refused(reverted) => match reverted.error.as_deref() {
                Some(ContractError::AlreadyTombstoned(_)) => {
                    info!(%signer, "the author of a contradiction is slashed already");
                }
                Some(
                    ContractError::EvidenceExpired(_)
                    | ContractError::InvalidEvidence(_)
                    | ContractError::NotInSet(_)
                    | ContractError::WrongStatus(_),
                ) => {
                    error!(%signer, purpose, %reverted, "the contract does not take the evidence");
                }
                // No judgement of the proof: it is kept and brought again.
                _ => return Err(TxError::WouldRevert(reverted).into()),
            },
        }
        Ok(true)
    }

    /// Says what can be done when the contract stands still: halting and relaunching give up blocks or
    /// take new sets, so people decide on them and no node does.
    async fn advise(&mut self, view: &L1View) -> Result<(), BatcherError> {
        let Some(tip) = view.tip else { return Ok(()) };
        let still = view.latest_time.saturating_sub(tip.accepted_at) >= STANDSTILL;
        let looked = self.turns.standstill.is_some_and(|at| at.elapsed() < LOOK_EVERY);
        let never_launched = !view.launched && view.era == Era(0);
        if !still || looked || never_launched || self.turns.advised == Some((view.era, tip.index)) {
            return Ok(());
        }
        self.turns.standstill = Some(Instant::now());
        let (client, at) = (self.transactions.client(), BlockId::latest());
        let (function, possible) = if view.launched {
            let call = AndeConsensus::declareHaltCall {};
            ("declareHalt()", client.call(self.consensus, &call, at).await.is_ok())
        } else {
            let call = AndeConsensus::relaunchCall {};
            ("relaunch()", client.call(self.consensus, &call, at).await.is_ok())
        };
        if possible {
            self.turns.advised = Some((view.era, tip.index));
            warn!(
                batch = tip.index,
                era = view.era.0,
                command = format!(
                    "cast send {} '{function}' --rpc-url <settlement> --private-key <key>",
                    self.consensus
                ),
                "no batch is accepted any more; anyone may end that, and no node does"
            );
        }
        Ok(())
    }

    /// Freezes the set of the epoch after the next, where the contract leaves that to its users.
    async fn freeze_next(&mut self, view: &L1View) -> Result<bool, BatcherError> {
        let (Some(tip), Some(last), Some(config)) =
            (view.final_tip, view.last_frozen_epoch, view.config)
        else {
            return Ok(false);
        };
        let open = config.rules.epoch_of(tip.end_height);
        if !view.launched || tip.index == 0 || last.0 >= open.0 + 2 {
            return Ok(false);
        }
        let set = self.set(open).await?;
        let Some(rank) = keeper_rank(&set.committee, last.0, self.own) else { return Ok(false) };
        if set.committee.size() <= AUTO_FREEZE_MAX && rank > 0 {
            // The next batch does it; only the first keeper helps.
            return Ok(false);
        }
        let next = last.0 + 1;
        let wait = step(self.takeover, view);
        if !self.turns.freezing.is_over(next, rank.saturating_add(1), wait) {
            return Ok(false);
        }
        let input = AndeConsensus::freezeEpochCall { epoch: next }.abi_encode();
        match self.send(&format!("freeze:{next}"), input.into()).await? {
            Sent::Done => {
                info!(epoch = next, "validator set of the epoch frozen");
                Ok(true)
            }
            // Somebody was faster, or no batch of the epoch is accepted yet.
            Sent::Refused(reverted) => {
                debug!(epoch = next, %reverted, "epoch needs no freezing");
                Ok(false)
            }
        }
    }

    /// Has the contract judge the proposers that were skipped in a closed epoch. Epochs in which
    /// nobody can be jailed are passed over, so that nobody pays for them.
    async fn settle_downtime(&mut self, view: &L1View) -> Result<bool, BatcherError> {
        let (Some(tip), Some(config)) = (view.final_tip, view.config) else { return Ok(false) };
        let open = config.rules.epoch_of(tip.end_height);
        let epoch = self.turns.unsettled.unwrap_or(Epoch(open.0.saturating_sub(LOOK_BACK)));
        self.turns.unsettled = Some(epoch);
        if epoch >= open {
            return Ok(false);
        }
        let call = AndeConsensus::skippedWindowsCall { epoch: epoch.0 };
        let at = BlockId::number(view.final_block);
        let skipped = self.transactions.client().call(self.consensus, &call, at).await?;
        if skipped >= MIN_SKIPPED {
            let set = self.set(open).await?;
            let rank = keeper_rank(&set.committee, epoch.0, self.own).unwrap_or(u32::MAX);
            if !self.turns.settling.is_over(epoch.0, rank, step(self.takeover, view)) {
                return Ok(false);
            }
            let input = AndeConsensus::settleDowntimeCall { epoch: epoch.0 }.abi_encode();
            match self.send(&format!("downtime:{}", epoch.0), input.into()).await? {
                Sent::Done => info!(epoch = epoch.0, skipped, "downtime of the epoch judged"),
                // Somebody was faster, or it is too late.
                Sent::Refused(reverted) => {
                    debug!(epoch = epoch.0, %reverted, "downtime is not judged");
                }
            }
        }
        self.turns.unsettled = Some(Epoch(epoch.0 + 1));
        Ok(true)
    }

    async fn set(&self, epoch: Epoch) -> Result<std::sync::Arc<EpochSet>, BatcherError> {
        self.store.set(epoch).await?.ok_or(BatcherError::MissingSet(epoch))
    }

    async fn send(&self, purpose: &str, input: Bytes) -> Result<Sent, BatcherError> {
        let request = TxRequest::call(self.consensus, input);
        match self.transactions.send(purpose, &request).await {
            Ok(outcome) => match outcome.status {
                TxStatus::Succeeded => Ok(Sent::Done),
                TxStatus::Reverted(reverted) => {
                    let unknown = || Reverted::decode(Bytes::default());
                    Ok(Sent::Refused(reverted.unwrap_or_else(unknown)))
                }
            },
            Err(TxError::WouldRevert(reverted)) => Ok(Sent::Refused(reverted)),
            Err(error) => Err(error.into()),
        }
    }
}

/// What became of a call.
enum Sent {
    Done,
    Refused(Reverted),
}

/// What a proof is about, whatever messages it is made of.
struct Accusation {
    signer: Address,
    era: Era,
    epoch: Epoch,
    /// Number that the order of the reporters depends on.
    task: u64,
    /// In the journal of transactions: nothing is brought twice.
    purpose: String,
}

fn vote_call(l2_chain_id: u64, evidence: &Evidence, offender: usize) -> Vec<u8> {
    AndeConsensus::submitVoteEvidenceCall {
        a: vote_to_sol(l2_chain_id, &evidence.first.vote),
        otherBlockHash: evidence.second.vote.block_hash,
        setIndex: U256::from(offender),
        sigA: bytes_of(&evidence.first.signature),
        sigB: bytes_of(&evidence.second.signature),
    }
    .abi_encode()
}

fn checkpoint_call(l2_chain_id: u64, evidence: &CheckpointEvidence, offender: usize) -> Vec<u8> {
    AndeConsensus::submitCheckpointEvidenceCall {
        a: checkpoint_to_sol(l2_chain_id, &evidence.first.checkpoint),
        b: checkpoint_to_sol(l2_chain_id, &evidence.second.checkpoint),
        setIndex: U256::from(offender),
        sigA: bytes_of(&evidence.first.signature),
        sigB: bytes_of(&evidence.second.signature),
    }
    .abi_encode()
}

fn bytes_of(signature: &Signature) -> Bytes {
    Bytes::copy_from_slice(signature.as_bytes())
}
