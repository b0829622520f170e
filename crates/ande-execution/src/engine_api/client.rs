//! The questions that a node asks its execution client.

use std::time::Duration;

use alloy_primitives::{B256, U64};
use alloy_rpc_types_engine::ForkchoiceState;
use ande_primitives::MAX_BLOCK_BYTES;
use url::Url;

use super::{
    BlockBuilder, EngineError, JwtSecret,
    error::quoted,
    transport::Transport,
    wire::{WireBlock, WireForkchoice, WireStatus, WireVerdict, execution_payload},
};
use crate::Payload;

/// Where the execution client is and how patient this node is with it.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Its Engine API, usually `http://127.0.0.1:8551`.
    pub url: Url,
    /// The secret that it shares with this node.
    pub secret: JwtSecret,
    /// How long to wait for one answer. The Engine API asks for 8 s.
    pub request_timeout: Duration,
    /// Largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
    /// Who builds the blocks that this node proposes.
    pub builder: BlockBuilder,
}

impl EngineConfig {
    /// The limits of the Engine API.
    #[must_use]
    pub const fn new(url: Url, secret: JwtSecret) -> Self {
        Self {
            url,
            secret,
            request_timeout: Duration::from_secs(8),
            // A built block is the longest answer asked for: its bytes as hexadecimal digits.
            max_answer_bytes: 2 * MAX_BLOCK_BYTES + (1 << 20),
            builder: BlockBuilder::Embedded,
        }
    }
}

/// What an execution client thinks of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineStatus {
    /// Executed with equal results.
    Valid,
    /// Wrong, with the client's reason.
    Invalid(String),
    /// The client lacks a block before it.
    Syncing,
    /// Kept without executing it.
    Accepted,
}

/// A block of the client's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientBlock {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// An execution client behind its Engine API. Every question is asked once.
#[derive(Debug)]
pub struct EngineClient {
    pub(super) transport: Transport,
    /// Where `testing_buildBlockV1` is, if not there.
    pub(super) testing: Option<Transport>,
    pub(super) builder: BlockBuilder,
    pub(super) request_timeout: Duration,
}

impl EngineClient {
    /// A client that was not yet connected to.
    ///
    /// # Errors
    /// [`EngineError::Setup`] for a URL that is none of HTTP.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let transport = Transport::new(config.url, Some(config.secret), config.max_answer_bytes)?;
        let testing = match &config.builder {
            BlockBuilder::Testing { url: Some(url) } => {
                Some(Transport::new(url.clone(), None, config.max_answer_bytes)?)
            }
            _ => None,
        };
        let (builder, request_timeout) = (config.builder, config.request_timeout);
        Ok(Self { transport, testing, builder, request_timeout })
    }

    /// Who builds the blocks that this node proposes.
    #[must_use]
    pub const fn builder(&self) -> &BlockBuilder {
        &self.builder
    }

    /// Has a block executed: `engine_newPayloadV3`.
    ///
    /// # Errors
    /// No verdict, for the reason given.
    pub async fn new_payload(&self, payload: &Payload) -> Result<EngineStatus, EngineError> {
        const METHOD: &str = "engine_newPayloadV3";
        let (wire, beacon_root) = execution_payload(payload)?;
        let versioned_hashes: [B256; 0] = [];
        let params = (&wire, versioned_hashes, beacon_root);
        let status = self.transport.ask(METHOD, params, self.request_timeout).await?;
        verdict(METHOD, status, payload.hash())
    }

    /// Makes a block the head, safe and final: `engine_forkchoiceUpdatedV3`.
    ///
    /// # Errors
    /// No verdict, for the reason given.
    pub async fn forkchoice(&self, hash: B256) -> Result<EngineStatus, EngineError> {
        let no_attributes: Option<()> = None;
        let params = (forkchoice_state(hash), no_attributes);
        let answer: WireForkchoice =
            self.transport.ask(FORKCHOICE, params, self.request_timeout).await?;
        verdict(FORKCHOICE, answer.payload_status, hash)
    }

    /// The client's chain id.
    ///
    /// # Errors
    /// No answer, for the reason given.
    pub async fn chain_id(&self) -> Result<u64, EngineError> {
        let no_params: [(); 0] = [];
        let id: U64 = self.transport.ask("eth_chainId", no_params, self.request_timeout).await?;
        Ok(id.to())
    }

    /// The client's head.
    ///
    /// # Errors
    /// No answer, for the reason given.
    pub async fn head(&self) -> Result<ClientBlock, EngineError> {
        self.block_by("latest").await?.ok_or_else(|| EngineError::Malformed {
            method: BLOCK_BY_NUMBER,
            problem: "there is no newest block".into(),
        })
    }

    /// A block of the client's chain, if it has one with this number.
    ///
    /// # Errors
    /// No answer, for the reason given.
    pub async fn block(&self, number: u64) -> Result<Option<ClientBlock>, EngineError> {
        let block = self.block_by(&format!("{number:#x}")).await?;
        match block {
            Some(block) if block.number != number => Err(EngineError::Malformed {
                method: BLOCK_BY_NUMBER,
                problem: format!("asked for block {number}, it is block {}", block.number),
            }),
            block => Ok(block),
        }
    }

    async fn block_by(&self, tag: &str) -> Result<Option<ClientBlock>, EngineError> {
        let block: Option<WireBlock> =
            self.transport.ask(BLOCK_BY_NUMBER, (tag, false), self.request_timeout).await?;
        Ok(block.map(|block| ClientBlock { number: block.number.to(), hash: block.hash }))
    }
}

/// Everything up to a block is final.
pub(super) const fn forkchoice_state(hash: B256) -> ForkchoiceState {
    ForkchoiceState { head_block_hash: hash, safe_block_hash: hash, finalized_block_hash: hash }
}

pub(super) const FORKCHOICE: &str = "engine_forkchoiceUpdatedV3";
const BLOCK_BY_NUMBER: &str = "eth_getBlockByNumber";

fn verdict(
    method: &'static str,
    status: WireStatus,
    hash: B256,
) -> Result<EngineStatus, EngineError> {
    Ok(match status.status {
        // A verdict about another block must not count for this one.
        WireVerdict::Valid => match status.latest_valid_hash {
            Some(valid) if valid != hash => {
                return Err(EngineError::Malformed {
                    method,
                    problem: format!("asked about {hash}, it says that {valid} is valid"),
                });
            }
            _ => EngineStatus::Valid,
        },
        WireVerdict::Invalid | WireVerdict::InvalidBlockHash => {
            let reason = status.validation_error.as_deref().unwrap_or("no reason given");
            EngineStatus::Invalid(quoted(reason))
        }
        WireVerdict::Syncing => EngineStatus::Syncing,
        WireVerdict::Accepted => EngineStatus::Accepted,
    })
}
