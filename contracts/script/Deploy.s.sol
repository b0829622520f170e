// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {AndeConsensus} from "../src/consensus/AndeConsensus.sol";
import {AndeSequencerCoordinator} from "../src/consensus/AndeSequencerCoordinator.sol";
import {ConsensusConfig, ScheduleMode} from "../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../src/interfaces/IAndeConsensus.sol";
import {SCRIPT_VM} from "./ScriptVm.sol";

/// @title Deploy
/// @notice Deploys a test network: consensus contract with its token, coordinator, and the link between them.
/// @dev forge script contracts/script/Deploy.s.sol --broadcast --rpc-url URL --private-key KEY
///      Environment, each optional: ANDE_L2_CHAIN_ID, ANDE_L2_GENESIS_HASH, ANDE_ROTATION_INTERVAL,
///      ANDE_WINDOWS_PER_EPOCH, ANDE_TIMEOUT_BLOCKS, ANDE_SCHEDULE_WEIGHTED, ANDE_MIN_VALIDATORS, ANDE_MAX_VALIDATORS,
///      ANDE_MIN_STAKE, ANDE_MAX_WEIGHT_BPS, ANDE_AUTO_LAUNCH.
contract Deploy {
    using SafeCast for uint256;

    /// @notice Tells `forge build --sizes` that the size of this contract does not matter.
    bool public constant IS_SCRIPT = true;

    event Deployed(address consensus, address coordinator, address token);

    function run() external returns (address consensus, address coordinator, address token) {
        SCRIPT_VM.startBroadcast();
        IAndeConsensus deployed = IAndeConsensus(address(new AndeConsensus()));
        ConsensusConfig memory defaults = deployed.config();
        ConsensusConfig memory config = _fromEnvironment(deployed.config());
        if (keccak256(abi.encode(config)) != keccak256(abi.encode(defaults))) deployed.configure(config);
        consensus = address(deployed);
        coordinator = address(new AndeSequencerCoordinator(consensus));
        deployed.setCoordinator(coordinator);
        token = deployed.stakeToken();
        SCRIPT_VM.stopBroadcast();
        emit Deployed(consensus, coordinator, token);
    }

    function _fromEnvironment(ConsensusConfig memory c) private view returns (ConsensusConfig memory) {
        c.l2ChainId = SCRIPT_VM.envOr("ANDE_L2_CHAIN_ID", uint256(c.l2ChainId)).toUint64();
        c.l2GenesisHash = SCRIPT_VM.envOr("ANDE_L2_GENESIS_HASH", c.l2GenesisHash);
        c.rotationInterval = SCRIPT_VM.envOr("ANDE_ROTATION_INTERVAL", uint256(c.rotationInterval)).toUint32();
        c.windowsPerEpoch = SCRIPT_VM.envOr("ANDE_WINDOWS_PER_EPOCH", uint256(c.windowsPerEpoch)).toUint32();
        c.timeoutBlocks = SCRIPT_VM.envOr("ANDE_TIMEOUT_BLOCKS", uint256(c.timeoutBlocks)).toUint16();
        bool weighted = SCRIPT_VM.envOr("ANDE_SCHEDULE_WEIGHTED", c.mode == ScheduleMode.Weighted);
        c.mode = weighted ? ScheduleMode.Weighted : ScheduleMode.RoundRobin;
        c.minValidators = SCRIPT_VM.envOr("ANDE_MIN_VALIDATORS", uint256(c.minValidators)).toUint16();
        c.maxValidators = SCRIPT_VM.envOr("ANDE_MAX_VALIDATORS", uint256(c.maxValidators)).toUint16();
        c.minStake = SCRIPT_VM.envOr("ANDE_MIN_STAKE", uint256(c.minStake)).toUint96();
        c.maxWeightBps = SCRIPT_VM.envOr("ANDE_MAX_WEIGHT_BPS", uint256(c.maxWeightBps)).toUint16();
        c.autoLaunch = SCRIPT_VM.envOr("ANDE_AUTO_LAUNCH", c.autoLaunch);
        return c;
    }
}
