// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ConfigLib} from "../libraries/ConfigLib.sol";
import {AndeToken} from "../token/AndeToken.sol";
import {EcdsaQuorumVerifier} from "../verifiers/EcdsaQuorumVerifier.sol";
import {AndeConsensusBase} from "./AndeConsensusBase.sol";
import {ConsensusConfig, ScheduleMode} from "./AndeTypes.sol";

/// @title AndeConsensus
/// @notice The test network profile: deployable without arguments, brings its own stake token.
/// @dev The deployer owns the contract and receives the whole token supply. Epochs of 600 blocks, open registration,
///      launch by the third registration. Other parameters: `configure` before the first registration.
contract AndeConsensus is AndeConsensusBase {
    uint256 internal constant INITIAL_SUPPLY = 1_000_000_000e18;

    constructor()
        AndeConsensusBase(
            _testnetConfig(),
            ConfigLib.Floors({minEvidenceWindow: 1 hours, unbondingMargin: 1 hours}),
            new AndeToken(msg.sender, INITIAL_SUPPLY),
            new EcdsaQuorumVerifier(),
            msg.sender,
            false
        )
    {}

    function _testnetConfig() private pure returns (ConsensusConfig memory) {
        return ConsensusConfig({
            l2ChainId: 6174,
            l2GenesisHash: bytes32(0),
            rotationInterval: 100,
            windowsPerEpoch: 6,
            timeoutBlocks: 10,
            mode: ScheduleMode.RoundRobin,
            minValidators: 3,
            maxValidators: 64,
            minStake: 1000e18,
            maxWeightBps: 0,
            quorumNum: 2,
            quorumDen: 3,
            permissioned: false,
            autoLaunch: true,
            evidenceWindow: 1 days,
            unbondingDelay: 2 days,
            haltTimeout: 1 days,
            jailDuration: 1,
            baseSlashBps: 500,
            correlationFactor: 0,
            reporterShareBps: 500,
            downtimeSlashBps2: 10,
            downtimeSlashBps3: 100,
            slashSink: 0x000000000000000000000000000000000000dEaD
        });
    }
}
