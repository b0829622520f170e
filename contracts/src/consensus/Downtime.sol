// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ConfigLib} from "../libraries/ConfigLib.sol";
import {ScheduleLib} from "../libraries/ScheduleLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {IAndeSlashing} from "../interfaces/IAndeSlashing.sol";
import {AlreadySettled, EpochNotClosed, EvidenceExpired} from "./AndeErrors.sol";
import {EpochRecord, EpochSet, Validator, ValidatorStatus} from "./AndeTypes.sol";
import {ScheduleReader} from "./ScheduleReader.sol";
import {Slashing} from "./Slashing.sol";

/// @title Downtime
/// @notice Jail for proposers that were skipped, judged per epoch from what a quorum certified.
/// @dev Not being in a certificate is no offence: the one who collects signatures may stop at the quorum.
abstract contract Downtime is Slashing, ScheduleReader {
    uint256 internal constant MIN_MISSED = 2;
    /// @dev Above these shares (1 / n) it is the network that failed.
    uint256 internal constant AMNESTY_WINDOWS = 3;
    uint256 internal constant AMNESTY_MEMBERS = 3;
    uint256 internal constant STRIKE_MEMORY = 30 days;
    uint256 internal constant MAX_STRIKES = 3;
    /// @dev Candidates that are never jailed.
    uint256 internal constant LAST_CANDIDATES = 2;

    /// @inheritdoc IAndeSlashing
    function settleDowntime(uint64 epoch) external {
        EpochSet memory set = _epochSet(epoch);
        EpochRecord memory record = _epochRecords[epoch];
        require(record.closedAt != 0, EpochNotClosed(epoch));
        require(!record.settled, AlreadySettled(epoch));
        (ScheduleLib.Schedule memory schedule, uint256 rules) = _schedule(epoch, set);
        require(_isOpen(record.closedAt, rules), EvidenceExpired(epoch));
        _epochRecords[epoch].settled = true;

        uint256 offenders = 0;
        uint256 jailed = 0;
        bool amnesty =
            record.voidedBy != 0 || uint256(record.skippedWindows) * AMNESTY_WINDOWS > schedule.windowsPerEpoch;
        if (record.skippedWindows != 0 && !amnesty) {
            uint256 bitmap;
            (bitmap, offenders) = _offenders(epoch, schedule);
            if (offenders * AMNESTY_MEMBERS <= schedule.members.length) jailed = _jailAll(epoch, schedule, bitmap);
        }
        emit DowntimeSettled(epoch, uint32(offenders), uint32(jailed));
    }

    function _offenders(uint64 epoch, ScheduleLib.Schedule memory schedule)
        private
        view
        returns (uint256 bitmap, uint256 count)
    {
        for (uint256 i = 0; i < schedule.members.length; ++i) {
            uint256 missed = _missed[epoch][ValidatorSetLib.idOf(schedule.members[i])];
            if (missed < MIN_MISSED || missed * 2 < ScheduleLib.assignedWindows(schedule, i)) continue;
            bitmap |= uint256(1) << i;
            ++count;
        }
    }

    function _jailAll(uint64 epoch, ScheduleLib.Schedule memory schedule, uint256 bitmap)
        private
        returns (uint256 jailed)
    {
        for (uint256 i = 0; i < schedule.members.length; ++i) {
            if ((bitmap >> i) & 1 == 0) continue;
            uint32 id = ValidatorSetLib.idOf(schedule.members[i]);
            Validator storage validator = _validators[id];
            // Who left is not judged, nor who came back from jail since.
            bool judged = validator.status == ValidatorStatus.Active && validator.joinEpoch <= epoch;
            if (!judged || _active.length <= LAST_CANDIDATES) continue;
            uint64 until = _jail(id, validator, epoch);
            uint256 assigned = ScheduleLib.assignedWindows(schedule, i);
            emit ValidatorJailed(id, epoch, _missed[epoch][id], uint32(assigned), until);
            ++jailed;
        }
    }

    function _jail(uint32 id, Validator storage validator, uint64 epoch) private returns (uint64 until) {
        uint256 strikes = validator.downtimeStrikes;
        if (block.timestamp > validator.lastStrikeAt + STRIKE_MEMORY) strikes = 0;
        if (strikes < MAX_STRIKES) ++strikes;
        validator.downtimeStrikes = uint8(strikes);
        validator.lastStrikeAt = uint48(block.timestamp);
        uint256 next = _currentEpoch() + _configWord(ConfigLib.JAIL_DURATION_WORD);
        until = uint64(next);
        validator.jailedUntil = uint48(next);
        _leave(validator, ValidatorStatus.Jailed);

        uint256 bps = 0;
        if (strikes == 2) bps = _configWord(ConfigLib.DOWNTIME_SLASH_2_WORD);
        if (strikes > 2) bps = _configWord(ConfigLib.DOWNTIME_SLASH_3_WORD);
        uint256 amount = (validator.stake * bps) / ConfigLib.BPS;
        _takeStake(validator, amount, true);
        if (amount != 0) {
            _sinkOwed += uint96(amount);
            emit ValidatorSlashed(id, REASON_DOWNTIME, epoch, amount, address(0), 0);
        }
    }
}
