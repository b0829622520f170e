//! A certificate with everything that somebody who trusts nobody needs to check it.

use alloy_primitives::{Address, B256, Bytes};
use ande_primitives::{Canonical as _, Commit, Domain, Header, Height, Signature, Vote};
use serde::Serialize;
use serde_json::{Value, json};

use crate::services::NodeInfo;

/// One precommit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SignatureView {
    /// Address that signed.
    pub signer: Address,
    /// `r || s || v`, as `ecrecover` takes it.
    pub signature: Signature,
}

/// Header and certificate of a block.
///
/// To verify: `keccak256(headerBytes) == blockHash`; `header.executionHash` is the hash of the
/// Ethereum block; `voteDigest` is the EIP-712 digest of `typedData`; every signature recovers to
/// its signer; the signers are in the set of `header.epoch` that the contract froze and have more
/// than two thirds of its weight.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateView {
    /// Height of the block.
    pub height: Height,
    /// Hash of the consensus header: what is voted on.
    pub block_hash: B256,
    /// Hash of the Ethereum block.
    pub execution_hash: B256,
    /// The consensus header.
    pub header: Header,
    /// Its canonical bytes, whose Keccak-256 is `blockHash`.
    pub header_bytes: Bytes,
    /// What every signer signed.
    pub vote: Vote,
    /// Its digest.
    pub vote_digest: B256,
    /// The signed EIP-712 message in the form that wallets take.
    pub typed_data: Value,
    /// The precommits, ascending by signer.
    pub signatures: Vec<SignatureView>,
}

impl CertificateView {
    pub(crate) fn new(commit: Commit, domain: &Domain, info: &NodeInfo) -> Self {
        let header = commit.block.header;
        let certificate = commit.certificate;
        let vote = certificate.vote();
        Self {
            height: header.height,
            block_hash: header.hash(),
            execution_hash: header.execution_hash,
            header_bytes: header.to_canonical().into(),
            vote_digest: domain.vote_digest(&vote),
            typed_data: typed_data(&vote, info),
            vote,
            header,
            signatures: certificate
                .signatures
                .into_iter()
                .map(|entry| SignatureView { signer: entry.signer, signature: entry.signature })
                .collect(),
        }
    }
}

fn typed_data(vote: &Vote, info: &NodeInfo) -> Value {
    let field = |name: &str, kind: &str| json!({ "name": name, "type": kind });
    json!({
        "types": {
            "EIP712Domain": [
                field("name", "string"),
                field("version", "string"),
                field("chainId", "uint256"),
                field("verifyingContract", "address"),
            ],
            "Vote": [
                field("l2ChainId", "uint64"),
                field("era", "uint32"),
                field("epoch", "uint64"),
                field("height", "uint64"),
                field("round", "uint32"),
                field("kind", "uint8"),
                field("blockHash", "bytes32"),
            ],
        },
        "primaryType": "Vote",
        "domain": {
            "name": "AndeSequencer",
            "version": "1",
            "chainId": info.l1_chain_id,
            "verifyingContract": info.consensus,
        },
        "message": {
            "l2ChainId": info.l2_chain_id,
            "era": vote.era,
            "epoch": vote.epoch,
            "height": vote.height,
            "round": vote.round,
            "kind": vote.kind as u8,
            "blockHash": vote.block_hash,
        },
    })
}
