//! The last blocks: who proposed them in which round, and who signed.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256};
use ande_primitives::{Commit, Epoch, Height, Round, Skip};
use ande_store::{Store, StoreError};
use parking_lot::Mutex;
use serde::Serialize;

/// Blocks shown.
const SHOWN: u64 = 10;
/// Bytes of stored blocks read at once.
const CHUNK_BYTES: usize = 4 << 20;

/// A certified block in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RecentBlock {
    height: Height,
    epoch: Epoch,
    /// Ethereum hash.
    hash: B256,
    timestamp_ms: u64,
    transactions: usize,
    proposer: Address,
    skip: Skip,
    round: Round,
    /// Those whose signatures are in the certificate of this node.
    signers: Vec<Address>,
}

impl From<&Commit> for RecentBlock {
    fn from(commit: &Commit) -> Self {
        let header = &commit.block.header;
        Self {
            height: header.height,
            epoch: header.epoch,
            hash: header.execution_hash,
            timestamp_ms: header.timestamp_ms,
            transactions: commit.block.transactions.len(),
            proposer: header.proposer,
            skip: header.skip,
            round: commit.certificate.round,
            signers: commit.certificate.signatures.iter().map(|entry| entry.signer).collect(),
        }
    }
}

/// Certified blocks never change, so each is read once.
#[derive(Debug, Default)]
pub(crate) struct RecentBlocks(Mutex<BTreeMap<Height, RecentBlock>>);

impl RecentBlocks {
    /// The blocks up to `latest`, newest first.
    pub(crate) async fn read(
        &self,
        store: &Store,
        latest: Height,
    ) -> Result<Vec<RecentBlock>, StoreError> {
        let first = Height(latest.0.saturating_sub(SHOWN - 1).max(1));
        let missing = {
            let mut known = self.0.lock();
            known.retain(|height, _| *height >= first);
            (first.0..=latest.0).map(Height).find(|height| !known.contains_key(height))
        };
        if let Some(mut next) = missing {
            while next <= latest {
                let commits = store.commits(next..=latest, CHUNK_BYTES).await?;
                let Some(last) = commits.last() else { break };
                next = last.block.height().next();
                let mut known = self.0.lock();
                known.extend(commits.iter().map(|commit| (commit.block.height(), commit.into())));
            }
        }
        let known = self.0.lock();
        Ok(known.range(first..=latest.max(first)).rev().map(|(_, block)| block.clone()).collect())
    }
}
