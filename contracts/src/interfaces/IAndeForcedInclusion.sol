// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {BatchHeader, ForcedEntry} from "../consensus/AndeTypes.sol";

/// @title IAndeForcedInclusion
/// @notice The queue of transactions that batches must consume, part of the coordinator. Whoever is censored on the L2
///         puts his signed transaction here: batches that leave it out after its deadline are refused, and when there
///         are no batches at all, anyone may take it in by an escape batch. Nothing here can be paused.
interface IAndeForcedInclusion {
    event ForcedEnqueued(uint64 indexed index, address indexed sender, bytes32 acc, uint64 deadline, bytes rawTx);

    /// @notice Entries [fromIndex, upTo) are taken in by the batch.
    event ForcedConsumed(uint64 fromIndex, uint64 upTo, uint64 indexed batchIndex);

    /// @notice A batch without a certificate; `contentHash` is the hash of `header`.
    event EscapeBatch(uint64 indexed batchIndex, bytes32 indexed contentHash, BatchHeader header);
    event FeesClaimed(address indexed to, uint256 amount);

    /// @notice Queues a raw L2 transaction. The bytes are in the log, so they are there as long as the settlement chain.
    /// @dev The transaction is not looked into: what is invalid on the L2 is skipped there. Whatever is paid above the
    ///      fee goes to the sequencers too. `acc` of entry i is keccak256(abi.encode(acc of entry i - 1 or zero, sender,
    ///      i, block.number, block.timestamp, keccak256(rawTx))).
    /// @param rawTx Signed transaction as for eth_sendRawTransaction, 1 to 32768 bytes.
    /// @return index Place in the queue, from 0.
    /// @custom:reverts ForcedSize, FeeTooLow
    function enqueueForced(bytes calldata rawTx) external payable returns (uint64 index);

    /// @notice Accepts a batch of overdue entries without a certificate: at most `maxForcedPerBatch`, oldest first.
    ///         Possible when the oldest entry is overdue and there was neither a certified nor an escape batch, all for
    ///         `escapeDelay`. The fees of the entries go to the caller.
    /// @dev The batch covers no heights: its startHeight is endHeight + 1. It starts a new era, so L2 blocks after the
    ///      last certified batch are void, and so is an opened term; the first block of the new era must begin with the
    ///      entries. Its state root is zero: the next certified batch has it. `tip().acceptedAt` stays, it is the time of
    ///      the last certified batch.
    /// @custom:reverts NotEscapable, Unauthorized when the coordinator was replaced
    function escapeBatch() external;

    /// @notice Pays out what the caller earned: as `feeRecipient` of batches that consumed entries, or by escapes.
    /// @param to Receiver of the payment.
    function claimFees(address to) external;

    /// @notice Unclaimed fees of an account, wei.
    function feesOf(address account) external view returns (uint256);

    /// @notice The queue: entries [head, tail) are waiting.
    /// @return head Number of consumed entries.
    /// @return tail Number of entries ever.
    /// @return firstDueAt Deadline of entry `head`; 0 when nothing waits.
    /// @return fee Price of the next entry, wei.
    function forcedState() external view returns (uint64 head, uint64 tail, uint64 firstDueAt, uint256 fee);

    /// @notice An entry, also after it was consumed; all zero when there is none.
    function forcedEntry(uint64 index) external view returns (ForcedEntry memory);

    /// @notice Smallest `forcedUpTo` of a batch accepted at `timestamp`, unless posting catches up.
    function mustIncludeUpTo(uint256 timestamp) external view returns (uint64);

    /// @notice True when an entry is overdue: every batch that leaves it out is refused, unless posting catches up.
    function isTimeoutReached() external view returns (bool);

    /// @notice Until when posting catches up if a batch is accepted now: batches may leave out entries that are overdue,
    ///         though none by `escapeDelay`. In the past when no batch may.
    /// @dev When batches pause for longer than `standstill`, those made meanwhile come late, and what is in them is certain
    ///      already. From the first one on there is twice the time of the pause, of which at most `escapeDelay` counts.
    function catchUpEnd() external view returns (uint64);

    /// @notice Longest pause between batches, in seconds, after which there is nothing to catch up.
    function standstill() external view returns (uint64);

    /// @notice Time from which `escapeBatch` is possible if nothing happens until then; 0 when nothing waits.
    function escapableAt() external view returns (uint64);

    /// @notice Seconds from the entry to its deadline.
    function forcedDelay() external view returns (uint64);

    /// @notice Seconds without a batch, after the deadline of the oldest entry, until `escapeBatch`.
    function escapeDelay() external view returns (uint64);

    /// @notice Most entries that one batch takes in.
    function maxForcedPerBatch() external view returns (uint64);
}
