//! Signatures of the engine: recoverable secp256k1, public key = address.

use ande_primitives::Signature;
use malachitebft_core_types::SigningScheme;

use crate::context::Address;

/// Length of one recoverable signature in bytes.
const SIGNATURE_BYTES: usize = 65;

/// A signature as the engine carries it.
///
/// Votes have only `main`, the EIP-712 signature a contract can recover. A proposal's EIP-712
/// message does not name its proof-of-lock round, so proposals carry a second signature,
/// `binding`, over all of the engine's message: nobody can alter any field in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EngineSignature {
    pub main: Signature,
    pub binding: Option<Signature>,
}

impl EngineSignature {
    /// A vote's signature.
    pub(crate) const fn of_vote(main: Signature) -> Self {
        Self { main, binding: None }
    }

    /// A proposal's signatures.
    pub(crate) const fn of_proposal(main: Signature, binding: Signature) -> Self {
        Self { main, binding: Some(binding) }
    }

    /// Stands for a signature that the signer refused. It verifies for nobody, so the engine
    /// drops its own message, and the codec does not encode it, so nothing leaves the node.
    pub(crate) const fn withheld() -> Self {
        Self { main: Signature::from_bytes([0; SIGNATURE_BYTES]), binding: None }
    }

    /// Whether this is [`withheld`](Self::withheld).
    pub(crate) fn is_withheld(&self) -> bool {
        self.main.as_bytes().iter().all(|byte| *byte == 0)
    }
}

/// The signing scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Secp256k1;

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], String> {
    bytes.try_into().map_err(|_| format!("{} bytes where {N} were expected", bytes.len()))
}

impl SigningScheme for Secp256k1 {
    type DecodingError = String;
    type Signature = EngineSignature;
    type PublicKey = Address;
    // Keys live in the signer, never in the engine.
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<EngineSignature, String> {
        if bytes.len() == SIGNATURE_BYTES {
            return Ok(EngineSignature::of_vote(Signature::from_bytes(array(bytes)?)));
        }
        let bytes: [u8; 2 * SIGNATURE_BYTES] = array(bytes)?;
        let (main, binding) = bytes.split_at(SIGNATURE_BYTES);
        Ok(EngineSignature::of_proposal(
            Signature::from_bytes(array(main)?),
            Signature::from_bytes(array(binding)?),
        ))
    }

    fn encode_signature(signature: &EngineSignature) -> Vec<u8> {
        let mut bytes = signature.main.as_bytes().to_vec();
        if let Some(binding) = signature.binding {
            bytes.extend_from_slice(binding.as_bytes());
        }
        bytes
    }

    fn decode_public_key(bytes: &[u8]) -> Result<Address, String> {
        Ok(Address(alloy_primitives::Address::from(array::<20>(bytes)?)))
    }

    fn encode_public_key(public_key: &Address) -> Vec<u8> {
        public_key.0.to_vec()
    }
}
