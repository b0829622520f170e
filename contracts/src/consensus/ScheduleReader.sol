// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ScheduleLib} from "../libraries/ScheduleLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {EpochSet} from "./AndeTypes.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";

/// @title ScheduleReader
/// @notice Loads the schedule of a frozen epoch.
abstract contract ScheduleReader is ConsensusStorage {
    /// @dev Schedule of a frozen epoch and the word of rules that is stored with its set.
    function _schedule(uint64 epoch, EpochSet memory set)
        internal
        view
        returns (ScheduleLib.Schedule memory schedule, uint256 rules)
    {
        (schedule.members, rules) = ValidatorSetLib.loadWithRules(set.ptr, set.size);
        schedule.seed = _seeds[epoch];
        schedule.mode = ValidatorSetLib.modeOf(rules);
        schedule.windowsPerEpoch = ValidatorSetLib.windowsOf(rules);
    }
}
