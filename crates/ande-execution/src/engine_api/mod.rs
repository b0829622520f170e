//! External execution clients, asked by the Engine API.

mod builder;
mod client;
mod error;
mod executor;
mod jwt;
mod link;
mod patience;
mod status;
mod transport;
mod wire;

pub use builder::BlockBuilder;
pub use client::{ClientBlock, EngineClient, EngineConfig, EngineStatus};
pub use error::EngineError;
pub use executor::{EngineExecutor, MIN_ENGINE_BLOCK_TIME, check_engine_block_time};
pub use jwt::JwtSecret;
pub use link::PayloadSource;
pub use patience::Patience;
pub use status::{ClientHealth, ClientStatus};
