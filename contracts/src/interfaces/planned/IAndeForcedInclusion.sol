// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {ForcedEntry} from "../../consensus/AndeTypes.sol";

/// @title IAndeForcedInclusion
/// @notice The queue of transactions that batches must consume. Not implemented yet: no contract here inherits this
///         interface.
interface IAndeForcedInclusion {
    event ForcedEnqueued(uint64 indexed index, address indexed sender, bytes32 acc, uint64 deadline, bytes rawTx);
    event ForcedConsumed(uint64 fromIndex, uint64 upTo, uint64 indexed batchIndex);
    event EscapeBatch(uint64 indexed batchIndex, uint64 forcedUpTo);
    event FeesClaimed(address indexed to, uint256 amount);

    /// @notice Queues a raw L2 transaction for a fee; the bytes are in the log.
    function enqueueForced(bytes calldata rawTx) external payable returns (uint64 index);

    /// @notice Without a quorum: a batch of exactly the overdue entries, after the escape delay.
    function escapeBatch() external;
    function claimFees(address to) external;

    function forcedState() external view returns (uint64 head, uint64 tail, uint64 firstDueAt, uint256 fee);
    function forcedEntry(uint64 index) external view returns (ForcedEntry memory);

    /// @notice What a batch accepted at `timestamp` has to consume.
    function mustIncludeUpTo(uint256 timestamp) external view returns (uint64);
    function isTimeoutReached() external view returns (bool);
}
