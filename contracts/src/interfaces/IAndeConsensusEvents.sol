// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {ConsensusConfig} from "../consensus/AndeTypes.sol";

/// @title IAndeConsensusEvents
/// @notice Events of the consensus contract.
interface IAndeConsensusEvents {
    event ValidatorRegistered(
        uint32 indexed id,
        address indexed owner,
        address indexed signer,
        bytes32 p2pPeerId,
        string rpcEndpoint,
        uint256 stake
    );
    event StakeIncreased(uint32 indexed id, uint256 amount, uint256 stake);
    event EndpointUpdated(uint32 indexed id, bytes32 p2pPeerId, string rpcEndpoint);
    event Launched(uint32 indexed era, uint64 firstEpoch, uint32 setId);
    event ValidatorSetStored(uint32 indexed setId, address ptr);
    event EpochFrozen(uint64 indexed epoch, uint32 indexed setId, uint32 size, uint64 totalWeight, bytes32 seed);
    event EpochClosed(uint64 indexed epoch, uint64 closedAt);
    event WindowSkipped(uint64 indexed window, uint32 indexed id, uint32 skip);
    event Configured(ConsensusConfig config);
    event CoordinatorSet(address indexed coordinator);
    event StakeTokenSet(address indexed token);
    event VerifierSet(address indexed verifier);
    event AllowedSet(address indexed owner, bool allowed);
    event PermissionedDisabled();
    event DutiesSet(address indexed duties);

    // Leaving
    event SignerRotationScheduled(
        uint32 indexed id, address indexed oldSigner, address indexed newSigner, uint64 fromEpoch
    );
    event OwnershipTransferStartedFor(uint32 indexed id, address indexed from, address indexed to);
    event OwnershipTransferredFor(uint32 indexed id, address indexed from, address indexed to);
    event ExitRequested(uint32 indexed id, uint64 lastDutyEpoch);
    event ExitClaimed(uint32 indexed id, address indexed to, uint256 paid, uint256 penalty);
    event ValidatorEvicted(uint32 indexed id, uint32 indexed by);

    // Penalties
    event ValidatorSlashed(
        uint32 indexed id, uint8 indexed reason, uint64 epoch, uint256 amount, address reporter, uint256 reward
    );
    event ValidatorTombstoned(uint32 indexed id, bytes32 evidenceId);
    event ValidatorJailed(uint32 indexed id, uint64 epoch, uint32 missed, uint32 assigned, uint64 until);
    event ValidatorUnjailed(uint32 indexed id);
    event DowntimeSettled(uint64 indexed epoch, uint32 offenders, uint32 jailed);
    event SlashedSwept(address indexed sink, uint256 amount);

    // Eras
    event Halted(uint32 indexed newEra, uint64 lastHeight);
    event EraChanged(uint32 indexed era);

    // Governance
    event ParamUpdated(bytes32 indexed key, uint256 oldValue, uint256 newValue, uint64 fromEpoch);
    event CoordinatorProposed(address indexed coordinator, uint64 readyAt);
    event GuardianSet(address indexed guardian);
    event Paused(uint8 mask, uint64 until);
    event Unpaused(uint8 mask);
}
