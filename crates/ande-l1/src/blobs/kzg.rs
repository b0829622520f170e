//! Polynomial commitments of blobs.
//!
//! The public setup of Ethereum is loaded with the first use, which takes about a second of one
//! core and 6 MiB. Tables that make proofs of cells twice as fast would take 96 MiB more in every
//! node and are not built. Everything here computes for a long time: call it where blocking is
//! allowed.

use alloy::{
    eips::{
        eip4844::{Blob, kzg_to_versioned_hash},
        eip7594::CELLS_PER_EXT_BLOB,
    },
    primitives::{B256, FixedBytes},
};
use c_kzg::{Bytes48, KzgSettings};

/// Without tables; see the module.
const PRECOMPUTE: u64 = 0;

/// Why blobs have no commitment, or another than claimed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KzgError {
    /// Not a blob or not a point.
    #[error("malformed blob, commitment or proof: {0}")]
    Malformed(String),
    /// Another number of commitments or proofs than blobs.
    #[error("{got} commitments and proofs for {blobs} blobs")]
    Count {
        /// Given.
        got: usize,
        /// Blobs.
        blobs: usize,
    },
    /// The proof does not hold.
    #[error("the commitments are not those of the blobs")]
    WrongProof,
}

impl From<c_kzg::Error> for KzgError {
    fn from(error: c_kzg::Error) -> Self {
        Self::Malformed(format!("{error:?}"))
    }
}

/// What a transaction and the contract know a blob by.
#[must_use]
pub fn versioned_hash(commitment: &FixedBytes<48>) -> B256 {
    kzg_to_versioned_hash(commitment.as_slice())
}

fn settings() -> &'static KzgSettings {
    c_kzg::ethereum_kzg_settings(PRECOMPUTE)
}

fn native(blob: &Blob) -> Result<Box<c_kzg::Blob>, KzgError> {
    Ok(Box::new(c_kzg::Blob::from_bytes(blob.as_slice())?))
}

fn points(points: &[FixedBytes<48>]) -> Vec<Bytes48> {
    points.iter().map(|point| Bytes48::new(point.0)).collect()
}

/// Commitment of a blob.
pub(super) fn commit(blob: &Blob) -> Result<FixedBytes<48>, KzgError> {
    let commitment = settings().blob_to_kzg_commitment(&*native(blob)?)?;
    Ok(commitment.to_bytes().into_inner().into())
}

/// Commitment of a blob and its proof.
pub(super) fn commit_and_prove(blob: &Blob) -> Result<(FixedBytes<48>, FixedBytes<48>), KzgError> {
    let blob = native(blob)?;
    let commitment = settings().blob_to_kzg_commitment(&blob)?.to_bytes();
    let proof = settings().compute_blob_kzg_proof(&blob, &commitment)?.to_bytes();
    Ok((commitment.into_inner().into(), proof.into_inner().into()))
}

/// Checks the proofs of several blobs at once.
pub(super) fn verify(
    blobs: &[Blob],
    commitments: &[FixedBytes<48>],
    proofs: &[FixedBytes<48>],
) -> Result<(), KzgError> {
    if commitments.len() != blobs.len() || proofs.len() != blobs.len() {
        let got = commitments.len().max(proofs.len());
        return Err(KzgError::Count { got, blobs: blobs.len() });
    }
    let native: Vec<c_kzg::Blob> =
        blobs.iter().map(|blob| Ok(*native(blob)?)).collect::<Result<_, KzgError>>()?;
    let held =
        settings().verify_blob_kzg_proof_batch(&native, &points(commitments), &points(proofs))?;
    if held { Ok(()) } else { Err(KzgError::WrongProof) }
}

/// Proofs of all cells of a blob, as EIP-7594 transactions carry them.
pub(super) fn cell_proofs(blob: &Blob) -> Result<Vec<FixedBytes<48>>, KzgError> {
    let (_, proofs) = settings().compute_cells_and_kzg_proofs(&*native(blob)?)?;
    debug_assert_eq!(proofs.len(), CELLS_PER_EXT_BLOB);
    Ok(proofs.iter().map(|proof| proof.to_bytes().into_inner().into()).collect())
}
