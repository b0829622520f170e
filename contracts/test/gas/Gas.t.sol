// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {VM} from "../utils/Vm.sol";
import {GasFixture} from "./GasFixture.sol";

/// @title GasTest
/// @notice Gas of whole transactions that hardly depend on the number of validators, against the budgets.
/// @dev Isolated: forge runs each call as a transaction of its own, so that intrinsic gas, calldata, cold accounts and
///      refunds are part of the figure. Snapshots: contracts/snapshots; a difference fails the test (see foundry.toml).
/// forge-config: default.isolate = true
contract GasTest is GasFixture {
    uint256 internal constant REGISTER_BUDGET = 230_000;
    uint256 internal constant SLASH_BUDGET = 155_000;
    uint256 internal constant ENQUEUE_BUDGET = 90_000;
    /// @dev Once there was a forced transaction every batch reads its accumulator, and while one waits its deadline.
    uint256 internal constant QUEUE_USED_BUDGET = 115_000;
    uint256 internal constant CONSUMING_BUDGET = 145_000;

    /// R95.
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

    /// @dev Sets of up to 16 are frozen by the batch that opens an epoch.
    function test_gas_openingEpoch() external {
        launchWith(3);
        submitTo(599);
        submitTo(650);
        _report("submitBatch_opening_epoch_n3", type(uint256).max);
        submitTo(1199);
        _changeSet();
        submitTo(1250);
        _report("submitBatch_opening_epoch_new_set_n3", type(uint256).max);
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
}
