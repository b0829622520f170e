//! No bytes panic, hang or take more memory than a batch may.

use alloy_rlp::Encodable;
use ande_batch::{
    BATCH_FORMAT_VERSION, BatchError, CODEC_ZSTD, CodecError, MAX_BATCH_BLOCKS,
    MAX_BATCH_TRANSACTIONS, decode, encode,
};
use proptest::{collection::vec, prelude::*};

use crate::chain::{self, Recipe, chain, content};

/// Batch data of any body.
fn data_of(body: &[u8]) -> Vec<u8> {
    let mut data = vec![BATCH_FORMAT_VERSION, CODEC_ZSTD];
    data.extend(zstd::bulk::compress(body, 3).unwrap());
    data
}

fn body_of(data: &[u8]) -> Vec<u8> {
    zstd::bulk::decompress(&data[2..], 1 << 24).unwrap()
}

/// `decode` gives a content only for the body that encodes it.
fn only_canonical(body: &[u8]) {
    if let Ok(content) = decode(&data_of(body)) {
        assert_eq!(body_of(&encode(&content).unwrap()), body, "two bodies of one content");
    }
}

#[test]
fn every_truncation_and_every_flipped_bit_of_a_body_is_judged() {
    let recipes: Vec<Recipe> = (0..3u8)
        .map(|index| Recipe { transactions: vec![vec![index + 1; 20]], ..Recipe::default() })
        .collect();
    let body = body_of(&encode(&content(&chain(&recipes))).unwrap());
    only_canonical(&body);
    for end in 0..body.len() {
        assert!(decode(&data_of(&body[..end])).is_err(), "decodes from {end} bytes");
    }
    for bit in 0..body.len() * 8 {
        let mut flipped = body.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        only_canonical(&flipped);
    }
    let mut longer = body;
    longer.push(0);
    assert!(decode(&data_of(&longer)).is_err());
}

#[test]
fn every_flipped_bit_of_the_data_is_judged() {
    let content = content(&chain(&vec![Recipe::default(); 3]));
    let data = encode(&content).unwrap();
    for end in 0..data.len() {
        assert!(decode(&data[..end]).is_err(), "decodes from {end} bytes");
    }
    for bit in 0..data.len() * 8 {
        let mut flipped = data.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(content) = decode(&flipped) {
            content.check().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(decode(&bytes).is_err());
        only_canonical(&bytes);
        let framed = [&[BATCH_FORMAT_VERSION, CODEC_ZSTD][..], &bytes].concat();
        prop_assert!(decode(&framed).is_err());
    }

    #[test]
    fn spliced_bodies(
        recipes in vec(chain::recipe(), 1..4),
        cut in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(),
    ) {
        let body = body_of(&encode(&content(&chain(&recipes))).unwrap());
        let spliced = [&body[..cut.index(body.len())], &body[from.index(body.len())..]].concat();
        only_canonical(&spliced);
    }
}

fn list(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend_from_slice(payload);
    out
}

/// A body around a list of blocks.
fn body_with(blocks: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for number in [6_174u64, 0, 0, 1] {
        number.encode(&mut payload);
    }
    alloy_primitives::B256::ZERO.encode(&mut payload);
    payload.extend(list(blocks));
    0u32.encode(&mut payload);
    payload.extend(list(&[]));
    list(&payload)
}

fn block_with(transactions: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    0u32.encode(&mut payload);
    alloy_primitives::Address::ZERO.encode(&mut payload);
    0u64.encode(&mut payload);
    0u64.encode(&mut payload);
    alloy_primitives::B256::ZERO.encode(&mut payload);
    alloy_primitives::Bytes::new().encode(&mut payload);
    payload.extend(list(&vec![1u8; transactions]));
    list(&payload)
}

/// Small data that expands to millions of objects.
#[test]
fn counts_are_bounded_while_reading() {
    let refused = |blocks: &[u8], reason: &str| {
        let data = data_of(&body_with(blocks));
        assert!(data.len() < 20_000, "{} bytes", data.len());
        let error = decode(&data).unwrap_err();
        assert_eq!(error, BatchError::Codec(CodecError::Rlp(reason.to_owned())));
    };
    refused(&block_with(0).repeat(MAX_BATCH_BLOCKS + 1), "too many blocks");
    refused(&block_with(MAX_BATCH_TRANSACTIONS + 1), "too many transactions");
    refused(&block_with(MAX_BATCH_TRANSACTIONS / 2 + 1).repeat(2), "too many transactions");
}

#[test]
fn numbers_at_the_end_of_their_range_do_not_overflow() {
    let mut payload = Vec::new();
    for number in [6_174u64, 0, 0, u64::MAX] {
        number.encode(&mut payload);
    }
    alloy_primitives::B256::ZERO.encode(&mut payload);
    payload.extend(list(&block_with(0).repeat(2)));
    0u32.encode(&mut payload);
    payload.extend(list(&[]));
    assert_eq!(
        decode(&data_of(&list(&payload))),
        Err(BatchError::Codec(CodecError::Rlp("heights overflow".to_owned())))
    );
}
