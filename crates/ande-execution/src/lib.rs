//! Executors behind one trait, in the words of the Engine API.
//!
//! [`Executor`] is what the chain asks of whatever turns transactions into blocks: make a payload,
//! judge a payload, make it the head. [`Payload`] is the currency: a bit-exact Ethereum header with
//! its transactions. [`EmbeddedExecutor`] runs the EVM in this process on a state of its own, read
//! through [`EvmReader`]; [`EngineExecutor`] has each block judged by an external execution client as
//! well, and built by it if told so; [`NoneExecutor`] orders opaque transactions without running them.
//!
//! No type of the EVM library leaves this crate: interfaces speak alloy's types.

mod engine_api;
mod error;
mod evm;
mod executor;
mod header;
mod none;
mod payload;
pub mod state;

pub use engine_api::{
    BlockBuilder, ClientBlock, ClientHealth, ClientStatus, EngineClient, EngineConfig, EngineError,
    EngineExecutor, EngineStatus, JwtSecret, MIN_ENGINE_BLOCK_TIME, Patience, PayloadSource,
    check_engine_block_time,
};
pub use error::{ExecutionError, PayloadError};
pub use evm::{
    BlockReceipts, CallError, CallRequest, EmbeddedExecutor, EvmConfig, EvmGenesis, EvmReader,
    ExecutedReceipt, GenesisError, MAX_GENESIS_BYTES, NoSenders, ReadError, SenderSource,
};
pub use executor::{
    Attributes, ExecHead, Executor, ForcedInput, InclusionIndex, PayloadStatus, Recovery,
};
pub use none::{DEFAULT_GAS_LIMIT, NoneExecutor, NoneGenesis};
use payload::forced_included;
pub use payload::{MAX_PAYLOAD_BYTES, Payload, transaction_hash, transactions_root};
