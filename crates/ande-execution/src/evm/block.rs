//! Runs the transactions of a block.

use alloy_consensus::{Header, Transaction as _, TxReceipt as _};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_evm::{
    EvmFactory as _,
    block::{
        BlockExecutionError, BlockExecutor as _, BlockExecutorFactory as _, BlockValidationError,
    },
    eth::{
        EthBlockExecutionCtx, EthBlockExecutorFactory, EthEvmFactory,
        receipt_builder::AlloyReceiptBuilder,
    },
};
use alloy_primitives::{B256, Bloom, Bytes};
use alloy_rlp::Encodable as _;
use ande_primitives::{ForcedOutcome, MAX_BLOCK_TRANSACTIONS};
use revm::{
    context_interface::result::{EVMError, InvalidTransaction},
    database::{State, states::bundle_state::BundleRetention},
};

use super::{
    BlockReceipts, ExecutedReceipt,
    changes::block_changes,
    database::{DatabaseError, StateDatabase},
    senders::Candidate,
    spec::{CancunSpec, block_env, next_base_fee},
};
use crate::{
    Attributes, MAX_PAYLOAD_BYTES,
    header::header_for,
    state::{BlockChanges, StateRead},
};

/// Gas of the cheapest transaction: with less left, nothing fits any more.
const MIN_TRANSACTION_GAS: u64 = 21_000;

/// What to do with a transaction that cannot be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Leave it out: the block is being built.
    LeaveOut,
    /// Give up: the block was made by somebody else.
    Refuse,
}

/// Why a block did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// A transaction that cannot be in the block.
    #[error("transaction {index} {hash}: {reason}")]
    Transaction { index: usize, hash: B256, reason: String },
    /// The state did not answer or the EVM failed: nothing is said about the block.
    #[error("{0}")]
    Fault(String),
}

/// What came out of a block.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Positions of the transactions that are in the block.
    pub(crate) included: Vec<usize>,
    /// What became of the forced ones.
    pub(crate) forced: Vec<ForcedOutcome>,
    pub(crate) gas_used: u64,
    pub(crate) receipts: BlockReceipts,
    pub(crate) changes: BlockChanges,
}

/// The header of the block after `parent` with everything that is known before it runs.
pub(crate) fn next_header(parent: &Header, attributes: &Attributes) -> Header {
    Header {
        gas_limit: parent.gas_limit,
        base_fee_per_gas: Some(next_base_fee(parent)),
        ..header_for(attributes)
    }
}

/// Runs `candidates` in order on `database`, which is the state after the parent, in the
/// environment of `header`. The first `forced` of them are forced: one that cannot be executed is
/// left out on every node, whatever `unfit` says of the others.
pub(crate) fn run<S: StateRead>(
    database: &StateDatabase<S>,
    chain_id: u64,
    header: &Header,
    candidates: &[Candidate],
    forced: usize,
    unfit: Unfit,
) -> Result<Outcome, RunError> {
    let fault = |error: BlockExecutionError| RunError::Fault(error.to_string());
    let mut state = State::builder().with_database_ref(database).with_bundle_update().build();
    let factory = EthBlockExecutorFactory::new(
        AlloyReceiptBuilder::default(),
        CancunSpec,
        EthEvmFactory::default(),
    );
    let evm = factory.evm_factory().create_evm(&mut state, block_env(header, chain_id));
    let mut executor = factory.create_executor(evm, context(header, candidates.len()));
    executor.apply_pre_execution_changes().map_err(fault)?;

    let mut included = Vec::with_capacity(candidates.len());
    let mut gas = Vec::with_capacity(candidates.len());
    let (mut gas_left, mut bytes_left) = (header.gas_limit, MAX_PAYLOAD_BYTES);
    let mut outcomes = Vec::with_capacity(forced);
    for (index, candidate) in candidates.iter().enumerate() {
        if unfit == Unfit::LeaveOut && index >= forced {
            if included.len() == MAX_BLOCK_TRANSACTIONS || gas_left < MIN_TRANSACTION_GAS {
                break;
            }
            if candidate.raw.length() > bytes_left || candidate.tx.gas_limit() > gas_left {
                continue;
            }
        }
        match executor.execute_transaction(&candidate.tx) {
            Ok(used) => {
                included.push(index);
                gas.push(used.tx_gas_used());
                gas_left = gas_left.saturating_sub(used.tx_gas_used());
                bytes_left = bytes_left.saturating_sub(candidate.raw.length());
                if index < forced {
                    outcomes.push(ForcedOutcome::Included);
                }
            }
            Err(BlockExecutionError::Validation(error)) if index < forced => {
                outcomes.push(outcome_of(&error));
            }
            Err(error) if index < forced && !is_of_the_state(&error) => {
                tracing::warn!(hash = %candidate.hash, %error, "the EVM gave up on a transaction");
                outcomes.push(ForcedOutcome::Refused);
            }
            Err(BlockExecutionError::Validation(_)) if unfit == Unfit::LeaveOut => {}
            Err(BlockExecutionError::Validation(error)) => {
                let reason = error.to_string();
                return Err(RunError::Transaction { index, hash: candidate.hash, reason });
            }
            Err(error) if unfit == Unfit::LeaveOut && !is_of_the_state(&error) => {
                tracing::warn!(hash = %candidate.hash, %error, "the EVM gave up on a transaction");
            }
            Err(error) => return Err(fault(error)),
        }
    }
    let (_, result) = executor.finish().map_err(fault)?;
    state.merge_transitions(BundleRetention::PlainState);
    let changes = block_changes(state.take_bundle());

    let receipts = result
        .receipts
        .into_iter()
        .zip(gas)
        .zip(&included)
        .map(|((receipt, gas_used), index)| {
            let tx = &candidates[*index].tx;
            let sender = tx.signer();
            ExecutedReceipt {
                sender,
                receipt,
                gas_used,
                contract_address: tx.is_create().then(|| sender.create(tx.nonce())),
            }
        })
        .collect();
    let receipts = BlockReceipts::new(receipts);
    Ok(Outcome { included, forced: outcomes, gas_used: result.gas_used, receipts, changes })
}

/// Why a forced transaction cannot be executed.
fn outcome_of(error: &BlockValidationError) -> ForcedOutcome {
    let invalid = match error {
        BlockValidationError::InvalidTx { error, .. } => error.as_invalid_tx_err(),
        BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas { .. } => {
            return ForcedOutcome::GasLimit;
        }
        _ => None,
    };
    match invalid {
        Some(InvalidTransaction::NonceTooLow { .. }) => ForcedOutcome::NonceTooLow,
        Some(InvalidTransaction::NonceTooHigh { .. }) => ForcedOutcome::NonceTooHigh,
        Some(InvalidTransaction::LackOfFundForMaxFee { .. }) => ForcedOutcome::InsufficientFunds,
        Some(InvalidTransaction::GasPriceLessThanBasefee) => ForcedOutcome::FeeTooLow,
        _ => ForcedOutcome::Refused,
    }
}

/// Whether the state did not answer, so that no other transaction can run either.
fn is_of_the_state(error: &BlockExecutionError) -> bool {
    let evm = error.as_internal().and_then(|error| error.downcast_evm::<EVMError<DatabaseError>>());
    !matches!(evm, Some(EVMError::Custom(_) | EVMError::Transaction(_)))
}

fn context(header: &Header, transactions: usize) -> EthBlockExecutionCtx<'static> {
    EthBlockExecutionCtx {
        parent_hash: header.parent_hash,
        parent_beacon_block_root: header.parent_beacon_block_root,
        ommers: &[],
        withdrawals: None,
        extra_data: Bytes::new(),
        tx_count_hint: Some(transactions),
        slot_number: None,
    }
}

impl BlockReceipts {
    /// The receipts of a block with their common bloom filter.
    pub(crate) fn new(receipts: Vec<ExecutedReceipt>) -> Self {
        let mut bloom = Bloom::ZERO;
        for one in &receipts {
            bloom |= one.receipt.bloom();
        }
        Self { receipts, bloom }
    }

    /// Root of the receipts trie, as in an Ethereum header.
    pub(crate) fn root(&self) -> B256 {
        alloy_trie::root::ordered_trie_root_with_encoder(&self.receipts, |one, out| {
            one.receipt.encode_2718(out);
        })
    }
}
