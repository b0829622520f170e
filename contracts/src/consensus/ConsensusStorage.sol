// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IAndeConsensusEvents} from "../interfaces/IAndeConsensusEvents.sol";
import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {EpochNotFrozen, NotLaunched, Unauthorized, UnknownValidator} from "./AndeErrors.sol";
import {
    EpochRecord,
    EpochSet,
    HotConfig,
    LiveState,
    RegistryState,
    Roles,
    Validator,
    ValidatorStatus,
    VoidedSet
} from "./AndeTypes.sol";

/// @title ConsensusStorage
/// @notice Storage of the consensus contract, shared by the contract, its extension and its duties.
/// @dev All three run on the same storage, so all state variables are declared here and nowhere else, and nothing here
///      may depend on an immutable. The contracts are not upgradeable.
abstract contract ConsensusStorage is IAndeConsensusEvents, Ownable2Step, ReentrancyGuardTransient {
    /// @dev One token; weights are counted in it.
    uint256 internal constant WEIGHT_UNIT = 1e18;
    /// @dev Sets up to this size are frozen by the batch that opens an epoch; larger ones by a keeper.
    uint256 internal constant AUTO_FREEZE_MAX = 16;
    /// @dev An epoch's set is frozen this many epochs ahead.
    uint64 internal constant FREEZE_LOOKAHEAD = 2;

    /// @dev LiveState.flags: the lowest bit, and where the guardian's mask starts.
    uint8 internal constant LAUNCHED = 1;
    uint8 internal constant PAUSE_SHIFT = 1;
    /// @dev What the guardian can pause.
    uint8 internal constant PAUSE_REGISTER = 1;
    uint8 internal constant PAUSE_SUBMIT = 2;

    /// @dev Last duty epoch of a validator that left before the launch.
    uint32 internal constant NO_DUTY = type(uint32).max;

    LiveState internal _live;
    RegistryState private _registry;
    HotConfig internal _hot;
    /// @dev Code that holds the ABI encoding of the whole configuration.
    address internal _configPtr;
    /// @dev Candidates for the next set: words of ValidatorSetLib with own weights.
    uint256[] internal _active;
    mapping(uint32 id => Validator) internal _validators;
    mapping(address account => Roles) internal _roles;
    mapping(uint64 epoch => EpochSet) internal _epochSets;
    mapping(uint64 epoch => bytes32) internal _seeds;
    mapping(uint64 epoch => EpochRecord) internal _epochRecords;
    mapping(uint64 epoch => mapping(uint32 id => uint32)) internal _missed;
    mapping(address owner => uint256) internal _nonces;
    mapping(address owner => bool) internal _allowed;

    IERC20 internal _token;
    IQuorumVerifier internal _verifier;

    /// @dev Code of exits, slashing, downtime and halts; set once, with the first coordinator.
    address internal _duties;
    /// @dev Slashed stake that was not yet sent to the sink. Shares the slot of _duties, which every slash reads.
    uint96 internal _sinkOwed;
    address internal _pendingCoordinator;
    /// @dev Earliest time of the replacement.
    uint64 internal _coordinatorReadyAt;
    /// @dev Last epoch that was frozen when the coordinator was proposed, and the era then.
    uint32 internal _coordinatorEpoch;
    uint24 internal _coordinatorEra;
    address internal _guardian;
    /// @dev End of the pause, or the time it was lifted.
    uint64 internal _pausedUntil;
    /// @dev Parameters that wait for the next frozen epoch.
    address internal _pendingConfigPtr;
    /// @dev Time of the launch or the last relaunch.
    uint64 internal _launchedAt;
    /// @dev First epoch since the launch or the last relaunch.
    uint32 internal _firstEpoch;
    mapping(uint64 epoch => mapping(uint32 voidedBy => VoidedSet)) internal _voidedSets;

    constructor(address owner_) Ownable(owner_) {}

    modifier whenLaunched() {
        _requireLaunched();
        _;
    }

    modifier whenLaunchedOnce() {
        require(_wasLaunched(), NotLaunched());
        _;
    }

    function _requireLaunched() internal view {
        require(_isLaunched(), NotLaunched());
    }

    /// @dev False before the launch and from a halt to the relaunch.
    function _isLaunched() internal view returns (bool) {
        return _live.flags & LAUNCHED != 0;
    }

    /// @dev True for ever after the launch, which freezes two epochs.
    function _wasLaunched() internal view returns (bool) {
        return _live.lastFrozenEpoch != 0;
    }

    /// @dev Computed each time: right after a fork of the settlement chain, and the same from core and extension.
    function _domainSeparator() internal view returns (bytes32) {
        return TypedDataLib.domainSeparator(address(this));
    }

    // Whole-struct copies are large in code, so each exists once.

    function _loadRegistry() internal view returns (RegistryState memory) {
        return _registry;
    }

    function _storeRegistry(RegistryState memory registry) internal {
        _registry = registry;
    }

    function _candidates() internal view returns (uint256[] memory) {
        return _active;
    }

    /// @dev The set of a frozen epoch. One load and shifts: solc would load the slot once per field.
    function _epochSet(uint64 epoch) internal view returns (EpochSet memory set) {
        EpochSet storage stored = _epochSets[epoch];
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        require(word != 0, EpochNotFrozen(epoch));
        set.ptr = address(uint160(word));
        set.setId = uint32(word >> 160);
        set.size = uint16(word >> 192);
        set.totalWeight = uint48(word >> 208);
    }

    /// @dev The live state, in the same way.
    function _loadLive() internal view returns (LiveState memory live) {
        LiveState storage stored = _live;
        uint256 word;
        assembly ("memory-safe") {
            word := sload(stored.slot)
        }
        live.coordinator = address(uint160(word));
        live.era = uint24(word >> 160);
        live.flags = uint8(word >> 184);
        live.epochsOpened = uint32(word >> 192);
        live.lastFrozenEpoch = uint32(word >> 224);
    }

    function _knownValidator(uint32 id) internal view returns (Validator storage validator) {
        validator = _validators[id];
        require(validator.status != ValidatorStatus.None, UnknownValidator(id));
    }

    function _ownedValidator(uint32 id) internal view returns (Validator storage validator) {
        validator = _knownValidator(id);
        require(validator.owner == msg.sender, Unauthorized(msg.sender));
    }

    /// @dev Whole tokens of a stake, saturating.
    function _weightOf(uint256 stake) internal pure returns (uint64) {
        uint256 weight = stake / WEIGHT_UNIT;
        return weight > type(uint64).max ? type(uint64).max : uint64(weight);
    }

    function _epochLength() internal view returns (uint64) {
        return uint64(_hot.rotationInterval) * _hot.windowsPerEpoch;
    }

    function _currentEpoch() internal view returns (uint64) {
        uint64 opened = _live.epochsOpened;
        uint64 last = opened == 0 ? 0 : opened - 1;
        uint64 first = _firstEpoch;
        return last < first ? first : last;
    }

    /// @dev Set that serves `epoch` for messages of `era`, and when its duty ended (0: not yet).
    function _setOf(uint64 epoch, uint32 era) internal view returns (EpochSet memory set, uint256 closedAt) {
        EpochRecord storage record = _epochRecords[epoch];
        uint32 voidedBy = record.voidedBy;
        if (era >= voidedBy) return (_epochSet(epoch), record.closedAt);
        VoidedSet memory voided = _voidedSet(epoch, era, voidedBy);
        return (voided.set, voided.closedAt);
    }

    /// @dev As long as the number of halts that met this epoch.
    function _voidedSet(uint64 epoch, uint32 era, uint32 voidedBy) private view returns (VoidedSet memory voided) {
        voided = _voidedSets[epoch][voidedBy];
        while (era < voided.since) voided = _voidedSets[epoch][voided.since];
    }

    /// @dev When a duty that ends with `epoch`, as it was frozen in `era`, is over; 0 when it is not.
    function _dutyEnd(uint32 epoch, uint32 era) internal view returns (uint256) {
        if (epoch == NO_DUTY) return 1;
        EpochRecord storage record = _epochRecords[epoch];
        uint32 voidedBy = record.voidedBy;
        return era >= voidedBy ? record.closedAt : _voidedSet(epoch, era, voidedBy).closedAt;
    }

    /// @dev Time from which the stake of a leaving validator can be claimed; 0 when it is not known.
    function _unlockTime(Validator storage validator) internal view returns (uint256) {
        ValidatorStatus status = validator.status;
        if (status != ValidatorStatus.Exiting && status != ValidatorStatus.Tombstoned) return 0;
        uint256 end = _dutyEnd(validator.lastDutyEpoch, validator.dutyEra);
        return end == 0 ? 0 : end + validator.unbondingDelay;
    }
}
