//! An executor that executes nothing: it orders transactions.

use std::{collections::HashMap, collections::HashSet, sync::Arc};

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable;
use ande_primitives::{ForcedOutcome, MAX_BLOCK_TRANSACTIONS};
use async_trait::async_trait;
use parking_lot::Mutex;

use crate::{
    Attributes, ExecHead, ExecutionError, Executor, ForcedInput, InclusionIndex, MAX_PAYLOAD_BYTES,
    Payload, PayloadStatus, Recovery,
    header::{
        before_parent, blank_header, check_clock, difference, head_of, header_for, is_on, moved,
        not_judged, not_on_head, tip_header,
    },
    payload::is_allowed_length,
    transaction_hash, transactions_root,
};

/// Gas limit in every header when the genesis names none. Nothing is metered, but Ethereum clients
/// expect a plausible number.
pub const DEFAULT_GAS_LIMIT: u64 = 30_000_000;

/// Most validated results kept for one number. More rivals than that are judged again when asked.
const MAX_KEPT: usize = 1024;

/// What makes the genesis of a chain without execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoneGenesis {
    /// Chain id of the L2.
    pub chain_id: u64,
    /// Timestamp of the genesis block in seconds.
    pub timestamp: u64,
    /// Gas limit in every header.
    pub gas_limit: u64,
}

impl NoneGenesis {
    /// The genesis of a chain id: timestamp 0, [`DEFAULT_GAS_LIMIT`].
    #[must_use]
    pub const fn new(chain_id: u64) -> Self {
        Self { chain_id, timestamp: 0, gas_limit: DEFAULT_GAS_LIMIT }
    }

    /// Hash of the genesis block: what the settlement contract calls the L2 genesis hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.header().hash_slow()
    }

    /// The genesis block.
    #[must_use]
    pub fn payload(&self) -> Payload {
        Payload::new(&self.header(), Vec::new())
    }

    fn header(&self) -> Header {
        let mut seed = b"ANDE none genesis".to_vec();
        seed.extend_from_slice(&self.chain_id.to_be_bytes());
        let mut extra = b"ANDE none ".to_vec();
        extra.extend_from_slice(&self.chain_id.to_be_bytes());
        Header {
            number: 0,
            timestamp: self.timestamp,
            gas_limit: self.gas_limit,
            state_root: keccak256(seed),
            extra_data: extra.into(),
            ..blank_header()
        }
    }
}

/// Orders and deduplicates opaque transactions.
///
/// The header is a correct Cancun header: the transactions root is real, there are no receipts, no
/// gas is used, the base fee stays 0, and the state root is a running hash of everything ordered so
/// far, `keccak256(parent state root || transaction hashes)`.
pub struct NoneExecutor {
    genesis: NoneGenesis,
    index: Arc<dyn InclusionIndex>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    head: ExecHead,
    /// Validated blocks on the head.
    kept: HashMap<B256, ExecHead>,
}

impl std::fmt::Debug for NoneExecutor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoneExecutor")
            .field("genesis", &self.genesis)
            .field("head", &self.state.lock().head)
            .finish_non_exhaustive()
    }
}

impl NoneExecutor {
    /// An executor at genesis; [`Executor::recover`] brings it to the stored tip.
    #[must_use]
    pub fn new(genesis: NoneGenesis, index: Arc<dyn InclusionIndex>) -> Self {
        let head = head_of(&genesis.header());
        Self { genesis, index, state: Mutex::new(State { head, kept: HashMap::new() }) }
    }

    /// The only header that these attributes and transactions have on `parent`.
    fn header(
        &self,
        parent: &ExecHead,
        attributes: &Attributes,
        transactions: &[Bytes],
        hashes: &[B256],
        extra_data: Bytes,
    ) -> Header {
        let mut running = Vec::with_capacity(32 * (1 + hashes.len()));
        running.extend_from_slice(parent.state_root.as_slice());
        for hash in hashes {
            running.extend_from_slice(hash.as_slice());
        }
        Header {
            state_root: keccak256(running),
            transactions_root: transactions_root(transactions),
            gas_limit: self.genesis.gas_limit,
            extra_data,
            ..header_for(attributes)
        }
    }

    /// The forced transactions of a block with their hashes, and what became of each entry.
    async fn force(
        &self,
        head: u64,
        forced: Vec<ForcedInput>,
    ) -> Result<(Vec<Bytes>, Vec<B256>, Bytes), ExecutionError> {
        let raws: Vec<&Bytes> = forced.iter().flatten().collect();
        let known: Vec<B256> = raws.into_iter().map(transaction_hash).collect();
        let mut included = self.included(head, &known).await?.into_iter().zip(known);
        let (mut raws, mut hashes) = (Vec::new(), Vec::new());
        let mut outcomes = Vec::with_capacity(forced.len());
        for input in forced {
            let outcome = match input {
                Err(outcome) => outcome,
                Ok(raw) => match included.next() {
                    Some((false, hash)) if !hashes.contains(&hash) => {
                        raws.push(raw);
                        hashes.push(hash);
                        ForcedOutcome::Included
                    }
                    _ => ForcedOutcome::AlreadyIncluded,
                },
            };
            outcomes.push(outcome as u8);
        }
        Ok((raws, hashes, outcomes.into()))
    }

    /// Adds what fits of `transactions` to those `chosen`, in order, without those in the chain.
    async fn select(
        &self,
        head: u64,
        mut chosen: (Vec<Bytes>, Vec<B256>),
        transactions: Vec<Bytes>,
    ) -> Result<(Vec<Bytes>, Vec<B256>), ExecutionError> {
        let mut seen: HashSet<B256> = chosen.1.iter().copied().collect();
        let (fresh, hashes): (Vec<Bytes>, Vec<B256>) = transactions
            .into_iter()
            .filter(|tx| is_allowed_length(tx.len()))
            .map(|tx| {
                let hash = transaction_hash(&tx);
                (tx, hash)
            })
            .filter(|(_, hash)| seen.insert(*hash))
            .unzip();
        let included = self.included(head, &hashes).await?;
        let mut bytes: usize = chosen.0.iter().map(Bytes::length).sum();
        for ((tx, hash), included) in fresh.into_iter().zip(hashes).zip(included) {
            let fits = bytes + tx.length() <= MAX_PAYLOAD_BYTES;
            if included || !fits {
                continue;
            }
            if chosen.0.len() == MAX_BLOCK_TRANSACTIONS {
                break;
            }
            bytes += tx.length();
            chosen.0.push(tx);
            chosen.1.push(hash);
        }
        Ok(chosen)
    }

    async fn included(&self, up_to: u64, hashes: &[B256]) -> Result<Vec<bool>, ExecutionError> {
        if hashes.is_empty() {
            return Ok(Vec::new());
        }
        let included = self.index.included(up_to, hashes).await?;
        if included.len() == hashes.len() {
            Ok(included)
        } else {
            Err(ExecutionError::Index(format!(
                "{} answers to {} questions",
                included.len(),
                hashes.len()
            )))
        }
    }

    /// Compares a payload with the only one that `head`, attributes and extra data give.
    async fn judge(
        &self,
        head: ExecHead,
        attributes: &Attributes,
        extra_data: Bytes,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        let hashes = match payload.check_transactions() {
            Ok(hashes) => hashes,
            Err(error) => return Ok(PayloadStatus::Invalid(error.to_string())),
        };
        let header = match payload.decode_header() {
            Ok(header) => header,
            Err(error) => return Ok(PayloadStatus::Invalid(error.to_string())),
        };
        if !is_on(&head, attributes) {
            return Ok(not_judged(&head, attributes));
        }
        let expected = self.header(&head, attributes, &payload.transactions, &hashes, extra_data);
        if let Some(difference) = difference(&expected, &header) {
            return Ok(PayloadStatus::Invalid(difference));
        }
        if let Some(reason) = before_parent(head.timestamp, &header) {
            return Ok(PayloadStatus::Invalid(reason));
        }
        let included = self.included(head.number, &hashes).await?;
        if let Some((hash, _)) = hashes.iter().zip(included).find(|(_, included)| *included) {
            return Ok(PayloadStatus::Invalid(format!(
                "transaction {hash} is in the chain already"
            )));
        }
        if self.keep(head.hash, head_of(&expected)) {
            Ok(PayloadStatus::Valid)
        } else {
            Ok(moved())
        }
    }

    /// Keeps a result if its parent still is the head.
    fn keep(&self, parent: B256, block: ExecHead) -> bool {
        let mut state = self.state.lock();
        if state.head.hash == block.hash {
            return true;
        }
        if state.head.hash != parent {
            return false;
        }
        if state.kept.len() >= MAX_KEPT {
            state.kept.clear();
        }
        state.kept.insert(block.hash, block);
        true
    }
}

#[async_trait]
impl Executor for NoneExecutor {
    fn genesis(&self) -> Payload {
        self.genesis.payload()
    }

    async fn head(&self) -> ExecHead {
        self.state.lock().head
    }

    async fn propose_forced(
        &self,
        attributes: Attributes,
        forced: Vec<ForcedInput>,
        transactions: Vec<Bytes>,
    ) -> Result<Payload, ExecutionError> {
        let head = self.head().await;
        if !is_on(&head, &attributes) {
            return Err(not_on_head(&head, &attributes));
        }
        let (raws, hashes, extra_data) = self.force(head.number, forced).await?;
        let (transactions, hashes) = self.select(head.number, (raws, hashes), transactions).await?;
        let header = self.header(&head, &attributes, &transactions, &hashes, extra_data);
        check_clock(head.timestamp, &header)?;
        if self.keep(head.hash, head_of(&header)) {
            Ok(Payload::new(&header, transactions))
        } else {
            Err(not_on_head(&self.head().await, &attributes))
        }
    }

    async fn validate_forced(
        &self,
        attributes: &Attributes,
        forced: Vec<ForcedInput>,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        let head = self.head().await;
        let (raws, _, extra_data) = self.force(head.number, forced).await?;
        if !payload.transactions.starts_with(&raws) {
            let reason = "the block does not begin with its forced transactions";
            return Ok(PayloadStatus::Invalid(reason.into()));
        }
        self.judge(head, attributes, extra_data, payload).await
    }

    async fn adopt(
        &self,
        attributes: &Attributes,
        payload: &Payload,
    ) -> Result<PayloadStatus, ExecutionError> {
        match payload.decode_header() {
            Ok(header) => {
                self.judge(self.head().await, attributes, header.extra_data, payload).await
            }
            Err(error) => Ok(PayloadStatus::Invalid(error.to_string())),
        }
    }

    async fn commit(&self, hash: B256) -> Result<(), ExecutionError> {
        let mut state = self.state.lock();
        if state.head.hash == hash {
            return Ok(());
        }
        let Some(block) = state.kept.get(&hash).copied() else {
            return Err(ExecutionError::NotValidated { hash, head: state.head.hash });
        };
        *state = State { head: block, kept: HashMap::new() };
        Ok(())
    }

    async fn recover(&self, tip: Option<&Payload>) -> Result<Recovery, ExecutionError> {
        let head = match tip {
            None => head_of(&self.genesis.header()),
            Some(tip) => {
                let header = tip_header(tip)?;
                if header.gas_limit != self.genesis.gas_limit || header.gas_used != 0 {
                    return Err(ExecutionError::Recover(
                        "another executor or another configuration made it".into(),
                    ));
                }
                head_of(&header)
            }
        };
        *self.state.lock() = State { head, kept: HashMap::new() };
        Ok(Recovery::Ready)
    }
}
