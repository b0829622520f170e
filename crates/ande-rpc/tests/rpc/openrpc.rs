//! The committed description of the `ande_*` methods is the generated one, and it is true.

use std::{collections::BTreeSet, path::Path};

use alloy_primitives::keccak256;
use serde_json::{Value, json};

use crate::{
    fixture::{Node, transfer},
    schema,
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openrpc.json");

/// Set `ANDE_WRITE_DOCS=1` to write the file instead of comparing it.
#[test]
fn the_committed_document_is_the_generated_one() {
    let generated = format!("{:#}\n", ande_rpc::openrpc());
    if std::env::var_os("ANDE_WRITE_DOCS").is_some() {
        std::fs::create_dir_all(Path::new(FILE).parent().unwrap()).unwrap();
        std::fs::write(FILE, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(FILE).unwrap();
    assert!(committed == generated, "docs/openrpc.json is stale: run `cargo xtask gen`");
}

#[tokio::test]
async fn the_document_describes_what_is_served() {
    let mut node = Node::start().await;
    let raw = transfer(11, 0);
    node.block(vec![raw.clone()]).await;
    let document = ande_rpc::openrpc();
    let mut described = BTreeSet::new();
    for method in document["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        described.insert(name);
        let params: Vec<Value> = method["params"]
            .as_array()
            .unwrap()
            .iter()
            .map(|param| match param["name"].as_str().unwrap() {
                "block" | "batch" => json!("latest"),
                "epoch" => json!(0),
                "transaction" => json!(keccak256(&raw)),
                _ => json!(1),
            })
            .collect();
        for (param, value) in method["params"].as_array().unwrap().iter().zip(&params) {
            schema::check(&document, &param["schema"], value).unwrap();
        }
        let answer = node.call(name, json!(params)).await.unwrap();
        if let Err(fault) = schema::check(&document, &method["result"]["schema"], &answer) {
            panic!("{name}: {fault}");
        }
        let mut more = params.clone();
        more.push(json!(1));
        let error = node.call(name, json!(more)).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{name} takes {} parameters", params.len());
    }
    let names = [
        "ande_status",
        "ande_getCertificate",
        "ande_getValidators",
        "ande_getSchedule",
        "ande_getBatch",
        "ande_getBatches",
        "ande_getTransactionProof",
        "ande_forcedTransaction",
    ];
    assert_eq!(described, BTreeSet::from(names));
}
