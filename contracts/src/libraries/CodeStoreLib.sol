// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title CodeStoreLib
/// @notice Immutable bytes stored as the code of a contract that can never run: cheaper to write and to read than
///         storage, and nobody can change it.
library CodeStoreLib {
    /// @dev A leading STOP byte keeps the data from being executed.
    uint256 internal constant DATA_OFFSET = 1;

    error CodeStoreFailed();

    /// @notice Creates the contract; `data` must be shorter than the code size limit.
    function write(bytes memory data) internal returns (address ptr) {
        // PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN, then STOP and the data.
        bytes memory creation =
            abi.encodePacked(hex"61", uint16(data.length + DATA_OFFSET), hex"80600a3d393df300", data);
        assembly ("memory-safe") {
            ptr := create(0, add(creation, 0x20), mload(creation))
        }
        require(ptr != address(0), CodeStoreFailed());
    }

    /// @notice Word number `index` of the data.
    function wordAt(address ptr, uint256 index) internal view returns (uint256 word) {
        assembly ("memory-safe") {
            extcodecopy(ptr, 0x00, add(DATA_OFFSET, shl(5, index)), 0x20)
            word := mload(0x00)
        }
    }

    /// @notice The first `count` words of the data.
    function words(address ptr, uint256 count) internal view returns (uint256[] memory list) {
        list = new uint256[](count);
        assembly ("memory-safe") {
            extcodecopy(ptr, add(list, 0x20), DATA_OFFSET, shl(5, count))
        }
    }
}
