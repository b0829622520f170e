//! Who signed a transaction: from the pool's memory, else recovered here on all cores.

use alloy_consensus::{
    TxEnvelope,
    transaction::{Recovered, SignerRecoverable as _},
};
use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::{Address, B256, Bytes};
use rayon::prelude::*;

use crate::{payload::is_allowed_length, transaction_hash};

/// Below this many transactions the threads cost more than they save.
const PARALLEL_FROM: usize = 8;

/// Knows the senders of transactions whose signatures were checked before, at admission to the
/// pool or when they came by gossip.
pub trait SenderSource: Send + Sync + 'static {
    /// The signer of the transaction with this hash, if it is known.
    fn sender(&self, hash: &B256) -> Option<Address>;
}

/// Knows nobody: every signature is recovered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSenders;

impl SenderSource for NoSenders {
    fn sender(&self, _: &B256) -> Option<Address> {
        None
    }
}

/// A decoded transaction with its signer.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) hash: B256,
    pub(crate) raw: Bytes,
    pub(crate) tx: Recovered<TxEnvelope>,
}

/// Decodes transactions and finds their signers. What cannot be in any block of the chain comes
/// back with the reason.
pub(crate) fn candidates(
    raw: Vec<Bytes>,
    source: &dyn SenderSource,
) -> Vec<Result<Candidate, (B256, String)>> {
    let one = |raw: Bytes| {
        let hash = transaction_hash(&raw);
        decode(hash, raw, source).map_err(|reason| (hash, reason))
    };
    if raw.len() < PARALLEL_FROM {
        raw.into_iter().map(one).collect()
    } else {
        raw.into_par_iter().map(one).collect()
    }
}

fn decode(hash: B256, raw: Bytes, source: &dyn SenderSource) -> Result<Candidate, String> {
    if !is_allowed_length(raw.len()) {
        return Err(format!("a transaction cannot have {} bytes", raw.len()));
    }
    let tx = TxEnvelope::decode_2718_exact(&raw).map_err(|error| error.to_string())?;
    if matches!(tx, TxEnvelope::Eip4844(_)) {
        return Err("the chain has no blobs".into());
    }
    // Two encodings of one transaction would have two hashes.
    if tx.encode_2718_len() != raw.len() || tx.encoded_2718() != raw {
        return Err("not the canonical encoding".into());
    }
    let sender = match source.sender(&hash) {
        Some(sender) => sender,
        None => tx.recover_signer().map_err(|error| error.to_string())?,
    };
    Ok(Candidate { hash, raw, tx: Recovered::new_unchecked(tx, sender) })
}
