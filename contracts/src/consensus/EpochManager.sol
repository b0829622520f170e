// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAndeConsensusCore} from "../interfaces/IAndeConsensusCore.sol";
import {BatchLib} from "../libraries/BatchLib.sol";
import {ScheduleLib} from "../libraries/ScheduleLib.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {
    AlreadyLaunched,
    EpochAlreadyFrozen,
    EpochNotOpen,
    NotLaunched,
    ParamOutOfBounds,
    PausedFor,
    Unauthorized
} from "./AndeErrors.sol";
import {EpochSet, LiveState, QuorumContext} from "./AndeTypes.sol";
import {ScheduleReader} from "./ScheduleReader.sol";
import {SetFreezer} from "./SetFreezer.sol";

/// @title EpochManager
/// @notice Launch, frozen sets, the seed chain, and what each accepted batch changes.
/// @dev The set of epoch e + 2 is frozen once a batch of epoch e was accepted and never changes afterwards.
abstract contract EpochManager is ScheduleReader, SetFreezer, IAndeConsensusCore {
    uint256 private immutable CACHED_CHAIN_ID = block.chainid;
    bytes32 private immutable CACHED_SEPARATOR = TypedDataLib.domainSeparator(address(this));

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
        uint64 last = _live.lastFrozenEpoch;
        require(epoch > last, EpochAlreadyFrozen(epoch));
        bool opened = epoch == last + 1 && epoch < _live.epochsOpened + FREEZE_LOOKAHEAD;
        require(opened, EpochNotOpen(epoch - FREEZE_LOOKAHEAD));
        return _freeze(epoch);
    }

    /// @inheritdoc IAndeConsensusCore
    function onBatch(uint64 epoch, uint64 prevTerm, uint64 term, bytes calldata skips)
        external
        returns (QuorumContext memory context, uint32 leaderId, address leader)
    {
        LiveState memory live = _loadLive();
        if (live.flags != LAUNCHED) {
            _requireNotPaused(live.flags);
            // After the pause later batches need not look at it.
            if (block.timestamp >= _pausedUntil) _live.flags = LAUNCHED;
        }
        require(msg.sender == live.coordinator, Unauthorized(msg.sender));
        EpochSet memory set = _epochSet(epoch);
        (ScheduleLib.Schedule memory schedule, uint256 rules) = _schedule(epoch, set);
        _fillContext(context, live.era, set, rules);
        _openEpoch(live, epoch);
        if (term != prevTerm) {
            if (skips.length != 0) _recordSkips(schedule, epoch, prevTerm, skips);
            uint256 index = ScheduleLib.indexAt(schedule, BatchLib.windowOfTerm(term), BatchLib.skipOfTerm(term));
            leaderId = ValidatorSetLib.idOf(schedule.members[index]);
            leader = ValidatorSetLib.signerOf(schedule.members[index]);
        }
    }

    /// @inheritdoc IAndeConsensusCore
    function onEscape(uint64 epoch) external returns (uint32 newEra) {
        LiveState memory live = _loadLive();
        require(msg.sender == live.coordinator, Unauthorized(msg.sender));
        newEra = live.era + 1;
        _live.era = uint24(newEra);
        emit EraChanged(newEra);
        if (live.flags & LAUNCHED != 0) {
            _epochSet(epoch);
            _openEpoch(live, epoch);
        }
    }

    /// @inheritdoc IAndeConsensusCore
    function quorumContext(uint64 epoch) external view whenLaunched returns (QuorumContext memory context) {
        EpochSet memory set = _epochSet(epoch);
        _fillContext(context, _live.era, set, ValidatorSetLib.loadRules(set.ptr, set.size));
    }

    /// @inheritdoc IAndeConsensusCore
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator();
    }

    /// @dev Reverts unless launched and batches are not paused.
    function _requireNotPaused(uint8 flags) private view {
        require(flags & LAUNCHED != 0, NotLaunched());
        bool paused = (flags >> PAUSE_SHIFT) & PAUSE_SUBMIT != 0 && block.timestamp < _pausedUntil;
        require(!paused, PausedFor(PAUSE_SUBMIT, _pausedUntil));
    }

    /// @dev Only in this contract's own code: the extension has another address. A fork of the settlement chain
    ///      changes the chain id and with it the domain.
    function _cachedSeparator() private view returns (bytes32) {
        return block.chainid == CACHED_CHAIN_ID ? CACHED_SEPARATOR : _domainSeparator();
    }

    /// @dev Freezes the first two epochs from the candidates.
    function _launch() internal {
        require(!_wasLaunched(), AlreadyLaunched());
        _live.flags |= LAUNCHED;
        _launchedAt = uint64(block.timestamp);
        uint32 setId = _freeze(0);
        _freeze(1);
        emit Launched(_live.era, 0, setId);
    }

    /// @dev The first batch of an epoch closes the one before; small sets are frozen on the way.
    function _openEpoch(LiveState memory live, uint64 epoch) private {
        uint64 opened = live.epochsOpened;
        if (epoch >= opened) {
            if (opened != 0) {
                _epochRecords[opened - 1].closedAt = uint64(block.timestamp);
                emit EpochClosed(opened - 1, uint64(block.timestamp));
            }
            _live.epochsOpened = uint32(epoch + 1);
        }
        uint64 frozen = live.lastFrozenEpoch;
        if (frozen < epoch + FREEZE_LOOKAHEAD) {
            uint256 candidates = _active.length;
            // Without candidates the chain ends with the last frozen epoch; its batches must still pass.
            if (candidates != 0 && candidates <= AUTO_FREEZE_MAX) _freeze(frozen + 1);
        }
    }

    function _fillContext(QuorumContext memory context, uint32 era_, EpochSet memory set, uint256 rules) private view {
        context.domainSeparator = _cachedSeparator();
        context.era = era_;
        context.setPtr = set.ptr;
        context.size = set.size;
        context.totalWeight = set.totalWeight;
        context.verifier = ValidatorSetLib.verifierOf(rules);
        (context.quorumNum, context.quorumDen) = ValidatorSetLib.quorumOf(rules);
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
