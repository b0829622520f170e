// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAndeGovernance} from "../interfaces/IAndeGovernance.sol";
import {IAndeSequencerCoordinator} from "../interfaces/IAndeSequencerCoordinator.sol";
import {CodeStoreLib} from "../libraries/CodeStoreLib.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {CoordinatorMismatch, ParamOutOfBounds, TooEarly, Unauthorized} from "./AndeErrors.sol";
import {BatchTip, ConsensusConfig, RegistryState} from "./AndeTypes.sol";
import {ConfigStore} from "./ConfigStore.sol";

/// @title Governance
/// @notice What owner and guardian can do after the launch. Every power has a bound or a delay that lets validators leave.
abstract contract Governance is ConfigStore, IAndeGovernance {
    uint256 internal constant PAUSE_LENGTH = 3 days;
    uint256 internal constant PAUSE_REST = 7 days;
    /// @dev Time between the last claim of those who left because of a proposal and the take-over.
    uint256 internal constant COORDINATOR_MARGIN = 3 days;

    /// @dev The denominator is the next word.
    uint256 private constant QUORUM_NUM_WORD = 10;

    /// @inheritdoc IAndeGovernance
    function setParam(bytes32 key, uint256 value) external onlyOwner whenLaunchedOnce {
        uint256 index = _paramIndex(key);
        RegistryState memory registry = _loadRegistry();
        address ptr = registry.configPending ? _pendingConfigPtr : _configPtr;
        uint256[] memory words = CodeStoreLib.words(ptr, ConfigLib.WORDS);
        uint256 old = words[index];
        // Both parts at once: no epoch must be frozen with a fraction in between.
        if (index == QUORUM_NUM_WORD) {
            require(value >> 32 == 0, ParamOutOfBounds(key, 0, type(uint32).max));
            old = (old << 16) | words[index + 1];
            words[index] = value >> 16;
            words[index + 1] = uint16(value);
        } else {
            words[index] = value;
        }
        // Stake that leaves is locked as long as was promised when its duties began.
        if (index == ConfigLib.UNBONDING_WORD) {
            require(value >= old, ParamOutOfBounds(key, old, ConfigLib.MAX_UNBONDING));
        }
        ConsensusConfig memory config;
        assembly ("memory-safe") {
            config := add(words, 0x20)
        }
        // A value that is too wide for its field would be cut.
        bytes memory encoded = abi.encode(config);
        require(keccak256(encoded) == keccak256(abi.encodePacked(words)), ParamOutOfBounds(key, 0, 0));
        ConfigLib.check(config, _floors());
        _pendingConfigPtr = CodeStoreLib.write(encoded);
        registry.configPending = true;
        registry.setDirty = true;
        _storeRegistry(registry);
        emit ParamUpdated(key, old, value, uint64(_live.lastFrozenEpoch) + 1);
    }

    /// @inheritdoc IAndeGovernance
    function proposeCoordinator(address coordinator_) external onlyOwner whenLaunchedOnce {
        bool matches =
            coordinator_.code.length != 0 && IAndeSequencerCoordinator(coordinator_).consensus() == address(this);
        require(matches, CoordinatorMismatch(coordinator_));
        uint256 delay = CodeStoreLib.wordAt(_configPtr, ConfigLib.UNBONDING_WORD) + COORDINATOR_MARGIN;
        uint64 readyAt = uint64(block.timestamp + delay);
        _pendingCoordinator = coordinator_;
        _coordinatorReadyAt = readyAt;
        _coordinatorEpoch = _live.lastFrozenEpoch;
        _coordinatorEra = _live.era;
        emit CoordinatorProposed(coordinator_, readyAt);
    }

    /// @inheritdoc IAndeGovernance
    function acceptCoordinator() external onlyOwner {
        address next = _pendingCoordinator;
        require(next != address(0), CoordinatorMismatch(next));
        uint256 readyAt = _readyAt();
        require(readyAt != 0 && block.timestamp >= readyAt, TooEarly(readyAt));
        IAndeSequencerCoordinator present = IAndeSequencerCoordinator(_live.coordinator);
        BatchTip memory tip = present.tip();
        bool continues = keccak256(abi.encode(tip)) == keccak256(abi.encode(IAndeSequencerCoordinator(next).tip()))
            && present.batchHash(tip.batchIndex) == IAndeSequencerCoordinator(next).batchHash(tip.batchIndex)
            && present.lastTerm() == IAndeSequencerCoordinator(next).lastTerm();
        require(continues, CoordinatorMismatch(next));
        _pendingCoordinator = address(0);
        _live.coordinator = next;
        emit CoordinatorSet(next);
    }

    /// @inheritdoc IAndeGovernance
    function pendingCoordinator() external view returns (address, uint256) {
        return (_pendingCoordinator, _pendingCoordinator == address(0) ? 0 : _readyAt());
    }

    /// @inheritdoc IAndeGovernance
    function setGuardian(address guardian_) external onlyOwner {
        _guardian = guardian_;
        emit GuardianSet(guardian_);
    }

    /// @inheritdoc IAndeGovernance
    function pause(uint8 mask) external {
        require(msg.sender == _guardian, Unauthorized(msg.sender));
        uint256 all = PAUSE_REGISTER | PAUSE_SUBMIT;
        require(mask != 0 && mask <= all, ParamOutOfBounds("mask", 1, all));
        uint256 last = _pausedUntil;
        require(last == 0 || block.timestamp >= last + PAUSE_REST, TooEarly(last + PAUSE_REST));
        uint64 until = uint64(block.timestamp + PAUSE_LENGTH);
        _pausedUntil = until;
        _live.flags = (_live.flags & LAUNCHED) | (mask << PAUSE_SHIFT);
        emit Paused(mask, until);
    }

    /// @inheritdoc IAndeGovernance
    function unpause(uint8 mask) external {
        require(msg.sender == _guardian || msg.sender == owner(), Unauthorized(msg.sender));
        uint8 flags = _live.flags & ~uint8((mask & (PAUSE_REGISTER | PAUSE_SUBMIT)) << PAUSE_SHIFT);
        _live.flags = flags;
        if (flags >> PAUSE_SHIFT == 0 && block.timestamp < _pausedUntil) _pausedUntil = uint64(block.timestamp);
        emit Unpaused(mask);
    }

    /// @inheritdoc IAndeGovernance
    function guardian() external view returns (address) {
        return _guardian;
    }

    /// @inheritdoc IAndeGovernance
    function paused() external view returns (uint8 mask, uint64 until) {
        until = _pausedUntil;
        if (block.timestamp < until) mask = _live.flags >> PAUSE_SHIFT;
    }

    /// @dev Bounds of the deployment profile.
    function _floors() internal view virtual returns (ConfigLib.Floors memory);

    /// @dev Not before everyone who left at the time of the proposal could claim.
    function _readyAt() private view returns (uint256) {
        uint256 end = _dutyEnd(_coordinatorEpoch, _coordinatorEra);
        if (end == 0) return 0;
        uint256 left = end + CodeStoreLib.wordAt(_configPtr, ConfigLib.UNBONDING_WORD) + COORDINATOR_MARGIN;
        return left > _coordinatorReadyAt ? left : _coordinatorReadyAt;
    }

    /// @dev Word of a parameter that can be changed after the launch.
    function _paramIndex(bytes32 key) private pure returns (uint256) {
        if (key == "timeoutBlocks") return 4;
        if (key == "minValidators") return 6;
        if (key == "maxValidators") return 7;
        if (key == "minStake") return 8;
        if (key == "maxWeightBps") return 9;
        if (key == "quorum") return QUORUM_NUM_WORD;
        if (key == "evidenceWindow") return 14;
        if (key == "unbondingDelay") return ConfigLib.UNBONDING_WORD;
        if (key == "haltTimeout") return ConfigLib.HALT_TIMEOUT_WORD;
        if (key == "jailDuration") return ConfigLib.JAIL_DURATION_WORD;
        if (key == "baseSlashBps") return ConfigLib.BASE_SLASH_WORD;
        if (key == "correlationFactor") return 19;
        if (key == "reporterShareBps") return ConfigLib.REPORTER_SHARE_WORD;
        if (key == "downtimeSlashBps2") return ConfigLib.DOWNTIME_SLASH_2_WORD;
        if (key == "downtimeSlashBps3") return ConfigLib.DOWNTIME_SLASH_3_WORD;
        if (key == "slashSink") return ConfigLib.SLASH_SINK_WORD;
        revert ParamOutOfBounds(key, 1, 0);
    }
}
