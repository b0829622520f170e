// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ScheduleMode} from "../consensus/AndeTypes.sol";
import {ValidatorSetLib} from "./ValidatorSetLib.sol";

/// @title ScheduleLib
/// @notice The proposer schedule: a pure function of epoch seed, set and window. The chain stores no rotation state.
/// @dev Normative, integer only, every value fits 128 bits; the nodes compute the same. With
///      H(x...) = keccak256(abi.encode(seed, x...)) and its low 128 bits for every modulo:
///        Weighted    deals the W windows of an epoch so that each member gets floor or ceil of its exact share.
///        RoundRobin  lets the members take turns from a start that the seed picks.
///      The s-th skip in a window moves s strides of a number coprime to n, so n skips visit everybody once.
library ScheduleLib {
    /// @dev Numerator and denominator of the window step, about the inverse of the golden ratio.
    uint256 internal constant STEP_NUM = 89;
    uint256 internal constant STEP_DEN = 144;

    struct Schedule {
        bytes32 seed;
        ScheduleMode mode;
        uint256 windowsPerEpoch;
        /// Member words of the set with cumulative weights.
        uint256[] members;
    }

    /// @notice Index in the set of the proposer of `window` after `skip` skips.
    function indexAt(Schedule memory schedule, uint256 window, uint256 skip) internal pure returns (uint256) {
        uint256 n = schedule.members.length;
        uint256 w = window % schedule.windowsPerEpoch;
        uint256 index0 = schedule.mode == ScheduleMode.Weighted
            ? _weightedIndex(schedule, w)
            : (_low128(keccak256(abi.encode(schedule.seed, uint256(0)))) + w) % n;
        if (skip == 0) return index0;
        return (index0 + skip * stride(schedule.seed, window, n)) % n;
    }

    /// @notice Windows of one epoch whose first proposer is member `index`, without walking through them.
    function assignedWindows(Schedule memory schedule, uint256 index) internal pure returns (uint256) {
        uint256 windows = schedule.windowsPerEpoch;
        uint256[] memory members = schedule.members;
        uint256 n = members.length;
        if (schedule.mode != ScheduleMode.Weighted) {
            uint256 first = _low128(keccak256(abi.encode(schedule.seed, uint256(0)))) % n;
            // Turns are taken from `first` on; who comes early gets one more when they do not come out even.
            uint256 position = (index + n - first) % n;
            return windows / n + (position < windows % n ? 1 : 0);
        }
        // The points floor(p * total / windows) + off of p = 0 .. windows - 1 that fall on the member's share.
        uint256 total = ValidatorSetLib.weightOf(members[n - 1]);
        uint256 off = _low128(keccak256(abi.encode(schedule.seed, uint256(2)))) % total;
        uint256 low = (index == 0 ? 0 : ValidatorSetLib.weightOf(members[index - 1])) + total - off;
        uint256 high = uint256(ValidatorSetLib.weightOf(members[index])) + total - off;
        return _pointsBelow(high, total, windows) - _pointsBelow(low, total, windows);
    }

    /// @dev Points floor(p * total / windows), p any natural number, that are below `x`.
    function _pointsBelow(uint256 x, uint256 total, uint256 windows) private pure returns (uint256) {
        return (x * windows + total - 1) / total;
    }

    /// @notice Integer coprime to `windows` nearest to floor(windows * 89 / 144); the smaller one on a tie.
    function windowStep(uint256 windows) internal pure returns (uint256 step) {
        if (windows <= 2) return 1;
        uint256 target = (windows * STEP_NUM) / STEP_DEN;
        step = target;
        // Ends at the latest at 1, which is coprime to everything.
        for (uint256 d = 1; _gcd(step, windows) != 1; ++d) {
            step = target > d && _gcd(target - d, windows) == 1 ? target - d : target + d;
        }
    }

    /// @notice Distance of a skip in `window`: coprime to n, so that skips visit every member.
    function stride(bytes32 seed, uint256 window, uint256 n) internal pure returns (uint256 c) {
        if (n <= 2) return 1;
        c = 1 + _low128(keccak256(abi.encode(seed, uint256(1), window))) % (n - 1);
        while (_gcd(c, n) != 1) {
            c = c + 1 == n ? 1 : c + 1;
        }
    }

    /// @dev Window w of the epoch falls on point x of the cumulative weights.
    function _weightedIndex(Schedule memory schedule, uint256 w) private pure returns (uint256) {
        uint256 windows = schedule.windowsPerEpoch;
        uint256[] memory members = schedule.members;
        uint256 total = ValidatorSetLib.weightOf(members[members.length - 1]);
        uint256 b = _low128(keccak256(abi.encode(schedule.seed, uint256(0)))) % windows;
        uint256 off = _low128(keccak256(abi.encode(schedule.seed, uint256(2)))) % total;
        uint256 p = (windowStep(windows) * w + b) % windows;
        uint256 x = ((p * total) / windows + off) % total;

        // Smallest index whose cumulative weight exceeds x.
        uint256 low = 0;
        uint256 high = members.length - 1;
        while (low < high) {
            uint256 mid = (low + high) / 2;
            if (ValidatorSetLib.weightOf(members[mid]) > x) high = mid;
            else low = mid + 1;
        }
        return low;
    }

    function _low128(bytes32 hash) private pure returns (uint256) {
        return uint128(uint256(hash));
    }

    function _gcd(uint256 a, uint256 b) private pure returns (uint256) {
        while (b != 0) {
            (a, b) = (b, a % b);
        }
        return a;
    }
}
