// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {BatchHeader, BatchTip, DaPointer, QuorumCert} from "../consensus/AndeTypes.sol";
import {IAndeForcedInclusion} from "./IAndeForcedInclusion.sol";

/// @title IAndeSequencerCoordinator
/// @notice Accepts batches that a quorum of the epoch's validator set certified. Anyone may relay a certificate.
interface IAndeSequencerCoordinator is IAndeForcedInclusion {
    event BatchAccepted(
        uint64 indexed batchIndex,
        bytes32 indexed contentHash,
        uint64 indexed epoch,
        uint64 startHeight,
        uint64 endHeight,
        uint64 term,
        uint64 forcedUpTo,
        uint256 signers,
        DaPointer da
    );
    event TermOpened(uint64 indexed term, uint64 epoch);
    event LeaderRotated(uint64 indexed window, uint32 indexed id, address leader, uint32 skip);

    /// @notice Submits a batch whose data is the calldata of this transaction (DA kind 0).
    /// @param header Header of the batch. It consumes the next forced transactions: forcedUpTo is the number consumed
    ///               by all batches with this one, at most 32 more than before, and forcedAcc the accumulator of the last
    ///               one (zero for none). No overdue entry may be left, unless 32 are consumed.
    /// @param da kind 0, height 0, commitment = keccak256(data), size = data.length.
    /// @param qc Certificate over the Checkpoint of this batch by the set of `header.epoch`.
    /// @param skips 12-byte records (uint64 window, uint32 finalSkip), windows strictly ascending inside the batch,
    ///              finalSkip > 0, at most 16; `header.skipsHash` is their keccak256. The record of the last window says
    ///              the same as `header.term`, and may be missing only when the batch before reported that skip.
    /// @param data Batch bytes. The caller must be a codeless account calling directly, so that the data is in the
    ///             transaction input where every node can find it.
    /// @custom:reverts BadVersion, NotLaunched, EpochNotFrozen, WrongEra, NotContiguous, EpochBoundary, WrongParent,
    ///                 TermWindowMismatch, StaleTerm, ForcedRange, ForcedAccMismatch, ForcedOverdue, BadSkips, BadDa, NotTopLevelCall,
    ///                 BadBitmap, BadCertLength, BadSigner, QuorumNotReached
    function submitBatchWithCalldata(
        BatchHeader calldata header,
        DaPointer calldata da,
        QuorumCert calldata qc,
        bytes calldata skips,
        bytes calldata data
    ) external;

    /// @notice Submits a batch whose data is in the blobs of this transaction (DA kind 1). The certificate binds the
    ///         blobs by `da`, so a relay can attach no others.
    /// @param header Header of the batch.
    /// @param da kind 1, height 0, commitment = keccak256(abi.encode(versionedHashes)), size = bytes of batch data, which
    ///           only the quorum attests.
    /// @param versionedHashes All blobs of the transaction in order; at least one, at most what the settlement chain
    ///                        lets one transaction carry.
    /// @param qc As in submitBatchWithCalldata.
    /// @param skips As in submitBatchWithCalldata.
    /// @custom:reverts Those of submitBatchWithCalldata but NotTopLevelCall
    function submitBatchWithBlobs(
        BatchHeader calldata header,
        DaPointer calldata da,
        bytes32[] calldata versionedHashes,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external;

    /// @notice Submits a batch whose data is on Celestia (DA kind 2). That the data is there is attested by the quorum;
    ///         this contract cannot look.
    /// @param header Header of the batch.
    /// @param da kind 2, height = Celestia height (not zero), commitment = share commitment of the blob, size = bytes of
    ///           batch data. When the same content has to be published again, the certificate names a higher attempt.
    /// @param qc As in submitBatchWithCalldata.
    /// @param skips As in submitBatchWithCalldata.
    /// @custom:reverts Those of submitBatchWithBlobs
    function submitBatch(
        BatchHeader calldata header,
        DaPointer calldata da,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external;

    /// @notice Makes a term the lowest one that batches may carry, so that a stale leader is fenced before the first
    ///         batch of the new one.
    /// @dev Only the set of the epoch that the next batch belongs to may sign. A quorum that opens a term it never
    ///      reaches in this epoch stops the batch chain: nodes sign only terms they have seen a block of.
    /// @param epoch Epoch of the term's window; must be the epoch of the next batch.
    /// @param term (window << 16) | skip, greater than `lastTerm()`.
    /// @param qc Certificate over OpenTerm; `attempt` must be 0.
    function openTerm(uint64 epoch, uint64 term, QuorumCert calldata qc) external;

    /// @notice Dry run of a submission of any kind: reverts with the same errors. Everything but the data itself
    ///         (calldata bytes, blobs of the transaction) is checked.
    function checkBatch(
        BatchHeader calldata header,
        DaPointer calldata da,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external view;

    /// @notice True when `txHash` is transaction `index` of the accepted batch with this header.
    /// @param proof Sibling hashes from the leaf up; exactly ceil(log2(txCount)) of them.
    function verifyInclusion(BatchHeader calldata header, bytes32 txHash, uint32 index, bytes32[] calldata proof)
        external
        view
        returns (bool);

    /// @notice The last accepted batch.
    function tip() external view returns (BatchTip memory);

    /// @notice Content hash of an accepted batch; index 0 is the genesis hash; zero when there is none.
    function batchHash(uint64 batchIndex) external view returns (bytes32);

    /// @notice Lowest term that the next batch may carry.
    function lastTerm() external view returns (uint64);

    /// @notice Signer whose turn it is for the height after the last accepted batch.
    function currentLeader() external view returns (address);

    function contentHash(BatchHeader calldata header) external pure returns (bytes32);
    function daHash(DaPointer calldata da) external pure returns (bytes32);
    function consensus() external view returns (address);

    /// @notice Contract with the code of the consensus contract's duties, created by the constructor unless the consensus
    ///         contract has it already; then zero.
    function duties() external view returns (address);
    function l2ChainId() external view returns (uint64);
    function rotationInterval() external view returns (uint64);
    function epochLength() external view returns (uint64);
    function version() external pure returns (string memory);
}
