//! Reads the chain of an embedded executor.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};

use alloy_rpc_types_eth::{EIP1186AccountProofResponse, EIP1186StorageProof};

use super::{
    BlockReceipts, ReadError,
    chain::{Chain, read_error},
    spec::next_base_fee,
};
use crate::state::{Account, BlockMeta, StateRead as _};

/// Answers questions about the state, the receipts, and what code would do.
///
/// Cheap to clone. Every method may read from disk and run code: call them on blocking threads.
#[derive(Clone, Debug)]
pub struct EvmReader {
    pub(super) chain: Arc<Chain>,
}

impl EvmReader {
    pub(crate) const fn new(chain: Arc<Chain>) -> Self {
        Self { chain }
    }

    /// Chain id of the L2.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.chain.genesis.chain_id()
    }

    /// The newest block.
    #[must_use]
    pub fn head(&self) -> BlockMeta {
        self.chain.head()
    }

    /// Gas limit of every block.
    #[must_use]
    pub fn gas_limit(&self) -> u64 {
        self.chain.genesis.gas_limit()
    }

    /// Base fee of the block after the head, in wei.
    #[must_use]
    pub fn next_base_fee(&self) -> u64 {
        next_base_fee(&self.chain.tip_header())
    }

    /// The account after block `at`; an empty one if there is none.
    ///
    /// # Errors
    /// The block is unknown or its state is pruned or damaged.
    pub fn account(&self, at: u64, address: Address) -> Result<Account, ReadError> {
        let account =
            self.chain.state(at)?.account(&address).map_err(|error| read_error(at, error))?;
        Ok(account.unwrap_or_default())
    }

    /// The code of an account after block `at`.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub fn code(&self, at: u64, address: Address) -> Result<Bytes, ReadError> {
        let state = self.chain.state(at)?;
        let account = state.account(&address).map_err(|error| read_error(at, error))?;
        match account.filter(Account::has_code) {
            Some(account) => state.code(&account.code_hash).map_err(|error| read_error(at, error)),
            None => Ok(Bytes::new()),
        }
    }

    /// A storage slot of an account after block `at`.
    ///
    /// # Errors
    /// As [`account`](Self::account).
    pub fn storage(&self, at: u64, address: Address, slot: U256) -> Result<B256, ReadError> {
        let value = self
            .chain
            .state(at)?
            .storage(&address, &slot)
            .map_err(|error| read_error(at, error))?;
        Ok(value.into())
    }

    /// Proves an account and some of its slots against the state root of block `at`.
    ///
    /// # Errors
    /// The block is unknown or older than the tries in memory.
    pub fn proof(
        &self,
        at: u64,
        address: Address,
        slots: &[B256],
    ) -> Result<EIP1186AccountProofResponse, ReadError> {
        self.chain.check_known(at)?;
        let proof =
            self.chain.store.proof(at, address, slots).map_err(|error| read_error(at, error))?;
        let account = proof.account.unwrap_or_default();
        Ok(EIP1186AccountProofResponse {
            address,
            balance: account.balance,
            code_hash: account.code_hash,
            nonce: account.nonce,
            storage_hash: proof.storage_root,
            account_proof: proof.proof,
            storage_proof: proof
                .storage
                .into_iter()
                .map(|one| EIP1186StorageProof {
                    key: one.slot.into(),
                    value: one.value,
                    proof: one.proof,
                })
                .collect(),
        })
    }

    /// The receipts of a block; none where they should be and are not.
    ///
    /// # Errors
    /// The block is unknown, or its record is pruned or damaged.
    pub fn receipts(&self, number: u64) -> Result<Option<Arc<BlockReceipts>>, ReadError> {
        self.chain.receipts(number)
    }
}
