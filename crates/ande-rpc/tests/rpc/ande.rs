//! `ande_*` and the REST paths: what an outsider needs to verify the chain.

use alloy::sol_types::SolStruct as _;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ande_primitives::{
    BatchHeader, Canonical as _, DaPointer, Epoch, Era, ForcedOutcome, ForcedTransaction, Header,
    Height, QuorumCertificate, Signature, Skip, Term, forced_accumulator, inclusion_root,
    verify_inclusion,
};
use ande_store::{BatchRow, BatchState};
use serde_json::{Value, json};

use crate::fixture::{
    CHAIN, CONSENSUS, L1, Node, domain, hello, key, legacy_paying, node_key, set, transfer,
};

fn from<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// Batch `index` over the committed heights `first..=last`.
fn row(node: &Node, index: u64, parent: B256, first: u64, last: u64) -> BatchRow {
    let commits = &node.commits[first as usize - 1..last as usize];
    let hashes: Vec<B256> =
        commits.iter().flat_map(|commit| commit.block.transactions.iter().map(keccak256)).collect();
    let data = Bytes::from(vec![index as u8; 10]);
    BatchRow {
        header: BatchHeader {
            era: Era(0),
            epoch: Epoch(0),
            batch_index: index,
            start_height: Height(first),
            end_height: Height(last),
            term: Term(0),
            forced_up_to: 0,
            tx_count: hashes.len() as u32,
            parent_batch_hash: parent,
            last_block_hash: commits.last().unwrap().block.hash(),
            state_root: B256::ZERO,
            tx_root: inclusion_root(&hashes),
            forced_acc: B256::ZERO,
            skips_hash: keccak256([]),
            fee_recipient: Address::ZERO,
        },
        da: DaPointer::calldata(&data),
        attempt: 0,
        state: BatchState::Created,
        skips: Bytes::new(),
        data,
        qc: Some(QuorumCertificate {
            attempt: 0,
            bitmap: U256::from(7),
            signatures: Bytes::from(vec![1; 192]),
        }),
        l1_tx: None,
        l1_block: None,
        created_at_ms: 77,
        updated_at_ms: 77,
        error: None,
    }
}

#[tokio::test]
async fn an_outsider_verifies_a_certificate_from_the_answer_alone() {
    let mut node = Node::start().await;
    let commit = node.block(vec![transfer(11, 0)]).await;
    node.block(vec![]).await;
    let view = node.call("ande_getCertificate", json!([1])).await.unwrap();

    // The header is what was hashed, and names the Ethereum block.
    let bytes: Bytes = from(&view["headerBytes"]);
    assert_eq!(json!(keccak256(&bytes)), view["blockHash"]);
    let header = Header::from_canonical(&bytes).unwrap();
    assert_eq!(header, from::<Header>(&view["header"]));
    let block = node.call("eth_getBlockByNumber", json!(["0x1", false])).await.unwrap();
    assert_eq!(block["hash"], view["executionHash"]);

    // The digest follows from the typed data with a library that knows nothing of this chain.
    alloy::sol! {
        struct Vote {
            uint64 l2ChainId;
            uint32 era;
            uint64 epoch;
            uint64 height;
            uint32 round;
            uint8 kind;
            bytes32 blockHash;
        }
    }
    let message = &view["typedData"]["message"];
    let vote = Vote {
        l2ChainId: from(&message["l2ChainId"]),
        era: from(&message["era"]),
        epoch: from(&message["epoch"]),
        height: from(&message["height"]),
        round: from(&message["round"]),
        kind: from(&message["kind"]),
        blockHash: from(&message["blockHash"]),
    };
    let eip712 = alloy::sol_types::eip712_domain! {
        name: "AndeSequencer",
        version: "1",
        chain_id: L1,
        verifying_contract: CONSENSUS,
    };
    assert_eq!(json!(vote.eip712_signing_hash(&eip712)), view["voteDigest"]);
    assert_eq!(vote.blockHash, commit.block.hash());
    assert_eq!((vote.l2ChainId, vote.kind), (CHAIN, 2));
    assert_eq!(view["typedData"]["domain"]["verifyingContract"], json!(CONSENSUS));

    // Every signature is its signer's, and they are more than two thirds of the set.
    let committee = node.call("ande_getValidators", json!([0])).await.unwrap();
    let mut weight = 0;
    for entry in view["signatures"].as_array().unwrap() {
        let signer: Address = from(&entry["signer"]);
        let signature: Signature = from(&entry["signature"]);
        assert_eq!(signature.recover(from(&view["voteDigest"])), Ok(signer));
        let members = committee["members"].as_array().unwrap();
        let member = members.iter().find(|member| member["signer"] == json!(signer)).unwrap();
        weight += member["weight"].as_u64().unwrap();
    }
    assert!(weight * 3 > committee["totalWeight"].as_u64().unwrap() * 2);

    // The same answer by either hash and by number in every notation.
    for reference in [
        json!("0x1"),
        json!("1"),
        json!(commit.block.hash()),
        json!(commit.block.header.execution_hash),
    ] {
        let same = node.call("ande_getCertificate", json!([reference])).await.unwrap();
        assert_eq!(same, view, "{reference}");
    }
    for (reference, height) in [(json!([]), 2), (json!(["latest"]), 2)] {
        let other = node.call("ande_getCertificate", reference).await.unwrap();
        assert_eq!(other["height"], height);
    }
    for none in [json!(0), json!("earliest"), json!(3), json!(u64::MAX), json!(B256::ZERO)] {
        let absent = node.call("ande_getCertificate", json!([none])).await.unwrap();
        assert_eq!(absent, Value::Null, "{none}");
    }
    let error = node.call("ande_getCertificate", json!(["best"])).await.unwrap_err();
    assert_eq!(error["code"], -32602);
}

#[tokio::test]
async fn validators_and_schedule_come_from_the_frozen_sets() {
    let mut node = Node::start().await;
    let committee = node.call("ande_getValidators", json!([])).await.unwrap();
    assert_eq!(committee["epoch"], 0);
    assert_eq!((&committee["startHeight"], &committee["endHeight"]), (&json!(0), &json!(11)));
    assert_eq!(committee["faultTolerance"], 1);
    assert_eq!(committee["members"].as_array().unwrap().len(), 4);
    for unknown in [json!(1), json!(u64::MAX), json!("0xffffffffffffffff")] {
        let absent = node.call("ande_getValidators", json!([unknown])).await.unwrap();
        assert_eq!(absent, Value::Null);
    }

    node.block(vec![]).await;
    // Twelve heights of epoch 0 are known from its set, the next epoch is not stored.
    let schedule = node.call("ande_getSchedule", json!([1, 100])).await.unwrap();
    let entries = schedule.as_array().unwrap();
    assert_eq!(entries.len(), 11);
    for entry in entries {
        let height = Height(entry["height"].as_u64().unwrap());
        let member = *set(0).proposer(height, Skip(0));
        assert_eq!(entry["proposer"], json!(member.signer), "{height}");
        assert_eq!(entry["validatorId"], member.id);
        assert_eq!(entry["window"], height.0 / 3);
    }
    node.store.put_set(&set(1)).await.unwrap();
    let schedule = node.call("ande_getSchedule", json!(["0x1", "0x64"])).await.unwrap();
    assert_eq!(schedule.as_array().unwrap().len(), 23);
    let next = node.call("ande_getSchedule", json!([])).await.unwrap();
    assert_eq!(next[0]["height"], 2);
    for beyond in [json!([u64::MAX, 5]), json!([24, 5]), json!([1, 0])] {
        let none = node.call("ande_getSchedule", beyond.clone()).await.unwrap();
        assert_eq!(none, json!([]), "{beyond}");
    }
    let all = node.call("ande_getSchedule", json!([0, u64::MAX])).await.unwrap();
    assert_eq!(all.as_array().unwrap().len(), 24);
}

#[tokio::test]
async fn batches_and_inclusion_proofs_are_served() {
    let mut node = Node::start().await;
    let txs: Vec<Bytes> = (0..5).map(|nonce| transfer(11, nonce)).collect();
    node.block(txs[..2].to_vec()).await;
    node.block(vec![]).await;
    node.block(txs[2..4].to_vec()).await;
    node.block(txs[4..].to_vec()).await;
    let first = row(&node, 1, B256::repeat_byte(5), 1, 3);
    node.store.put_batch(&first).await.unwrap();
    let hash = first.header.content_hash();

    for reference in [json!(1), json!("0x1"), json!(hash), json!("latest")] {
        let batch = node.call("ande_getBatch", json!([reference])).await.unwrap();
        assert_eq!(batch["batchHash"], json!(hash), "{reference}");
        assert_eq!(batch["state"], "created");
        assert_eq!(batch["signers"], "0x7");
        assert_eq!(batch["dataBytes"], 10);
        assert_eq!(from::<BatchHeader>(&batch["header"]), first.header);
    }
    for none in [json!(0), json!(2), json!(u64::MAX), json!(B256::ZERO)] {
        let absent = node.call("ande_getBatch", json!([none])).await.unwrap();
        assert_eq!(absent, Value::Null, "{none}");
    }
    let error = node.call("ande_getBatch", json!(["safe"])).await.unwrap_err();
    assert_eq!(error["code"], -32602);
    let list = node.call("ande_getBatches", json!([1, 1000])).await.unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
    let none = node.call("ande_getBatches", json!([u64::MAX, u64::MAX])).await.unwrap();
    assert_eq!(none, json!([]));

    for (index, raw) in txs[..4].iter().enumerate() {
        let proof = node.call("ande_getTransactionProof", json!([keccak256(raw)])).await.unwrap();
        assert_eq!(proof["index"], index);
        let siblings: Vec<B256> = from(&proof["proof"]);
        assert!(verify_inclusion(
            first.header.tx_root,
            first.header.tx_count,
            keccak256(raw),
            index as u32,
            &siblings
        ));
    }
    for absent in [keccak256(&txs[4]), B256::ZERO] {
        let none = node.call("ande_getTransactionProof", json!([absent])).await.unwrap();
        assert_eq!(none, Value::Null, "in no batch yet");
    }

    let view: Value = node.get(&format!("/batch/{hash}")).await.json().await.unwrap();
    assert_eq!(view["batch_hash"], json!(hash));
    assert_eq!((&view["chain_id"], &view["batch_number"]), (&json!(CHAIN), &json!(1)));
    assert_eq!((&view["tx_count"], &view["created_ms"]), (&json!(4), &json!(77)));
    let tx: Value = node.get(&format!("/tx/{}", keccak256(&txs[0]))).await.json().await.unwrap();
    assert_eq!((&tx["status"], &tx["batch_number"]), (&json!("included"), &json!(1)));
    assert_eq!((&tx["nonce"], &tx["finality"]), (&json!(0), &json!("certified")));
    node.store.set_settled(Height(3), Height(1)).await.unwrap();
    let tx: Value = node.get(&format!("/tx/{}", keccak256(&txs[0]))).await.json().await.unwrap();
    assert_eq!(tx["finality"], "finalized");
    let tx: Value = node.get(&format!("/tx/{}", keccak256(&txs[2]))).await.json().await.unwrap();
    assert_eq!(tx["finality"], "safe");
}

#[tokio::test]
async fn rest_paths_tell_absent_from_malformed() {
    let node = Node::start().await;
    let raw = transfer(11, 9);
    node.call("eth_sendRawTransaction", json!([raw])).await.unwrap();
    let view: Value = node.get(&format!("/tx/{}", keccak256(&raw))).await.json().await.unwrap();
    assert_eq!(view["status"], "pending");
    assert_eq!((&view["nonce"], &view["chain_id"]), (&json!(9), &json!(CHAIN)));
    assert_eq!(view["payload_size"], raw.len());
    for path in ["tx", "batch"] {
        let absent = node.get(&format!("/{path}/{}", B256::ZERO)).await;
        assert_eq!(absent.status(), 404);
        assert!(absent.json::<Value>().await.unwrap()["error"].is_string());
        for bad in ["0x12", "zz", "%00", "..%2f..%2fetc", &"a".repeat(5000)] {
            let status = node.get(&format!("/{path}/{bad}")).await.status();
            assert_eq!(status, 400, "{path} {bad}");
        }
        assert_eq!(node.get(&format!("/{path}/")).await.status(), 404);
    }
}

#[tokio::test]
async fn status_says_what_an_operator_asks() {
    let mut node = Node::start().await;
    node.block(vec![]).await;
    let first = row(&node, 1, B256::repeat_byte(5), 1, 1);
    node.store.put_batch(&first).await.unwrap();
    node.peers.send_modify(|book| {
        book.insert(node_key(2).id(), hello(2, "node-2", 1));
    });
    let status: Value = node.ops("/status").await.json().await.unwrap();
    let called = node.call("ande_status", json!([])).await.unwrap();
    assert_eq!(status["chain"], called["chain"]);
    for (pointer, expected) in [
        ("/mode", json!("contract")),
        ("/service/version", json!("1.2.3")),
        ("/fault_tolerance", json!(1)),
        ("/ready", json!(true)),
        ("/draining", json!(false)),
        ("/leader/is_leader", json!(true)),
        ("/leader/leader", json!("node-1")),
        ("/leader/leader_id", json!(1)),
        ("/leader/epoch_idx", json!(0)),
        ("/leader/elected_leader_pubkey", json!(key(1).address())),
        ("/consensus/height", json!(1)),
        ("/consensus/validators", json!(4)),
        ("/consensus/window", json!(0)),
        ("/consensus/peers", json!(1)),
        ("/chain/latest", json!(1)),
        ("/chain/l2_chain_id", json!(CHAIN)),
        ("/queue/capacity", json!(20_000)),
        ("/batcher/last_batch_number", json!(1)),
        ("/posting/pending", json!(1)),
        ("/settlement/lifecycle/created", json!(1)),
        ("/settlement/last_submitted_batch_hash", Value::Null),
        ("/consensus/round_ms", Value::Null),
        ("/consensus/proposal", json!(false)),
        ("/validators/0/is_self", json!(true)),
        ("/validators/0/connected", json!(true)),
        ("/validators/0/height", json!(1)),
        ("/validators/1/name", json!("node-2")),
        ("/validators/1/weight", json!(10)),
        ("/validators/2/height", Value::Null),
        ("/blocks/0/height", json!(1)),
        ("/blocks/0/round", json!(0)),
        ("/batches/0/index", json!(1)),
        ("/batches/0/state", json!("created")),
        ("/forced", json!({ "waiting": 0, "oldest_time": null })),
        ("/l1/up", json!(true)),
        ("/l1/final", json!(10)),
        ("/peers/0/name", json!("node-2")),
        ("/peers/0/connected", json!(true)),
        ("/peers/1/name", Value::Null),
    ] {
        assert_eq!(status.pointer(pointer), Some(&expected), "{pointer} of {status:#}");
    }
    assert_eq!(status["peers"].as_array().unwrap().len(), 3);
    assert!(domain().l2_chain_id() == CHAIN);
}

#[tokio::test]
async fn forced_transactions_say_what_became_of_them() {
    let mut node = Node::start_evm().await;
    let raws = [
        legacy_paying(11, 0),
        Bytes::from_static(b"nonsense"),
        legacy_paying(12, 7),
        transfer(1, 1),
    ];
    let mut acc = B256::ZERO;
    let mut entries = Vec::new();
    for (index, raw) in (0u64..).zip(&raws) {
        let sender = Address::repeat_byte(5);
        acc = forced_accumulator(acc, sender, index, 9, 1_000, raw);
        let (l1_block, enqueued_at, deadline, raw) = (9, 1_000, 4_600, raw.clone());
        entries.push(ForcedTransaction {
            index,
            sender,
            l1_block,
            enqueued_at,
            deadline,
            acc,
            raw,
        });
    }
    let none = node.call("ande_forcedTransaction", json!([0])).await.unwrap();
    assert_eq!(none, Value::Null, "not final here");
    node.store.put_forced(&entries).await.unwrap();
    let waiting = json!({
        "index": 3, "sender": Address::repeat_byte(5), "txHash": keccak256(&raws[3]), "l1Block": 9,
        "enqueuedAt": 1_000, "deadline": 4_600, "status": "waiting", "outcome": null,
        "reason": null, "blockNumber": null, "blockHash": null,
    });
    assert_eq!(node.call("ande_forcedTransaction", json!([3])).await.unwrap(), waiting);
    node.block(vec![]).await;
    let forced = vec![Ok(raws[0].clone()), Err(ForcedOutcome::Malformed)];
    let first = node.block_with(forced, vec![]).await.block;
    node.block(vec![]).await;
    let second = node.block_with(vec![Ok(raws[2].clone())], vec![legacy_paying(13, 0)]).await.block;
    node.block(vec![]).await;
    assert_eq!((&first.transactions[..], second.transactions.len()), (&raws[..1], 1));
    for (index, block, status, outcome, reason) in [
        (0, &first, "included", Value::Null, Value::Null),
        (
            1,
            &first,
            "skipped",
            json!("malformed"),
            json!("not a signed transaction of type 0, 1 or 2"),
        ),
        (2, &second, "skipped", json!("nonce_too_high"), json!("nonce too high")),
    ] {
        let view = node.call("ande_forcedTransaction", json!([index])).await.unwrap();
        assert_eq!(view["status"], status, "{view}");
        assert_eq!((&view["outcome"], &view["reason"]), (&outcome, &reason));
        assert_eq!(view["blockNumber"], json!(block.header.height));
        assert_eq!(view["blockHash"], json!(block.header.execution_hash));
        assert_eq!(view["txHash"], json!(keccak256(&raws[index])));
    }
    let call = |index: Value| node.call("ande_forcedTransaction", json!([index]));
    assert_eq!(call(json!(3)).await.unwrap(), waiting);
    assert_eq!(call(json!(4)).await.unwrap(), Value::Null);
    assert_eq!(call(json!(u64::MAX)).await.unwrap(), Value::Null);
    assert_eq!(call(Value::Null).await.unwrap_err()["code"], -32602);
}
