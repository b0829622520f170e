// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title InclusionLib
/// @notice Position-binding Merkle proofs of the transactions of a batch.
/// @dev leaf i = keccak256(0x00 || uint32 i || txHash), node = keccak256(0x01 || left || right),
///      depth = ceil(log2(count)), leaves that are missing on the right are zero words.
///      No transactions: the root is zero. One: the root is its leaf.
library InclusionLib {
    function depthOf(uint32 count) internal pure returns (uint256 depth) {
        while ((uint256(1) << depth) < count) {
            ++depth;
        }
    }

    function leaf(uint32 index, bytes32 txHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), index, txHash));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x01), left, right));
    }

    function verify(bytes32 root, uint32 count, uint32 index, bytes32 txHash, bytes32[] calldata proof)
        internal
        pure
        returns (bool)
    {
        if (index >= count || proof.length != depthOf(count)) return false;
        bytes32 hash = leaf(index, txHash);
        for (uint256 level = 0; level < proof.length; ++level) {
            hash = (index >> level) & 1 == 0 ? node(hash, proof[level]) : node(proof[level], hash);
        }
        return hash == root;
    }
}
