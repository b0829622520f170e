// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @title BlobCarrier
/// @notice Makes a call in a transaction with blobs and says what the call cost.
contract BlobCarrier {
    function carry(bytes32[] calldata hashes, address target, bytes memory input) external returns (uint256 used) {
        VM.blobhashes(hashes);
        bool ok;
        assembly ("memory-safe") {
            let before := gas()
            ok := call(gas(), target, 0, add(input, 0x20), mload(input), 0, 0)
            used := sub(before, gas())
        }
        require(ok, "the call failed");
    }
}

/// @title GasFixture
/// @notice Measures transactions: each figure goes to contracts/snapshots and must stay within its budget.
abstract contract GasFixture is DutiesFixture {
    string internal constant GROUP = "transactions";
    /// @dev For each blob.
    uint256 internal constant BLOB_BUDGET = 1000;

    function _report(string memory name, uint256 budget) internal returns (uint256 gas) {
        gas = VM.snapshotGasLastCall(GROUP, name);
        assertLe(gas, budget, string.concat(name, " over budget"));
    }

    function _changeSet() internal {
        address owner = account(1);
        fund(owner, 1e18);
        VM.prank(owner);
        consensus.topUp(1, 1e18);
    }

    /// @dev Other kinds of data. Forge cannot run a transaction with blobs of its own, so its gas is put together from a
    ///      call and the intrinsic gas; what such a call costs more than a transaction is taken from a batch that can be
    ///      run in both ways.
    function _measureData(string memory suffix, uint256 budget) internal {
        Submission memory s = nextCelestiaBatch(300);
        certify(s, quorum(0));
        bytes memory input = abi.encodeCall(coordinator.submitBatch, (s.header, s.da, s.qc, s.skips));
        uint256 called = _callWithBlobs(new bytes32[](0), input);
        uint256 state = VM.snapshotState();
        submitCelestia(s);
        uint256 gas = _report(string.concat("submitBatch_celestia", suffix), budget);
        VM.revertToState(state);
        uint256 overhead = called + _intrinsic(input) - gas;
        _measureBlobs(1, overhead, string.concat("submitBatch_1blob", suffix), budget + BLOB_BUDGET);
        _measureBlobs(6, overhead, string.concat("submitBatch_6blobs", suffix), budget + 6 * BLOB_BUDGET);
    }

    /// @dev Without the blob gas, which the settlement chain prices apart.
    function _measureBlobs(uint256 count, uint256 overhead, string memory name, uint256 budget) private {
        (Submission memory s, bytes32[] memory hashes) = blobBatch(300, count);
        certify(s, quorum(0));
        bytes memory input = abi.encodeCall(coordinator.submitBatchWithBlobs, (s.header, s.da, hashes, s.qc, s.skips));
        uint256 gas = _callWithBlobs(hashes, input) + _intrinsic(input) - overhead;
        VM.snapshotValue(GROUP, name, gas);
        assertLe(gas, budget, string.concat(name, " over budget"));
    }

    /// @dev Leaves the state as it was.
    function _callWithBlobs(bytes32[] memory hashes, bytes memory input) private returns (uint256 used) {
        BlobCarrier carrier = new BlobCarrier();
        uint256 state = VM.snapshotState();
        used = carrier.carry(hashes, address(coordinator), input);
        VM.revertToState(state);
    }

    function _intrinsic(bytes memory input) private pure returns (uint256 gas) {
        gas = 21_000;
        for (uint256 i = 0; i < input.length; ++i) {
            gas += input[i] == 0 ? 4 : 16;
        }
    }
}
