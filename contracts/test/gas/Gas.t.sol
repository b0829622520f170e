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

/// @title GasTest
/// @notice Gas of whole transactions against the budgets.
/// @dev Isolated: forge runs each call as a transaction of its own, so that intrinsic gas, calldata, cold accounts and
///      refunds are part of the figure. Snapshots: contracts/snapshots; a difference fails the test (see foundry.toml).
/// forge-config: default.isolate = true
contract GasTest is DutiesFixture {
    string internal constant GROUP = "transactions";
    uint256 internal constant REGISTER_BUDGET = 230_000;
    uint256 internal constant SLASH_BUDGET = 155_000;
    uint256 internal constant ENQUEUE_BUDGET = 90_000;
    /// @dev Once there was a forced transaction every batch reads its accumulator, and while one waits its deadline.
    uint256 internal constant QUEUE_USED_BUDGET = 115_000;
    uint256 internal constant CONSUMING_BUDGET = 145_000;
    /// @dev For each blob.
    uint256 internal constant BLOB_BUDGET = 1000;

    function test_gas_register() external {
        deploy();
        deployCoordinator();
        register(1, STAKE);
        _report("registerValidator_first", type(uint256).max);
        register(2, STAKE);
        _report("registerValidator", REGISTER_BUDGET);
        register(3, STAKE);
        _report("registerValidator_launching", type(uint256).max);
        register(4, STAKE);
        _report("registerValidator_launched", REGISTER_BUDGET);
    }

    function test_gas_n3() external {
        _measureBatch(3, 110_000);
        // Small sets are frozen by the batch that opens an epoch. What a changed set costs more than an unchanged
        // one there, plus a transaction that freezes an unchanged one, is a transaction that freezes a changed one.
        submitTo(599);
        submitTo(650);
        uint256 unchanged = _report("submitBatch_opening_epoch_n3", type(uint256).max);
        submitTo(1199);
        _changeSet();
        submitTo(1250);
        uint256 changed = _report("submitBatch_opening_epoch_new_set_n3", type(uint256).max);

        launchWith(17);
        submitTo(100);
        consensus.freezeEpoch(2);
        uint256 transaction = _report("freezeEpoch_n17_unchanged", type(uint256).max);
        uint256 freeze = transaction + changed - unchanged;
        VM.snapshotValue(GROUP, "freezeEpoch_n3", freeze);
        assertLe(freeze, 160_000, "freezeEpoch_n3 over budget");
    }

    function test_gas_n32() external {
        _measureBatch(32, 200_000);
        _measureFreeze("freezeEpoch_n32", 430_000);
    }

    function test_gas_n64() external {
        _measureBatch(64, 300_000);
        _measureFreeze("freezeEpoch_n64", 740_000);
    }

    /// @dev The reporter is a holder of the token. In an epoch that is still open the record of the epoch is new.
    function test_gas_duties() external {
        setTime(clock);
        launchWith(32);
        token.mint(REPORTER, 1);
        submitTo(10);
        equivocate(0, 4, key(5));
        _report("submitVoteEvidence_first", type(uint256).max);
        equivocate(0, 8, key(9));
        _report("submitVoteEvidence", SLASH_BUDGET);
        requestExit(7);
        _report("requestExit", type(uint256).max);
        rotate(8, 100);
        _report("rotateSigner", type(uint256).max);
        consensus.freezeEpoch(2);
        submitTo(599);
        submitTo(600);
        consensus.settleDowntime(0);
        _report("settleDowntime_n32_nobody", type(uint256).max);
        consensus.freezeEpoch(3);
        finishEpoch();
        consensus.freezeEpoch(4);
        finishEpoch();
        pass(2 days);
        consensus.claimExit(7);
        _report("claimExit", type(uint256).max);
    }

    /// @dev Forced transactions: of 110 bytes, which is a transfer, and of the largest size.
    function test_gas_forced() external {
        launchWith(3);
        submitTo(100);
        bytes memory transfer = new bytes(110);
        for (uint256 i = 0; i < transfer.length; ++i) {
            transfer[i] = 0xff;
        }
        enqueue(transfer);
        _report("enqueueForced_first", ENQUEUE_BUDGET);
        enqueue(transfer);
        _report("enqueueForced", ENQUEUE_BUDGET);
        bytes memory largest = new bytes(32_768);
        for (uint256 i = 0; i < largest.length; ++i) {
            largest[i] = 0xff;
        }
        enqueue(largest);
        _report("enqueueForced_32768_bytes", type(uint256).max);
        enqueueMany(38);

        // What a batch pays for forced transactions does not depend on their number.
        _consumeAndReport("submitBatch_consuming_1_n3", 200, 1);
        _consumeAndReport("submitBatch_consuming_2_more_n3", 300, 3);
        _consumeAndReport("submitBatch_consuming_32_n3", 400, 35);
        submitTo(500);
        _report("submitBatch_forced_waiting_n3", QUEUE_USED_BUDGET);

        VM.prank(VM.addr(key(1)));
        coordinator.claimFees(address(0xF00));
        _report("claimFees", type(uint256).max);
        VM.warp(block.timestamp + 30 hours);
        coordinator.escapeBatch();
        _report("escapeBatch_6", type(uint256).max);
    }

    function _consumeAndReport(string memory name, uint64 endHeight, uint64 upTo) private {
        Submission memory s = nextBatch(endHeight, "data");
        consume(s, upTo);
        certify(s, quorum(0));
        submit(s);
        _report(name, CONSUMING_BUDGET);
    }

    /// @dev Second batch of an epoch; it opens a window.
    function _measureBatch(uint16 n, uint256 budget) private {
        launchWith(n);
        string memory suffix = string.concat("_n", VM.toString(n));
        submitTo(100);
        _report(string.concat("submitBatch_first", suffix), type(uint256).max);
        submitTo(200);
        _report(string.concat("submitBatch", suffix), budget);
        uint256 state = VM.snapshotState();
        _measureData(suffix, budget);
        VM.revertToState(state);
        openTerm(0, (3 << 16) | 1);
        _report(string.concat("openTerm", suffix), type(uint256).max);
    }

    /// @dev Other kinds of data. Forge cannot run a transaction with blobs of its own, so its gas is put together from a
    ///      call and the intrinsic gas; what such a call costs more than a transaction is taken from a batch that can be
    ///      run in both ways.
    function _measureData(string memory suffix, uint256 budget) private {
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

    function _measureFreeze(string memory name, uint256 budget) private {
        consensus.freezeEpoch(2);
        _report(string.concat(name, "_unchanged"), type(uint256).max);
        submitTo(599);
        submitTo(650);
        _changeSet();
        consensus.freezeEpoch(3);
        _report(name, budget);
    }

    function _changeSet() private {
        address owner = account(1);
        fund(owner, 1e18);
        VM.prank(owner);
        consensus.topUp(1, 1e18);
    }

    function _report(string memory name, uint256 budget) private returns (uint256 gas) {
        gas = VM.snapshotGasLastCall(GROUP, name);
        assertLe(gas, budget, string.concat(name, " over budget"));
    }
}
