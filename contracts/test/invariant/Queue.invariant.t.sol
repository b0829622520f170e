// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ForcedEntry} from "../../src/consensus/AndeTypes.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {TestBase} from "../utils/TestBase.sol";
import {QueueHandler} from "./QueueHandler.sol";

/// @title QueueInvariants
/// @notice F1 to F4, I5 and B1 to B3 with escape batches, after any sequence of actions.
contract QueueInvariants is TestBase {
    QueueHandler internal handler;
    IAndeSequencerCoordinator internal coordinator;

    function setUp() external {
        handler = new QueueHandler();
        coordinator = handler.queue();
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = handler.act_enqueue.selector;
        selectors[1] = handler.act_batch.selector;
        selectors[2] = handler.act_badBatch.selector;
        selectors[3] = handler.act_escape.selector;
        selectors[4] = handler.act_claim.selector;
        selectors[5] = handler.act_wait.selector;
        selectors[6] = handler.act_waitLong.selector;
        // Weighed.
        selectors[7] = handler.act_enqueue.selector;
        selectors[8] = handler.act_escape.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// R56, R57, R58, R96.
    function invariant_F_I5_B() external view {
        assertEq(bytes(handler.broken()).length, 0, handler.broken());
        _F2_queue();
        _I5_money();
        _B_batches();
    }

    function _F2_queue() private view {
        (uint64 head, uint64 tail, uint64 firstDueAt, uint256 fee) = coordinator.forcedState();
        assertEq(head, handler.ghostHead(), "F2 head");
        assertEq(tail, handler.ghostCount(), "F2 tail");
        assertTrue(head <= tail, "F2 order");
        assertEq(fee, 0.0001 ether + 0.0001 ether * (tail - head) / 64, "fee");
        for (uint64 i = 0; i < tail; ++i) {
            (bytes32 acc, uint64 enqueuedAt, uint256 paid) = handler.ghosts(i);
            ForcedEntry memory entry = coordinator.forcedEntry(i);
            assertEq(entry.acc, acc, "F2 accumulator");
            assertEq(entry.enqueuedAt, enqueuedAt, "F2 time");
            assertEq(entry.fee, paid, "F2 fee");
            if (i == head) assertEq(firstDueAt, enqueuedAt + 1 hours, "due");
        }
        if (head == tail) assertEq(firstDueAt, 0, "nothing is due");
        uint64 due = coordinator.mustIncludeUpTo(type(uint128).max);
        assertEq(due, tail - head > 32 ? head + 32 : tail, "all is due one day");
        assertEq(coordinator.mustIncludeUpTo(0), head, "nothing was due at the beginning");
    }

    function _I5_money() private view {
        (uint256 waiting, uint256 consumed) = handler.feesOfQueued();
        assertEq(address(coordinator).balance, waiting + handler.unclaimed(), "I5 balance");
        assertEq(consumed, handler.unclaimed() + handler.claimed(), "I5 earned");
    }

    function _B_batches() private view {
        uint64 last = coordinator.tip().batchIndex;
        assertEq(last, handler.certified() + handler.escapes(), "B1 an index each");
        assertEq(handler.eraNow(), handler.escapes(), "an era each");
        for (uint64 i = 1; i <= last; ++i) {
            assertEq(coordinator.batchHash(i), handler.acceptedHash(i), "B3");
        }
        assertEq(coordinator.batchHash(last + 1), bytes32(0), "nothing beyond");
    }
}

/// @title QueueHandlerTest
/// @notice The handler reaches the states that the invariants are about.
contract QueueHandlerTest is TestBase {
    function test_queueHandler_reachesEverything() external {
        QueueHandler handler = new QueueHandler();
        for (uint256 i = 0; i < 30; ++i) {
            uint256 random = uint256(keccak256(abi.encode(i)));
            handler.act_enqueue(random % 20, i, random % 1e18, abi.encode(i));
            handler.act_badBatch(random % 7, i, i % 2 == 0);
            if (i % 3 == 0) handler.act_batch(random, i / 3, i);
            handler.act_wait(random);
            handler.act_badBatch(0, i, false);
            if (i % 5 == 4) handler.act_waitLong(30 hours);
            handler.act_escape(i);
            handler.act_claim(i);
        }
        assertEq(bytes(handler.broken()).length, 0, handler.broken());
        assertGt(handler.escapes(), 3, "escapes");
        assertGt(handler.certified(), 6, "batches");
        assertGt(handler.refused(), 10, "refusals");
        assertGt(handler.late(), 1, "late batches");
        assertGt(handler.claimed(), 0, "claims");
        assertGt(handler.ghostHead(), 60, "consumed");
    }
}
