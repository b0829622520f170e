//! Blocks that the execution client builds, in the dialect that it speaks.

use std::time::Duration;

use alloy_primitives::{B64, Bytes};
use url::Url;

use super::{
    EngineClient, EngineError,
    client::{FORKCHOICE, forkchoice_state},
    wire::{WireAttributes, WireBuilt, WireForkchoice, payload_of},
};
use crate::{Attributes, Payload};

const GET_PAYLOAD: &str = "engine_getPayloadV3";
const BUILD_BLOCK: &str = "testing_buildBlockV1";

/// Transactions handed over with one request: no client takes batches without limit.
const PER_BATCH: usize = 100;

/// Who builds the blocks that this node proposes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BlockBuilder {
    /// The embedded EVM.
    #[default]
    Embedded,
    /// The client out of its own pool, as every Ethereum client can: it is given the transactions
    /// by `eth_sendRawTransaction` and asked by `engine_forkchoiceUpdatedV3` with attributes and
    /// `engine_getPayloadV3`.
    Eth {
        /// How long the client fills its block before it is asked for.
        fill: Duration,
    },
    /// The client out of exactly the given transactions: `testing_buildBlockV1`, which clients
    /// serve only when told to, and beside their Engine API.
    Testing {
        /// The client's JSON-RPC, which asks for no token; its Engine API if absent.
        url: Option<Url>,
    },
    /// The client out of the given transactions, which the attributes of
    /// `engine_forkchoiceUpdatedV3` carry with the gas limit, as ev-reth takes them.
    Evolve,
}

/// The block that is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct BuildOrder<'a> {
    pub(super) attributes: &'a Attributes,
    pub(super) gas_limit: u64,
    pub(super) transactions: &'a [Bytes],
}

impl EngineClient {
    /// A block of the client on the parent that the attributes name, which must be its head. Only
    /// its hash is checked.
    ///
    /// # Errors
    /// No block, for the reason given.
    pub(super) async fn build(&self, order: BuildOrder<'_>) -> Result<Payload, EngineError> {
        let attributes = WireAttributes::new(order.attributes);
        match &self.builder {
            BlockBuilder::Embedded => {
                Err(EngineError::Setup("no dialect is set for building blocks".into()))
            }
            BlockBuilder::Eth { fill } => {
                for batch in order.transactions.chunks(PER_BATCH) {
                    self.hand_over(batch).await?;
                }
                let id = self.begin(order.attributes, &attributes).await?;
                tokio::time::sleep(*fill).await;
                self.finish(order.attributes, id).await
            }
            BlockBuilder::Testing { .. } => {
                let parent = order.attributes.parent_execution_hash;
                let transport = self.testing.as_ref().unwrap_or(&self.transport);
                let no_extra_data = Bytes::new();
                let params = (parent, &attributes, order.transactions, no_extra_data);
                let built = transport.ask(BUILD_BLOCK, params, self.request_timeout).await?;
                read(BUILD_BLOCK, built, order.attributes)
            }
            BlockBuilder::Evolve => {
                let attributes = attributes.with(order.transactions, order.gas_limit);
                let id = self.begin(order.attributes, &attributes).await?;
                self.finish(order.attributes, id).await
            }
        }
    }

    /// Puts transactions into the client's pool. What it refuses, and most of all what it has
    /// already, is its own affair: the block shows what it took.
    async fn hand_over(&self, transactions: &[Bytes]) -> Result<(), EngineError> {
        const SEND: &str = "eth_sendRawTransaction";
        let params = transactions.iter().map(|raw| (raw,));
        let refused = self.transport.tell(SEND, params, self.request_timeout).await?;
        tracing::debug!(given = transactions.len(), refused, "client got transactions");
        Ok(())
    }

    async fn begin(
        &self,
        attributes: &Attributes,
        wire: &WireAttributes<'_>,
    ) -> Result<B64, EngineError> {
        let parent = attributes.parent_execution_hash;
        let state = forkchoice_state(parent);
        let answer: WireForkchoice =
            self.transport.ask(FORKCHOICE, (state, wire), self.request_timeout).await?;
        answer.payload_id.ok_or(EngineError::NoBlock)
    }

    async fn finish(&self, attributes: &Attributes, id: B64) -> Result<Payload, EngineError> {
        let built = self.transport.ask(GET_PAYLOAD, (id,), self.request_timeout).await?;
        read(GET_PAYLOAD, built, attributes)
    }
}

fn read(
    method: &'static str,
    built: WireBuilt,
    attributes: &Attributes,
) -> Result<Payload, EngineError> {
    payload_of(built.execution_payload, attributes.parent_consensus_hash)
        .map_err(|problem| EngineError::Malformed { method, problem: problem.into() })
}
