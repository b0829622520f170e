// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

// Errors of the whole design, typed and without prefix.

// Access
error Unauthorized(address caller);
error NotAllowed(address owner);
error PausedFor(uint8 mask, uint64 until);
error TooEarly(uint256 earliest);

// Life cycle
error NotLaunched();
error AlreadyLaunched();
error ParamOutOfBounds(bytes32 key, uint256 min, uint256 max);
error CoordinatorMismatch(address coordinator);

// Registry
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

// Epochs
error EpochNotFrozen(uint64 epoch);
error EpochAlreadyFrozen(uint64 epoch);
error EpochNotOpen(uint64 epoch);
error EpochBoundary(uint64 startHeight, uint64 endHeight);
error EpochNotClosed(uint64 epoch);
error AlreadySettled(uint64 epoch);
error WrongEra(uint32 have, uint32 got);

// Batches and terms
error BadVersion(uint8 got);
error NotContiguous(uint64 expectedIndex, uint64 expectedStart);
error WrongParent(bytes32 expected, bytes32 got);
error StaleTerm(uint64 last, uint64 got);
error TermWindowMismatch(uint64 window, uint64 term);
error BadSkips(uint256 record);
error BadDa(uint8 kind);
error NotTopLevelCall();

// Certificates
error QuorumNotReached(uint256 signed, uint256 total);
error BadSigner(uint256 index);
error BadBitmap(uint256 signers);
error BadCertLength(uint256 length);

// Forced inclusion
error ForcedOverdue(uint64 index, uint64 deadline);
error ForcedRange(uint64 head, uint64 tail, uint64 got);
error ForcedAccMismatch();
error ForcedSize(uint256 size);
error FeeTooLow(uint256 need);
error NotEscapable(uint64 earliest);

// Evidence and proofs
error InvalidEvidence();
error EvidenceExpired(uint64 epoch);
error AlreadyTombstoned(uint32 id);
error NotInSet(uint64 epoch, uint256 index);
error InvalidProof();
