//! External execution clients, asked by the Engine API.

mod client;
mod error;
mod jwt;
mod transport;
mod wire;

pub use client::{ClientBlock, EngineClient, EngineConfig, EngineStatus};
pub use error::EngineError;
pub use jwt::JwtSecret;
