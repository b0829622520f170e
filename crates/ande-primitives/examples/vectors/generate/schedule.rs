//! `schedule.json`: proposers of both modes.

use alloy_primitives::{Address, B256, U256, keccak256};
use ande_primitives::{Committee, Height, Member, ScheduleMode, ScheduleRules, Skip};

use super::{Json, Rng, Table};

const CASES: usize = 3_400;
/// Keeps the weight of 256 members below the limit of a committee.
const MAX_MEMBER_WEIGHT_BITS: u64 = 51;

/// `abi.encode` of 32-byte words, hashed.
fn hash_words(seed: B256, words: &[u64]) -> B256 {
    let mut data = seed.to_vec();
    for word in words {
        data.extend_from_slice(&U256::from(*word).to_be_bytes::<32>());
    }
    keccak256(data)
}

/// `1 + uint256(keccak256(abi.encode(seed, 0x77, i))) % maxWeight` for each member.
pub fn committee(seed: B256, size: u32, max_weight: u64) -> Committee {
    let members = (0..size)
        .map(|index| {
            let hash = U256::from_be_bytes(hash_words(seed, &[0x77, u64::from(index)]).0);
            Member {
                signer: Address::from_word(hash_words(seed, &[0x78, u64::from(index)])),
                weight: 1 + (hash % U256::from(max_weight)).to::<u64>(),
                id: index + 1,
            }
        })
        .collect();
    Committee::new(members).unwrap()
}

fn committee_size(rng: &mut Rng, case: usize) -> u32 {
    let (from, to) = match case % 20 {
        0..=11 => (1, 8),
        12..=16 => (9, 24),
        17 | 18 => (25, 64),
        _ => (65, 256),
    };
    from + rng.below(u64::from(to - from + 1)) as u32
}

/// The whole file.
pub fn generate() -> Json {
    let mut table = Table::new(&[
        "mode",
        "n",
        "windowsPerEpoch",
        "rotationInterval",
        "seed",
        "maxWeight",
        "height",
        "skip",
        "index",
    ]);
    let mut rng = Rng::new("ande vectors schedule");
    for case in 0..CASES {
        let mode =
            if rng.below(2) == 0 { ScheduleMode::RoundRobin } else { ScheduleMode::Weighted };
        // Sizes and window counts at both ends are forced once; the rest is drawn.
        let n = match case {
            0..=3 => case as u32 + 1,
            4 => 256,
            _ => committee_size(&mut rng, case),
        };
        let windows = match case {
            0..=199 => case as u32 + 1,
            _ => 1 + rng.below(200) as u32,
        };
        let interval = match rng.below(4) {
            0 => 1,
            1 => 100,
            _ => 1 + rng.below(1_000) as u32,
        };
        let seed = rng.word();
        let max_weight = match rng.below(4) {
            0 => 1,
            1 => 1 + rng.below(100),
            _ => 1 + (rng.u64() >> (64 - 1 - rng.below(MAX_MEMBER_WEIGHT_BITS))),
        };
        let height = match rng.below(10) {
            0 => rng.wide_u64(),
            1 => rng.below(2 * u64::from(interval)),
            _ => rng.below(4 * u64::from(interval) * u64::from(windows)),
        };
        let skip = match rng.below(4) {
            0 => 0,
            1 | 2 => rng.below(3 * u64::from(n) + 1) as u32,
            _ => rng.wide_u32(),
        };
        let rules = ScheduleRules::new(mode, interval, windows, 10).unwrap();
        let members = committee(seed, n, max_weight);
        let index = rules.proposer_index(&members, seed, Height(height), Skip(skip));
        table.row([
            Json::Number(mode as u32),
            Json::Number(n),
            Json::Number(windows),
            Json::Number(interval),
            Json::text(seed),
            Json::text(max_weight),
            Json::text(height),
            Json::Number(skip),
            Json::Number(index as u32),
        ]);
    }
    table.into_json()
}
