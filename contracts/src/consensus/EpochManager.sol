// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAndeConsensusCore} from "../interfaces/IAndeConsensusCore.sol";
import {BatchLib} from "../libraries/BatchLib.sol";
import {ScheduleLib} from "../libraries/ScheduleLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {
    AlreadyLaunched,
    EpochAlreadyFrozen,
    EpochNotOpen,
    InsufficientStake,
    ParamOutOfBounds,
    Unauthorized
} from "./AndeErrors.sol";
import {EpochSet, Globals, QuorumContext} from "./AndeTypes.sol";
import {ScheduleReader} from "./ScheduleReader.sol";

/// @title EpochManager
/// @notice Launch, frozen sets, the seed chain, and what each accepted batch changes.
/// @dev The set of epoch e + 2 is frozen once a batch of epoch e was accepted and never changes afterwards.
abstract contract EpochManager is ScheduleReader, IAndeConsensusCore {
    /// @dev At most this many proposers are recorded per skipped window: a longer outage is a fault of the network,
    ///      and the work of a batch stays bounded.
    uint256 internal constant MAX_RECORDED_SKIPS = 8;

    /// @inheritdoc IAndeConsensusCore
    function launch() external onlyOwner {
        uint256 candidates = _active.length;
        require(candidates >= _hot.minValidators, ParamOutOfBounds("minValidators", _hot.minValidators, candidates));
        _launch();
    }

    /// @inheritdoc IAndeConsensusCore
    function freezeEpoch(uint64 epoch) external whenLaunched returns (uint32 setId) {
        Globals memory globals = _loadGlobals();
        require(epoch > globals.lastFrozenEpoch, EpochAlreadyFrozen(epoch));
        bool opened = epoch == globals.lastFrozenEpoch + 1 && epoch < globals.epochsOpened + FREEZE_LOOKAHEAD;
        require(opened, EpochNotOpen(epoch - FREEZE_LOOKAHEAD));
        setId = _freeze(globals, epoch);
        _storeGlobals(globals);
    }

    /// @inheritdoc IAndeConsensusCore
    function onBatch(uint64 epoch, uint64 prevTerm, uint64 term, bytes calldata skips)
        external
        whenLaunched
        returns (uint32 leaderId, address leader)
    {
        require(msg.sender == _coordinator, Unauthorized(msg.sender));
        _openEpoch(epoch);
        if (term == prevTerm) return (0, address(0));

        ScheduleLib.Schedule memory schedule = _schedule(epoch);
        if (skips.length != 0) _recordSkips(schedule, epoch, prevTerm, skips);
        uint256 index = ScheduleLib.indexAt(schedule, BatchLib.windowOfTerm(term), BatchLib.skipOfTerm(term));
        uint256 word = schedule.members[index];
        return (ValidatorSetLib.idOf(word), ValidatorSetLib.signerOf(word));
    }

    /// @inheritdoc IAndeConsensusCore
    function quorumContext(uint64 epoch) external view whenLaunched returns (QuorumContext memory context) {
        EpochSet memory set = _epochSet(epoch);
        context.domainSeparator = _domainSeparator();
        context.era = _loadGlobals().era;
        context.setPtr = set.ptr;
        context.size = set.size;
        context.totalWeight = set.totalWeight;
        uint256 rules = ValidatorSetLib.loadRules(set.ptr, set.size);
        (context.verifier, context.quorumNum, context.quorumDen) = ValidatorSetLib.unpackRules(rules);
    }

    /// @inheritdoc IAndeConsensusCore
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator();
    }

    /// @dev Freezes the first two epochs from the candidates.
    function _launch() internal {
        Globals memory globals = _loadGlobals();
        require(!globals.launched, AlreadyLaunched());
        globals.launched = true;
        globals.setDirty = true;
        uint32 setId = _freeze(globals, 0);
        _freeze(globals, 1);
        _storeGlobals(globals);
        emit Launched(globals.era, 0, setId);
    }

    /// @dev Freezes `epoch`; an unchanged set keeps its id. Updates `globals` in memory, the caller stores it.
    function _freeze(Globals memory globals, uint64 epoch) internal returns (uint32) {
        EpochSet memory set;
        if (globals.setDirty) {
            set = _storeSet(uint32(epoch + 1));
            globals.setDirty = false;
        } else {
            set = _epochSet(epoch - 1);
        }
        bytes32 seed = keccak256(abi.encode(epoch == 0 ? bytes32(0) : _seeds[epoch - 1], epoch, set.setId));
        _epochSets[epoch] = set;
        _seeds[epoch] = seed;
        globals.lastFrozenEpoch = epoch;
        emit EpochFrozen(epoch, set.setId, set.size, set.totalWeight, seed);
        return set.setId;
    }

    function _storeSet(uint32 setId) private returns (EpochSet memory set) {
        uint256[] memory words = _candidates();
        // No rule removes the last candidate; an empty set could never sign.
        require(words.length != 0, InsufficientStake(0, 1));
        ValidatorSetLib.sortById(words);
        // The cap is pointless below four members: someone must have more than a third.
        uint64 total = ValidatorSetLib.accumulate(words, words.length >= 4 ? _hot.maxWeightBps : 0);
        uint256 rules = ValidatorSetLib.packRules(address(_verifier), _hot.quorumNum, _hot.quorumDen);
        set = EpochSet({
            ptr: ValidatorSetLib.store(words, rules),
            setId: setId,
            size: uint16(words.length),
            totalWeight: uint48(total)
        });
        emit ValidatorSetStored(setId, set.ptr);
    }

    /// @dev The first batch of an epoch closes the one before; small sets are frozen on the way.
    function _openEpoch(uint64 epoch) private {
        Globals memory globals = _loadGlobals();
        bool changed = false;
        if (epoch >= globals.epochsOpened) {
            if (globals.epochsOpened != 0) {
                uint64 closed = globals.epochsOpened - 1;
                _epochRecords[closed].closedAt = uint64(block.timestamp);
                emit EpochClosed(closed, uint64(block.timestamp));
            }
            globals.epochsOpened = epoch + 1;
            changed = true;
        }
        if (globals.lastFrozenEpoch < epoch + FREEZE_LOOKAHEAD && _active.length <= AUTO_FREEZE_MAX) {
            _freeze(globals, globals.lastFrozenEpoch + 1);
            changed = true;
        }
        if (changed) _storeGlobals(globals);
    }

    /// @dev Who missed a window is computed from the schedule, nobody names them. A window that the previous batch
    ///      already reported is continued after that batch's skip.
    function _recordSkips(ScheduleLib.Schedule memory schedule, uint64 epoch, uint64 prevTerm, bytes calldata skips)
        private
    {
        uint256 count = skips.length / BatchLib.SKIP_RECORD_BYTES;
        uint32 newlySkipped = 0;
        for (uint256 i = 0; i < count; ++i) {
            (uint64 window, uint32 finalSkip) = BatchLib.skipRecord(skips, i);
            uint256 from = window == BatchLib.windowOfTerm(prevTerm) ? BatchLib.skipOfTerm(prevTerm) : 0;
            if (from == 0) ++newlySkipped;
            uint256 upTo = from + MAX_RECORDED_SKIPS;
            if (upTo > finalSkip) upTo = finalSkip;
            // After n skips the schedule comes round to members that are recorded already.
            if (upTo > schedule.members.length) upTo = schedule.members.length;
            for (uint256 skip = from; skip < upTo; ++skip) {
                uint256 index = ScheduleLib.indexAt(schedule, window, skip);
                uint32 id = ValidatorSetLib.idOf(schedule.members[index]);
                ++_missed[epoch][id];
                emit WindowSkipped(window, id, uint32(skip));
            }
        }
        if (newlySkipped != 0) _epochRecords[epoch].skippedWindows += newlySkipped;
    }
}
