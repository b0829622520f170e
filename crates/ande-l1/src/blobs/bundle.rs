//! Blobs with everything that a transaction carries beside them.

use alloy::{
    eips::{
        eip4844::{Blob, BlobTransactionSidecar},
        eip7594::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant},
    },
    primitives::{B256, FixedBytes},
};
use serde::{Deserialize, Serialize};

use super::kzg::{self, KzgError, versioned_hash};

/// Bytes of a commitment or a proof.
const POINT: usize = 48;

/// How blobs are proved to the settlement chain's pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlobForm {
    /// One proof a blob: chains before Osaka, and development chains.
    Eip4844,
    /// One proof for each of its 128 cells: Ethereum since Osaka. About 0.3 s of a core a blob.
    #[default]
    Eip7594,
}

/// Commitment to a blob and the proof that it is this blob's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitmentAndProof {
    /// Commitment.
    pub commitment: FixedBytes<POINT>,
    /// Proof.
    pub proof: FixedBytes<POINT>,
}

impl CommitmentAndProof {
    /// Bytes of one.
    pub const BYTES: usize = 2 * POINT;

    /// Commitment and proof, one after the other.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..POINT].copy_from_slice(self.commitment.as_slice());
        bytes[POINT..].copy_from_slice(self.proof.as_slice());
        bytes
    }

    /// Several, one after the other; none when the length is another.
    #[must_use]
    pub fn all_from(bytes: &[u8]) -> Option<Vec<Self>> {
        let (all, rest) = bytes.as_chunks::<{ Self::BYTES }>();
        let read = |one: &[u8; Self::BYTES]| Self {
            commitment: FixedBytes::from_slice(&one[..POINT]),
            proof: FixedBytes::from_slice(&one[POINT..]),
        };
        rest.is_empty().then(|| all.iter().map(read).collect())
    }
}

/// The blobs of one transaction with their commitments and proofs.
#[derive(Clone, PartialEq, Eq)]
pub struct BlobBundle {
    blobs: Vec<Blob>,
    proofs: Vec<CommitmentAndProof>,
    cells: Vec<FixedBytes<POINT>>,
}

impl core::fmt::Debug for BlobBundle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BlobBundle")
            .field("blobs", &self.blobs.len())
            .field("versioned_hashes", &self.versioned_hashes())
            .finish_non_exhaustive()
    }
}

impl BlobBundle {
    /// Computes commitments and proofs: 0.1 s of a core a blob, and 0.3 s more for
    /// [`BlobForm::Eip7594`]. Blocks.
    ///
    /// # Errors
    /// [`KzgError::Malformed`] when an element of a blob is none.
    pub fn compute(blobs: Vec<Blob>, form: BlobForm) -> Result<Self, KzgError> {
        let mut proofs = Vec::with_capacity(blobs.len());
        let mut cells = Vec::new();
        for blob in &blobs {
            let (commitment, proof) = kzg::commit_and_prove(blob)?;
            proofs.push(CommitmentAndProof { commitment, proof });
            if form == BlobForm::Eip7594 {
                cells.extend(kzg::cell_proofs(blob)?);
            }
        }
        Ok(Self { blobs, proofs, cells })
    }

    /// Checks claimed commitments: 2 ms a blob. Blocks.
    ///
    /// # Errors
    /// When one is not the commitment of its blob.
    pub fn verify(blobs: &[Blob], proofs: &[CommitmentAndProof]) -> Result<(), KzgError> {
        let commitments: Vec<_> = proofs.iter().map(|entry| entry.commitment).collect();
        let proofs: Vec<_> = proofs.iter().map(|entry| entry.proof).collect();
        kzg::verify(blobs, &commitments, &proofs)
    }

    /// Versioned hash of a blob, computed: 0.05 s of a core. Blocks.
    ///
    /// # Errors
    /// [`KzgError::Malformed`] when an element of the blob is none.
    pub fn hash_of(blob: &Blob) -> Result<B256, KzgError> {
        Ok(versioned_hash(&kzg::commit(blob)?))
    }

    /// Commitments and proofs, in order.
    #[must_use]
    pub fn proofs(&self) -> &[CommitmentAndProof] {
        &self.proofs
    }

    /// Versioned hashes of the blobs, in order.
    #[must_use]
    pub fn versioned_hashes(&self) -> Vec<B256> {
        self.proofs.iter().map(|entry| versioned_hash(&entry.commitment)).collect()
    }

    /// What the pools of the settlement chain get.
    pub(crate) fn sidecar(&self) -> BlobTransactionSidecarVariant {
        let blobs = self.blobs.clone();
        let commitments = self.proofs.iter().map(|entry| entry.commitment).collect();
        if self.cells.is_empty() {
            let proofs = self.proofs.iter().map(|entry| entry.proof).collect();
            BlobTransactionSidecar { blobs, commitments, proofs }.into()
        } else {
            BlobTransactionSidecarEip7594::new(blobs, commitments, self.cells.clone()).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(fill: u8) -> Blob {
        let mut blob = Blob::ZERO;
        for element in blob.0.as_chunks_mut::<32>().0 {
            element[1..].fill(fill);
        }
        blob
    }

    #[test]
    fn commitments_are_proved_and_others_refused() {
        let blobs = vec![blob(1), blob(2)];
        let bundle = BlobBundle::compute(blobs.clone(), BlobForm::Eip4844).unwrap();
        BlobBundle::verify(&blobs, bundle.proofs()).unwrap();
        let hashes = bundle.versioned_hashes();
        assert_eq!(
            hashes,
            [BlobBundle::hash_of(&blobs[0]).unwrap(), BlobBundle::hash_of(&blobs[1]).unwrap()]
        );
        assert!(hashes.iter().all(|hash| hash[0] == 1));

        let bytes: Vec<u8> =
            bundle.proofs().iter().flat_map(CommitmentAndProof::to_bytes).collect();
        assert_eq!(CommitmentAndProof::all_from(&bytes).as_deref(), Some(bundle.proofs()));
        assert_eq!(CommitmentAndProof::all_from(&bytes[1..]), None);

        let swapped = [bundle.proofs()[1], bundle.proofs()[0]];
        assert_eq!(BlobBundle::verify(&blobs, &swapped), Err(KzgError::WrongProof));
        let few = &bundle.proofs()[..1];
        assert_eq!(BlobBundle::verify(&blobs, few), Err(KzgError::Count { got: 1, blobs: 2 }));
        let mut broken = bundle.proofs().to_vec();
        broken[0].commitment = FixedBytes::repeat_byte(0xff);
        assert!(matches!(BlobBundle::verify(&blobs, &broken), Err(KzgError::Malformed(_))));
    }

    #[test]
    fn a_blob_of_bytes_that_are_no_elements_has_no_commitment() {
        let bad = Blob::repeat_byte(0xff);
        assert!(matches!(BlobBundle::hash_of(&bad), Err(KzgError::Malformed(_))));
        assert!(BlobBundle::compute(vec![bad], BlobForm::Eip4844).is_err());
    }

    #[test]
    fn the_form_decides_what_the_pools_get() {
        let plain = BlobBundle::compute(vec![blob(3)], BlobForm::Eip4844).unwrap();
        assert!(matches!(plain.sidecar(), BlobTransactionSidecarVariant::Eip4844(_)));
        let cells = BlobBundle::compute(vec![blob(3)], BlobForm::Eip7594).unwrap();
        match cells.sidecar() {
            BlobTransactionSidecarVariant::Eip7594(sidecar) => {
                assert_eq!((sidecar.cell_proofs.len(), sidecar.commitments.len()), (128, 1));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(plain.versioned_hashes(), cells.versioned_hashes());
    }
}
