// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAndeSequencerCoordinator} from "../interfaces/IAndeSequencerCoordinator.sol";
import {IAndeSlashing} from "../interfaces/IAndeSlashing.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {AlreadyLaunched, NotLaunched, ParamOutOfBounds, TooEarly} from "./AndeErrors.sol";
import {BatchTip, EpochRecord, EpochSet, LiveState, RegistryState, VoidedSet} from "./AndeTypes.sol";
import {SetFreezer} from "./SetFreezer.sol";

/// @title EraManager
/// @notice What happens when the chain stops: a halt ends all duties, a relaunch starts with fresh sets.
/// @dev The era is part of every signed message. Sets that a halt makes void are kept for evidence and unbonding; the
///      keys in them can never certify a batch again.
abstract contract EraManager is SetFreezer, IAndeSlashing {
    /// @inheritdoc IAndeSlashing
    function declareHalt() external {
        LiveState memory live = _loadLive();
        require(live.flags & LAUNCHED != 0, NotLaunched());
        // This code comes with the first coordinator, so there is one.
        BatchTip memory tip = IAndeSequencerCoordinator(live.coordinator).tip();
        uint256 since = tip.acceptedAt > _launchedAt ? tip.acceptedAt : _launchedAt;
        uint256 due = since + _configWord(ConfigLib.HALT_TIMEOUT_WORD);
        require(block.timestamp >= due, TooEarly(due));

        uint32 newEra = live.era + 1;
        uint64 nextEpoch = _epochAfter(tip.endHeight);
        for (uint64 epoch = live.epochsOpened == 0 ? 0 : live.epochsOpened - 1; epoch <= live.lastFrozenEpoch; ++epoch) {
            if (epoch < nextEpoch) _close(epoch);
            else _void(epoch, newEra);
        }
        _live.era = uint24(newEra);
        _live.flags = live.flags & ~LAUNCHED;
        emit Halted(newEra, tip.endHeight);
    }

    /// @inheritdoc IAndeSlashing
    function relaunch() external {
        LiveState memory live = _loadLive();
        require(live.lastFrozenEpoch != 0, NotLaunched());
        require(live.flags & LAUNCHED == 0, AlreadyLaunched());
        RegistryState memory registry = _loadRegistry();
        if (registry.configPending) {
            registry.configPending = false;
            _applyConfig();
        }
        uint256 candidates = _active.length;
        require(candidates >= _hot.minValidators, ParamOutOfBounds("minValidators", _hot.minValidators, candidates));
        registry.setDirty = true;
        // Only tells ids of sets apart; it must not run out.
        unchecked {
            ++registry.generation;
        }
        _storeRegistry(registry);

        uint64 first = _epochAfter(IAndeSequencerCoordinator(live.coordinator).tip().endHeight);
        _firstEpoch = uint32(first);
        _launchedAt = uint64(block.timestamp);
        _live.flags = live.flags | LAUNCHED;
        uint32 setId = _freeze(first);
        _freeze(first + 1);
        emit Launched(live.era, first, setId);
    }

    /// @dev Epoch of the height after `height`.
    function _epochAfter(uint64 height) private view returns (uint64) {
        return (height + 1) / _epochLength();
    }

    /// @dev All heights of the epoch are in batches: it ends like any other, only without a batch of the next one.
    function _close(uint64 epoch) private {
        EpochRecord storage record = _epochRecords[epoch];
        if (record.closedAt != 0) return;
        record.closedAt = uint64(block.timestamp);
        emit EpochClosed(epoch, uint64(block.timestamp));
    }

    function _void(uint64 epoch, uint32 newEra) private {
        EpochSet memory set = _epochSets[epoch];
        if (set.setId == 0) return;
        EpochRecord storage record = _epochRecords[epoch];
        _voidedSets[epoch][newEra] = VoidedSet({set: set, closedAt: uint64(block.timestamp), since: record.voidedBy});
        record.voidedBy = newEra;
        delete _epochSets[epoch];
        delete _seeds[epoch];
    }
}
