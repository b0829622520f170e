// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";

import {
    FeeTooLow,
    ForcedAccMismatch,
    ForcedOverdue,
    ForcedRange,
    ForcedSize,
    NotEscapable,
    PausedFor,
    QuorumNotReached,
    Unauthorized,
    WrongEra,
    WrongParent
} from "../../src/consensus/AndeErrors.sol";
import {BatchHeader, BatchTip, ForcedEntry} from "../../src/consensus/AndeTypes.sol";
import {IAndeForcedInclusion} from "../../src/interfaces/IAndeForcedInclusion.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @notice Calls back when it is paid.
contract Reentrant {
    IAndeForcedInclusion private immutable QUEUE;
    uint256 public paid;

    constructor(IAndeForcedInclusion queue) {
        QUEUE = queue;
    }

    function claim() external {
        QUEUE.claimFees(address(this));
    }

    receive() external payable {
        ++paid;
        if (paid < 3) QUEUE.claimFees(address(this));
    }
}

/// @title ForcedTest
/// @notice The forced queue: what it takes in, what batches must take out, fees, and the escape.
contract ForcedTest is ConsensusFixture {
    uint256 internal constant FEE = 0.0001 ether;
    uint64 internal constant START = 1_000_000;
    uint64 internal constant DELAY = 1 hours;
    uint64 internal constant ESCAPE = 24 hours;

    function setUp() external {
        VM.warp(START);
        launchWith(4);
    }

    // Queue ---------------------------------------------------------------------------------------

    function test_enqueue_storesAndAnnounces() external {
        VM.roll(77);
        bytes memory rawTx = hex"02f86b";
        VM.deal(USER, 1 ether);
        bytes32 acc = keccak256(abi.encode(bytes32(0), USER, uint64(0), uint256(77), uint256(START), keccak256(rawTx)));
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeForcedInclusion.ForcedEnqueued(0, USER, acc, START + DELAY, rawTx);
        VM.prank(USER);
        assertEq(coordinator.enqueueForced{value: FEE}(rawTx), 0, "index");

        ForcedEntry memory entry = coordinator.forcedEntry(0);
        assertEq(entry.acc, acc, "acc");
        assertEq(entry.enqueuedAt, START, "time");
        assertEq(entry.l1Block, 77, "block");
        assertEq(entry.fee, FEE, "fee");
        (uint64 head, uint64 tail, uint64 firstDueAt, uint256 fee) = coordinator.forcedState();
        assertTrue(head == 0 && tail == 1 && firstDueAt == START + DELAY, "state");
        assertEq(fee, FEE + FEE / 64, "next fee");
        assertEq(coordinator.feesOf(USER), 0, "nobody earned it yet");
    }

    /// R55.
    function test_enqueue_chainsAccumulators() external {
        enqueue("a");
        VM.warp(START + 5);
        VM.roll(200);
        enqueue("b");
        bytes32 acc = keccak256(
            abi.encode(
                coordinator.forcedEntry(0).acc, USER, uint64(1), uint256(200), uint256(START + 5), keccak256("b")
            )
        );
        assertEq(coordinator.forcedEntry(1).acc, acc, "second");
        assertEq(coordinator.forcedEntry(2).acc, 0, "none");
        assertEq(coordinator.forcedEntry(2).fee, 0, "none");
        assertEq(coordinator.forcedEntry(type(uint64).max).enqueuedAt, 0, "none");
    }

    /// R53.
    function test_enqueue_sizes() external {
        VM.deal(address(this), 1 ether);
        VM.expectRevert(abi.encodeWithSelector(ForcedSize.selector, 0));
        coordinator.enqueueForced{value: FEE}("");
        VM.expectRevert(abi.encodeWithSelector(ForcedSize.selector, 32_769));
        coordinator.enqueueForced{value: FEE}(new bytes(32_769));
        coordinator.enqueueForced{value: FEE}(new bytes(32_768));
        coordinator.enqueueForced{value: 2 * FEE}(hex"00");
    }

    /// R54.
    function test_enqueue_feeGrowsAndFalls() external {
        uint256 last = 0;
        for (uint256 waiting = 0; waiting <= 130; ++waiting) {
            (,,, uint256 fee) = coordinator.forcedState();
            assertEq(fee, FEE + FEE * waiting / 64, "fee");
            assertGt(fee, last, "grows");
            last = fee;
            VM.deal(USER, 1 ether);
            VM.prank(USER);
            VM.expectRevert(abi.encodeWithSelector(FeeTooLow.selector, fee));
            coordinator.enqueueForced{value: fee - 1}("x");
            enqueue("x");
        }
        assertEq(last, FEE + FEE * 130 / 64, "three times the base");
        Submission memory s = nextBatch(10, "data");
        consume(s, 32);
        certify(s, quorum(0));
        submit(s);
        (,,, uint256 cheaper) = coordinator.forcedState();
        assertEq(cheaper, FEE + FEE * 99 / 64, "falls with the queue");
    }

    /// R54.
    /// @notice What is paid above the fee belongs to the sequencers.
    function test_enqueue_overpaid() external {
        VM.deal(USER, 1 ether);
        VM.prank(USER);
        coordinator.enqueueForced{value: 0.5 ether}("x");
        assertEq(coordinator.forcedEntry(0).fee, 0.5 ether, "all of it");
    }

    /// R53.
    /// @notice The queue needs nobody: before the launch and without validators.
    function test_enqueue_beforeLaunch() external {
        deploy();
        deployCoordinator();
        enqueue("x");
        assertTrue(!coordinator.isTimeoutReached(), "not yet due");
    }

    /// R58.
    function test_coordinator_takesNoOtherMoney() external {
        VM.deal(address(this), 1 ether);
        (bool ok,) = address(coordinator).call{value: 1}("");
        assertTrue(!ok, "no receive");
    }

    // Batches -------------------------------------------------------------------------------------

    /// R56.
    function test_batch_consumes() external {
        enqueueMany(5);
        Submission memory s = nextBatch(10, "data");
        consume(s, 3);
        certify(s, quorum(0));
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeForcedInclusion.ForcedConsumed(0, 3, 1);
        submit(s);
        (uint64 head, uint64 tail,,) = coordinator.forcedState();
        assertTrue(head == 3 && tail == 5, "two are left");
        // All kinds of data consume.
        s = nextCelestiaBatch(20);
        consume(s, 4);
        certify(s, quorum(0));
        submitCelestia(s);
        bytes32[] memory hashes;
        (s, hashes) = nextBlobBatch(30, 1);
        consume(s, 5);
        certify(s, quorum(0));
        submitBlobs(s, hashes);
        (head, tail,,) = coordinator.forcedState();
        assertTrue(head == 5 && tail == 5, "empty");
        submitTo(40);
    }

    /// R56.
    function test_batch_range_reverts() external {
        enqueueMany(40);
        Submission memory s = nextBatch(10, "data");
        consume(s, 40);
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 0, 40, 40));
        consume(s, 33);
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 0, 40, 33));
        consume(s, 41);
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 0, 40, 41));
        consume(s, type(uint64).max);
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 0, 40, type(uint64).max));
        consume(s, 32);
        certify(s, quorum(0));
        submit(s);
        // Not back, and no further than there is.
        s = nextBatch(20, "data");
        consume(s, 31);
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 32, 40, 31));
        consume(s, 0);
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 32, 40, 0));
        consume(s, 41);
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 32, 40, 41));
    }

    /// R56.
    function test_batch_emptyQueue_reverts() external {
        Submission memory s = nextBatch(10, "data");
        s.header.forcedUpTo = 1;
        _refused(s, abi.encodeWithSelector(ForcedRange.selector, 0, 0, 1));
        s = nextBatch(10, "data");
        s.header.forcedAcc = bytes32(uint256(1));
        _refused(s, abi.encodeWithSelector(ForcedAccMismatch.selector));
    }

    /// R56.
    function test_batch_accumulator_reverts() external {
        enqueueMany(3);
        Submission memory s = nextBatch(10, "data");
        bytes memory error_ = abi.encodeWithSelector(ForcedAccMismatch.selector);
        consume(s, 2);
        s.header.forcedAcc = coordinator.forcedEntry(0).acc;
        _refused(s, error_);
        s.header.forcedAcc = coordinator.forcedEntry(2).acc;
        _refused(s, error_);
        s.header.forcedAcc = bytes32(0);
        _refused(s, error_);
        consume(s, 2);
        certify(s, quorum(0));
        submit(s);
        // Also without a new one.
        s = nextBatch(20, "data");
        s.header.forcedAcc = bytes32(0);
        _refused(s, error_);
        s.header.forcedAcc = coordinator.forcedEntry(2).acc;
        _refused(s, error_);
    }

    /// R56.
    /// @notice The queue of another fork of the settlement chain: the batch reverts instead of consuming something else.
    function test_batch_afterReorgOfQueue_reverts() external {
        uint256 state = VM.snapshotState();
        enqueue("a");
        Submission memory s = nextBatch(10, "data");
        consume(s, 1);
        certify(s, quorum(0));
        VM.revertToState(state);
        VM.expectRevert(abi.encodeWithSelector(ForcedRange.selector, 0, 0, 1));
        submit(s);
        enqueue("b");
        VM.expectRevert(abi.encodeWithSelector(ForcedAccMismatch.selector));
        submit(s);
    }

    // Deadline ------------------------------------------------------------------------------------

    /// R57.
    function test_deadline_overdueLeftOut_reverts() external {
        enqueueMany(2);
        postUntil(START + DELAY - 2);
        Submission memory s = certifiedBatch(coordinator.tip().endHeight + 1);
        VM.warp(START + DELAY - 1);
        assertTrue(!coordinator.isTimeoutReached(), "one second is left");
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);

        VM.warp(START + DELAY);
        assertTrue(coordinator.isTimeoutReached(), "due");
        _refused(s, abi.encodeWithSelector(ForcedOverdue.selector, 0, START + DELAY));
        consume(s, 1);
        _refused(s, abi.encodeWithSelector(ForcedOverdue.selector, 1, START + DELAY));
        consume(s, 2);
        certify(s, quorum(0));
        submit(s);
        assertTrue(!coordinator.isTimeoutReached(), "consumed");
        submitTo(coordinator.tip().endHeight + 1);
    }

    /// R57.
    /// @notice All data kinds, and even with the signatures of everybody.
    function test_deadline_quorumOfAllCannotCensor() external {
        enqueue("censored");
        postUntil(START + DELAY - 1);
        BatchTip memory tip = coordinator.tip();
        VM.warp(START + DELAY);
        bytes memory error_ = abi.encodeWithSelector(ForcedOverdue.selector, 0, START + DELAY);
        Submission memory s = nextBatch(tip.endHeight + 1, "data");
        certify(s, 15);
        VM.expectRevert(error_);
        submit(s);
        s = nextCelestiaBatch(tip.endHeight + 1);
        certify(s, 15);
        VM.expectRevert(error_);
        submitCelestia(s);
        bytes32[] memory hashes;
        (s, hashes) = nextBlobBatch(tip.endHeight + 1, 1);
        certify(s, 15);
        VM.expectRevert(error_);
        submitBlobs(s, hashes);
        assertEq(coordinator.tip().batchIndex, tip.batchIndex, "nothing");
    }

    /// R57.
    /// @notice Only what is due is mandatory.
    function test_deadline_laterEntriesMayWait() external {
        enqueue("a");
        VM.warp(START + 600);
        enqueue("b");
        VM.warp(START + DELAY);
        assertEq(coordinator.mustIncludeUpTo(START + DELAY - 1), 0, "none");
        assertEq(coordinator.mustIncludeUpTo(START + DELAY), 1, "one");
        assertEq(coordinator.mustIncludeUpTo(START + DELAY + 600), 2, "both");
        Submission memory s = nextBatch(10, "data");
        consume(s, 1);
        certify(s, quorum(0));
        submit(s);
        (uint64 head,, uint64 firstDueAt,) = coordinator.forcedState();
        assertTrue(head == 1 && firstDueAt == START + DELAY + 600, "the second waits");
    }

    /// R57.
    /// @notice A long queue cannot stop the chain: 32 of it are enough.
    function test_deadline_fullBatchMayLeaveOverdue() external {
        enqueueMany(70);
        postUntil(START + DELAY - 1);
        VM.warp(START + DELAY);
        assertEq(coordinator.mustIncludeUpTo(block.timestamp), 32, "a batch full");
        Submission memory s = nextBatch(10, "data");
        consume(s, 31);
        _refused(s, abi.encodeWithSelector(ForcedOverdue.selector, 31, START + DELAY));
        consume(s, 32);
        certify(s, quorum(0));
        submit(s);
        s = nextBatch(20, "data");
        consume(s, 64);
        certify(s, quorum(0));
        submit(s);
        assertEq(coordinator.mustIncludeUpTo(block.timestamp), 70, "the rest");
        s = nextBatch(30, "data");
        consume(s, 70);
        certify(s, quorum(0));
        submit(s);
        (,, uint64 firstDueAt,) = coordinator.forcedState();
        assertEq(firstDueAt, 0, "nothing waits");
    }

    // Catching up ---------------------------------------------------------------------------------

    /// R96.
    /// @notice The batches of an outage come late, and one after the other is taken. The last of them consumes.
    function test_catchUp_batchesOfAnOutageAreTaken() external {
        submitTo(1);
        VM.warp(START + 100);
        enqueue("in the outage");
        VM.warp(START + 20 hours);
        assertEq(coordinator.catchUpEnd(), START + 60 hours, "from the first batch on");
        submitTo(2);
        assertEq(coordinator.catchUpEnd(), START + 60 hours, "remembered");
        // One that came after the outage is overdue before all of it is posted.
        VM.warp(START + 20 hours + 60);
        enqueue("when batches came again");
        for (uint64 i = 1; i <= 10; ++i) {
            VM.warp(START + 20 hours + i * 15 minutes);
            submitTo(2 + i);
        }
        assertEq(coordinator.mustIncludeUpTo(block.timestamp), 2, "both are overdue");
        Submission memory s = nextBatch(20, "data");
        consume(s, 2);
        certify(s, quorum(0));
        submit(s);
        assertTrue(!coordinator.isTimeoutReached(), "caught up");
    }

    /// R96.
    function test_catchUp_onlyAfterAStandstill() external {
        assertEq(coordinator.standstill(), 30 minutes, "half an hour");
        postUntil(START + 3000);
        enqueue("x");
        uint64 deadline = START + 3000 + DELAY;
        postUntil(deadline - 30 minutes);
        VM.warp(deadline);
        assertEq(coordinator.catchUpEnd(), 0, "no standstill yet");
        Submission memory s = certifiedBatch(coordinator.tip().endHeight + 1);
        bytes memory error_ = abi.encodeWithSelector(ForcedOverdue.selector, 0, deadline);
        VM.expectRevert(error_);
        submit(s);
        VM.warp(deadline + 1);
        assertEq(coordinator.catchUpEnd(), deadline + 1 + 2 * (30 minutes + 1), "twice the pause");
        submit(s);
        uint64 end = coordinator.catchUpEnd();
        postUntil(end - 1);
        VM.warp(end);
        s = certifiedBatch(coordinator.tip().endHeight + 1);
        VM.expectRevert(error_);
        submit(s);
        VM.expectRevert(error_);
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
    }

    /// R96.
    /// @notice However long the standstill was: a day after the deadline the entry is in, or there is no batch.
    function test_catchUp_noEntryIsLateByMoreThanADay() external {
        enqueue("x");
        VM.warp(START + 365 days);
        uint64 now_ = START + 365 days;
        assertEq(coordinator.catchUpEnd(), now_ + 48 hours, "counted up to a day");
        Submission memory s = certifiedBatch(1);
        bytes memory error_ = abi.encodeWithSelector(ForcedOverdue.selector, 0, START + DELAY);
        VM.expectRevert(error_);
        submit(s);
        consume(s, 1);
        certify(s, quorum(0));
        submit(s);
        // A second longer is too long for the next one, too.
        enqueue("y");
        VM.warp(now_ + DELAY + ESCAPE - 1);
        submitTo(2);
        VM.warp(now_ + DELAY + ESCAPE);
        s = certifiedBatch(3);
        VM.expectRevert(abi.encodeWithSelector(ForcedOverdue.selector, 1, now_ + DELAY));
        submit(s);
    }

    /// R96.
    /// @notice A short standstill does not end the time that a long one gave.
    function test_catchUp_standstillsDoNotShortenEachOther() external {
        VM.warp(START + 10 hours);
        submitTo(1);
        VM.warp(START + 11 hours);
        assertEq(coordinator.catchUpEnd(), START + 30 hours, "the longer one");
        submitTo(2);
        assertEq(coordinator.catchUpEnd(), START + 30 hours, "the longer one, remembered");
        VM.warp(START + 29 hours);
        assertEq(coordinator.catchUpEnd(), START + 65 hours, "another one");
    }

    /// R96.
    /// @notice What an escape batch voided needs no time.
    function test_catchUp_countsFromTheEscape() external {
        submitTo(1);
        enqueue("x");
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        assertEq(coordinator.catchUpEnd(), 0, "nothing to catch up");
        VM.warp(START + DELAY + ESCAPE + 40 minutes);
        assertEq(coordinator.catchUpEnd(), START + DELAY + ESCAPE + 120 minutes, "since the escape");
    }

    /// @notice A batch every twenty minutes and at the end, none of which consumes anything.
    function postUntil(uint64 time) internal {
        for (uint64 next = uint64(block.timestamp); next < time; next += 20 minutes) {
            VM.warp(next);
            submitTo(coordinator.tip().endHeight + 1);
        }
        VM.warp(time);
        submitTo(coordinator.tip().endHeight + 1);
    }

    // Fees ----------------------------------------------------------------------------------------

    /// R58.
    function test_fees_goToFeeRecipientOfHeader() external {
        enqueueMany(4);
        uint256 total = address(coordinator).balance;
        Submission memory s = nextBatch(10, "data");
        s.header.feeRecipient = address(0xF1);
        consume(s, 1);
        certify(s, quorum(0));
        submit(s); // RELAY gets nothing
        s = nextBatch(20, "data");
        s.header.feeRecipient = address(0xF2);
        consume(s, 4);
        certify(s, quorum(0));
        submit(s);
        assertEq(coordinator.feesOf(RELAY), 0, "relay");
        assertEq(coordinator.feesOf(address(0xF1)), FEE, "first");
        assertEq(coordinator.feesOf(address(0xF2)), total - FEE, "second");

        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeForcedInclusion.FeesClaimed(address(0xF3), FEE);
        VM.prank(address(0xF1));
        coordinator.claimFees(address(0xF3));
        assertEq(address(0xF3).balance, FEE, "paid");
        VM.prank(address(0xF1));
        coordinator.claimFees(address(0xF3));
        assertEq(address(0xF3).balance, FEE, "once");
        coordinator.claimFees(address(0xF3));
        assertEq(address(coordinator).balance, total - FEE, "nobody else");
    }

    /// R58.
    function test_fees_reentrantClaimGetsItsOwnOnce() external {
        Reentrant thief = new Reentrant(coordinator);
        enqueueMany(2);
        Submission memory s = nextBatch(10, "data");
        s.header.feeRecipient = address(thief);
        consume(s, 1);
        certify(s, quorum(0));
        submit(s);
        uint256 rest = address(coordinator).balance - FEE;
        thief.claim();
        assertEq(thief.paid(), 3, "called back");
        assertEq(address(thief).balance, FEE, "once");
        assertEq(address(coordinator).balance, rest, "rest");
    }

    /// R58.
    function test_fees_refusedPayment_reverts() external {
        enqueue("x");
        Submission memory s = nextBatch(10, "data");
        s.header.feeRecipient = address(0xF1);
        consume(s, 1);
        certify(s, quorum(0));
        submit(s);
        VM.prank(address(0xF1));
        VM.expectRevert(Errors.FailedCall.selector);
        coordinator.claimFees(address(consensus));
        assertEq(coordinator.feesOf(address(0xF1)), FEE, "still there");
    }

    // Escape --------------------------------------------------------------------------------------

    /// R60.
    function test_escape_acceptsOverdueEntries() external {
        submitTo(120);
        bytes32 parent = coordinator.batchHash(1);
        enqueueMany(3);
        VM.warp(START + 600);
        enqueue("not yet due when the others escape");
        uint64 ready = START + DELAY + ESCAPE;
        assertEq(coordinator.escapableAt(), ready, "from then on");
        // An entry that comes late is no part of it.
        VM.warp(ready - 1);
        VM.expectRevert(abi.encodeWithSelector(NotEscapable.selector, ready));
        coordinator.escapeBatch();
        enqueue("late");
        VM.warp(ready);

        BatchHeader memory header;
        header.version = 1;
        header.era = 1;
        header.batchIndex = 2;
        header.startHeight = 121;
        header.endHeight = 120;
        header.term = 1 << 16;
        header.forcedUpTo = 4;
        header.txCount = 4;
        header.parentBatchHash = parent;
        header.forcedAcc = coordinator.forcedEntry(3).acc;
        header.skipsHash = keccak256("");
        header.feeRecipient = RELAY;
        bytes32 hash = keccak256(abi.encode(header));
        uint256 fees = address(coordinator).balance - coordinator.forcedEntry(4).fee;
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeForcedInclusion.ForcedConsumed(0, 4, 2);
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeForcedInclusion.EscapeBatch(2, hash, header);
        VM.prank(RELAY);
        coordinator.escapeBatch();

        assertEq(coordinator.batchHash(2), hash, "hash");
        assertEq(coordinator.feesOf(RELAY), fees, "the caller is paid");
        BatchTip memory tip = coordinator.tip();
        assertEq(tip.batchIndex, 2, "index");
        assertEq(tip.endHeight, 120, "no heights");
        assertEq(tip.term, 1 << 16, "term");
        assertEq(tip.acceptedAt, START, "time of the last certified batch");
        assertEq(consensus.era(), 1, "new era");
        (uint64 head, uint64 tail,,) = coordinator.forcedState();
        assertTrue(head == 4 && tail == 5, "the late one waits");
        assertTrue(!coordinator.verifyInclusion(header, keccak256("forced"), 0, new bytes32[](2)), "proves nothing");
    }

    /// R61.
    function test_escape_chainGoesOn() external {
        submitTo(120);
        Submission memory orphan = certifiedBatch(150);
        enqueue("x");
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        // What was certified before is void.
        VM.expectRevert();
        submit(orphan);
        orphan.header.batchIndex = 3;
        orphan.header.forcedUpTo = 1;
        orphan.header.forcedAcc = coordinator.forcedEntry(0).acc;
        VM.expectRevert(
            abi.encodeWithSelector(WrongParent.selector, coordinator.batchHash(2), coordinator.batchHash(1))
        );
        submit(orphan);
        orphan.header.parentBatchHash = coordinator.batchHash(2);
        certify(orphan, 15);
        VM.expectRevert(abi.encodeWithSelector(WrongEra.selector, 1, 0));
        submit(orphan);
        // The new era continues at the same height.
        submitTo(130);
        assertEq(coordinator.tip().batchIndex, 3, "index");
        assertEq(coordinator.tip().endHeight, 130, "height");
    }

    /// R60.
    function test_escape_voidsOpenedTerm() external {
        submitTo(120);
        openTerm(0, (1 << 16) | 3);
        enqueue("x");
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        assertEq(coordinator.lastTerm(), 1 << 16, "term of the last batch");
        submitTo(130);
    }

    /// R59.
    function test_escape_nothingWaits_reverts() external {
        VM.warp(START + 365 days);
        assertEq(coordinator.escapableAt(), 0, "never");
        VM.expectRevert(abi.encodeWithSelector(NotEscapable.selector, 0));
        coordinator.escapeBatch();
    }

    /// R59.
    /// @notice While certified batches come nobody can void what they have not reached yet, however long the queue is.
    function test_escape_livingChain_reverts() external {
        enqueueMany(70);
        VM.warp(START + DELAY + ESCAPE - 1);
        Submission memory s = nextBatch(10, "data");
        consume(s, 32);
        certify(s, quorum(0));
        submit(s);
        uint64 ready = START + DELAY + 2 * ESCAPE - 1;
        assertEq(coordinator.escapableAt(), ready, "a day after the batch");
        VM.warp(START + DELAY + ESCAPE + 100);
        VM.expectRevert(abi.encodeWithSelector(NotEscapable.selector, ready));
        coordinator.escapeBatch();
    }

    /// R59.
    /// @notice One escape per delay; each takes at most a batch full.
    function test_escape_longQueue() external {
        enqueueMany(70);
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        (uint64 head,,,) = coordinator.forcedState();
        assertEq(head, 32, "a batch full");
        VM.expectRevert(abi.encodeWithSelector(NotEscapable.selector, START + DELAY + 2 * ESCAPE));
        coordinator.escapeBatch();
        VM.warp(START + DELAY + 2 * ESCAPE);
        coordinator.escapeBatch();
        VM.warp(START + DELAY + 3 * ESCAPE);
        coordinator.escapeBatch();
        (head,,,) = coordinator.forcedState();
        assertEq(head, 70, "all");
        assertEq(consensus.era(), 3, "an era each");
        assertEq(coordinator.tip().batchIndex, 3, "a batch each");
    }

    /// R59.
    /// @notice Not a second after the deployment, whatever the clock of the first batch says.
    function test_escape_beforeFirstBatch() external {
        enqueue("x");
        VM.warp(START + DELAY);
        VM.expectRevert(abi.encodeWithSelector(NotEscapable.selector, START + DELAY + ESCAPE));
        coordinator.escapeBatch();
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        assertEq(coordinator.batchHash(1) == bytes32(0) ? 0 : 1, 1, "batch 1");
        submitTo(10);
        assertEq(coordinator.tip().batchIndex, 2, "batch 2");
    }

    /// R61.
    function test_escape_atEndOfEpoch() external {
        submitTo(599);
        enqueue("x");
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        submitTo(650);
        assertEq(consensus.currentEpoch(), 1, "next epoch");
    }

    /// R53, R60.
    /// @notice F3: the guardian stops batches, but neither the queue nor the escape nor what they earned.
    function test_escape_whilePaused() external {
        submitTo(10);
        enqueue("x");
        consensus.setGuardian(address(this));
        VM.warp(START + DELAY + ESCAPE - 60);
        consensus.pause(3);
        Submission memory s = nextBatch(20, "data");
        consume(s, 1);
        certify(s, 15);
        VM.expectRevert(abi.encodeWithSelector(PausedFor.selector, 2, START + DELAY + ESCAPE - 60 + 3 days));
        submit(s);
        enqueue("y");
        VM.warp(START + DELAY + ESCAPE);
        VM.prank(RELAY);
        coordinator.escapeBatch();
        VM.prank(RELAY);
        coordinator.claimFees(RELAY);
        assertEq(RELAY.balance, FEE, "paid");
        (uint64 head,,,) = coordinator.forcedState();
        assertEq(head, 1, "taken in");
    }

    /// R53, R60.
    /// @notice F3: without any set the queue and the escape go on; after the relaunch the chain continues behind them.
    function test_escape_whileHalted() external {
        submitTo(10);
        VM.warp(START + 2 days);
        consensus.declareHalt();
        enqueue("x");
        VM.warp(START + 2 days + DELAY + ESCAPE);
        coordinator.escapeBatch();
        assertEq(consensus.era(), 2, "halt and escape");
        consensus.relaunch();
        submitTo(20);
        assertEq(coordinator.tip().batchIndex, 3, "continues");
        // An escape does not put a halt off: only certified batches count.
        enqueue("y");
        VM.warp(START + 4 days + DELAY + ESCAPE);
        coordinator.escapeBatch();
        consensus.declareHalt();
    }

    /// R60.
    function test_escape_strangersCannotChangeTheEra() external {
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.onEscape(0);
    }

    /// R61.
    /// @notice Without the quorum only the escape moves, with it only certified batches.
    function test_escape_isNoWayAroundTheQuorum() external {
        submitTo(10);
        enqueue("x");
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        Submission memory s = nextBatch(20, "data");
        certify(s, 3);
        VM.expectRevert(abi.encodeWithSelector(QuorumNotReached.selector, 2000, 4000));
        submit(s);
    }

    /// R61.
    /// @notice A batch of before cannot be passed off as the escape, nor the escape be replaced.
    function test_escape_isFinal() external {
        enqueue("x");
        VM.warp(START + DELAY + ESCAPE);
        coordinator.escapeBatch();
        bytes32 hash = coordinator.batchHash(1);
        Submission memory s = nextBatch(10, "data");
        s.header.batchIndex = 1;
        s.header.parentBatchHash = coordinator.batchHash(0);
        certify(s, 15);
        VM.expectRevert();
        submit(s);
        submitTo(10);
        assertEq(coordinator.batchHash(1), hash, "as it was");
    }

    function test_rules_areReadable() external view {
        assertEq(coordinator.forcedDelay(), DELAY, "deadline");
        assertEq(coordinator.escapeDelay(), ESCAPE, "escape");
        assertEq(coordinator.maxForcedPerBatch(), 32, "per batch");
    }

    /// @dev Reverts in the same way when it is submitted and when it is only checked.
    function _refused(Submission memory s, bytes memory error_) private {
        certify(s, quorum(0));
        VM.expectRevert(error_);
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        VM.expectRevert(error_);
        submit(s);
    }
}
