//! What the builder of the execution client is good for in a proposal.

use alloy_primitives::Bytes;
use alloy_rlp::Encodable as _;
use ande_execution::{Attributes, Payload, PayloadStatus};
use tracing::{info, warn};

use crate::{
    Chain,
    chain::{base_fee, chain_of},
    ordering::{judge_order, reorder},
};

/// What a block is made of.
#[derive(Debug)]
pub(crate) enum Material {
    /// A block of the execution client which every validator takes.
    Block(Payload),
    /// Transactions, for the embedded EVM to build a block of.
    Transactions(Vec<Bytes>),
}

/// What came of a block of the client.
enum Judged {
    Good(Payload),
    /// It breaks a rule of the chain; its transactions are in their order.
    Rebuild(Vec<Bytes>, String),
}

impl Chain {
    /// Asks the builder of the execution client, if there is one, and holds its block against
    /// everything that validators hold against a proposal.
    ///
    /// Whoever builds a block chooses what is in it, not where it stands: a client that has another
    /// order, or that puts into the header what this chain does not have there, has chosen all the
    /// same, and the block is built again out of its transactions. Only without such a choice does
    /// `chosen` go into the block.
    pub(crate) async fn ask_client(&self, attributes: &Attributes, chosen: Vec<Bytes>) -> Material {
        let metrics = &self.parts.metrics;
        let judged = match self.parts.executor.client_block(attributes, &chosen).await {
            Ok(None) => return Material::Transactions(chosen),
            Ok(Some(payload)) => self.judge_client(attributes, payload, !chosen.is_empty()).await,
            Err(error) => Err(chain_of(&error)),
        };
        let height = attributes.number;
        match judged {
            Ok(Judged::Good(payload)) => {
                metrics.client_blocks_taken.inc();
                Material::Block(payload)
            }
            Ok(Judged::Rebuild(transactions, reason)) => {
                metrics.client_blocks_rebuilt.inc();
                info!(height, reason, "the execution client's block is built again");
                Material::Transactions(transactions)
            }
            Err(reason) => {
                metrics.client_builds_failed.inc();
                warn!(height, reason, "no block of the execution client; the embedded EVM builds");
                Material::Transactions(chosen)
            }
        }
    }

    /// # Errors
    /// Why the block is of no use.
    async fn judge_client(
        &self,
        attributes: &Attributes,
        payload: Payload,
        some_wait: bool,
    ) -> Result<Judged, String> {
        if payload.transactions.is_empty() && some_wait {
            return Err("its block is empty and transactions wait".into());
        }
        let (bytes, limit) = (payload.transactions.length(), self.room());
        if bytes > limit {
            return Err(format!("{bytes} bytes of transactions exceed the limit of {limit}"));
        }
        let known = self.parts.pool.check_transactions(&payload.transactions).await?;
        let base_fee = base_fee(&payload).map_err(|error| error.to_string())?;
        if let Err(reason) = judge_order(&known, base_fee) {
            return Ok(Judged::Rebuild(reorder(&known, payload.transactions, base_fee), reason));
        }
        match self.parts.executor.validate(attributes, &payload).await {
            Ok(PayloadStatus::Valid) => Ok(Judged::Good(payload)),
            Ok(PayloadStatus::Invalid(reason)) => Ok(Judged::Rebuild(payload.transactions, reason)),
            Ok(PayloadStatus::Syncing(reason)) => Err(reason),
            Err(error) => Err(chain_of(&error)),
        }
    }
}
