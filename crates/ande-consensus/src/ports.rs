//! Ports between services of the node that may not know each other.

use alloy_primitives::{Address, B256};
use ande_primitives::{Height, NodeId};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;

/// The three heads that ordinary clients know as `latest`, `safe` and `finalized`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Heads {
    /// Certified by the committee.
    pub latest: Height,
    /// Its batch is on the settlement chain, deep enough.
    pub safe: Height,
    /// Its batch is in a final settlement block.
    pub finalized: Height,
}

/// Why a transaction was not taken. Messages are geth's where geth has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The transaction is wrong; sending it elsewhere does not help.
    #[error("{0}")]
    Rejected(String),
    /// This node cannot take it now; another node may.
    #[error("{0}")]
    Unavailable(String),
}

/// Size of the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Transactions that could be in the next block.
    pub pending: usize,
    /// Transactions that wait for an earlier nonce.
    pub queued: usize,
    /// Their size in bytes.
    pub bytes: usize,
}

/// A transaction in the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PooledEntry {
    /// Account that signed it.
    pub sender: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Its EIP-2718 bytes.
    pub raw: Bytes,
    /// Whether it could be in the next block; otherwise it waits for an earlier nonce, for funds or
    /// for a lower base fee.
    pub executable: bool,
}

/// Takes signed transactions.
#[async_trait]
pub trait TransactionIngress: Send + Sync + 'static {
    /// Checks, journals and gossips a transaction of a client; returns its hash once it is durable
    /// here. A duplicate is success.
    async fn submit(&self, raw: Bytes) -> Result<B256, SubmitError>;

    /// Checks and journals transactions that another validator acknowledged to its clients; one
    /// outcome for each, in order.
    async fn submit_from(&self, peer: NodeId, raws: Vec<Bytes>) -> Vec<Result<B256, SubmitError>>;

    /// A transaction that is in the pool and in no block.
    fn pending(&self, hash: B256) -> Option<Bytes>;

    /// Size of the pool.
    fn status(&self) -> PoolStatus;

    /// Transactions in the pool, of one sender or of all, ascending by sender and nonce.
    fn content(&self, sender: Option<Address>) -> Vec<PooledEntry> {
        let _ = sender;
        Vec::new()
    }

    /// First nonce from `nonce` on for which the pool has no transaction of the sender.
    fn next_nonce(&self, sender: Address, nonce: u64) -> u64 {
        let mut next = nonce;
        for entry in self.content(Some(sender)) {
            if entry.nonce == next {
                next = next.saturating_add(1);
            }
        }
        next
    }

    /// Hashes of transactions as the pool takes them; none when the pool does not tell.
    fn arrivals(&self) -> Option<broadcast::Receiver<B256>> {
        None
    }
}
