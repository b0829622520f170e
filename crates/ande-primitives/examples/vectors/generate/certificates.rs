//! `certificates.json`: quorum certificates, good ones and every way to spoil them.

use alloy_primitives::{B256, U256, hex};
use ande_primitives::{Committee, Member, QuorumCertificate, Signature, ValidatorKey};
use k256::{
    ProjectivePoint, Scalar,
    elliptic_curve::{PrimeField, ops::Reduce, sec1::ToEncodedPoint},
};

use super::{Json, Rng, Table};

const COMPACT_BYTES: usize = 64;
const SIZES: [usize; 10] = [1, 2, 3, 4, 5, 7, 16, 33, 100, 256];
/// Half of the group order, rounded down: the largest `s` that is accepted.
const HALF_ORDER: [u8; 32] =
    hex!("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
/// The group order.
const ORDER: [u8; 32] = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");

/// A committee with its keys.
struct Signers {
    keys: Vec<ValidatorKey>,
    committee: Committee,
}

impl Signers {
    fn new(rng: &mut Rng, size: usize) -> Self {
        let keys: Vec<ValidatorKey> =
            (0..size).map(|_| ValidatorKey::from_bytes(&rng.word().0).unwrap()).collect();
        let heavy = rng.below(2) == 0;
        let members = keys
            .iter()
            .zip(1u32..)
            .map(|(key, id)| Member {
                signer: key.address(),
                weight: if heavy { 1 + (rng.u64() >> 13) } else { 100 },
                id,
            })
            .collect();
        Self { keys, committee: Committee::new(members).unwrap() }
    }

    fn sign(&self, indices: &[usize], digest: B256) -> QuorumCertificate {
        let signatures: Vec<_> = indices
            .iter()
            .map(|index| {
                let key = &self.keys[*index];
                (key.address(), key.sign_digest(digest).unwrap())
            })
            .collect();
        QuorumCertificate::assemble(1, digest, &self.committee, &signatures).unwrap()
    }
}

struct Cases(Table);

impl Cases {
    /// Appends a case. What is claimed must be what this crate finds.
    fn add(&mut self, committee: &Committee, digest: B256, cert: &QuorumCertificate, valid: bool) {
        let found = cert.signed_weight(digest, committee);
        assert_eq!(found.is_ok(), valid, "case is not what it claims: {found:?}");
        let members = committee.members();
        self.0.row([
            Json::List(
                members
                    .iter()
                    .map(|m| Json::text(format_args!("0x{}", hex::encode(m.signer))))
                    .collect(),
            ),
            Json::List(members.iter().map(|m| Json::text(m.weight)).collect()),
            Json::text(digest),
            Json::text(B256::from(cert.bitmap)),
            Json::text(&cert.signatures),
            Json::text(found.unwrap_or(0)),
            Json::Bool(valid),
        ]);
    }
}

fn edited(cert: &QuorumCertificate, edit: impl FnOnce(&mut Vec<u8>)) -> QuorumCertificate {
    let mut signatures = cert.signatures.to_vec();
    edit(&mut signatures);
    QuorumCertificate { signatures: signatures.into(), ..cert.clone() }
}

fn valid_cases(rng: &mut Rng, cases: &mut Cases, signers: &Signers) {
    let size = signers.keys.len();
    let all: Vec<usize> = (0..size).collect();
    let some: Vec<usize> = all.iter().copied().filter(|_| rng.below(3) != 0).collect();
    let quorum: Vec<usize> =
        all.iter().copied().skip(size - (2 * size / 3 + 1).min(size)).collect();
    for indices in [all, quorum, some, vec![0], vec![size - 1]] {
        if !indices.is_empty() {
            let digest = rng.word();
            cases.add(&signers.committee, digest, &signers.sign(&indices, digest), true);
        }
    }
}

fn spoiled_cases(rng: &mut Rng, cases: &mut Cases, signers: &Signers) {
    let committee = &signers.committee;
    let size = signers.keys.len();
    let digest = rng.word();
    let indices: Vec<usize> = (0..size.min(5)).collect();
    let count = indices.len();
    let good = signers.sign(&indices, digest);

    // One flipped bit at the start, the end and in every signature.
    let bits = good.signatures.len() as u64 * 8;
    let mut flips = vec![0, bits - 1];
    flips.extend((0..count as u64).map(|at| at * 512 + rng.below(512)));
    for bit in flips {
        let flipped = edited(&good, |s| s[bit as usize / 8] ^= 0x80 >> (bit % 8));
        cases.add(committee, digest, &flipped, false);
    }
    // The parity bit alone.
    cases.add(committee, digest, &edited(&good, |s| s[32] ^= 0x80), false);
    // The malleable twin, as far as 255 bits hold it.
    let twin = edited(&good, |s| {
        let low_bits = U256::MAX >> 1usize;
        let vs = U256::from_be_slice(&s[32..64]);
        let high = U256::from_be_bytes(ORDER) - (vs & low_bits);
        let twin: U256 = (high & low_bits) | (!vs & !low_bits);
        s[32..64].copy_from_slice(&twin.to_be_bytes::<32>());
    });
    cases.add(committee, digest, &twin, false);
    // Order, count, and bytes after the end.
    if count > 1 {
        cases.add(
            committee,
            digest,
            &edited(&good, |s| s[..128].rotate_left(COMPACT_BYTES)),
            false,
        );
        let doubled = edited(&good, |s| s.copy_within(..COMPACT_BYTES, COMPACT_BYTES));
        cases.add(committee, digest, &doubled, false);
    }
    cases.add(committee, digest, &edited(&good, |s| s.truncate(s.len() - COMPACT_BYTES)), false);
    cases.add(committee, digest, &edited(&good, |s| s.truncate(s.len() - 1)), false);
    cases.add(committee, digest, &edited(&good, |s| s.push(0)), false);
    cases.add(committee, digest, &edited(&good, |s| s.extend([0; COMPACT_BYTES])), false);
    // Bits: one removed, one that nobody signed, one beyond the committee, none at all.
    let without =
        QuorumCertificate { bitmap: good.bitmap & (good.bitmap - U256::ONE), ..good.clone() };
    cases.add(committee, digest, &without, false);
    if size > count {
        let unsigned = good.bitmap | (U256::ONE << count);
        cases.add(
            committee,
            digest,
            &QuorumCertificate { bitmap: unsigned, ..good.clone() },
            false,
        );
    }
    for bit in [size, 255] {
        if bit >= size && bit < 256 {
            let mut beyond = edited(&good, |s| s.extend_from_within(..COMPACT_BYTES));
            beyond.bitmap |= U256::ONE << bit;
            cases.add(committee, digest, &beyond, false);
        }
    }
    let nobody =
        QuorumCertificate { bitmap: U256::ZERO, signatures: Vec::new().into(), ..good.clone() };
    cases.add(committee, digest, &nobody, false);
    // Wrong digest, wrong signer, no signature.
    cases.add(committee, rng.word(), &good, false);
    let outsider = ValidatorKey::from_bytes(&rng.word().0).unwrap();
    let foreign = outsider.sign_digest(digest).unwrap().to_compact();
    cases.add(
        committee,
        digest,
        &edited(&good, |s| s[..COMPACT_BYTES].copy_from_slice(&foreign)),
        false,
    );
    cases.add(committee, digest, &edited(&good, |s| s[..COMPACT_BYTES].fill(0)), false);
    cases.add(committee, digest, &edited(&good, |s| s.fill(0)), false);
    // r and s at the edges of their range.
    for (at, value) in [(0, [0; 32]), (0, ORDER), (0, [0xff; 32]), (32, [0; 32]), (32, [0xff; 32])]
    {
        let edge = edited(&good, |s| s[at..at + 32].copy_from_slice(&value));
        cases.add(committee, digest, &edge, false);
    }
}

/// A signature that is right in every way but for an `s` just above half of the group order, and
/// its low twin. The 255 bits of the compact form hold such an `s` only for a digest made for it.
fn high_s_cases(rng: &mut Rng, cases: &mut Cases) {
    let signers = Signers::new(rng, 3);
    for above in 1..=4u64 {
        let nonce = <Scalar as Reduce<k256::U256>>::reduce_bytes(&rng.word().0.into());
        let point = (ProjectivePoint::GENERATOR * nonce).to_affine().to_encoded_point(false);
        let r = <Scalar as Reduce<k256::U256>>::reduce_bytes(point.x().unwrap());
        let half = Scalar::from_repr(HALF_ORDER.into()).unwrap();
        let s = half + Scalar::from(above);
        let key = *signers.keys[1].signing_key().as_nonzero_scalar().as_ref();
        let digest = B256::from_slice(&(s * nonce - r * key).to_repr());
        let odd = point.y().unwrap()[31] & 1 == 1;
        for (s, odd, valid) in [(s, odd, false), (-s, !odd, true)] {
            let mut bytes = [0u8; 65];
            bytes[..32].copy_from_slice(&r.to_repr());
            bytes[32..64].copy_from_slice(&s.to_repr());
            bytes[64] = 27 + u8::from(odd);
            let compact = Signature::from_bytes(bytes).to_compact();
            let cert = QuorumCertificate {
                attempt: 1,
                bitmap: U256::from(2),
                signatures: compact.to_vec().into(),
            };
            cases.add(&signers.committee, digest, &cert, valid);
        }
    }
}

/// The whole file.
pub fn generate() -> Json {
    let mut rng = Rng::new("ande vectors certificates");
    let mut cases = Cases(Table::new(&[
        "signers",
        "weights",
        "digest",
        "bitmap",
        "signatures",
        "signedWeight",
        "valid",
    ]));
    for size in SIZES {
        let signers = Signers::new(&mut rng, size);
        valid_cases(&mut rng, &mut cases, &signers);
        // A spoiled certificate is as wrong in a large committee; small ones keep the file small.
        if size <= 7 {
            spoiled_cases(&mut rng, &mut cases, &signers);
        }
    }
    high_s_cases(&mut rng, &mut cases);
    cases.0.into_json()
}
