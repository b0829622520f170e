// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {VM} from "./Vm.sol";

/// @title TestBase
/// @notice Assertions and bounds for tests; a failed one reverts, which forge counts as failure.
abstract contract TestBase {
    /// @notice Tells `forge build --sizes` that the size of this contract does not matter.
    bool public constant IS_TEST = true;

    error AssertionFailed(string what, uint256 left, uint256 right);

    function assertEq(uint256 left, uint256 right, string memory what) internal pure {
        if (left != right) revert AssertionFailed(what, left, right);
    }

    function assertEq(address left, address right, string memory what) internal pure {
        assertEq(uint160(left), uint160(right), what);
    }

    function assertEq(bytes32 left, bytes32 right, string memory what) internal pure {
        assertEq(uint256(left), uint256(right), what);
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert AssertionFailed(what, 0, 1);
    }

    function assertLe(uint256 left, uint256 right, string memory what) internal pure {
        if (left > right) revert AssertionFailed(what, left, right);
    }

    function assertGt(uint256 left, uint256 right, string memory what) internal pure {
        if (left <= right) revert AssertionFailed(what, left, right);
    }

    /// @notice Maps any value into [min, max].
    function bound(uint256 value, uint256 min, uint256 max) internal pure returns (uint256) {
        if (value >= min && value <= max) return value;
        uint256 span = max - min;
        return span == type(uint256).max ? value : min + value % (span + 1);
    }

    /// @notice Path of a file below the test directory, from either project root.
    function testFile(string memory name) internal view returns (string memory) {
        string memory root = VM.projectRoot();
        string memory fromRoot = string.concat(root, "/contracts/test/", name);
        return VM.isFile(fromRoot) ? fromRoot : string.concat(root, "/test/", name);
    }
}
