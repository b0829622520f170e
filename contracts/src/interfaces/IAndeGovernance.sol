// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {IAndeConsensusEvents} from "./IAndeConsensusEvents.sol";

/// @title IAndeGovernance
/// @notice Parameter changes, replacement of the coordinator and the guardian's pause.
/// @dev A part of IAndeConsensus: call it at the address of the consensus contract. The owner can never touch stake, an
///      accepted batch, a frozen set or the choice of a proposer, nor remove a validator or shorten an unbonding.
interface IAndeGovernance is IAndeConsensusEvents {
    /// @notice Changes one parameter from the next frozen epoch on, inside its hard bounds. Owner only, after launch.
    /// @param key Name of a field of ConsensusConfig as bytes32: timeoutBlocks, minValidators, maxValidators,
    ///            minStake, maxWeightBps, quorum (quorumNum << 16 | quorumDen), evidenceWindow, unbondingDelay (can only grow),
    ///            haltTimeout, jailDuration, baseSlashBps, correlationFactor, reporterShareBps, downtimeSlashBps2,
    ///            downtimeSlashBps3, slashSink.
    ///            What decides whose turn it is (mode, window sizes) cannot be changed after the launch.
    /// @custom:reverts NotLaunched, ParamOutOfBounds (with min > max for a key that cannot be changed)
    function setParam(bytes32 key, uint256 value) external;

    /// @notice Announces a new coordinator. Owner only, after launch; a new proposal replaces the one before.
    /// @dev It can take over COORDINATOR_MARGIN (3 days) after everyone who leaves now has its stake.
    /// @custom:reverts NotLaunched, CoordinatorMismatch when it belongs to another consensus contract
    function proposeCoordinator(address coordinator) external;

    /// @notice Lets the proposed coordinator take over. Owner only. It must continue the chain of batches: its tip and
    ///         the hash of it are those of the present coordinator.
    /// @custom:reverts TooEarly, CoordinatorMismatch
    function acceptCoordinator() external;

    /// @notice Proposed coordinator, and the time at which it can take over; 0 while that is not known.
    function pendingCoordinator() external view returns (address coordinator, uint256 readyAt);

    /// @notice Names the account that may pause; zero for none. Owner only.
    function setGuardian(address guardian) external;

    /// @notice Pauses registrations (1), batches (2) or both (3) for three days. Guardian only; again only when nothing
    ///         was paused for seven days. Exits, evidence, forced inclusion, escape and halt cannot be paused.
    /// @custom:reverts Unauthorized, ParamOutOfBounds, TooEarly
    function pause(uint8 mask) external;

    /// @notice Lifts the pause of what is in `mask`. Guardian or owner.
    /// @custom:reverts Unauthorized
    function unpause(uint8 mask) external;

    /// @notice The account that may pause.
    function guardian() external view returns (address);

    /// @notice What is paused now, and until when.
    function paused() external view returns (uint8 mask, uint64 until);
}
