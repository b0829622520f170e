// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IAndeForcedInclusion} from "../interfaces/IAndeForcedInclusion.sol";
import {FeeTooLow, ForcedAccMismatch, ForcedOverdue, ForcedRange, ForcedSize, NotEscapable} from "./AndeErrors.sol";
import {BatchHeader, BatchTip, ForcedEntry, QueuedTransaction, QueueState} from "./AndeTypes.sol";

/// @title ForcedQueue
/// @notice Storage and rules of the forced queue. What a batch costs does not depend on how many entries it consumes.
abstract contract ForcedQueue is IAndeForcedInclusion {
    /// @dev Longer than finality of the settlement chain, a batch interval and the posting of a batch together.
    uint64 internal constant FORCED_DELAY = 1 hours;
    uint64 internal constant ESCAPE_DELAY = 24 hours;
    uint64 internal constant MAX_FORCED_PER_BATCH = 32;
    uint256 internal constant MAX_FORCED_BYTES = 32_768;
    /// @dev A longer pause between two batches is a standstill. The batches made in it come when it is over, and cannot
    ///      have in them what was queued after they were made.
    uint64 internal constant STANDSTILL = 30 minutes;
    /// @dev Time to catch up, in times of the standstill. The queue cannot know what was made when, so this holds for
    ///      whoever pauses on purpose as well: what ends it for each entry is the escape delay.
    uint256 internal constant CATCH_UP_FACTOR = 2;
    /// @dev Fee of an entry of an empty queue, wei.
    uint256 internal constant FORCED_BASE_FEE = 0.0001 ether;
    /// @dev The fee grows by the base fee with every so many waiting entries.
    uint256 internal constant FEE_STEP = 64;

    QueueState private _queue;
    mapping(uint64 index => QueuedTransaction) private _queued;
    mapping(address account => uint256) private _fees;
    /// @dev End of the time to catch up after the standstills so far.
    uint64 private _catchUpUntil;

    constructor() {
        // From here on the slot is never zero, which makes each first use of it cheaper.
        _queue.lastEscapeAt = uint64(block.timestamp);
    }

    /// @inheritdoc IAndeForcedInclusion
    function enqueueForced(bytes calldata rawTx) external payable returns (uint64 index) {
        require(rawTx.length != 0 && rawTx.length <= MAX_FORCED_BYTES, ForcedSize(rawTx.length));
        QueueState memory queue = _loadQueue();
        uint256 fee = _feeOf(queue);
        require(msg.value >= fee, FeeTooLow(fee));

        index = queue.forcedTail;
        bytes32 acc = keccak256(
            abi.encode(_accBefore(index), msg.sender, index, block.number, block.timestamp, keccak256(rawTx))
        );
        _queued[index] = QueuedTransaction({
            acc: acc,
            enqueuedAt: uint64(block.timestamp),
            l1Block: uint64(block.number),
            feesUpTo: SafeCast.toUint128(_feesBefore(index) + msg.value)
        });
        _queue.forcedTail = index + 1;
        emit ForcedEnqueued(index, msg.sender, acc, uint64(block.timestamp) + FORCED_DELAY, rawTx);
    }

    /// @inheritdoc IAndeForcedInclusion
    function claimFees(address to) external {
        uint256 amount = _fees[msg.sender];
        _fees[msg.sender] = 0;
        emit FeesClaimed(to, amount);
        Address.sendValue(payable(to), amount);
    }

    /// @inheritdoc IAndeForcedInclusion
    function feesOf(address account) external view returns (uint256) {
        return _fees[account];
    }

    /// @inheritdoc IAndeForcedInclusion
    function forcedState() external view returns (uint64 head, uint64 tail, uint64 firstDueAt, uint256 fee) {
        QueueState memory queue = _loadQueue();
        (head, tail) = (queue.forcedHead, queue.forcedTail);
        if (head != tail) firstDueAt = _deadline(head);
        fee = _feeOf(queue);
    }

    /// @inheritdoc IAndeForcedInclusion
    function forcedEntry(uint64 index) external view returns (ForcedEntry memory entry) {
        QueuedTransaction memory queued = _queued[index];
        if (queued.enqueuedAt == 0) return entry;
        entry.acc = queued.acc;
        entry.enqueuedAt = queued.enqueuedAt;
        entry.l1Block = queued.l1Block;
        entry.fee = queued.feesUpTo - uint128(_feesBefore(index));
    }

    /// @inheritdoc IAndeForcedInclusion
    function mustIncludeUpTo(uint256 timestamp) external view returns (uint64) {
        return _overdueUpTo(_loadQueue(), timestamp);
    }

    /// @inheritdoc IAndeForcedInclusion
    function isTimeoutReached() external view returns (bool) {
        QueueState memory queue = _loadQueue();
        return queue.forcedHead != queue.forcedTail && _deadline(queue.forcedHead) <= block.timestamp;
    }

    /// @inheritdoc IAndeForcedInclusion
    function standstill() external pure returns (uint64) {
        return STANDSTILL;
    }

    /// @inheritdoc IAndeForcedInclusion
    function forcedDelay() external pure returns (uint64) {
        return FORCED_DELAY;
    }

    /// @inheritdoc IAndeForcedInclusion
    function escapeDelay() external pure returns (uint64) {
        return ESCAPE_DELAY;
    }

    /// @inheritdoc IAndeForcedInclusion
    function maxForcedPerBatch() external pure returns (uint64) {
        return MAX_FORCED_PER_BATCH;
    }

    // Batches -------------------------------------------------------------------------------------

    /// @dev The batch consumes a prefix of the queue, proves which by the accumulator, and leaves no overdue entry
    ///      unless it consumes as many as a batch can, or posting catches up after a standstill.
    function _checkForced(BatchTip memory last, QueueState memory queue, BatchHeader memory header) internal view {
        uint64 upTo = header.forcedUpTo;
        uint256 taken;
        uint256 waiting;
        unchecked {
            // Below the head it wraps, and is more than there are.
            taken = uint256(upTo) - queue.forcedHead;
            waiting = uint256(queue.forcedTail) - queue.forcedHead;
        }
        bool inRange = taken <= waiting && taken <= MAX_FORCED_PER_BATCH;
        require(inRange, ForcedRange(queue.forcedHead, queue.forcedTail, upTo));
        require(header.forcedAcc == _accBefore(upTo), ForcedAccMismatch());
        if (taken != waiting && taken != MAX_FORCED_PER_BATCH) {
            uint64 deadline = _deadline(upTo);
            bool late = deadline <= block.timestamp;
            require(!late || _mayBeLate(last, queue, deadline), ForcedOverdue(upTo, deadline));
        }
    }

    /// @dev After a standstill batches may be late for a while, and each entry at most until it could be escaped.
    function _mayBeLate(BatchTip memory last, QueueState memory queue, uint64 deadline) private view returns (bool) {
        return _catchUpEnd(last, queue) > block.timestamp && deadline + ESCAPE_DELAY > block.timestamp;
    }

    /// @dev If a batch was accepted now.
    function _catchUpEnd(BatchTip memory last, QueueState memory queue) internal view returns (uint64 end) {
        end = _catchUpUntil;
        uint64 opened = _endAfterPause(last, queue);
        if (opened > end) end = opened;
    }

    /// @dev Zero unless the pause before a batch of now is a standstill. Every batch asks, so it is 256-bit arithmetic;
    ///      both times are of earlier blocks or of this one.
    function _endAfterPause(BatchTip memory last, QueueState memory queue) private view returns (uint64) {
        uint256 since = last.acceptedAt;
        if (queue.lastEscapeAt > since) since = queue.lastEscapeAt;
        unchecked {
            uint256 pause = block.timestamp - since;
            if (pause <= STANDSTILL) return 0;
            if (pause > ESCAPE_DELAY) pause = ESCAPE_DELAY;
            return uint64(block.timestamp + CATCH_UP_FACTOR * pause);
        }
    }

    /// @dev A batch comes: remembers the end of a standstill, and consumes.
    function _take(BatchTip memory last, QueueState memory queue, BatchHeader memory header) internal {
        uint64 end = _endAfterPause(last, queue);
        if (end != 0 && end > _catchUpUntil) _catchUpUntil = end;
        _consume(queue, header);
    }

    /// @dev Takes the entries of the batch out of the queue; their fees go to its fee recipient.
    function _consume(QueueState memory queue, BatchHeader memory header) internal {
        uint64 head = queue.forcedHead;
        uint64 upTo = header.forcedUpTo;
        if (upTo == head) return;
        _queue.forcedHead = upTo;
        _fees[header.feeRecipient] += _feesBefore(upTo) - _feesBefore(head);
        emit ForcedConsumed(head, upTo, header.batchIndex);
    }

    /// @dev Entries an escape batch takes in now.
    function _checkEscape(BatchTip memory last, QueueState memory queue) internal view returns (uint64 upTo) {
        uint64 earliest = _escapableAt(last, queue);
        require(earliest != 0 && earliest <= block.timestamp, NotEscapable(earliest));
        return _overdueUpTo(queue, block.timestamp);
    }

    /// @dev Terms that were opened about void blocks are void too.
    function _recordEscape() internal {
        _queue.lastEscapeAt = uint64(block.timestamp);
        _queue.openedTerm = 0;
    }

    function _openTerm(uint64 term) internal {
        _queue.openedTerm = term;
    }

    function _escapableAt(BatchTip memory last, QueueState memory queue) internal view returns (uint64 time) {
        if (queue.forcedHead == queue.forcedTail) return 0;
        time = _deadline(queue.forcedHead);
        if (last.acceptedAt > time) time = last.acceptedAt;
        if (queue.lastEscapeAt > time) time = queue.lastEscapeAt;
        time += ESCAPE_DELAY;
    }

    /// @dev Every batch reads this slot: one load and shifts, where solc would load it once per field.
    function _loadQueue() internal view returns (QueueState memory queue) {
        QueueState storage stored = _queue;
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        queue.forcedHead = uint64(word);
        queue.forcedTail = uint64(word >> 64);
        queue.lastEscapeAt = uint64(word >> 128);
        queue.openedTerm = uint64(word >> 192);
    }

    // Entries -------------------------------------------------------------------------------------

    /// @dev End of the overdue entries, at most a batch full of them.
    function _overdueUpTo(QueueState memory queue, uint256 timestamp) private view returns (uint64 upTo) {
        upTo = queue.forcedHead;
        uint64 limit = upTo + MAX_FORCED_PER_BATCH;
        if (limit > queue.forcedTail) limit = queue.forcedTail;
        while (upTo < limit && _deadline(upTo) <= timestamp) ++upTo;
    }

    function _feeOf(QueueState memory queue) private pure returns (uint256) {
        uint256 waiting = queue.forcedTail - queue.forcedHead;
        return FORCED_BASE_FEE + FORCED_BASE_FEE * waiting / FEE_STEP;
    }

    function _deadline(uint64 index) private view returns (uint64) {
        return _queued[index].enqueuedAt + FORCED_DELAY;
    }

    /// @dev Accumulator of the entries before `index`.
    function _accBefore(uint64 index) internal view returns (bytes32) {
        return index == 0 ? bytes32(0) : _queued[index - 1].acc;
    }

    /// @dev Fees of the entries before `index`.
    function _feesBefore(uint64 index) private view returns (uint256) {
        return index == 0 ? 0 : _queued[index - 1].feesUpTo;
    }
}
