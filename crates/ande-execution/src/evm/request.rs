//! What is asked of the EVM, and what it remembers of a block.

use alloy_consensus::ReceiptEnvelope;
use alloy_primitives::{Address, Bloom};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};

/// A message to run on the state of a block without changing anything.
#[derive(Clone, Debug, Default)]
pub struct CallRequest {
    /// The message. Missing fields have geth's defaults.
    pub tx: TransactionRequest,
    /// The state is the one after this block. With `pending` it is the head, whatever this says.
    pub at: u64,
    /// Run in the environment of the block after the head instead of that of block `at`.
    pub pending: bool,
    /// Fields of the block environment to replace.
    pub block_overrides: Option<BlockOverrides>,
    /// Accounts to replace before the run.
    pub state_overrides: Option<StateOverride>,
    /// Most gas that the run may use; 0 stands for the gas limit of a block.
    pub gas_cap: u64,
}

/// The receipt of a transaction with what the receipt itself does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedReceipt {
    /// Who signed the transaction.
    pub sender: Address,
    /// The receipt as the receipts root commits to it.
    pub receipt: ReceiptEnvelope,
    /// Gas used by this transaction alone.
    pub gas_used: u64,
    /// Address of the contract that a create transaction made. Set for failed ones too, as geth
    /// does.
    pub contract_address: Option<Address>,
}

/// Receipts of a block in the order of its transactions.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BlockReceipts {
    /// One for each transaction.
    pub receipts: Vec<ExecutedReceipt>,
    /// Bloom filter of all logs, as in the header.
    pub bloom: Bloom,
}
