// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ConfigLib} from "../libraries/ConfigLib.sol";
import {EcdsaQuorumVerifier} from "../verifiers/EcdsaQuorumVerifier.sol";
import {AndeConsensusBase} from "./AndeConsensusBase.sol";
import {ParamOutOfBounds} from "./AndeErrors.sol";
import {ConsensusConfig, ScheduleMode} from "./AndeTypes.sol";

/// @notice What this profile asks its owner for; OpenZeppelin's TimelockController answers it.
interface ITimelock {
    /// @notice Seconds between the announcement of an operation and its execution.
    function getMinDelay() external view returns (uint256);
}

/// @title AndeConsensusMainnet
/// @notice The production profile: an existing stake token, a timelock as owner, long windows, weighted schedule.
/// @dev Epochs of 7,200 blocks; at least four validators, at first only allowed ones; launch by the owner. Chain id and
///      genesis of the L2: `configure`, before the coordinator is deployed. Nobody can register before `setCoordinator`.
contract AndeConsensusMainnet is AndeConsensusBase {
    /// @dev Least delay of the owner's operations.
    uint256 internal constant MIN_TIMELOCK = 48 hours;

    /// @param token Stake token, without fees on transfers.
    /// @param owner_ Timelock with a delay of at least 48 hours.
    constructor(address token, address owner_)
        AndeConsensusBase(
            _mainnetConfig(),
            ConfigLib.Floors({minEvidenceWindow: 7 days, unbondingMargin: 7 days}),
            IERC20(token),
            new EcdsaQuorumVerifier(),
            owner_,
            true
        )
    {
        require(token.code.length != 0, ParamOutOfBounds("stakeToken", 1, type(uint160).max));
        uint256 delay = ITimelock(owner_).getMinDelay();
        require(delay >= MIN_TIMELOCK, ParamOutOfBounds("timelock", MIN_TIMELOCK, type(uint256).max));
    }

    function _mainnetConfig() private pure returns (ConsensusConfig memory) {
        return ConsensusConfig({
            l2ChainId: 6174,
            l2GenesisHash: bytes32(0),
            rotationInterval: 100,
            windowsPerEpoch: 72,
            timeoutBlocks: 10,
            mode: ScheduleMode.Weighted,
            minValidators: 4,
            maxValidators: 64,
            minStake: 1000e18,
            maxWeightBps: 3300,
            quorumNum: 2,
            quorumDen: 3,
            permissioned: true,
            autoLaunch: false,
            evidenceWindow: 14 days,
            unbondingDelay: 21 days,
            haltTimeout: 7 days,
            jailDuration: 1,
            baseSlashBps: 500,
            correlationFactor: 3,
            reporterShareBps: 500,
            downtimeSlashBps2: 10,
            downtimeSlashBps3: 100,
            slashSink: 0x000000000000000000000000000000000000dEaD
        });
    }
}
