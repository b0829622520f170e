// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {CodeStoreLib} from "../../src/libraries/CodeStoreLib.sol";
import {ValidatorSetLib} from "../../src/libraries/ValidatorSetLib.sol";
import {VM} from "./Vm.sol";

/// @title Signers
/// @notice Sets of test keys outside of any contract, for tests of verifiers and schedules.
library Signers {
    /// @dev Order of the secp256k1 group.
    uint256 internal constant GROUP_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function key(uint256 i) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("signer", i)));
    }

    /// @notice Stores a set of `signers` with these own weights; ids count from 1.
    function store(address[] memory signers, uint256[] memory weights) internal returns (address) {
        uint256[] memory words = new uint256[](signers.length);
        for (uint256 i = 0; i < words.length; ++i) {
            words[i] = ValidatorSetLib.pack(signers[i], uint64(weights[i]), uint32(i + 1));
        }
        ValidatorSetLib.accumulate(words, 0);
        return CodeStoreLib.write(abi.encodePacked(words, uint256(0)));
    }

    /// @notice `n` test keys with weights 1, 2, 3, ...
    function storeTestSet(uint256 n) internal returns (address) {
        address[] memory signers = new address[](n);
        uint256[] memory weights = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            signers[i] = VM.addr(key(i));
            weights[i] = i + 1;
        }
        return store(signers, weights);
    }

    /// @notice r||vs with low s.
    function compact(uint256 signerKey, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(signerKey, digest);
        return abi.encodePacked(r, uint256(s) | (uint256(v - 27) << 255));
    }

    /// @notice Signatures of the members in `signers`, ascending.
    function proof(bytes32 digest, uint256 signers) internal pure returns (bytes memory result) {
        for (uint256 i = 0; i < 256; ++i) {
            if ((signers >> i) & 1 != 0) result = bytes.concat(result, compact(key(i), digest));
        }
    }
}
