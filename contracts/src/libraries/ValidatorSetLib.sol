// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ScheduleMode, SetRules} from "../consensus/AndeTypes.sol";
import {CodeStoreLib} from "./CodeStoreLib.sol";

/// @title ValidatorSetLib
/// @notice Frozen validator sets, stored as the code of a contract that can never run.
/// @dev Code: one STOP byte, then one word per member in ascending id order, then one word of rules.
///        member: signer (160 bits) | cumulative weight (64) | id (32)
///        rules:  verifier (160 bits) | quorumNum (16) | quorumDen (16) | mode (8) | windowsPerEpoch (32)
///                | evidence window in minutes, rounded up (20) | correlationFactor (4)
///      A candidate word has the same form with the member's own weight in place of the cumulative one.
library ValidatorSetLib {
    /// @dev Bits of the weight in a word.
    uint256 private constant WEIGHT_MASK = uint256(type(uint64).max) << 32;

    function pack(address signer, uint64 weight, uint32 id) internal pure returns (uint256) {
        return (uint256(uint160(signer)) << 96) | (uint256(weight) << 32) | id;
    }

    function signerOf(uint256 word) internal pure returns (address) {
        return address(uint160(word >> 96));
    }

    function weightOf(uint256 word) internal pure returns (uint64) {
        return uint64(word >> 32);
    }

    function idOf(uint256 word) internal pure returns (uint32) {
        return uint32(word);
    }

    function packRules(SetRules memory rules) internal pure returns (uint256) {
        return (uint256(uint160(rules.verifier)) << 96) | (uint256(rules.quorumNum) << 80)
            | (uint256(rules.quorumDen) << 64) | (uint256(uint8(rules.mode)) << 56)
            | (uint256(rules.windowsPerEpoch) << 24) | (uint256(rules.evidenceMinutes) << 4) | rules.correlationFactor;
    }

    function verifierOf(uint256 rules) internal pure returns (address) {
        return address(uint160(rules >> 96));
    }

    function quorumOf(uint256 rules) internal pure returns (uint16 num, uint16 den) {
        return (uint16(rules >> 80), uint16(rules >> 64));
    }

    function modeOf(uint256 rules) internal pure returns (ScheduleMode) {
        return ScheduleMode(uint8(rules >> 56));
    }

    function windowsOf(uint256 rules) internal pure returns (uint256) {
        return uint32(rules >> 24);
    }

    /// @notice Seconds after the end of an epoch of the set in which evidence is accepted.
    function evidenceWindowOf(uint256 rules) internal pure returns (uint256) {
        return ((rules >> 4) & 0xfffff) * 60;
    }

    function correlationOf(uint256 rules) internal pure returns (uint256) {
        return rules & 0xf;
    }

    /// @notice Sorts candidate words by id. Insertion sort: candidates are in order unless members left.
    function sortById(uint256[] memory words) internal pure {
        uint256 count = words.length;
        unchecked {
            for (uint256 i = 1; i < count; ++i) {
                uint256 word = words[i];
                uint256 j = i;
                while (j != 0 && idOf(words[j - 1]) > idOf(word)) {
                    words[j] = words[j - 1];
                    --j;
                }
                if (j != i) words[j] = word;
            }
        }
    }

    /// @notice Turns own weights into cumulative ones, in place.
    /// @dev Unchecked: at most 256 weights of less than 2^64.
    /// @param capBps When not zero, each weight is capped at floor(uncapped total * capBps / 10000), at least 1.
    /// @return total Sum of the (capped) weights.
    function accumulate(uint256[] memory words, uint256 capBps) internal pure returns (uint256 total) {
        uint256 count = words.length;
        unchecked {
            uint256 cap = type(uint64).max;
            if (capBps != 0) {
                uint256 uncapped = 0;
                for (uint256 i = 0; i < count; ++i) {
                    uncapped += weightOf(words[i]);
                }
                cap = (uncapped * capBps) / 10_000;
                if (cap == 0) cap = 1;
            }
            for (uint256 i = 0; i < count; ++i) {
                uint256 word = words[i];
                uint256 weight = weightOf(word);
                total += weight > cap ? cap : weight;
                words[i] = (word & ~WEIGHT_MASK) | (total << 32);
            }
        }
    }

    /// @notice Stores members (cumulative words) and rules as code.
    function store(uint256[] memory words, uint256 rules) internal returns (address ptr) {
        return CodeStoreLib.write(abi.encodePacked(words, rules));
    }

    /// @notice Member words of a set.
    function load(address ptr, uint256 size) internal view returns (uint256[] memory) {
        return CodeStoreLib.words(ptr, size);
    }

    /// @notice Member words and rules of a set.
    function loadWithRules(address ptr, uint256 size) internal view returns (uint256[] memory words, uint256 rules) {
        words = CodeStoreLib.words(ptr, size + 1);
        rules = words[size];
        assembly ("memory-safe") {
            mstore(words, size)
        }
    }

    /// @notice Word of rules of a set.
    function loadRules(address ptr, uint256 size) internal view returns (uint256) {
        return CodeStoreLib.wordAt(ptr, size);
    }

    /// @notice Own weight of a member in a list of cumulative words.
    function memberWeight(uint256[] memory words, uint256 index) internal pure returns (uint64) {
        uint64 upTo = weightOf(words[index]);
        return index == 0 ? upTo : upTo - weightOf(words[index - 1]);
    }
}
