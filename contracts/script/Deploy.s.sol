// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AndeConsensus} from "../src/consensus/AndeConsensus.sol";
import {AndeSequencerCoordinator} from "../src/consensus/AndeSequencerCoordinator.sol";
import {ConsensusConfig, ScheduleMode} from "../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../src/interfaces/IAndeConsensus.sol";

/// @notice The cheat codes that a deployment uses.
interface ScriptVm {
    function startBroadcast() external;
    function stopBroadcast() external;
    function envOr(string calldata name, uint256 defaultValue) external view returns (uint256);
    function envOr(string calldata name, bool defaultValue) external view returns (bool);
    function envOr(string calldata name, bytes32 defaultValue) external view returns (bytes32);
}

/// @title Deploy
/// @notice Deploys a test network: consensus contract with its token, coordinator, and the link between them.
/// @dev forge script contracts/script/Deploy.s.sol --broadcast --rpc-url URL --private-key KEY
///      Environment, each optional: ANDE_L2_CHAIN_ID, ANDE_L2_GENESIS_HASH, ANDE_ROTATION_INTERVAL,
///      ANDE_WINDOWS_PER_EPOCH, ANDE_TIMEOUT_BLOCKS, ANDE_SCHEDULE_WEIGHTED, ANDE_MIN_VALIDATORS, ANDE_MAX_VALIDATORS,
///      ANDE_MIN_STAKE, ANDE_MAX_WEIGHT_BPS, ANDE_AUTO_LAUNCH.
contract Deploy {
    ScriptVm private constant VM = ScriptVm(address(uint160(uint256(keccak256("hevm cheat code")))));

    /// @notice Tells `forge build --sizes` that the size of this contract does not matter.
    bool public constant IS_SCRIPT = true;

    event Deployed(address consensus, address coordinator, address token);

    function run() external returns (address consensus, address coordinator, address token) {
        VM.startBroadcast();
        IAndeConsensus deployed = IAndeConsensus(address(new AndeConsensus()));
        ConsensusConfig memory defaults = deployed.config();
        ConsensusConfig memory config = _fromEnvironment(deployed.config());
        if (keccak256(abi.encode(config)) != keccak256(abi.encode(defaults))) deployed.configure(config);
        consensus = address(deployed);
        coordinator = address(new AndeSequencerCoordinator(consensus));
        deployed.setCoordinator(coordinator);
        token = deployed.stakeToken();
        VM.stopBroadcast();
        emit Deployed(consensus, coordinator, token);
    }

    function _fromEnvironment(ConsensusConfig memory c) private view returns (ConsensusConfig memory) {
        c.l2ChainId = uint64(VM.envOr("ANDE_L2_CHAIN_ID", uint256(c.l2ChainId)));
        c.l2GenesisHash = VM.envOr("ANDE_L2_GENESIS_HASH", c.l2GenesisHash);
        c.rotationInterval = uint32(VM.envOr("ANDE_ROTATION_INTERVAL", uint256(c.rotationInterval)));
        c.windowsPerEpoch = uint32(VM.envOr("ANDE_WINDOWS_PER_EPOCH", uint256(c.windowsPerEpoch)));
        c.timeoutBlocks = uint16(VM.envOr("ANDE_TIMEOUT_BLOCKS", uint256(c.timeoutBlocks)));
        bool weighted = VM.envOr("ANDE_SCHEDULE_WEIGHTED", c.mode == ScheduleMode.Weighted);
        c.mode = weighted ? ScheduleMode.Weighted : ScheduleMode.RoundRobin;
        c.minValidators = uint16(VM.envOr("ANDE_MIN_VALIDATORS", uint256(c.minValidators)));
        c.maxValidators = uint16(VM.envOr("ANDE_MAX_VALIDATORS", uint256(c.maxValidators)));
        c.minStake = uint96(VM.envOr("ANDE_MIN_STAKE", uint256(c.minStake)));
        c.maxWeightBps = uint16(VM.envOr("ANDE_MAX_WEIGHT_BPS", uint256(c.maxWeightBps)));
        c.autoLaunch = VM.envOr("ANDE_AUTO_LAUNCH", c.autoLaunch);
        return c;
    }
}
