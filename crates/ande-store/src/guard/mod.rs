//! The sign guard.

mod error;
mod file;
mod rules;
mod signer;

pub use error::GuardError;
pub use rules::HighWater;
pub use signer::GuardedSigner;
