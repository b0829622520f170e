// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

/// @title IAndeGovernance
/// @notice Parameter changes, replacement of the coordinator and the guardian's pause. Not implemented yet: no contract
///         here inherits this interface.
interface IAndeGovernance {
    event ParamUpdated(bytes32 indexed key, uint256 oldValue, uint256 newValue, uint64 fromEpoch);
    event CoordinatorProposed(address indexed coordinator, uint64 readyAt);
    event GuardianSet(address indexed guardian);
    event Paused(uint8 mask, uint64 until);
    event Unpaused(uint8 mask);

    /// @notice Changes one parameter from the next frozen epoch on, inside its hard bounds.
    function setParam(bytes32 key, uint256 value) external;

    /// @notice Announces a new coordinator; it can take over after more than the unbonding delay.
    function proposeCoordinator(address coordinator) external;
    function acceptCoordinator() external;
    function setGuardian(address guardian) external;

    /// @notice Pauses registration (1) or batches (2) for at most three days; exits, evidence, forced inclusion, escape
    ///         and halt cannot be paused.
    function pause(uint8 mask) external;
    function unpause(uint8 mask) external;
}
