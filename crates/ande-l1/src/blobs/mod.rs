//! EIP-4844 blobs: commitments and proofs, and reading them back.

mod bundle;
mod kzg;
mod source;

pub use alloy::eips::eip4844::Blob;
pub use bundle::{BlobBundle, BlobForm, CommitmentAndProof};
pub use kzg::{KzgError, versioned_hash};
pub use source::BlobSource;
