// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {CodeStoreLib} from "../libraries/CodeStoreLib.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {RegistryState, Validator, ValidatorStatus} from "./AndeTypes.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";

/// @title CandidateList
/// @notice Who is in the next set, and what leaving it means.
/// @dev A frozen set is never touched: who leaves the candidates still has duties until the last frozen epoch ends.
abstract contract CandidateList is ConsensusStorage {
    /// @dev The caller marks the candidates as changed.
    function _addCandidate(uint32 id, Validator storage validator) internal {
        _active.push(ValidatorSetLib.pack(validator.signer, _weightOf(validator.stake), id));
        validator.activeIndexPlus1 = uint16(_active.length);
        if (_wasLaunched()) validator.joinEpoch = _live.lastFrozenEpoch + 1;
    }

    /// @dev Takes the validator out of the candidates, if it is one, and fixes its duty and its unbonding delay.
    ///      The caller marks the candidates as changed.
    function _leave(Validator storage validator, ValidatorStatus status) internal {
        ValidatorStatus before = validator.status;
        validator.status = status;
        uint256 index = validator.activeIndexPlus1;
        if (index != 0) {
            validator.activeIndexPlus1 = 0;
            uint256 last = _active.length;
            if (index != last) {
                uint256 word = _active[last - 1];
                _active[index - 1] = word;
                _validators[ValidatorSetLib.idOf(word)].activeIndexPlus1 = uint16(index);
            }
            _active.pop();
            (validator.lastDutyEpoch, validator.dutyEra) = _dutyNow();
        }
        // The delay is fixed once: no later change can hold the stake longer or free it earlier.
        if (before != ValidatorStatus.Exiting) validator.unbondingDelay = _unbondingDelay();
    }

    /// @dev Last epoch that a present candidate can be on duty in, and an era in which its set served.
    function _dutyNow() private view returns (uint32 epoch, uint24 era) {
        if (!_wasLaunched()) return (NO_DUTY, 0);
        epoch = _live.lastFrozenEpoch;
        uint32 voidedBy = _epochRecords[epoch].voidedBy;
        // Halted: the duty ended with the halt.
        if (!_isLaunched() && voidedBy != 0) return (epoch, uint24(voidedBy - 1));
        return (epoch, _live.era);
    }

    function _unbondingDelay() private view returns (uint32) {
        return uint32(_configWord(ConfigLib.UNBONDING_WORD));
    }

    function _configWord(uint256 index) internal view returns (uint256) {
        return CodeStoreLib.wordAt(_configPtr, index);
    }

    /// @dev The candidate with the lowest stake, the youngest of equals.
    function _lowestCandidate() internal view returns (uint32 id, uint256 lowest) {
        lowest = type(uint256).max;
        uint256 candidates = _active.length;
        for (uint256 i = 0; i < candidates; ++i) {
            uint32 candidate = ValidatorSetLib.idOf(_active[i]);
            uint256 stake = _validators[candidate].stake;
            if (stake < lowest || (stake == lowest && candidate > id)) (id, lowest) = (candidate, stake);
        }
    }

    function _markDirty() internal {
        RegistryState memory registry = _loadRegistry();
        registry.setDirty = true;
        _storeRegistry(registry);
    }
}
