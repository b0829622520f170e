//! The executor's view of what is already in the chain.

use alloy_primitives::B256;
use ande_execution::{ExecutionError, InclusionIndex, Payload, PayloadSource};
use ande_primitives::Height;
use ande_store::Store;
use async_trait::async_trait;

/// Answers the executor from the store.
#[derive(Clone, Debug)]
pub struct StoreIndex(pub Store);

#[async_trait]
impl InclusionIndex for StoreIndex {
    async fn included(&self, up_to: u64, hashes: &[B256]) -> Result<Vec<bool>, ExecutionError> {
        self.0
            .included_up_to(Height(up_to), hashes)
            .await
            .map_err(|error| ExecutionError::Index(error.to_string()))
    }
}

#[async_trait]
impl PayloadSource for StoreIndex {
    async fn payload(&self, number: u64) -> Result<Option<Payload>, ExecutionError> {
        let commit = self
            .0
            .commit_at(Height(number))
            .await
            .map_err(|error| ExecutionError::Index(error.to_string()))?;
        Ok(commit.map(|commit| Payload::of_block(&commit.block)))
    }
}
