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
}
