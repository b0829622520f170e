//! Conversions between the contracts' structs and the nouns of `ande-primitives`.

use ande_primitives::{
    BATCH_HEADER_VERSION, BatchHeader, Checkpoint, Committee, CommitteeError, DaKind, DaPointer,
    Epoch, Era, Height, Member, QuorumCertificate, QuorumFraction, RulesError, ScheduleMode,
    ScheduleRules, Term, Vote,
};

use crate::{AndeConsensus, AndeSequencerCoordinator as Coordinator};

/// A value of the contract that this software cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The validator set is no committee.
    #[error("the contract's validator set cannot be used: {0}")]
    Committee(#[from] CommitteeError),
    /// The schedule parameters make no schedule.
    #[error("the contract's schedule cannot be used: {0}")]
    Rules(#[from] RulesError),
    /// A batch header of another version.
    #[error("batch header version {0}, this software reads version {BATCH_HEADER_VERSION}")]
    HeaderVersion(u8),
    /// A data pointer of an unknown kind.
    #[error("unknown kind {0} of a data pointer")]
    DaKind(u8),
    /// A quorum that is not above one half and below one.
    #[error("the contract's quorum {num}/{den} is not between one half and one")]
    Quorum {
        /// Numerator.
        num: u16,
        /// Denominator.
        den: u16,
    },
}

/// One member of a frozen set.
#[must_use]
pub const fn member(member: &AndeConsensus::SetMember) -> Member {
    Member { signer: member.signer, weight: member.weight, id: member.id }
}

/// The members of a frozen set, in contract order.
///
/// # Errors
/// [`ConvertError::Committee`] when they break a rule of a committee.
pub fn committee(members: &[AndeConsensus::SetMember]) -> Result<Committee, ConvertError> {
    Ok(Committee::new(members.iter().map(member).collect())?)
}

/// Schedule rules of a configuration.
///
/// # Errors
/// [`ConvertError::Rules`] for an unknown mode or a zero count.
pub fn schedule_rules(
    config: &AndeConsensus::ConsensusConfig,
) -> Result<ScheduleRules, ConvertError> {
    Ok(ScheduleRules::new(
        ScheduleMode::try_from(config.mode)?,
        config.rotationInterval,
        config.windowsPerEpoch,
        config.timeoutBlocks,
    )?)
}

/// Quorum fraction; checked because a fraction below one half would let two certificates exist.
///
/// # Errors
/// [`ConvertError::Quorum`] unless `1/2 <= num/den < 1`.
pub fn quorum_fraction(num: u16, den: u16) -> Result<QuorumFraction, ConvertError> {
    if num < den && u32::from(num) * 2 >= u32::from(den) {
        Ok(QuorumFraction { num, den })
    } else {
        Err(ConvertError::Quorum { num, den })
    }
}

/// Header in the form of the coordinator.
#[must_use]
pub const fn batch_header_to_sol(header: &BatchHeader) -> Coordinator::BatchHeader {
    Coordinator::BatchHeader {
        version: BATCH_HEADER_VERSION,
        era: header.era.0,
        epoch: header.epoch.0,
        batchIndex: header.batch_index,
        startHeight: header.start_height.0,
        endHeight: header.end_height.0,
        term: header.term.0,
        forcedUpTo: header.forced_up_to,
        txCount: header.tx_count,
        parentBatchHash: header.parent_batch_hash,
        lastBlockHash: header.last_block_hash,
        stateRoot: header.state_root,
        txRoot: header.tx_root,
        forcedAcc: header.forced_acc,
        skipsHash: header.skips_hash,
        feeRecipient: header.fee_recipient,
    }
}

/// Header out of the coordinator's form.
///
/// # Errors
/// [`ConvertError::HeaderVersion`] for another version.
pub const fn batch_header_from_sol(
    header: &Coordinator::BatchHeader,
) -> Result<BatchHeader, ConvertError> {
    if header.version != BATCH_HEADER_VERSION {
        return Err(ConvertError::HeaderVersion(header.version));
    }
    Ok(BatchHeader {
        era: Era(header.era),
        epoch: Epoch(header.epoch),
        batch_index: header.batchIndex,
        start_height: Height(header.startHeight),
        end_height: Height(header.endHeight),
        term: Term(header.term),
        forced_up_to: header.forcedUpTo,
        tx_count: header.txCount,
        parent_batch_hash: header.parentBatchHash,
        last_block_hash: header.lastBlockHash,
        state_root: header.stateRoot,
        tx_root: header.txRoot,
        forced_acc: header.forcedAcc,
        skips_hash: header.skipsHash,
        fee_recipient: header.feeRecipient,
    })
}

/// Vote in the form of the consensus contract.
#[must_use]
pub const fn vote_to_sol(l2_chain_id: u64, vote: &Vote) -> AndeConsensus::Vote {
    AndeConsensus::Vote {
        l2ChainId: l2_chain_id,
        era: vote.era.0,
        epoch: vote.epoch.0,
        height: vote.height.0,
        round: vote.round.0,
        kind: vote.kind as u8,
        blockHash: vote.block_hash,
    }
}

/// Checkpoint in the form of the consensus contract.
#[must_use]
pub const fn checkpoint_to_sol(
    l2_chain_id: u64,
    checkpoint: &Checkpoint,
) -> AndeConsensus::Checkpoint {
    AndeConsensus::Checkpoint {
        l2ChainId: l2_chain_id,
        era: checkpoint.era.0,
        epoch: checkpoint.epoch.0,
        batchIndex: checkpoint.batch_index,
        attempt: checkpoint.attempt,
        parentBatchHash: checkpoint.parent_batch_hash,
        contentHash: checkpoint.content_hash,
        daHash: checkpoint.da_hash,
    }
}

/// Data pointer in the form of the coordinator.
#[must_use]
pub const fn da_pointer_to_sol(da: &DaPointer) -> Coordinator::DaPointer {
    Coordinator::DaPointer {
        kind: da.kind as u8,
        height: da.height,
        commitment: da.commitment,
        size: da.size,
    }
}

/// Data pointer out of the coordinator's form.
///
/// # Errors
/// [`ConvertError::DaKind`] for an unknown kind.
pub fn da_pointer_from_sol(da: &Coordinator::DaPointer) -> Result<DaPointer, ConvertError> {
    Ok(DaPointer {
        kind: DaKind::try_from(da.kind).map_err(ConvertError::DaKind)?,
        height: da.height,
        commitment: da.commitment,
        size: da.size,
    })
}

/// Certificate in the form of the coordinator.
#[must_use]
pub fn quorum_certificate_to_sol(certificate: &QuorumCertificate) -> Coordinator::QuorumCert {
    Coordinator::QuorumCert {
        attempt: certificate.attempt,
        signers: certificate.bitmap,
        signatures: certificate.signatures.clone(),
    }
}

/// Certificate out of the coordinator's form.
#[must_use]
pub fn quorum_certificate_from_sol(certificate: &Coordinator::QuorumCert) -> QuorumCertificate {
    QuorumCertificate {
        attempt: certificate.attempt,
        bitmap: certificate.signers,
        signatures: certificate.signatures.clone(),
    }
}
