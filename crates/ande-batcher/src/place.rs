//! Whether the data of a batch goes into calldata or into blobs, where that is left to price: what is
//! cheaper to post.

use ande_batch::blobs_for;
use ande_l1::Prices;
use ande_primitives::DaKind;

/// Most bytes of data that go into calldata: pools take no transaction above 128 KiB.
pub const MAX_CALLDATA_BYTES: usize = 120_000;

/// Gas of a posting without its data and signatures, and of each signature (`contracts/GAS.md`).
const POSTING_GAS: u64 = 95_900;
const SIGNATURE_GAS: u64 = 4_600;
/// Gas of each blob besides its blob gas.
const BLOB_GAS: u64 = 690;
/// EIP-4844.
const GAS_PER_BLOB: u64 = 131_072;
/// EIP-7623: a zero byte is a token, any other are four. A transaction pays for its execution and 4
/// a token, but never less than for 10 a token.
const TOKEN_GAS: u64 = 4;
const FLOOR_TOKEN_GAS: u64 = 10;
const INTRINSIC_GAS: u64 = 21_000;
/// Tokens of a signature, and of everything besides data and signatures.
const SIGNATURE_TOKENS: u64 = 256;
const OTHER_TOKENS: u64 = 1_100;
/// What the contract pays for a word of calldata: copied into memory and hashed.
const WORD_GAS: u64 = 12;

/// How the place of data is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataChoice {
    /// What is cheaper when the batch is certified.
    #[default]
    Auto,
    /// Calldata, as long as it fits.
    Calldata,
    /// Blobs.
    Blobs,
    /// Calldata up to this size, blobs above.
    BySize(usize),
    /// A Celestia block, and only a pointer to it on the settlement chain.
    Celestia,
}

/// What the price of a posting depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    /// Bytes of data.
    pub bytes: usize,
    /// Zero bytes among them.
    pub zeros: usize,
    /// Signatures of the certificate.
    pub signatures: usize,
}

impl Posting {
    /// The posting of data with a certificate.
    #[must_use]
    pub fn new(data: &[u8], signatures: usize) -> Self {
        let zeros = data.iter().filter(|byte| **byte == 0).count();
        Self { bytes: data.len(), zeros, signatures }
    }

    /// Wei for the data in calldata.
    #[must_use]
    pub fn calldata_cost(&self, prices: &Prices) -> u128 {
        let signatures = self.signatures as u64;
        let others = self.bytes.saturating_sub(self.zeros) as u64;
        let tokens = self.zeros as u64 + 4 * others;
        let words = (self.bytes as u64).div_ceil(32);
        let executed = self.posting_gas() + TOKEN_GAS * tokens + WORD_GAS * words;
        let all = tokens + SIGNATURE_TOKENS * signatures + OTHER_TOKENS;
        let least = INTRINSIC_GAS + FLOOR_TOKEN_GAS * all;
        prices.gas.saturating_mul(executed.max(least).into())
    }

    /// Wei for the data in blobs.
    #[must_use]
    pub fn blobs_cost(&self, prices: &Prices) -> u128 {
        let blobs = blobs_for(self.bytes) as u64;
        let executed = self.posting_gas() + BLOB_GAS * blobs;
        let paid = prices.gas.saturating_mul(executed.into());
        paid.saturating_add(prices.blob_gas.saturating_mul((GAS_PER_BLOB * blobs).into()))
    }

    const fn posting_gas(&self) -> u64 {
        POSTING_GAS + SIGNATURE_GAS * self.signatures as u64
    }
}

/// The cheaper place; calldata, which stays for ever, when they cost the same.
#[must_use]
pub fn choose(posting: &Posting, prices: &Prices) -> DaKind {
    if posting.blobs_cost(prices) < posting.calldata_cost(prices) {
        DaKind::Blobs
    } else {
        DaKind::Calldata
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn posting(bytes: usize) -> Posting {
        Posting { bytes, zeros: bytes / 256, signatures: 3 }
    }

    #[test]
    fn the_costs_are_those_that_were_measured() {
        let one = Prices { gas: 1, blob_gas: 0 };
        // 10 kB and 50 kB of random data in calldata with three validators: 440k and 2.03M gas.
        let cost = |bytes: usize| Posting { bytes, zeros: 0, signatures: 3 }.calldata_cost(&one);
        assert_eq!((cost(10_000) / 1_000, cost(50_000) / 10_000), (439, 203));
        // Four bytes, and one blob and six, with three validators and with a hundred: GAS.md.
        let near = |cost: u128, measured: u128| cost.abs_diff(measured) * 100 < measured;
        assert!(near(cost(4), 109_633));
        let blobs = |blobs: usize, signatures: usize| {
            Posting { bytes: blobs * 130_048, zeros: 0, signatures }.blobs_cost(&one)
        };
        assert!(near(blobs(1, 3), 110_323) && near(blobs(6, 3), 113_727));
        assert!(near(blobs(1, 67), 403_972) && near(blobs(6, 67), 407_342));
    }

    #[test]
    fn price_and_size_decide() {
        let at = |gas, blob_gas| Prices { gas, blob_gas };
        // Blobs that cost next to nothing, for all but the smallest batches.
        let cheap = at(20 * GWEI, 1);
        assert_eq!(choose(&posting(40), &cheap), DaKind::Calldata);
        assert_eq!(choose(&posting(2_000), &cheap), DaKind::Blobs);
        assert_eq!(choose(&posting(100_000), &cheap), DaKind::Blobs);
        // As dear as gas: a blob is worth it from some 5 kB on.
        let same = at(20 * GWEI, 20 * GWEI);
        assert_eq!(choose(&posting(2_000), &same), DaKind::Calldata);
        assert_eq!(choose(&posting(10_000), &same), DaKind::Blobs);
        // A hundred times as dear.
        let dear = at(GWEI, 100 * GWEI);
        assert_eq!(choose(&posting(100_000), &dear), DaKind::Calldata);
        // Signatures hide a part of the data under the floor, so calldata is cheaper for longer.
        let small = Posting { signatures: 3, ..posting(6_000) };
        let large = Posting { signatures: 43, ..posting(6_000) };
        let prices = at(GWEI, GWEI);
        assert_eq!(choose(&small, &prices), DaKind::Blobs);
        assert_eq!(choose(&large, &prices), DaKind::Calldata);
    }

    fn any_posting() -> impl Strategy<Value = Posting> {
        (1usize..780_288, 0usize..=100, 1usize..=100).prop_map(|(bytes, percent, signatures)| {
            Posting { bytes, zeros: bytes * percent / 100, signatures }
        })
    }

    fn any_prices() -> impl Strategy<Value = Prices> {
        (0u32..80, 0u32..80, 0..1_000u128, 0..1_000u128).prop_map(|(left, right, gas, blob_gas)| {
            Prices { gas: gas << left, blob_gas: blob_gas << right }
        })
    }

    proptest! {
        #[test]
        fn dearer_blobs_are_never_a_reason_for_blobs(
            posting in any_posting(), prices in any_prices(), more in any::<u64>(),
        ) {
            let dearer = Prices { blob_gas: prices.blob_gas.saturating_add(more.into()), ..prices };
            if choose(&posting, &prices) == DaKind::Calldata {
                prop_assert_eq!(choose(&posting, &dearer), DaKind::Calldata);
            }
        }

        #[test]
        fn dearer_gas_is_never_a_reason_for_calldata(
            posting in any_posting(), prices in any_prices(), factor in 1u128..1_000,
        ) {
            let dearer = Prices { gas: prices.gas * factor, ..prices };
            if choose(&posting, &prices) == DaKind::Blobs {
                prop_assert_eq!(choose(&posting, &dearer), DaKind::Blobs);
            }
        }

        #[test]
        fn only_the_ratio_of_the_prices_counts(
            posting in any_posting(), gas in 1u128..1 << 50, blob_gas in 1u128..1 << 50,
            factor in 1u128..1 << 30,
        ) {
            let prices = Prices { gas, blob_gas };
            let scaled = Prices { gas: gas * factor, blob_gas: blob_gas * factor };
            prop_assert_eq!(choose(&posting, &prices), choose(&posting, &scaled));
        }

        #[test]
        fn zero_bytes_make_calldata_cheaper(posting in any_posting(), gas in 1u128..1 << 60) {
            let prices = Prices { gas, blob_gas: 1 };
            let zeros = Posting { zeros: posting.bytes, ..posting };
            prop_assert!(zeros.calldata_cost(&prices) <= posting.calldata_cost(&prices));
            prop_assert_eq!(zeros.blobs_cost(&prices), posting.blobs_cost(&prices));
        }

        #[test]
        fn no_price_is_too_high(posting in any_posting(), gas in any::<u128>(), blob_gas in any::<u128>()) {
            let prices = Prices { gas, blob_gas };
            let _ = choose(&posting, &prices);
        }
    }
}
