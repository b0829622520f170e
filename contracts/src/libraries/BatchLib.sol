// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BadSkips} from "../consensus/AndeErrors.sol";
import {BatchHeader, DaPointer} from "../consensus/AndeTypes.sol";

/// @title BatchLib
/// @notice Hashes of batches, terms, and the records of skipped windows.
library BatchLib {
    uint8 internal constant HEADER_VERSION = 1;
    uint8 internal constant DA_CALLDATA = 0;
    uint8 internal constant DA_BLOBS = 1;
    uint8 internal constant DA_CELESTIA = 2;

    /// @dev 16 and 4 words.
    uint256 internal constant HEADER_BYTES = 0x200;
    uint256 internal constant DA_POINTER_BYTES = 0x80;

    /// @dev uint64 window | uint32 finalSkip, big-endian.
    uint256 internal constant SKIP_RECORD_BYTES = 12;
    uint256 internal constant MAX_SKIP_RECORDS = 16;
    /// @dev keccak256 of no bytes.
    bytes32 internal constant NO_SKIPS = keccak256("");
    /// @dev The skip is the low part of a term.
    uint256 internal constant TERM_SKIP_BITS = 16;

    /// @notice keccak256(abi.encode(header)). A struct of value types has the same words in memory as encoded.
    function contentHash(BatchHeader memory header) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(header, HEADER_BYTES)
        }
    }

    /// @notice keccak256(abi.encode(da)), in the same way.
    function daHash(DaPointer memory da) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(da, DA_POINTER_BYTES)
        }
    }

    /// @notice True for a known kind whose height fits it: there is one only where the data is on another chain.
    function isWellFormed(DaPointer memory da) internal pure returns (bool) {
        return da.kind == DA_CELESTIA ? da.height != 0 : da.kind < DA_CELESTIA && da.height == 0;
    }

    /// @notice Commitment of a pointer to blobs.
    function blobCommitment(bytes32[] calldata versionedHashes) internal pure returns (bytes32) {
        return keccak256(abi.encode(versionedHashes));
    }

    /// @notice True when these are all the blobs of the running transaction, in order, and there is one.
    /// @dev How many one transaction can carry is a rule of the settlement chain. Zero is what the chain answers
    ///      beyond the last blob, so it is no versioned hash.
    function areTransactionBlobs(bytes32[] calldata versionedHashes) internal view returns (bool) {
        uint256 count = versionedHashes.length;
        if (count == 0 || blobhash(count) != bytes32(0)) return false;
        for (uint256 i = 0; i < count; ++i) {
            bytes32 hash = versionedHashes[i];
            if (hash == bytes32(0) || hash != blobhash(i)) return false;
        }
        return true;
    }

    /// @notice Copies a header and a pointer to memory: what `header_ = header` does, at a tenth of the gas.
    /// @dev Reverts without data when a word has bits outside of its field, as the ABI decoder does.
    function load(BatchHeader calldata header, DaPointer calldata da)
        internal
        pure
        returns (BatchHeader memory header_, DaPointer memory da_)
    {
        assembly ("memory-safe") {
            // Both were allocated (and zeroed) by the declaration of the return values.
            calldatacopy(header_, header, HEADER_BYTES)
            calldatacopy(da_, da, DA_POINTER_BYTES)
            let wide :=  // epoch, batchIndex, startHeight, endHeight, term, forcedUpTo; height
                or(
                    or(or(mload(add(header_, 0x40)), mload(add(header_, 0x60))), mload(add(header_, 0x80))),
                    or(or(mload(add(header_, 0xa0)), mload(add(header_, 0xc0))), mload(add(header_, 0xe0)))
                )
            wide := shr(64, or(wide, mload(add(da_, 0x20))))
            // era, txCount; size
            let middle := or(or(mload(add(header_, 0x20)), mload(add(header_, 0x100))), mload(add(da_, 0x60)))
            // version; kind
            let narrow := or(mload(header_), mload(da_))
            let dirty := or(or(wide, shr(32, middle)), or(shr(8, narrow), shr(160, mload(add(header_, 0x1e0)))))
            if dirty { revert(0, 0) }
        }
    }

    function genesisHash(uint64 l2ChainId, bytes32 l2GenesisHash) internal pure returns (bytes32) {
        return keccak256(abi.encode("ANDE_GENESIS", l2ChainId, l2GenesisHash));
    }

    function windowOfTerm(uint64 term) internal pure returns (uint64) {
        return uint64(term >> TERM_SKIP_BITS);
    }

    function skipOfTerm(uint64 term) internal pure returns (uint32) {
        return uint16(term);
    }

    function skipRecord(bytes calldata skips, uint256 record) internal pure returns (uint64 window, uint32 finalSkip) {
        bytes calldata data = skips[record * SKIP_RECORD_BYTES:(record + 1) * SKIP_RECORD_BYTES];
        return (uint64(bytes8(data[0:8])), uint32(bytes4(data[8:12])));
    }

    /// @notice Reverts unless `skips` has the hash of the header, at most 16 whole records, strictly ascending
    ///         windows from `firstWindow` to the window of `term`, no zero skip, and says of the last window what `term`
    ///         says of it. A skip of `term` that the batch before did not report must be there, so nobody is counted
    ///         twice or forgotten.
    /// @param prevTerm Term of the batch before.
    function checkSkips(bytes calldata skips, bytes32 skipsHash, uint64 firstWindow, uint64 prevTerm, uint64 term)
        internal
        pure
    {
        bool complete = term == prevTerm || skipOfTerm(term) == 0;
        if (skips.length == 0) {
            require(skipsHash == NO_SKIPS && complete, BadSkips(0));
            return;
        }
        require(keccak256(skips) == skipsHash, BadSkips(0));
        uint256 count = skips.length / SKIP_RECORD_BYTES;
        require(skips.length % SKIP_RECORD_BYTES == 0 && count <= MAX_SKIP_RECORDS, BadSkips(count));
        uint256 lowest = firstWindow;
        for (uint256 i = 0; i < count; ++i) {
            (uint64 window, uint32 finalSkip) = skipRecord(skips, i);
            require(window >= lowest && window <= windowOfTerm(term) && finalSkip != 0, BadSkips(i));
            if (window == windowOfTerm(term)) {
                // Skips saturate in terms.
                uint256 skip = finalSkip > type(uint16).max ? type(uint16).max : finalSkip;
                require(skip == skipOfTerm(term), BadSkips(i));
                complete = true;
            }
            lowest = uint256(window) + 1;
        }
        require(complete, BadSkips(count));
    }
}
