// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IAndeConsensusEvents} from "../interfaces/IAndeConsensusEvents.sol";
import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {EpochNotFrozen, NotLaunched, UnknownValidator} from "./AndeErrors.sol";
import {
    EpochRecord,
    EpochSet,
    HotConfig,
    LiveState,
    RegistryState,
    Roles,
    Validator,
    ValidatorStatus
} from "./AndeTypes.sol";

/// @title ConsensusStorage
/// @notice Storage of the consensus contract for the whole design, shared by the contract and its extension.
/// @dev Core and extension run on the same storage, so all state variables are declared here and nowhere else, and
///      nothing here may depend on an immutable. The contracts are not upgradeable; variables marked "reserved" belong to exits, slashing and governance and
///      are laid out so that adding those parts does not change the cost model of this one.
abstract contract ConsensusStorage is IAndeConsensusEvents, Ownable2Step, ReentrancyGuardTransient {
    /// @dev One token; weights are counted in it.
    uint256 internal constant WEIGHT_UNIT = 1e18;
    /// @dev Sets up to this size are frozen by the batch that opens an epoch; larger ones by a keeper.
    uint256 internal constant AUTO_FREEZE_MAX = 16;
    /// @dev An epoch's set is frozen this many epochs ahead.
    uint64 internal constant FREEZE_LOOKAHEAD = 2;

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

    /// @dev Reserved: slashed stake not yet sent to the sink.
    uint128 internal _sinkOwed;
    /// @dev Reserved: coordinator replacement with delay.
    address internal _pendingCoordinator;
    uint64 internal _coordinatorReadyAt;
    /// @dev Reserved: guardian pause.
    address internal _guardian;
    uint8 internal _pausedMask;
    uint64 internal _pausedUntil;
    /// @dev Reserved: parameter changes that wait for the next frozen epoch.
    address internal _pendingConfigPtr;
    uint64 internal _pendingConfigFrom;
    /// @dev Reserved: weight slashed for equivocation per epoch.
    mapping(uint64 epoch => uint256) internal _slashedWeight;

    constructor(address owner_) Ownable(owner_) {}

    modifier whenLaunched() {
        _requireLaunched();
        _;
    }

    function _requireLaunched() internal view {
        require(_live.launched, NotLaunched());
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
        live.launched = uint8(word >> 184) != 0;
        live.epochsOpened = uint32(word >> 192);
        live.lastFrozenEpoch = uint32(word >> 224);
    }

    function _knownValidator(uint32 id) internal view returns (Validator storage validator) {
        validator = _validators[id];
        require(validator.status != ValidatorStatus.None, UnknownValidator(id));
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
        return opened == 0 ? 0 : opened - 1;
    }
}
