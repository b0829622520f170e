//! What goes wrong on the way to the settlement chain.

use alloy::primitives::{Address, B256};
use ande_contracts::{ConvertError, Reverted};

/// Why a question to the settlement chain has no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum L1Error {
    /// No endpoint is configured.
    #[error("no endpoint of the settlement chain is configured")]
    NoEndpoint,
    /// No endpoint answers.
    #[error(
        "the settlement chain cannot be reached ({tried} endpoints tried), last {url}: {reason}"
    )]
    Unreachable {
        /// Endpoints tried.
        tried: usize,
        /// The last one, without path and credentials.
        url: String,
        /// What it did.
        reason: String,
    },
    /// An endpoint serves another chain. Not used any further.
    #[error("{url} serves chain {got}, expected settlement chain {expected}")]
    WrongChainId {
        /// The endpoint, without path and credentials.
        url: String,
        /// Configured chain id.
        expected: u64,
        /// Chain id of the endpoint.
        got: u64,
    },
    /// The endpoints contradict each other, or too few answer.
    #[error(
        "{agreeing} of {configured} endpoints of the settlement chain give the same answer to {method}, {needed} must"
    )]
    NoMajority {
        /// JSON-RPC method.
        method: &'static str,
        /// Configured endpoints.
        configured: usize,
        /// How many must say the same.
        needed: usize,
        /// How many do.
        agreeing: usize,
    },
    /// The endpoint answered with an error.
    #[error("the settlement chain refused {method}: {message} (code {code})")]
    Rpc {
        /// JSON-RPC method.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// Message, bounded.
        message: String,
    },
    /// A contract refused the call.
    #[error("the contract refused: {0}")]
    Reverted(Reverted),
    /// No contract at the address.
    #[error("there is no contract at {0}")]
    NoCode(Address),
    /// A contract answered with something it should not.
    #[error("the contract at {address} answered {call} with something else: {reason}")]
    WrongAnswer {
        /// The contract.
        address: Address,
        /// The call.
        call: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The contract's values cannot be used by this software.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// Blobs cannot be had.
    #[error("blobs cannot be read: {0}")]
    Blobs(String),
    /// The endpoint does not know the asked block.
    #[error("the settlement chain does not know block {0}")]
    UnknownBlock(String),
    /// A block that counted as final is not in the chain any more.
    #[error(
        "settlement block {number} was final as {expected} and is now {got:?}; the settlement chain was replaced or the finality setting is too weak"
    )]
    FinalReorg {
        /// Number of the block.
        number: u64,
        /// Its hash when it was final.
        expected: B256,
        /// Hash now, if there is such a block.
        got: Option<B256>,
    },
}

impl L1Error {
    /// Whether waiting may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NoMajority { .. }
                | Self::Rpc { .. }
                | Self::UnknownBlock(_)
                | Self::Blobs(_)
        )
    }
}

/// Why the configured contracts are not the deployment this node belongs to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeploymentError {
    /// Another chain.
    #[error("the settlement chain has id {got}, the configuration says {expected}")]
    WrongChainId {
        /// Configured.
        expected: u64,
        /// Served.
        got: u64,
    },
    /// Nothing deployed there.
    #[error("there is no contract at {0} on the settlement chain")]
    NoCode(Address),
    /// Something else is deployed there.
    #[error("the contract at {address} is not {expected}: {why}")]
    WrongContract {
        /// The address.
        address: Address,
        /// What should be there.
        expected: &'static str,
        /// How that was noticed.
        why: String,
    },
    /// The two contracts do not belong together.
    #[error(
        "the consensus contract works with coordinator {got}, the configuration says {expected}; call setCoordinator or correct the configuration"
    )]
    CoordinatorMismatch {
        /// Configured.
        expected: Address,
        /// In the contract.
        got: Address,
    },
    /// The coordinator was built for another consensus contract.
    #[error(
        "the coordinator works with consensus contract {got}, the configuration says {expected}"
    )]
    ConsensusMismatch {
        /// Configured.
        expected: Address,
        /// In the contract.
        got: Address,
    },
    /// Another L2.
    #[error("the contracts govern L2 chain {got}, the configuration says {expected}")]
    L2ChainMismatch {
        /// Configured.
        expected: u64,
        /// In the contract.
        got: u64,
    },
    /// Another L2 genesis.
    #[error(
        "the contracts' batch chain starts at {got}, this node's genesis gives {expected}; the node has another genesis"
    )]
    GenesisMismatch {
        /// Genesis batch hash of this node.
        expected: B256,
        /// Of the contract.
        got: B256,
    },
    /// Votes would be signed for another contract.
    #[error("the contract's EIP-712 domain is {got}, this node's is {expected}")]
    DomainMismatch {
        /// Computed here.
        expected: B256,
        /// Of the contract.
        got: B256,
    },
    /// The chain could not be asked.
    #[error(transparent)]
    L1(L1Error),
}
