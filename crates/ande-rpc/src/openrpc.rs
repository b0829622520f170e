//! The OpenRPC document of the `ande_*` methods.

use serde_json::{Map, Value, json};

/// Version of the described interface: raised when a method or a field changes or goes.
const VERSION: &str = "1.0.0";

/// A member of an object: name, schema, and whether it is always there and not null.
type Field = (&'static str, Value, bool);

/// The [OpenRPC](https://spec.open-rpc.org) description of every `ande_*` method.
#[must_use]
pub fn openrpc() -> Value {
    json!({
        "openrpc": "1.3.2",
        "info": {
            "title": "ANDE JSON-RPC",
            "description": "What Ethereum's methods cannot say: certificates, validator sets, the \
                            proposer schedule and batches on the settlement chain.",
            "version": VERSION,
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "methods": methods(),
        "components": { "schemas": schemas() },
    })
}

fn methods() -> Vec<Value> {
    vec![
        method("ande_status", "State of the node, as `/status` gives it", &[], component("Status")),
        method(
            "ande_getCertificate",
            "Header and certificate of a block; null for genesis and unknown blocks",
            &[(
                "block",
                "Hash, number or tag; the latest block if left out",
                component("Block"),
                false,
            )],
            nullable(component("Certificate")),
        ),
        method(
            "ande_getValidators",
            "The frozen validator set of an epoch; null while it is unknown",
            &[("epoch", "The epoch being decided if left out", component("Count"), false)],
            nullable(component("Committee")),
        ),
        method(
            "ande_getSchedule",
            "Scheduled proposers from a height on, as far as the sets are known",
            &[
                ("height", "The next height if left out", component("Count"), false),
                ("count", "1 if left out, at most 1000", component("Count"), false),
            ],
            list(component("ScheduleEntry")),
        ),
        method(
            "ande_getBatch",
            "A batch by its number, its hash or `latest`; null for unknown ones",
            &[("batch", "Number, hash or `latest`", component("Block"), true)],
            nullable(component("Batch")),
        ),
        method(
            "ande_getBatches",
            "Batches from a number on, ascending",
            &[
                ("from", "1 if left out", component("Count"), false),
                ("limit", "20 if left out, at most 100", component("Count"), false),
            ],
            list(component("Batch")),
        ),
        method(
            "ande_getTransactionProof",
            "Proof that a transaction is in a batch, for `verifyInclusion` of the coordinator \
             contract; null while it is in none",
            &[("transaction", "Hash of the transaction", component("Hash"), true)],
            nullable(component("TransactionProof")),
        ),
        method(
            "ande_forcedTransaction",
            "An entry of the forced queue of the settlement chain and what became of it; null while \
             it is not final there",
            &[("index", "Place in the queue, from 0", component("Count"), true)],
            nullable(component("ForcedTransaction")),
        ),
    ]
}

fn method(name: &str, summary: &str, params: &[(&str, &str, Value, bool)], result: Value) -> Value {
    let params: Vec<Value> = params
        .iter()
        .map(|(name, description, schema, required)| {
            json!({
                "name": name,
                "description": description,
                "required": required,
                "schema": schema,
            })
        })
        .collect();
    json!({
        "name": name,
        "summary": summary,
        "paramStructure": "by-position",
        "params": params,
        "result": { "name": "result", "schema": result },
    })
}

fn component(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn nullable(schema: Value) -> Value {
    json!({ "oneOf": [{ "type": "null" }, schema] })
}

fn list(schema: Value) -> Value {
    json!({ "type": "array", "items": schema })
}

fn object(description: &str, fields: Vec<Field>) -> Value {
    let required: Vec<&str> =
        fields.iter().filter(|(_, _, always)| *always).map(|(name, _, _)| *name).collect();
    let properties: Map<String, Value> = fields
        .into_iter()
        .map(|(name, schema, always)| {
            (name.to_owned(), if always { schema } else { nullable(schema) })
        })
        .collect();
    json!({
        "type": "object",
        "description": description,
        "required": required,
        "properties": properties,
    })
}

fn hex(description: &str, pattern: &str) -> Value {
    json!({ "type": "string", "description": description, "pattern": pattern })
}

fn schemas() -> Value {
    let number = || json!({ "type": "integer", "minimum": 0 });
    let hash = || component("Hash");
    let address = || component("Address");
    let bytes = || component("Bytes");
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "boolean" });
    let any = || json!({ "type": "object" });
    json!({
        "Hash": hex("32 bytes", "^0x[0-9a-fA-F]{64}$"),
        "Address": hex("20 bytes", "^0x[0-9a-fA-F]{40}$"),
        "Bytes": hex("Any bytes", "^0x([0-9a-fA-F]{2})*$"),
        "Count": {
            "description": "A number, as JSON number, decimal or 0x string",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^(0x[0-9a-fA-F]+|[0-9]+)$" },
            ],
        },
        "Block": {
            "description": "A hash, a number, or one of earliest, latest, safe, finalized, pending",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                {
                    "type": "string",
                    "pattern": "^(0x[0-9a-fA-F]+|[0-9]+|earliest|latest|safe|finalized|pending)$",
                },
            ],
        },
        "Header": object("The consensus header, whose hash is voted on", vec![
            ("l2ChainId", number(), true),
            ("era", number(), true),
            ("epoch", number(), true),
            ("height", number(), true),
            ("skip", number(), true),
            ("parentHash", hash(), true),
            ("proposer", address(), true),
            ("timestampMs", number(), true),
            ("forcedUpTo", number(), true),
            ("forcedAcc", hash(), true),
            ("executionHash", hash(), true),
        ]),
        "Certificate": object("A block's header with the precommits of more than two thirds", vec![
            ("height", number(), true),
            ("blockHash", hash(), true),
            ("executionHash", hash(), true),
            ("header", component("Header"), true),
            ("headerBytes", bytes(), true),
            ("vote", any(), true),
            ("voteDigest", hash(), true),
            ("typedData", any(), true),
            ("signatures", list(component("Signature")), true),
        ]),
        "Signature": object("One precommit", vec![
            ("signer", address(), true),
            ("signature", bytes(), true),
        ]),
        "Member": object("A validator of a set", vec![
            ("signer", address(), true),
            ("weight", number(), true),
            ("id", number(), true),
        ]),
        "Committee": object("The frozen set of an epoch", vec![
            ("era", number(), true),
            ("epoch", number(), true),
            ("startHeight", number(), true),
            ("endHeight", number(), true),
            ("setId", number(), true),
            ("seed", hash(), true),
            ("rules", any(), true),
            ("quorum", any(), true),
            ("totalWeight", number(), true),
            ("faultTolerance", number(), true),
            ("members", list(component("Member")), true),
            ("l1Block", number(), true),
        ]),
        "ScheduleEntry": object("Whose turn a height is", vec![
            ("height", number(), true),
            ("epoch", number(), true),
            ("window", number(), true),
            ("skip", number(), true),
            ("proposer", address(), true),
            ("validatorId", number(), true),
        ]),
        "BatchHeader": object("The header that the settlement contract checks", vec![
            ("era", number(), true),
            ("epoch", number(), true),
            ("batchIndex", number(), true),
            ("startHeight", number(), true),
            ("endHeight", number(), true),
            ("txCount", number(), true),
            ("txRoot", hash(), true),
        ]),
        "Batch": object("A batch as this node knows it", vec![
            ("index", number(), true),
            ("batchHash", hash(), true),
            (
                "state",
                json!({ "enum": ["created", "submitted", "included", "finalized", "failed"] }),
                true,
            ),
            ("header", component("BatchHeader"), true),
            ("da", any(), true),
            ("attempt", number(), true),
            ("skips", bytes(), true),
            ("dataBytes", number(), true),
            ("signers", text(), false),
            ("signatures", bytes(), false),
            ("l1Tx", hash(), false),
            ("l1Block", number(), false),
            ("createdAtMs", number(), true),
            ("updatedAtMs", number(), true),
            ("error", text(), false),
        ]),
        "TransactionProof": object("Merkle proof of a transaction in a batch", vec![
            ("batchIndex", number(), true),
            ("batchHash", hash(), true),
            ("txRoot", hash(), true),
            ("txCount", number(), true),
            ("index", number(), true),
            ("txHash", hash(), true),
            ("proof", list(hash()), true),
        ]),
        "ForcedTransaction": object("Entry of the forced queue", vec![
            ("index", number(), true),
            ("sender", address(), true),
            ("txHash", hash(), true),
            ("l1Block", number(), true),
            ("enqueuedAt", number(), true),
            ("deadline", number(), true),
            ("status", json!({ "type": "string", "enum": ["waiting", "included", "skipped"] }), true),
            ("outcome", text(), false),
            ("reason", text(), false),
            ("blockNumber", number(), false),
            ("blockHash", hash(), false),
        ]),
        "Status": object("State of the node", vec![
            ("service", any(), true),
            ("node", any(), true),
            ("mode", text(), true),
            ("executor", text(), true),
            ("uptime_ms", number(), true),
            ("ready", flag(), true),
            ("draining", flag(), true),
            ("checks", any(), true),
            ("warnings", list(text()), true),
            ("chain", any(), true),
            ("leader", any(), true),
            ("consensus", any(), true),
            ("queue", any(), true),
            ("time_ms", number(), true),
            ("validators", list(any()), false),
            ("blocks", list(any()), true),
            ("batches", list(any()), true),
            ("forced", any(), false),
            ("batcher", any(), true),
            ("settlement", any(), true),
            ("l1", any(), true),
        ]),
    })
}
