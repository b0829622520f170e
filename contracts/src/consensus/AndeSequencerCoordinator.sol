// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAndeConsensus} from "../interfaces/IAndeConsensus.sol";
import {IAndeForcedInclusion} from "../interfaces/IAndeForcedInclusion.sol";
import {IAndeSequencerCoordinator} from "../interfaces/IAndeSequencerCoordinator.sol";
import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {BatchLib} from "../libraries/BatchLib.sol";
import {InclusionLib} from "../libraries/InclusionLib.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {
    BadDa,
    BadVersion,
    EpochBoundary,
    EpochNotOpen,
    NotContiguous,
    NotTopLevelCall,
    ParamOutOfBounds,
    PausedFor,
    QuorumNotReached,
    StaleTerm,
    TermWindowMismatch,
    WrongEra,
    WrongParent
} from "./AndeErrors.sol";
import {
    BatchHeader,
    BatchTip,
    Checkpoint,
    ConsensusConfig,
    DaPointer,
    OpenTerm,
    QuorumCert,
    QuorumContext,
    QueueState
} from "./AndeTypes.sol";
import {ConsensusDuties} from "./ConsensusDuties.sol";
import {ForcedQueue} from "./ForcedQueue.sol";

/// @title AndeSequencerCoordinator
/// @notice The chain of certified batches. What counts is the quorum certificate, never the sender.
/// @dev Holds no stake and cannot move any. An accepted batch is final: there is no overwrite, delete or revert.
contract AndeSequencerCoordinator is IAndeSequencerCoordinator, ForcedQueue {
    /// @dev Bit of the guardian's mask that stops batches.
    uint8 private constant PAUSE_SUBMIT = 2;

    IAndeConsensus private immutable CONSENSUS;
    uint64 private immutable L2_CHAIN_ID;
    uint64 private immutable ROTATION_INTERVAL;
    uint64 private immutable EPOCH_LENGTH;
    address private immutable DUTIES;

    BatchTip private _tip;
    mapping(uint64 batchIndex => bytes32) private _batchHashes;

    /// @param consensus_ Consensus contract; its chain id, genesis and window sizes are fixed here.
    constructor(address consensus_) {
        CONSENSUS = IAndeConsensus(consensus_);
        ConsensusConfig memory config = CONSENSUS.config();
        L2_CHAIN_ID = config.l2ChainId;
        ROTATION_INTERVAL = config.rotationInterval;
        EPOCH_LENGTH = uint64(config.rotationInterval) * config.windowsPerEpoch;
        _batchHashes[0] = CONSENSUS.genesisBatchHash();
        // The consensus contract has no room for all of its code; its owner accepts this part with setCoordinator.
        if (CONSENSUS.duties() == address(0)) DUTIES = address(new ConsensusDuties());
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function submitBatchWithCalldata(
        BatchHeader calldata header,
        DaPointer calldata da,
        QuorumCert calldata qc,
        bytes calldata skips,
        bytes calldata data
    ) external {
        // Nodes look for the data in the input of the transaction, so it must not hide in an inner call.
        // slither-disable-next-line tx-origin
        require(msg.sender == tx.origin && msg.sender.code.length == 0, NotTopLevelCall());
        (BatchHeader memory h, DaPointer memory pointer) = BatchLib.load(header, da);
        bool matches = BatchLib.isWellFormed(pointer) && pointer.kind == BatchLib.DA_CALLDATA
            && data.length == pointer.size && keccak256(data) == pointer.commitment;
        require(matches, BadDa(pointer.kind));
        _submit(h, pointer, qc, skips);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function submitBatchWithBlobs(
        BatchHeader calldata header,
        DaPointer calldata da,
        bytes32[] calldata versionedHashes,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external {
        (BatchHeader memory h, DaPointer memory pointer) = BatchLib.load(header, da);
        bool matches = BatchLib.isWellFormed(pointer) && pointer.kind == BatchLib.DA_BLOBS
            && BatchLib.areTransactionBlobs(versionedHashes)
            && BatchLib.blobCommitment(versionedHashes) == pointer.commitment;
        require(matches, BadDa(pointer.kind));
        _submit(h, pointer, qc, skips);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function submitBatch(
        BatchHeader calldata header,
        DaPointer calldata da,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external {
        (BatchHeader memory h, DaPointer memory pointer) = BatchLib.load(header, da);
        require(BatchLib.isWellFormed(pointer) && pointer.kind == BatchLib.DA_CELESTIA, BadDa(pointer.kind));
        _submit(h, pointer, qc, skips);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function openTerm(uint64 epoch, uint64 term, QuorumCert calldata qc) external {
        require(epoch == (_tip.endHeight + 1) / EPOCH_LENGTH, EpochNotOpen(epoch));
        uint64 window = BatchLib.windowOfTerm(term);
        require((uint256(window) * ROTATION_INTERVAL) / EPOCH_LENGTH == epoch, TermWindowMismatch(window, term));
        uint64 last = lastTerm();
        require(term > last, StaleTerm(last, term));
        // Not part of the signed statement, so only one value is valid.
        require(qc.attempt == 0, ParamOutOfBounds("attempt", 0, 0));

        QuorumContext memory context = CONSENSUS.quorumContext(epoch);
        OpenTerm memory statement = OpenTerm({l2ChainId: L2_CHAIN_ID, era: context.era, epoch: epoch, term: term});
        _checkQuorum(context, TypedDataLib.openTermDigest(context.domainSeparator, statement), qc);
        _openTerm(term);
        emit TermOpened(term, epoch);
    }

    /// @inheritdoc IAndeForcedInclusion
    function escapeBatch() external {
        BatchTip memory last = _loadTip();
        QueueState memory queue = _loadQueue();
        uint64 upTo = _checkEscape(last, queue);
        uint64 epoch = last.endHeight / EPOCH_LENGTH;
        BatchHeader memory header;
        header.version = BatchLib.HEADER_VERSION;
        header.era = CONSENSUS.onEscape(epoch);
        header.epoch = epoch;
        header.batchIndex = last.batchIndex + 1;
        header.startHeight = last.endHeight + 1;
        header.endHeight = last.endHeight;
        header.term = last.term;
        header.forcedUpTo = upTo;
        header.txCount = uint32(upTo - queue.forcedHead);
        header.parentBatchHash = _batchHashes[last.batchIndex];
        header.forcedAcc = _accBefore(upTo);
        header.skipsHash = BatchLib.NO_SKIPS;
        header.feeRecipient = msg.sender;

        bytes32 hash = BatchLib.contentHash(header);
        _batchHashes[header.batchIndex] = hash;
        _storeTip(header, last.acceptedAt);
        _consume(queue, header);
        _recordEscape();
        emit EscapeBatch(header.batchIndex, hash, header);
    }

    /// @inheritdoc IAndeForcedInclusion
    function escapableAt() external view returns (uint64) {
        return _escapableAt(_loadTip(), _loadQueue());
    }

    /// @inheritdoc IAndeForcedInclusion
    function catchUpEnd() external view returns (uint64) {
        return _catchUpEnd(_loadTip(), _loadQueue());
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function checkBatch(
        BatchHeader calldata header,
        DaPointer calldata da,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external view {
        (BatchHeader memory h, DaPointer memory pointer) = BatchLib.load(header, da);
        require(BatchLib.isWellFormed(pointer), BadDa(pointer.kind));
        (uint8 mask, uint64 until) = CONSENSUS.paused();
        require(mask & PAUSE_SUBMIT == 0, PausedFor(PAUSE_SUBMIT, until));
        _checkContent(_loadTip(), h, skips);
        _checkCertificate(CONSENSUS.quorumContext(h.epoch), h, BatchLib.contentHash(h), pointer, qc);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function verifyInclusion(BatchHeader calldata header, bytes32 txHash, uint32 index, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        if (header.batchIndex == 0 || _batchHashes[header.batchIndex] != BatchLib.contentHash(header)) return false;
        return InclusionLib.verify(header.txRoot, header.txCount, index, txHash, proof);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function tip() external view returns (BatchTip memory) {
        return _tip;
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function batchHash(uint64 batchIndex) external view returns (bytes32) {
        return _batchHashes[batchIndex];
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function lastTerm() public view returns (uint64) {
        return _max(_tip.term, _loadQueue().openedTerm);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function currentLeader() external view returns (address) {
        return CONSENSUS.currentProposer();
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function contentHash(BatchHeader calldata header) external pure returns (bytes32) {
        return BatchLib.contentHash(header);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function daHash(DaPointer calldata da) external pure returns (bytes32) {
        return BatchLib.daHash(da);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function consensus() external view returns (address) {
        return address(CONSENSUS);
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function duties() external view returns (address) {
        return DUTIES;
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function l2ChainId() external view returns (uint64) {
        return L2_CHAIN_ID;
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function rotationInterval() external view returns (uint64) {
        return ROTATION_INTERVAL;
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function epochLength() external view returns (uint64) {
        return EPOCH_LENGTH;
    }

    /// @inheritdoc IAndeSequencerCoordinator
    function version() external pure returns (string memory) {
        return "0.1.0";
    }

    /// @dev Accepts a batch. State is written before the certificate is judged, which is safe: the consensus contract
    ///      calls nobody, the verifier is called statically, and a bad certificate reverts all of it.
    function _submit(BatchHeader memory header, DaPointer memory da, QuorumCert calldata qc, bytes calldata skips)
        private
    {
        BatchTip memory last = _loadTip();
        _take(last, _checkContent(last, header, skips), header);
        bytes32 hash = BatchLib.contentHash(header);
        _batchHashes[header.batchIndex] = hash;
        _storeTip(header, uint64(block.timestamp));
        (QuorumContext memory context, uint32 leaderId, address leader) =
            CONSENSUS.onBatch(header.epoch, last.term, header.term, skips);
        _checkCertificate(context, header, hash, da, qc);
        _emitAccepted(header, da, qc.signers, hash);
        if (leaderId != 0) {
            uint64 window = BatchLib.windowOfTerm(header.term);
            emit LeaderRotated(window, leaderId, leader, BatchLib.skipOfTerm(header.term));
        }
    }

    /// @dev emit BatchAccepted(batchIndex, hash, epoch, startHeight, endHeight, term, forcedUpTo, signers, da). The
    ///      fields of the header and the pointer lie in memory as the event encodes them, so they are copied as they are.
    function _emitAccepted(BatchHeader memory header, DaPointer memory da, uint256 signers, bytes32 hash) private {
        bytes32 topic = BatchAccepted.selector;
        uint256 batchIndex = header.batchIndex;
        uint256 epoch = header.epoch;
        assembly ("memory-safe") {
            let data := mload(0x40)
            mcopy(data, add(header, 0x80), 0x80) // startHeight, endHeight, term, forcedUpTo
            mstore(add(data, 0x80), signers)
            mcopy(add(data, 0xa0), da, 0x80)
            log4(data, 0x120, topic, batchIndex, hash, epoch)
        }
    }

    /// @dev All rules that need neither the certificate nor the data.
    function _checkContent(BatchTip memory last, BatchHeader memory header, bytes calldata skips)
        private
        view
        returns (QueueState memory queue)
    {
        require(header.version == BatchLib.HEADER_VERSION, BadVersion(header.version));
        queue = _loadQueue();
        _checkPosition(last, queue, header);
        _checkForced(last, queue, header);
        uint64 firstWindow = header.startHeight / ROTATION_INTERVAL;
        BatchLib.checkSkips(skips, header.skipsHash, firstWindow, last.term, header.term);
    }

    /// @dev Era, and a quorum of the epoch's set over the checkpoint of this batch.
    function _checkCertificate(
        QuorumContext memory context,
        BatchHeader memory header,
        bytes32 hash,
        DaPointer memory da,
        QuorumCert calldata qc
    ) private view {
        require(header.era == context.era, WrongEra(context.era, header.era));
        Checkpoint memory checkpoint = Checkpoint({
            l2ChainId: L2_CHAIN_ID,
            era: header.era,
            epoch: header.epoch,
            batchIndex: header.batchIndex,
            attempt: qc.attempt,
            parentBatchHash: header.parentBatchHash,
            contentHash: hash,
            daHash: BatchLib.daHash(da)
        });
        _checkQuorum(context, TypedDataLib.checkpointDigest(context.domainSeparator, checkpoint), qc);
    }

    /// @dev Contiguity, one epoch, parent, term. `if` instead of `require` where the error has computed
    ///      values, and 256-bit arithmetic: this runs for every batch.
    function _checkPosition(BatchTip memory last, QueueState memory queue, BatchHeader memory header) private view {
        uint256 start = header.startHeight;
        uint256 end = header.endHeight;
        if (header.batchIndex != uint256(last.batchIndex) + 1 || start != uint256(last.endHeight) + 1 || end < start) {
            revert NotContiguous(last.batchIndex + 1, last.endHeight + 1);
        }
        bool oneEpoch = start / EPOCH_LENGTH == header.epoch && end / EPOCH_LENGTH == header.epoch;
        require(oneEpoch, EpochBoundary(header.startHeight, header.endHeight));
        bytes32 parent = _batchHashes[last.batchIndex];
        require(header.parentBatchHash == parent, WrongParent(parent, header.parentBatchHash));

        uint256 window = end / ROTATION_INTERVAL;
        if (header.term >> BatchLib.TERM_SKIP_BITS != window) revert TermWindowMismatch(uint64(window), header.term);
        uint64 lowest = _max(last.term, queue.openedTerm);
        require(header.term >= lowest, StaleTerm(lowest, header.term));
    }

    function _checkQuorum(QuorumContext memory context, bytes32 digest, QuorumCert calldata qc) private view {
        uint256 signed =
            IQuorumVerifier(context.verifier).verify(context.setPtr, context.size, digest, qc.signers, qc.signatures);
        bool reached = signed * context.quorumDen > uint256(context.totalWeight) * context.quorumNum;
        require(reached, QuorumNotReached(signed, context.totalWeight));
    }

    /// @dev Every batch reads this slot: one load and shifts, where solc would load it once per field.
    function _loadTip() private view returns (BatchTip memory last) {
        BatchTip storage stored = _tip;
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        last.batchIndex = uint64(word);
        last.endHeight = uint64(word >> 64);
        last.term = uint64(word >> 128);
        last.acceptedAt = uint64(word >> 192);
    }

    /// @dev One store; solc would load and store the slot once per field.
    function _storeTip(BatchHeader memory header, uint64 acceptedAt) private {
        BatchTip storage stored = _tip;
        uint256 word = header.batchIndex | (uint256(header.endHeight) << 64) | (uint256(header.term) << 128)
            | (uint256(acceptedAt) << 192);
        assembly ("memory-safe") {
            sstore(stored.slot, word)
        }
    }

    function _max(uint64 a, uint64 b) private pure returns (uint64) {
        return a > b ? a : b;
    }
}
