// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {CodeStoreLib} from "./CodeStoreLib.sol";

/// @title ValidatorSetLib
/// @notice Frozen validator sets, stored as the code of a contract that can never run.
/// @dev Code: one STOP byte, then one word per member in ascending id order, then one word of rules.
///        member: signer (160 bits) | cumulative weight (64) | id (32)
///        rules:  verifier (160 bits) | quorumNum (16) | quorumDen (16) | zero (64)
///      A candidate word has the same form with the member's own weight in place of the cumulative one.
library ValidatorSetLib {
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

    function packRules(address verifier, uint16 quorumNum, uint16 quorumDen) internal pure returns (uint256) {
        return (uint256(uint160(verifier)) << 96) | (uint256(quorumNum) << 80) | (uint256(quorumDen) << 64);
    }

    function unpackRules(uint256 word) internal pure returns (address verifier, uint16 quorumNum, uint16 quorumDen) {
        return (address(uint160(word >> 96)), uint16(word >> 80), uint16(word >> 64));
    }

    /// @notice Sorts candidate words by id. Insertion sort: candidates are in order unless members left.
    function sortById(uint256[] memory words) internal pure {
        for (uint256 i = 1; i < words.length; ++i) {
            uint256 word = words[i];
            uint256 j = i;
            while (j != 0 && idOf(words[j - 1]) > idOf(word)) {
                words[j] = words[j - 1];
                --j;
            }
            words[j] = word;
        }
    }

    /// @notice Turns own weights into cumulative ones, in place.
    /// @param capBps When not zero, each weight is capped at floor(uncapped total * capBps / 10000), at least 1.
    /// @return total Sum of the (capped) weights.
    function accumulate(uint256[] memory words, uint256 capBps) internal pure returns (uint64 total) {
        uint256 cap = type(uint64).max;
        if (capBps != 0) {
            uint256 uncapped = 0;
            for (uint256 i = 0; i < words.length; ++i) {
                uncapped += weightOf(words[i]);
            }
            cap = (uncapped * capBps) / 10_000;
            if (cap == 0) cap = 1;
        }
        for (uint256 i = 0; i < words.length; ++i) {
            uint256 word = words[i];
            uint64 weight = weightOf(word);
            total += weight > cap ? uint64(cap) : weight;
            words[i] = pack(signerOf(word), total, idOf(word));
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

    /// @notice Word of rules of a set.
    function loadRules(address ptr, uint256 size) internal view returns (uint256) {
        return CodeStoreLib.wordAt(ptr, size);
    }

    /// @notice True when the code at `ptr` can hold a set of this size.
    function fits(address ptr, uint256 size) internal view returns (bool) {
        return ptr.code.length > size * 32;
    }

    /// @notice Own weight of a member in a list of cumulative words.
    function memberWeight(uint256[] memory words, uint256 index) internal pure returns (uint64) {
        uint64 upTo = weightOf(words[index]);
        return index == 0 ? upTo : upTo - weightOf(words[index - 1]);
    }
}
