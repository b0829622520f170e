//! What must hold after every fault.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use alloy::primitives::{Address, B256};
use ande_devnet::{Acknowledged, Rpc, wait_until};
use eyre::{ContextCompat as _, Result, bail, ensure};

use crate::{CertificateCheck, ConsensusBlock, TestCluster};

/// Longest time from the return of all nodes until everything acknowledged is in a block.
const SETTLING: Duration = Duration::from_secs(15);

/// A batch as the contract's event announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostedBatch {
    /// Number.
    pub index: u64,
    /// First height.
    pub start: u64,
    /// Last height.
    pub end: u64,
    /// Content hash.
    pub hash: B256,
    /// Transaction of the settlement chain that brought it.
    pub transaction: B256,
}

impl TestCluster {
    /// Checks everything: one certified block per height on all nodes, each with a certificate
    /// that the contract's set verifies; every acknowledged transaction in the chain; none twice;
    /// batches contiguous. All nodes must run. Returns the number of heights checked.
    ///
    /// # Errors
    /// The first violation.
    pub async fn check_invariants(&self, acknowledged: &[Acknowledged]) -> Result<u64> {
        let blocks = self.check_agreement().await?;
        // One that was acknowledged just before its node stopped comes into a block once that node
        // is back and has gossiped it again.
        let lacking = async || {
            let included = self.check_each_once().await?;
            Ok(acknowledged.iter().all(|ack| included.contains_key(&ack.hash)).then_some(()))
        };
        let settled =
            wait_until("acknowledged transactions are in blocks", SETTLING, lacking).await;
        let included = self.check_each_once().await?;
        if let Some(lost) = acknowledged.iter().find(|ack| !included.contains_key(&ack.hash)) {
            bail!("transaction {} was acknowledged and is in no block", lost.hash);
        }
        settled?;
        let batches = self.check_batches().await?;
        let heights = blocks.len() as u64;
        self.say(&format!(
            "invariants hold: {heights} heights agree and verify, {} acknowledged of {} included transactions, {} batches",
            acknowledged.len(),
            included.len(),
            batches.len()
        ));
        Ok(heights)
    }

    /// Rounds that ended without a block between two heights: `from` exclusive, `to` inclusive.
    ///
    /// # Errors
    /// When the first node lacks a block of them.
    pub async fn timeouts_between(&self, from: u64, to: u64) -> Result<u32> {
        let chain = self.chain(0)?;
        let rotation = u64::from(self.cluster().deployment().rotation);
        let mut timeouts = 0;
        let mut parent = chain.block(from).await?.wrap_err("block lost")?.header;
        for height in from + 1..=to {
            let header = chain.block(height).await?.wrap_err("block lost")?.header;
            let same_window = parent.height.0 / rotation == header.height.0 / rotation;
            timeouts += header.skip.0 - if same_window { parent.skip.0 } else { 0 };
            parent = header;
        }
        Ok(timeouts)
    }

    /// One certified block per height on all nodes, certificates verified independently.
    ///
    /// # Errors
    /// The first violation.
    pub async fn check_agreement(&self) -> Result<BTreeMap<u64, ConsensusBlock>> {
        let mut check = CertificateCheck::new(
            self.l1()?,
            self.cluster().contracts().consensus,
            self.cluster().deployment().l2_chain_id,
        );
        let mut agreed: BTreeMap<u64, ConsensusBlock> = BTreeMap::new();
        for index in 0..self.size() {
            let chain = self.chain(index)?;
            let name = self.cluster().nodes()[index].name();
            let top = chain.rpc().height().await?;
            let mut parent = self.cluster().deployment().genesis_hash;
            for height in 1..=top {
                let block = chain
                    .block(height)
                    .await?
                    .wrap_err_with(|| format!("{name} has no block at height {height}"))?;
                let hash = block.hash();
                ensure!(hash == block.header.hash(), "{name}: header bytes of block {height}");
                ensure!(block.header.height.0 == height, "{name}: wrong height in block {height}");
                ensure!(
                    block.header.parent_hash == parent,
                    "{name}: block {height} has another parent"
                );
                parent = hash;
                let known = agreed.get(&height);
                if let Some(known) = known {
                    ensure!(
                        known.header == block.header,
                        "two certified blocks at height {height}: {} and, on {name}, {hash}",
                        known.header.hash()
                    );
                }
                // The same certificate needs no second check; nodes may hold different ones.
                if known.is_none_or(|known| known.signatures != block.signatures) {
                    check.verify(&block).await?;
                }
                agreed.entry(height).or_insert(block);
            }
        }
        Ok(agreed)
    }

    /// Every transaction at most once in the chain of the highest node; returns their heights.
    ///
    /// # Errors
    /// A transaction in two blocks.
    pub async fn check_each_once(&self) -> Result<HashMap<B256, u64>> {
        let mut best: Option<(u64, Rpc)> = None;
        for rpc in self.rpcs()? {
            let Ok(height) = rpc.height().await else { continue };
            if best.as_ref().is_none_or(|(top, _)| height > *top) {
                best = Some((height, rpc));
            }
        }
        let (top, rpc) = best.wrap_err("no node answers")?;
        let mut included = HashMap::new();
        for height in 1..=top {
            let block = rpc.block(height).await?.wrap_err_with(|| format!("no block {height}"))?;
            for hash in block.transactions {
                if let Some(before) = included.insert(hash, height) {
                    bail!("transaction {hash} is in blocks {before} and {height}");
                }
            }
        }
        Ok(included)
    }

    /// Accepted batches: numbers and heights without gaps, none twice.
    ///
    /// # Errors
    /// The first gap or repetition.
    pub async fn check_batches(&self) -> Result<Vec<PostedBatch>> {
        let coordinator = self.coordinator()?;
        // Before the events: batches may be accepted meanwhile.
        let tip = coordinator.tip().call().await?.batchIndex;
        let events = coordinator.BatchAccepted_filter().from_block(0).query().await?;
        let mut batches: Vec<PostedBatch> = Vec::new();
        let escapes = coordinator.EscapeBatch_filter().from_block(0).query().await?;
        let mut escapes = escapes.into_iter().map(|(event, _)| event.header).peekable();
        for (event, log) in events {
            let batch = PostedBatch {
                index: event.batchIndex,
                start: event.startHeight,
                end: event.endHeight,
                hash: event.contentHash,
                transaction: log.transaction_hash.wrap_err("an event of no transaction")?,
            };
            let (mut index, start) =
                batches.last().map_or((1, 1), |last| (last.index + 1, last.end + 1));
            while let Some(escape) = escapes.next_if(|escape| escape.batchIndex == index) {
                ensure!(escape.endHeight + 1 == start, "escape batch {index} has heights");
                index += 1;
            }
            ensure!(
                batch.index == index && batch.start == start && batch.end >= batch.start,
                "{batch:?} does not follow {:?}",
                batches.last()
            );
            batches.push(batch);
        }
        let last = batches.last().map_or(0, |last| last.index);
        ensure!(tip <= last, "the tip was batch {tip}, the last event {last}");
        Ok(batches)
    }

    /// The schedule's answer for a height, asked of the contract.
    ///
    /// # Errors
    /// When the contract does not answer.
    pub async fn proposer_at(&self, height: u64, skip: u32) -> Result<Address> {
        // Two overloads: the second takes the skip count.
        Ok(self.consensus()?.proposerAt_1(height, skip).call().await?)
    }
}
