//! Signatures and keys: one form per signature, no secret in a log.

use alloy_primitives::{Address, B256, U256, address, b256, hex, keccak256};
use ande_primitives::{KeyError, NodeKey, Signature, SignatureError, ValidatorKey};
use proptest::prelude::*;

use crate::generators::{hash, key, signature};

const ORDER: U256 =
    U256::from_be_bytes(hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"));

fn with_s(signature: &Signature, s: U256, v: u8) -> Signature {
    let mut bytes = *signature.as_bytes();
    bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    bytes[64] = v;
    Signature::from_bytes(bytes)
}

fn s_of(signature: &Signature) -> U256 {
    U256::from_be_slice(&signature.as_bytes()[32..64])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_signature_recovers_its_signer_in_both_forms(index in 0usize..20, digest in hash()) {
        let signature = key(index).sign_digest(digest).unwrap();
        prop_assert_eq!(signature.recover(digest), Ok(key(index).address()));
        prop_assert_eq!(Signature::from_compact(&signature.to_compact()), signature);
        prop_assert_eq!(key(index).sign_digest(digest), Ok(signature));
    }

    #[test]
    fn the_malleable_twin_is_refused(index in 0usize..20, digest in hash()) {
        let signature = key(index).sign_digest(digest).unwrap();
        let v = signature.as_bytes()[64];
        let twin = with_s(&signature, ORDER - s_of(&signature), 27 + 28 - v);
        prop_assert_eq!(twin.recover(digest), Err(SignatureError::HighS));
    }

    #[test]
    fn a_flipped_bit_is_not_the_signer(index in 0usize..520, digest in hash()) {
        let signer = key(0);
        let signature = signer.sign_digest(digest).unwrap();
        let mut bytes = *signature.as_bytes();
        bytes[index / 8] ^= 1 << (index % 8);
        prop_assert_ne!(Signature::from_bytes(bytes).recover(digest), Ok(signer.address()));
    }

    #[test]
    fn any_bytes_recover_or_fail(signature in signature(), digest in hash()) {
        let v = signature.as_bytes()[64];
        let recovered = signature.recover(digest);
        if v != 27 && v != 28 {
            prop_assert_eq!(recovered, Err(SignatureError::RecoveryByte(v)));
        }
        if let Ok(signer) = recovered {
            prop_assert_ne!(signer, Address::ZERO);
        }
    }

    /// Two independent implementations of the curve say the same of every signature.
    #[test]
    fn recovery_agrees_with_the_curve_that_signs(
        signature in signature(), odd in any::<bool>(), shift in 0usize..3, digest in hash(),
    ) {
        use k256::ecdsa::{RecoveryId, VerifyingKey};
        let signature = with_s(&signature, s_of(&signature) >> shift, 27 + u8::from(odd));
        let expected = k256::ecdsa::Signature::from_slice(&signature.as_bytes()[..64])
            .ok()
            .filter(|signature| signature.normalize_s().is_none())
            .and_then(|signature| {
                let id = RecoveryId::new(odd, false);
                VerifyingKey::recover_from_prehash(digest.as_slice(), &signature, id).ok()
            })
            .map(|key| Address::from_public_key(&key));
        prop_assert_eq!(signature.recover(digest).ok(), expected);
    }

    #[test]
    fn a_node_signature_is_bound_to_key_and_message(
        seed in any::<[u8; 32]>(), message in any::<Vec<u8>>(), bit in 0usize..512,
    ) {
        let node = NodeKey::from_seed(&seed);
        let signature = node.sign(&message);
        prop_assert_eq!(node.id().verify(&message, &signature), Ok(()));
        let mut other = signature;
        other.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(node.id().verify(&message, &other).is_err());
        let mut longer = message;
        longer.push(0);
        prop_assert!(node.id().verify(&longer, &signature).is_err());
        let stranger = NodeKey::from_seed(&keccak256(seed).0);
        prop_assert!(stranger.id().verify(&longer, &stranger.sign(&longer)).is_ok());
        prop_assert!(stranger.id().verify(&longer, &signature).is_err());
    }
}

#[test]
fn scalars_outside_of_their_range_are_refused() {
    let digest = keccak256("digest");
    let signature = key(0).sign_digest(digest).unwrap();
    let v = signature.as_bytes()[64];
    for s in [U256::ZERO, ORDER, ORDER + U256::ONE, U256::MAX] {
        let error = with_s(&signature, s, v).recover(digest);
        assert_eq!(error, Err(SignatureError::Scalar), "s = {s}");
    }
    for r in [U256::ZERO, ORDER, U256::MAX] {
        let mut bytes = *signature.as_bytes();
        bytes[..32].copy_from_slice(&r.to_be_bytes::<32>());
        let error = Signature::from_bytes(bytes).recover(digest);
        assert_eq!(error, Err(SignatureError::Scalar), "r = {r}");
    }
    assert_eq!(
        Signature::from_bytes([0; 65]).recover(digest),
        Err(SignatureError::RecoveryByte(0))
    );
}

/// The well-known first development account, so that nothing here depends on itself only.
#[test]
fn keys_are_ethereum_keys() {
    let key = ValidatorKey::from_bytes(
        &b256!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").0,
    )
    .unwrap();
    assert_eq!(key.address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
}

#[test]
fn bytes_that_are_no_key_are_refused() {
    for bytes in [B256::ZERO, B256::from(ORDER), B256::repeat_byte(0xff)] {
        assert!(matches!(ValidatorKey::from_bytes(&bytes.0), Err(KeyError::Secp256k1)));
    }
}

#[test]
fn keys_do_not_print_their_secrets() {
    let secret = keccak256("secret");
    let validator = format!("{:?}", ValidatorKey::from_bytes(&secret.0).unwrap());
    let node = format!("{:?}", NodeKey::from_seed(&secret.0));
    for text in [validator.to_lowercase(), node.to_lowercase()] {
        assert!(!text.contains(&hex::encode(secret)), "{text}");
        assert!(!text.contains(&hex::encode(&secret[..4])), "{text}");
    }
}
