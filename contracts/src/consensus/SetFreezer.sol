// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {InsufficientStake} from "./AndeErrors.sol";
import {EpochSet, RegistryState, SetRules} from "./AndeTypes.sol";
import {CandidateList} from "./CandidateList.sol";
import {ConfigStore} from "./ConfigStore.sol";

/// @title SetFreezer
/// @notice Makes the candidates the set of an epoch. Changed parameters become effective on the way.
abstract contract SetFreezer is CandidateList, ConfigStore {
    /// @dev A set id is 1 + the first epoch that uses the set, with the number of relaunches above it.
    uint32 internal constant GENERATION_SHIFT = 24;

    /// @dev Freezes `epoch`, the one after the last frozen epoch; an unchanged set keeps its id.
    function _freeze(uint64 epoch) internal returns (uint32) {
        RegistryState memory registry = _loadRegistry();
        EpochSet memory set;
        if (registry.setDirty) {
            if (registry.configPending) {
                registry.configPending = false;
                _applyConfig();
            }
            set = _storeSet(uint32(epoch + 1) | (uint32(registry.generation) << GENERATION_SHIFT));
            registry.setDirty = false;
            _storeRegistry(registry);
        } else {
            set = _epochSet(epoch - 1);
        }
        bytes32 seed = keccak256(abi.encode(epoch == 0 ? bytes32(0) : _seeds[epoch - 1], epoch, set.setId));
        _epochSets[epoch] = set;
        _seeds[epoch] = seed;
        _live.lastFrozenEpoch = uint32(epoch);
        emit EpochFrozen(epoch, set.setId, set.size, set.totalWeight, seed);
        return set.setId;
    }

    function _storeSet(uint32 setId) private returns (EpochSet memory set) {
        uint256[] memory words = _candidates();
        // An empty set could never sign.
        require(words.length != 0, InsufficientStake(0, 1));
        ValidatorSetLib.sortById(words);
        // The cap is pointless below four members: someone must have more than a third.
        uint256 total = ValidatorSetLib.accumulate(words, words.length >= 4 ? _hot.maxWeightBps : 0);
        SetRules memory rules = SetRules({
            verifier: address(_verifier),
            quorumNum: _hot.quorumNum,
            quorumDen: _hot.quorumDen,
            mode: _hot.mode,
            windowsPerEpoch: _hot.windowsPerEpoch,
            evidenceMinutes: _hot.evidenceMinutes,
            correlationFactor: _hot.correlationFactor
        });
        set = EpochSet({
            ptr: ValidatorSetLib.store(words, ValidatorSetLib.packRules(rules)),
            setId: setId,
            size: uint16(words.length),
            totalWeight: uint48(total)
        });
        emit ValidatorSetStored(setId, set.ptr);
    }

    /// @dev Only while `RegistryState.configPending`; the flag is the caller's.
    function _applyConfig() internal {
        address ptr = _pendingConfigPtr;
        _configPtr = ptr;
        _storeHot(_loadConfig(ptr));
    }
}
