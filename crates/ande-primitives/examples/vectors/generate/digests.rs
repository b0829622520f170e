//! `digests.json`: EIP-712 digests, batch hashes and inclusion proofs.

use alloy_primitives::{Address, B256, U256, address, hex, keccak256};
use ande_primitives::{
    BATCH_HEADER_VERSION, BatchHeader, Checkpoint, DaKind, DaPointer, Domain, Epoch, Era, Height,
    OpenTerm, Round, SignerKey, Term, Vote, VoteKind, forced_accumulator, inclusion_proof,
    inclusion_root,
};

use super::{Json, Rng, Table};

const ROWS: usize = 48;
const L1_CHAIN_ID: u64 = 31_337;
const L2_CHAIN_ID: u64 = 6_174;
const CONSENSUS: Address = address!("5FbDB2315678afecb367f032d93F642f64180aa3");
const MERKLE_COUNTS: [u32; 24] =
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 1_000];

fn lower_hex(address: Address) -> Json {
    Json::text(format_args!("0x{}", hex::encode(address)))
}

fn votes(rng: &mut Rng, domain: &Domain) -> Json {
    let mut table = Table::new(&[
        "l2ChainId",
        "era",
        "epoch",
        "height",
        "round",
        "kind",
        "blockHash",
        "digest",
    ]);
    for row in 0..ROWS {
        let kind = VoteKind::try_from((row % 3) as u8).unwrap();
        let vote = Vote {
            era: Era(rng.wide_u32()),
            epoch: Epoch(rng.wide_u64()),
            height: Height(rng.wide_u64()),
            round: Round(rng.wide_u32()),
            kind,
            block_hash: if row % 8 == 0 { B256::ZERO } else { rng.word() },
        };
        table.row([
            Json::text(L2_CHAIN_ID),
            Json::Number(vote.era.0),
            Json::text(vote.epoch),
            Json::text(vote.height),
            Json::Number(vote.round.0),
            Json::Number(u32::from(kind as u8)),
            Json::text(vote.block_hash),
            Json::text(domain.vote_digest(&vote)),
        ]);
    }
    table.into_json()
}

fn checkpoints(rng: &mut Rng, domain: &Domain) -> Json {
    let mut table = Table::new(&[
        "l2ChainId",
        "era",
        "epoch",
        "batchIndex",
        "attempt",
        "parentBatchHash",
        "contentHash",
        "daHash",
        "digest",
    ]);
    for _ in 0..ROWS {
        let checkpoint = Checkpoint {
            era: Era(rng.wide_u32()),
            epoch: Epoch(rng.wide_u64()),
            batch_index: rng.wide_u64(),
            attempt: rng.wide_u32(),
            parent_batch_hash: rng.word(),
            content_hash: rng.word(),
            da_hash: rng.word(),
        };
        table.row([
            Json::text(L2_CHAIN_ID),
            Json::Number(checkpoint.era.0),
            Json::text(checkpoint.epoch),
            Json::text(checkpoint.batch_index),
            Json::Number(checkpoint.attempt),
            Json::text(checkpoint.parent_batch_hash),
            Json::text(checkpoint.content_hash),
            Json::text(checkpoint.da_hash),
            Json::text(domain.checkpoint_digest(&checkpoint)),
        ]);
    }
    table.into_json()
}

fn open_terms(rng: &mut Rng, domain: &Domain) -> Json {
    let mut table = Table::new(&["l2ChainId", "era", "epoch", "term", "digest"]);
    for _ in 0..ROWS {
        let open = OpenTerm {
            era: Era(rng.wide_u32()),
            epoch: Epoch(rng.wide_u64()),
            term: Term(rng.wide_u64()),
        };
        table.row([
            Json::text(L2_CHAIN_ID),
            Json::Number(open.era.0),
            Json::text(open.epoch),
            Json::text(open.term),
            Json::text(domain.open_term_digest(&open)),
        ]);
    }
    table.into_json()
}

fn signer_keys(rng: &mut Rng, domain: &Domain) -> Json {
    let mut table = Table::new(&["owner", "signer", "p2pPeerId", "nonce", "deadline", "digest"]);
    for _ in 0..ROWS {
        let proof = SignerKey {
            owner: rng.address(),
            signer: rng.address(),
            p2p_peer_id: rng.word(),
            nonce: rng.wide_u256(),
            deadline: rng.wide_u256(),
        };
        table.row([
            lower_hex(proof.owner),
            lower_hex(proof.signer),
            Json::text(proof.p2p_peer_id),
            Json::text(proof.nonce),
            Json::text(proof.deadline),
            Json::text(domain.signer_key_digest(&proof)),
        ]);
    }
    table.into_json()
}

fn batch_headers(rng: &mut Rng) -> Json {
    let mut table = Table::new(&[
        "version",
        "era",
        "epoch",
        "batchIndex",
        "startHeight",
        "endHeight",
        "term",
        "forcedUpTo",
        "txCount",
        "parentBatchHash",
        "lastBlockHash",
        "stateRoot",
        "txRoot",
        "forcedAcc",
        "skipsHash",
        "feeRecipient",
        "contentHash",
    ]);
    for _ in 0..ROWS {
        let header = BatchHeader {
            era: Era(rng.wide_u32()),
            epoch: Epoch(rng.wide_u64()),
            batch_index: rng.wide_u64(),
            start_height: Height(rng.wide_u64()),
            end_height: Height(rng.wide_u64()),
            term: Term(rng.wide_u64()),
            forced_up_to: rng.wide_u64(),
            tx_count: rng.wide_u32(),
            parent_batch_hash: rng.word(),
            last_block_hash: rng.word(),
            state_root: rng.word(),
            tx_root: rng.word(),
            forced_acc: rng.word(),
            skips_hash: rng.word(),
            fee_recipient: rng.address(),
        };
        table.row([
            Json::Number(u32::from(BATCH_HEADER_VERSION)),
            Json::Number(header.era.0),
            Json::text(header.epoch),
            Json::text(header.batch_index),
            Json::text(header.start_height),
            Json::text(header.end_height),
            Json::text(header.term),
            Json::text(header.forced_up_to),
            Json::Number(header.tx_count),
            Json::text(header.parent_batch_hash),
            Json::text(header.last_block_hash),
            Json::text(header.state_root),
            Json::text(header.tx_root),
            Json::text(header.forced_acc),
            Json::text(header.skips_hash),
            lower_hex(header.fee_recipient),
            Json::text(header.content_hash()),
        ]);
    }
    table.into_json()
}

fn da_pointers(rng: &mut Rng) -> Json {
    let mut table = Table::new(&["kind", "height", "commitment", "size", "daHash"]);
    for row in 0..ROWS {
        let pointer = DaPointer {
            kind: DaKind::try_from((row % 3) as u8).unwrap(),
            height: rng.wide_u64(),
            commitment: rng.word(),
            size: rng.wide_u32(),
        };
        table.row([
            Json::Number(u32::from(pointer.kind as u8)),
            Json::text(pointer.height),
            Json::text(pointer.commitment),
            Json::Number(pointer.size),
            Json::text(pointer.da_hash()),
        ]);
    }
    table.into_json()
}

fn blobs(rng: &mut Rng) -> Json {
    let mut table = Table::new(&["hashes", "size", "commitment", "daHash"]);
    for row in 0..ROWS {
        let hashes: Vec<B256> = (0..row % 10).map(|_| rng.word()).collect();
        let pointer = DaPointer::blobs(&hashes, rng.wide_u32());
        table.row([
            Json::text(format_args!("0x{}", hex::encode(hashes.concat()))),
            Json::Number(pointer.size),
            Json::text(pointer.commitment),
            Json::text(pointer.da_hash()),
        ]);
    }
    table.into_json()
}

/// One queue: each row continues the row before.
fn forced(rng: &mut Rng) -> Json {
    let mut table = Table::new(&["sender", "l1Block", "l1Timestamp", "rawTx", "acc"]);
    let mut acc = B256::ZERO;
    for row in 0..ROWS {
        let sender = rng.address();
        // Below the width of the contract's fields, and time cannot go back.
        let l1_block = 1_000 + row as u64 * 12;
        let l1_timestamp = 1_700_000_000 + row as u64 * 97;
        let length = 1 + rng.below(200) as usize;
        let raw: Vec<u8> = std::iter::repeat_with(|| rng.word()).flatten().take(length).collect();
        acc = forced_accumulator(acc, sender, row as u64, l1_block, l1_timestamp, &raw);
        table.row([
            lower_hex(sender),
            Json::text(l1_block),
            Json::text(l1_timestamp),
            Json::text(format_args!("0x{}", hex::encode(raw))),
            Json::text(acc),
        ]);
    }
    table.into_json()
}

/// `keccak256(abi.encode(seed, uint256(index)))`.
fn transaction_hash(seed: B256, index: u32) -> B256 {
    let mut data = seed.to_vec();
    data.extend_from_slice(&U256::from(index).to_be_bytes::<32>());
    keccak256(data)
}

fn merkle(rng: &mut Rng) -> Json {
    let mut table = Table::new(&["count", "seed", "root", "index", "proof"]);
    for count in MERKLE_COUNTS {
        let seed = rng.word();
        let hashes: Vec<B256> = (0..count).map(|index| transaction_hash(seed, index)).collect();
        let root = inclusion_root(&hashes);
        let mut indices = vec![0, count - 1, rng.below(u64::from(count)) as u32];
        indices.sort_unstable();
        indices.dedup();
        for index in indices {
            let proof = inclusion_proof(&hashes, index as usize).unwrap().concat();
            table.row([
                Json::Number(count),
                Json::text(seed),
                Json::text(root),
                Json::Number(index),
                Json::text(format_args!("0x{}", hex::encode(proof))),
            ]);
        }
    }
    table.into_json()
}

/// The whole file.
pub fn generate() -> Json {
    let domain = Domain::new(L1_CHAIN_ID, CONSENSUS, L2_CHAIN_ID);
    let mut rng = Rng::new("ande vectors digests");
    Json::Object(vec![
        (
            "domain",
            Json::Object(vec![
                ("chainId", Json::text(L1_CHAIN_ID)),
                ("verifyingContract", lower_hex(CONSENSUS)),
            ]),
        ),
        ("vote", votes(&mut rng, &domain)),
        ("checkpoint", checkpoints(&mut rng, &domain)),
        ("openTerm", open_terms(&mut rng, &domain)),
        ("signerKey", signer_keys(&mut rng, &domain)),
        ("batchHeader", batch_headers(&mut rng)),
        ("daPointer", da_pointers(&mut rng)),
        ("merkle", merkle(&mut rng)),
        ("blobs", blobs(&mut rng)),
        ("forced", forced(&mut rng)),
    ])
}
