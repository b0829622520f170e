// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ScheduleLib} from "../libraries/ScheduleLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {EpochSet} from "./AndeTypes.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";

/// @title ScheduleReader
/// @notice Loads the schedule of a frozen epoch.
abstract contract ScheduleReader is ConsensusStorage {
    function _schedule(uint64 epoch) internal view returns (ScheduleLib.Schedule memory) {
        EpochSet memory set = _epochSet(epoch);
        return ScheduleLib.Schedule({
            seed: _seeds[epoch],
            mode: _hot.mode,
            windowsPerEpoch: _hot.windowsPerEpoch,
            members: ValidatorSetLib.load(set.ptr, set.size)
        });
    }
}
