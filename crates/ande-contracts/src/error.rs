//! What the contracts revert with, typed and readable.

use alloy::{
    primitives::{Bytes, hex},
    sol_types::{Panic, Revert, SolError as _, SolInterface as _},
};

mod sol_errors {
    #![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all)]
    alloy::sol! {
        /// `contracts/src/consensus/AndeErrors.sol` and the library errors that can surface.
        #[derive(Debug, PartialEq, Eq)]
        interface Ande {
            error Unauthorized(address caller);
            error NotAllowed(address owner);
            error PausedFor(uint8 mask, uint64 until);
            error TooEarly(uint256 earliest);

            error NotLaunched();
            error AlreadyLaunched();
            error ParamOutOfBounds(bytes32 key, uint256 min, uint256 max);
            error CoordinatorMismatch(address coordinator);

            error AlreadyRegistered(address owner);
            error SignerInUse(address signer);
            error InvalidSignerProof();
            error Expired(uint256 deadline);
            error InsufficientStake(uint256 have, uint256 need);
            error TransferAmountMismatch(uint256 got, uint256 want);
            error InvalidEndpoint();
            error TooFrequent(uint64 nextEpoch);
            error SetFull(uint256 lowestStake);
            error UnknownValidator(uint32 id);
            error WrongStatus(uint32 id, uint8 status);
            error NotUnlocked(uint256 unlockTime);
            error StillJailed(uint64 until);

            error EpochNotFrozen(uint64 epoch);
            error EpochAlreadyFrozen(uint64 epoch);
            error EpochNotOpen(uint64 epoch);
            error EpochBoundary(uint64 startHeight, uint64 endHeight);
            error EpochNotClosed(uint64 epoch);
            error AlreadySettled(uint64 epoch);
            error WrongEra(uint32 have, uint32 got);

            error BadVersion(uint8 got);
            error NotContiguous(uint64 expectedIndex, uint64 expectedStart);
            error WrongParent(bytes32 expected, bytes32 got);
            error StaleTerm(uint64 last, uint64 got);
            error TermWindowMismatch(uint64 window, uint64 term);
            error BadSkips(uint256 record);
            error BadDa(uint8 kind);
            error NotTopLevelCall();

            error QuorumNotReached(uint256 signed, uint256 total);
            error BadSigner(uint256 index);
            error BadBitmap(uint256 signers);
            error BadCertLength(uint256 length);
            error CodeStoreFailed();
            error AddressEmptyCode(address target);
            error FailedCall();

            error ForcedOverdue(uint64 index, uint64 deadline);
            error ForcedRange(uint64 head, uint64 tail, uint64 got);
            error ForcedAccMismatch();
            error ForcedSize(uint256 size);
            error FeeTooLow(uint256 need);
            error NotEscapable(uint64 at);

            error InvalidEvidence();
            error EvidenceExpired(uint64 epoch);
            error AlreadyTombstoned(uint32 id);
            error NotInSet(uint64 epoch, uint256 index);
            error InvalidProof();

            error OwnableInvalidOwner(address owner);
            error OwnableUnauthorizedAccount(address account);
            error ReentrancyGuardReentrantCall();
            error SafeERC20FailedOperation(address token);
            error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value);
            error InsufficientBalance(uint256 balance, uint256 needed);
            error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
            error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
            error ERC20InvalidApprover(address approver);
            error ERC20InvalidReceiver(address receiver);
            error ERC20InvalidSender(address sender);
            error ERC20InvalidSpender(address spender);
            error ERC2612ExpiredSignature(uint256 deadline);
            error ERC2612InvalidSigner(address signer, address owner);
            error ECDSAInvalidSignature();
            error ECDSAInvalidSignatureLength(uint256 length);
            error ECDSAInvalidSignatureS(bytes32 s);
            error InvalidAccountNonce(address account, uint256 currentNonce);
            error InvalidShortString();
            error StringTooLong(string str);
        }
    }
}

pub use sol_errors::Ande::AndeErrors as ContractError;

impl core::fmt::Display for ContractError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotLaunched(_) => f.write_str("the validator set is not launched yet"),
            Self::NotContiguous(e) => write!(
                f,
                "the contract expects batch {} starting at height {}",
                e.expectedIndex, e.expectedStart
            ),
            Self::WrongParent(e) => {
                write!(
                    f,
                    "the parent batch on the settlement chain is {}, not {}",
                    e.expected, e.got
                )
            }
            Self::StaleTerm(e) => {
                write!(f, "term {} is older than the accepted term {}", e.got, e.last)
            }
            Self::TermWindowMismatch(e) => {
                write!(f, "term {} is not of window {}", e.term, e.window)
            }
            Self::WrongEra(e) => write!(f, "the contract is in era {}, not {}", e.have, e.got),
            Self::EpochNotFrozen(e) => write!(f, "the set of epoch {} is not frozen", e.epoch),
            Self::EpochAlreadyFrozen(e) => {
                write!(f, "the set of epoch {} is frozen already", e.epoch)
            }
            Self::EpochNotOpen(e) => {
                write!(f, "no batch of epoch {} is accepted yet", e.epoch)
            }
            Self::EpochBoundary(e) => write!(
                f,
                "heights {} to {} are not all of the batch's epoch",
                e.startHeight, e.endHeight
            ),
            Self::QuorumNotReached(e) => {
                write!(f, "signed weight {} of {} is no quorum", e.signed, e.total)
            }
            Self::BadSigner(e) => write!(f, "signature {} of the certificate is wrong", e.index),
            Self::BadSkips(e) => write!(f, "skip record {} is wrong", e.record),
            Self::BadDa(e) => {
                write!(f, "the data pointer of kind {} does not fit the data", e.kind)
            }
            Self::PausedFor(e) => write!(f, "the guardian paused this until {}", e.until),
            Self::TooEarly(e) => write!(f, "not before {}", e.earliest),
            Self::NotUnlocked(e) => write!(f, "the stake is locked until {}", e.unlockTime),
            Self::EvidenceExpired(e) => {
                write!(f, "evidence about epoch {} is not accepted any more", e.epoch)
            }
            Self::AlreadyTombstoned(e) => write!(f, "validator {} was slashed already", e.id),
            Self::NotTopLevelCall(_) => {
                f.write_str("calldata batches must be sent by an account without code")
            }
            Self::ForcedOverdue(e) => write!(
                f,
                "forced transaction {} is left out, it was due at {}",
                e.index, e.deadline
            ),
            Self::ForcedRange(e) => write!(
                f,
                "forced transactions up to {} cannot be taken in: {} are, of {}",
                e.got, e.head, e.tail
            ),
            Self::ForcedAccMismatch(_) => {
                f.write_str("the forced queue of the settlement chain is another one")
            }
            Self::ForcedSize(e) => write!(f, "a forced transaction cannot have {} bytes", e.size),
            Self::FeeTooLow(e) => write!(f, "the fee is {} wei now", e.need),
            Self::NotEscapable(e) if e.at == 0 => {
                f.write_str("no forced transaction waits, so there is nothing to escape")
            }
            Self::NotEscapable(e) => write!(f, "an escape is not possible before {}", e.at),
            Self::InsufficientStake(e) => write!(f, "a stake of {} is below {}", e.have, e.need),
            Self::AlreadyRegistered(e) => write!(f, "{} has a validator already", e.owner),
            Self::SignerInUse(e) => write!(f, "{} is the key of a validator already", e.signer),
            Self::ParamOutOfBounds(e) => {
                let key = String::from_utf8_lossy(e.key.as_slice());
                let key = key.trim_end_matches('\0');
                write!(f, "{key:?} is not between {} and {}", e.min, e.max)
            }
            other => write!(f, "{other:?}"),
        }
    }
}

/// A call that the contract refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reverted {
    /// The returned bytes.
    pub data: Bytes,
    /// The error, when it is one of the contracts'.
    pub error: Option<Box<ContractError>>,
}

impl Reverted {
    /// Decodes revert data; any bytes are accepted.
    #[must_use]
    pub fn decode(data: Bytes) -> Self {
        let error = ContractError::abi_decode(&data).ok().map(Box::new);
        Self { data, error }
    }
}

impl core::fmt::Display for Reverted {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if let Some(error) = &self.error {
            return error.fmt(f);
        }
        if let Ok(revert) = Revert::abi_decode(&self.data) {
            // Chosen by a contract that may not be ours: quoted and bounded.
            let reason: String = revert.reason.chars().take(256).collect();
            return write!(f, "reverted with {reason:?}");
        }
        if let Ok(panic) = Panic::abi_decode(&self.data) {
            return write!(f, "reverted with panic {:#x}", panic.code);
        }
        if self.data.is_empty() {
            return f.write_str("reverted without a reason");
        }
        let shown = &self.data[..self.data.len().min(68)];
        write!(f, "reverted with unknown data 0x{}", hex::encode(shown))
    }
}

impl core::error::Error for Reverted {}

#[cfg(test)]
mod tests {
    use alloy::{
        json_abi::{ContractObject, JsonAbi},
        primitives::B256,
        sol_types::SolInterface as _,
    };

    use super::*;

    fn abi(text: &str) -> JsonAbi {
        let object: ContractObject = serde_json::from_str(text).unwrap();
        object.abi.unwrap()
    }

    #[test]
    fn every_error_of_the_contracts_is_typed() {
        for text in [
            include_str!("../abi/AndeToken.json"),
            include_str!("../abi/AndeConsensus.json"),
            include_str!("../abi/AndeSequencerCoordinator.json"),
            include_str!("../abi/EcdsaQuorumVerifier.json"),
        ] {
            for error in abi(text).errors() {
                let known = ContractError::selectors().any(|selector| selector == error.selector());
                assert!(known, "{} is not in ContractError", error.signature());
            }
        }
    }

    #[test]
    fn revert_data_becomes_text() {
        let parent = sol_errors::Ande::WrongParent {
            expected: B256::repeat_byte(1),
            got: B256::repeat_byte(2),
        };
        let reverted = Reverted::decode(parent.abi_encode().into());
        assert_eq!(reverted.error, Some(Box::new(ContractError::WrongParent(parent))));
        assert!(
            reverted.to_string().contains("the parent batch on the settlement chain is 0x0101")
        );
        assert_eq!(Reverted::decode(Bytes::new()).to_string(), "reverted without a reason");
        assert_eq!(
            Reverted::decode(Bytes::from_static(&[1, 2, 3])).to_string(),
            "reverted with unknown data 0x010203"
        );
        let text = Revert::from("no\nway").abi_encode();
        assert_eq!(Reverted::decode(text.into()).to_string(), "reverted with \"no\\nway\"");
    }
}
