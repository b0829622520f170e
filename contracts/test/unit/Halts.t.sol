// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    AlreadyLaunched,
    BadSigner,
    EpochNotFrozen,
    EvidenceExpired,
    InvalidEvidence,
    NotLaunched,
    ParamOutOfBounds,
    TooEarly,
    Unauthorized,
    WrongEra
} from "../../src/consensus/AndeErrors.sol";
import {ConsensusConfig, SetInfo, ValidatorStatus, Vote} from "../../src/consensus/AndeTypes.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

contract HaltsTest is DutiesFixture {
    function setUp() external {
        setTime(clock);
        launchWith(4);
    }

    function _halt() private {
        pass(DAY);
        consensus.declareHalt();
    }

    // Halt ----------------------------------------------------------------------------------------

    /// R85.
    function test_declareHalt_afterTimeoutWithoutBatch() external {
        submitTo(10);
        pass(DAY - 1);
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, clock + 1));
        consensus.declareHalt();
        submitTo(20); // a batch starts the time anew
        pass(DAY - 1);
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, clock + 1));
        consensus.declareHalt();
        pass(1);
        VM.prank(RELAY); // anyone
        consensus.declareHalt();
        assertTrue(!consensus.launched(), "stopped");
        assertEq(consensus.era(), 1, "new era");
        VM.expectRevert(NotLaunched.selector);
        consensus.declareHalt();
    }

    /// R85.
    /// @notice A chain that never made a batch can be halted too.
    function test_declareHalt_withoutAnyBatch() external {
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, clock + DAY));
        consensus.declareHalt();
        requestExit(1);
        _halt();
        assertEq(consensus.unlockTime(1), clock + 2 * DAY, "duties end");
        _relaunchFails();
    }

    function _relaunchFails() private {
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("minValidators"), 4, 3));
        consensus.relaunch();
    }

    /// R85.
    function test_halted_nothingPasses() external {
        submitTo(10);
        Submission memory s = certifiedBatch(20);
        _halt();
        VM.expectRevert(NotLaunched.selector);
        submit(s);
        VM.expectRevert(NotLaunched.selector);
        consensus.freezeEpoch(3);
        VM.expectRevert(NotLaunched.selector);
        consensus.quorumContext(0);
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.launch();
        ConsensusConfig memory config = consensus.config();
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.configure(config);
        address verifier = consensus.verifier();
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setVerifier(verifier);
        address present = address(coordinator);
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setCoordinator(present);
        // Registrations do not launch by themselves either.
        register(5, STAKE);
        assertTrue(!consensus.launched(), "only relaunch");
    }

    /// R85.
    function test_halted_setsAreVoid() external {
        submitTo(10);
        uint32 setId = consensus.setIdOf(1);
        _halt();
        for (uint64 epoch = 0; epoch < 3; ++epoch) {
            assertEq(consensus.setIdOf(epoch), 0, "void");
            assertEq(consensus.seedOf(epoch), bytes32(0), "void");
            assertTrue(consensus.isEvidenceOpen(epoch), "for evidence they are not");
        }
        assertEq(consensus.setInfo(setId).size, 4, "readable by id");
        assertEq(consensus.getActiveValidators().length, 4, "candidates again");
        pass(DAY + 1);
        assertTrue(!consensus.isEvidenceOpen(2), "the window counts from the halt");
    }

    /// R23.
    /// @notice An epoch whose last height is in a batch ended: its set stays.
    function test_halted_completeEpochStays() external {
        submitTo(599);
        _halt();
        assertEq(consensus.setIdOf(0), 1, "complete");
        assertEq(consensus.epochClosedAt(0), clock, "closed by the halt");
        assertEq(consensus.setIdOf(1), 0, "unused");
        consensus.relaunch();
        assertEq(consensus.lastFrozenEpoch(), 2, "goes on with 1 and 2");
        assertEq(consensus.currentEpoch(), 1, "first epoch of the launch");
        assertEq(consensus.getActiveValidators().length, 4, "its set");
        submitTo(700);
        assertEq(consensus.epochClosedAt(0), clock, "closed once");
    }

    /// R23, R67.
    /// @notice A second halt does not close the epoch again: evidence and unbonding count from the first.
    function test_halted_again_completeEpochEndedOnce() external {
        requestExit(4);
        submitTo(599);
        _halt();
        uint256 ended = clock;
        assertEq(consensus.epochClosedAt(0), ended, "closed by the halt");
        uint256 unlock = consensus.unlockTime(4);
        consensus.setParam("minValidators", 3);
        consensus.relaunch();
        _halt();
        assertEq(consensus.epochClosedAt(0), ended, "closed once");
        assertEq(consensus.unlockTime(4), unlock, "no longer");
        assertEq(consensus.setIdOf(1), 0, "unused");
        assertEq(consensus.era(), 2, "era");
    }

    // Relaunch ------------------------------------------------------------------------------------

    /// R86.
    function test_relaunch_freshSetsSameHeights() external {
        submitTo(10);
        requestExit(4);
        register(5, 3000e18);
        Submission memory old = certifiedBatch(20);
        _halt();
        consensus.relaunch();
        assertTrue(consensus.launched(), "launched");
        assertEq(consensus.lastFrozenEpoch(), 1, "epochs 0 and 1 anew");
        assertEq(consensus.getValidatorSet(0).length, 4, "without 4, with 5");
        assertEq(consensus.totalWeight(0), 6000, "fresh weights");
        uint32 setId = consensus.setIdOf(0);
        assertEq(setId, 1 + (1 << 24), "another id");
        assertEq(consensus.setInfo(setId).totalWeight, 6000, "new set by id");
        assertEq(consensus.setInfo(1).totalWeight, 4000, "old set by id");
        assertEq(consensus.setInfo(2).size, 0, "no such set");

        // What the old set certified is dead.
        VM.expectRevert(abi.encodeWithSelector(WrongEra.selector, 1, 0));
        submit(old);
        old.header.era = 1;
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submit(old);
        submitTo(20);
        finishEpochs(3);
        assertEq(coordinator.tip().endHeight, 1800, "the chain goes on");
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.relaunch();
    }

    /// R86.
    function test_relaunch_beforeLaunch_reverts() external {
        configureWith(4);
        VM.expectRevert(NotLaunched.selector);
        consensus.relaunch();
    }

    /// R86.
    function test_relaunch_takesPendingParameters() external {
        submitTo(10);
        requestExit(1);
        _halt();
        _relaunchFails();
        consensus.setParam("minValidators", 3);
        consensus.relaunch();
        assertEq(consensus.getValidatorSet(0).length, 3, "three are enough now");
        assertEq(consensus.config().minValidators, 3, "effective");
    }

    /// R86.
    function test_relaunch_twice() external {
        submitTo(10);
        _halt();
        consensus.relaunch();
        _halt();
        assertEq(consensus.era(), 2, "era");
        consensus.relaunch();
        assertEq(consensus.setInfo(1).size, 4, "first set");
        assertEq(consensus.setInfo(1 + (1 << 24)).size, 4, "second");
        assertEq(consensus.setInfo(1 + (2 << 24)).size, 4, "third");
        finishEpoch();
        assertEq(consensus.currentEpoch(), 1, "goes on");
    }

    // Duties across a halt ------------------------------------------------------------------------

    /// R67.
    /// @notice L1: whoever halts and relaunches again and again cannot hold the stake of those who left.
    function test_claim_repeatedRelaunches_doNotExtend() external {
        submitTo(10);
        requestExit(4);
        consensus.setParam("minValidators", 3);
        _halt();
        uint256 unlock = clock + 2 * DAY;
        assertEq(consensus.unlockTime(4), unlock, "from the first halt");
        consensus.relaunch();
        assertEq(consensus.unlockTime(4), unlock, "the epoch runs again, without it");
        _halt();
        consensus.relaunch();
        assertEq(consensus.unlockTime(4), unlock, "still");
        setTime(unlock);
        assertEq(consensus.claimExit(4), STAKE, "paid");
    }

    /// R63.
    function test_exit_whileHalted() external {
        submitTo(10);
        _halt();
        uint256 halted = clock;
        pass(DAY);
        requestExit(1);
        assertEq(consensus.unlockTime(1), halted + 2 * DAY, "the duty ended with the halt");
        consensus.setParam("minValidators", 3);
        consensus.relaunch();
        finishEpochs(3);
        assertEq(consensus.unlockTime(1), halted + 2 * DAY, "whatever comes");
    }

    function test_exit_whileHalted_afterCompleteEpoch() external {
        submitTo(10);
        for (uint256 i = 1; i <= 4; ++i) {
            if (i != 1) requestExit(i);
        }
        finishEpochs(2);
        submitTo(1799);
        _halt();
        requestExit(1);
        // Epoch 3 was frozen with validator 1 alone and is void now.
        assertEq(consensus.unlockTime(1), clock + 2 * DAY, "halt");
        assertEq(consensus.unlockTime(2), clock + 2 * DAY, "the complete epoch was closed by it");
    }

    /// R63.
    function test_exit_afterRelaunch_endsWithTheNewEpoch() external {
        submitTo(10);
        _halt();
        register(5, STAKE);
        consensus.relaunch();
        requestExit(1);
        assertEq(viewOf(1).lastDutyEpoch, 1, "last frozen one");
        assertEq(consensus.unlockTime(1), 0, "on duty again");
        finishEpochs(2);
        assertEq(consensus.unlockTime(1), clock + 2 * DAY, "closed by a batch");
    }

    // Evidence across eras ------------------------------------------------------------------------

    /// R87.
    function test_evidence_ofVoidedSet() external {
        submitTo(10);
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        requestExit(1); // so that indices move
        consensus.setParam("minValidators", 3);
        _halt();
        consensus.relaunch();
        // In the new set member 2 has index 0; the evidence names the set of its era.
        pass(DAY);
        uint256 state = VM.snapshotState();
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        assertEq(statusOf(2), uint8(ValidatorStatus.Tombstoned), "old set");
        VM.revertToState(state);
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 0, sigA, sigB);
        pass(1);
        VM.expectRevert(abi.encodeWithSelector(EvidenceExpired.selector, 0));
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        // The new era has its own set and window.
        equivocate(0, 0, key(2));
        assertEq(statusOf(2), uint8(ValidatorStatus.Tombstoned), "new set");
    }

    /// R87.
    function test_evidence_threeGenerations() external {
        submitTo(10);
        Vote memory first = vote(0, keccak256("a"));
        _halt();
        consensus.relaunch();
        Vote memory second = vote(0, keccak256("a"));
        pass(DAY / 2);
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(first, key(1));
        consensus.submitVoteEvidence(first, keccak256("b"), 0, sigA, sigB);
        pass(DAY / 2);
        consensus.setParam("minValidators", 2);
        consensus.declareHalt();
        consensus.relaunch();
        (sigA, sigB) = conflictingVotes(second, key(2));
        consensus.submitVoteEvidence(second, keccak256("b"), 1, sigA, sigB);
        assertEq(statusOf(2), uint8(ValidatorStatus.Tombstoned), "middle set");
        equivocate(0, 1, key(3)); // the set without 1, frozen before 2 was slashed
        assertEq(statusOf(3), uint8(ValidatorStatus.Tombstoned), "last set");
    }

    /// R88.
    /// @notice Re-voting a height after a new era is no offence: the eras are two messages.
    function test_evidence_acrossEras_reverts() external {
        submitTo(10);
        Vote memory v = vote(0, keccak256("a"));
        bytes memory sigA = signVote(key(2), v);
        _halt();
        consensus.relaunch();
        Vote memory w = vote(0, keccak256("b"));
        bytes memory sigB = signVote(key(2), w);
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
    }

    /// R87.
    function test_claim_ofTombstonedInVoidedSet() external {
        submitTo(10);
        equivocate(0, 1, key(2));
        consensus.setParam("minValidators", 3);
        _halt();
        consensus.relaunch();
        pass(2 * DAY);
        assertEq(consensus.claimExit(2), 950e18, "factor 0");
    }

    // Downtime ------------------------------------------------------------------------------------

    /// R81.
    function test_settle_epochThatMetAHalt_isForgiven() external {
        submitSkipped(10, 1);
        _halt();
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 0));
        consensus.settleDowntime(0);
        consensus.relaunch();
        finishEpoch();
        consensus.settleDowntime(0);
        for (uint32 id = 1; id <= 4; ++id) {
            assertEq(statusOf(id), uint8(ValidatorStatus.Active), "nobody");
        }
    }

    // Escape --------------------------------------------------------------------------------------

    /// R88.
    function test_onEscape_startsEraKeepsSets() external {
        submitTo(599);
        uint32 setId = consensus.setIdOf(1);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.onEscape(1);
        VM.prank(address(coordinator));
        assertEq(consensus.onEscape(1), 1, "new era");
        assertEq(consensus.era(), 1, "era");
        assertEq(consensus.setIdOf(1), setId, "sets stay");
        assertEq(consensus.currentEpoch(), 1, "its epoch is open");
        assertEq(consensus.epochClosedAt(0), clock, "the one before is closed");
        submitTo(610); // in the new era
    }

    function test_onEscape_needsFrozenSet() external {
        submitTo(10);
        VM.prank(address(coordinator));
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 3));
        consensus.onEscape(3);
    }

    function test_onEscape_whileHalted() external {
        submitTo(10);
        _halt();
        VM.prank(address(coordinator));
        assertEq(consensus.onEscape(0), 2, "only the era");
        requestExit(1);
        assertEq(consensus.unlockTime(1), clock + 2 * DAY, "the duty ended with the halt");
        consensus.setParam("minValidators", 3);
        consensus.relaunch();
        submitTo(20);
        SetInfo memory info = consensus.setInfo(consensus.setIdOf(0));
        assertEq(info.size, 3, "fresh set");
    }

    /// R88.
    /// @notice Votes of the era before an escape stay evidence in the same set.
    function test_onEscape_evidenceOfOldEra() external {
        submitTo(10);
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        VM.prank(address(coordinator));
        consensus.onEscape(0);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        assertEq(statusOf(2), uint8(ValidatorStatus.Tombstoned), "status");
    }
}
