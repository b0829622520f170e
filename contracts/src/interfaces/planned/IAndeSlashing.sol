// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {Checkpoint, Vote} from "../../consensus/AndeTypes.sol";

/// @title IAndeSlashing
/// @notice Permissionless evidence, downtime and halt. Not implemented yet: no contract here inherits this interface.
interface IAndeSlashing {
    event ValidatorSlashed(
        uint32 indexed id, uint8 indexed reason, uint64 epoch, uint256 amount, address reporter, uint256 reward
    );
    event ValidatorTombstoned(uint32 indexed id, bytes32 evidenceId);
    event ValidatorJailed(uint32 indexed id, uint64 epoch, uint32 missed, uint32 assigned, uint64 until);
    event ValidatorUnjailed(uint32 indexed id);
    event Halted(uint32 indexed newEra, uint64 lastHeight);

    /// @notice Two votes of one key for the same era, epoch, height, round and kind with different hashes.
    /// @param setIndex Index of the signer in the set of the vote's epoch.
    function submitVoteEvidence(
        Vote calldata a,
        bytes32 otherBlockHash,
        uint256 setIndex,
        bytes calldata sigA,
        bytes calldata sigB
    ) external;

    /// @notice Two checkpoints of one key for the same era, index and parent with different content, or with different
    ///         data for the same attempt.
    function submitCheckpointEvidence(
        Checkpoint calldata a,
        Checkpoint calldata b,
        uint256 setIndex,
        bytes calldata sigA,
        bytes calldata sigB
    ) external;

    /// @notice Judges the missed windows of a closed epoch.
    function settleDowntime(uint64 epoch) external;

    /// @notice Ends the era when no batch came for the halt timeout; unused frozen sets become void.
    function declareHalt() external;

    /// @notice Freezes fresh sets after a halt.
    function relaunch() external;

    function isEvidenceOpen(uint64 epoch) external view returns (bool);
}
