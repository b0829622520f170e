//! `ande_*`: what Ethereum's methods cannot say.

use std::{collections::HashMap, sync::Arc};

use alloy::eips::BlockNumberOrTag;
use alloy_primitives::{B256, keccak256};
use ande_primitives::{Epoch, EpochSet, Height, Skip, inclusion_proof};
use serde::Serialize;
use serde_json::Value;

use crate::{
    BatchView, CertificateView, CommitteeView, RpcError, ScheduleEntry,
    args::{Args, Reference},
    context::Context,
    eth::{locate, reference_or_missing},
    status,
};

/// Numbers above this are in no database.
pub(crate) const MAX_STORED: u64 = i64::MAX as u64;
/// Most entries of one schedule answer.
const MAX_SCHEDULE: u64 = 1000;
/// Most batches of one answer.
const MAX_BATCHES: u64 = 100;
/// Bytes of blocks read at once to prove an inclusion.
const PROOF_CHUNK_BYTES: usize = 8 << 20;
/// Most transactions of a batch for which a proof is made here.
const MAX_PROOF_TRANSACTIONS: u32 = 1 << 20;

pub(crate) async fn status(context: Arc<Context>, _: Args) -> Result<Value, RpcError> {
    Ok(status::status(&context).await)
}

pub(crate) async fn get_certificate(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<CertificateView>, RpcError> {
    let reference = args.reference(0)?.unwrap_or(Reference::Block(BlockNumberOrTag::Latest));
    let Some(height) = context.height_of(reference).await? else { return Ok(None) };
    // Genesis has no certificate.
    let commit = context.commit_at(height).await?;
    Ok(commit.map(|commit| CertificateView::new(commit, &context.domain, &context.services.info)))
}

pub(crate) async fn get_validators(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<CommitteeView>, RpcError> {
    let set = match args.number(0)? {
        Some(epoch) if epoch > MAX_STORED => None,
        Some(epoch) => context.services.store.set(Epoch(epoch)).await?,
        None => context.current_set().await?,
    };
    Ok(set.map(|set| CommitteeView::from(&*set)))
}

/// Scheduled proposers from a height on, as far as the sets are known. Passed-over proposers are
/// counted in the window of the latest block; in other windows the schedule itself is given.
pub(crate) async fn get_schedule(
    context: Arc<Context>,
    args: Args,
) -> Result<Vec<ScheduleEntry>, RpcError> {
    let store = &context.services.store;
    let latest = context.heads().latest;
    let from = Height(args.number(0)?.unwrap_or(latest.next().0));
    let count = args.number(1)?.unwrap_or(1).min(MAX_SCHEDULE);
    if from.0 > MAX_STORED - MAX_SCHEDULE {
        return Ok(Vec::new());
    }
    let Some(known) = context.current_set().await? else { return Ok(Vec::new()) };
    let tip_skip = context.commit_at(latest).await?.map_or(Skip(0), |tip| tip.block.header.skip);
    let mut sets: HashMap<Epoch, Option<Arc<EpochSet>>> = HashMap::new();
    let mut entries = Vec::new();
    for height in (from.0..from.0.saturating_add(count)).map(Height) {
        // The rules never change, so any set names the epoch of any height.
        let epoch = known.rules.epoch_of(height);
        let set = match sets.get(&epoch) {
            Some(set) => set.clone(),
            None => {
                let set = store.set(epoch).await?;
                sets.insert(epoch, set.clone());
                set
            }
        };
        let Some(set) = set else { break };
        let skip =
            if height > latest { set.rules.skip_base(latest, tip_skip, height) } else { Skip(0) };
        let member = set.proposer(height, skip);
        entries.push(ScheduleEntry {
            height,
            epoch,
            window: set.rules.window_of(height),
            skip,
            proposer: member.signer,
            validator_id: member.id,
        });
    }
    Ok(entries)
}

pub(crate) async fn get_batch(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<BatchView>, RpcError> {
    let store = &context.services.store;
    let row = match reference_or_missing(&args, 0)? {
        Reference::Hash(hash) => store.batch_by_content_hash(hash).await?,
        Reference::Block(BlockNumberOrTag::Number(index)) if index > MAX_STORED => None,
        Reference::Block(BlockNumberOrTag::Number(index)) => store.batch(index).await?,
        Reference::Block(BlockNumberOrTag::Latest) => store.last_batch().await?,
        Reference::Block(tag) => {
            return Err(RpcError::InvalidParams(format!(
                "invalid argument 0: {tag} names no batch"
            )));
        }
    };
    Ok(row.map(BatchView::from))
}

pub(crate) async fn get_batches(
    context: Arc<Context>,
    args: Args,
) -> Result<Vec<BatchView>, RpcError> {
    let from = args.number(0)?.unwrap_or(1).min(MAX_STORED);
    let limit = args.number(1)?.unwrap_or(20).min(MAX_BATCHES);
    let rows = context.services.store.batches(from, limit as usize).await?;
    Ok(rows.into_iter().map(BatchView::from).collect())
}

/// Proof that a transaction is in a batch, for `verifyInclusion` of the coordinator contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionProof {
    /// Number of the batch.
    pub batch_index: u64,
    /// Its hash on the settlement chain.
    pub batch_hash: B256,
    /// Root of its transactions.
    pub tx_root: B256,
    /// How many they are.
    pub tx_count: u32,
    /// Position of the transaction in the batch.
    pub index: u32,
    /// The transaction.
    pub tx_hash: B256,
    /// Sibling hashes from the leaf up.
    pub proof: Vec<B256>,
}

pub(crate) async fn get_transaction_proof(
    context: Arc<Context>,
    args: Args,
) -> Result<Option<TransactionProof>, RpcError> {
    let tx_hash: B256 = args.required(0)?;
    let Some(located) = locate(&context, tx_hash).await? else { return Ok(None) };
    let store = &context.services.store;
    let Some(row) = store.batch_of_height(located.height).await? else { return Ok(None) };
    let header = row.header;
    if header.tx_count > MAX_PROOF_TRANSACTIONS {
        return Err(RpcError::TooLarge("the batch has too many transactions".into()));
    }
    let mut hashes: Vec<B256> = Vec::new();
    let mut position = None;
    let mut next = header.start_height;
    while next <= header.end_height {
        let commits = store.commits(next..=header.end_height, PROOF_CHUNK_BYTES).await?;
        let Some(last) = commits.last() else { return Ok(None) };
        next = last.block.height().next();
        for commit in commits {
            if commit.block.height() == located.height {
                position = Some(hashes.len() + located.index as usize);
            }
            hashes.extend(commit.block.transactions.iter().map(keccak256));
        }
    }
    let proof = position.and_then(|index| Some((index, inclusion_proof(&hashes, index)?)));
    Ok(proof.map(|(index, proof)| TransactionProof {
        batch_index: header.batch_index,
        batch_hash: header.content_hash(),
        tx_root: header.tx_root,
        tx_count: header.tx_count,
        index: u32::try_from(index).unwrap_or(u32::MAX),
        tx_hash,
        proof,
    }))
}
