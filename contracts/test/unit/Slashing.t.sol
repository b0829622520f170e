// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    AlreadyTombstoned,
    EpochNotFrozen,
    EvidenceExpired,
    InvalidEvidence,
    NotInSet,
    NotUnlocked,
    WrongStatus
} from "../../src/consensus/AndeErrors.sol";
import {Checkpoint, ConsensusConfig, ValidatorStatus, Vote} from "../../src/consensus/AndeTypes.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

contract SlashingTest is DutiesFixture {
    uint8 private constant TOMBSTONED = uint8(ValidatorStatus.Tombstoned);
    address private constant SINK = 0x000000000000000000000000000000000000dEaD;

    function setUp() external {
        setTime(clock);
        launchWith(4);
        submitTo(10);
    }

    function _launchWithCorrelation(uint16 n, uint16 factor) private {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.minValidators = n;
        config.correlationFactor = factor;
        consensus.configure(config);
        deployCoordinator();
        for (uint256 i = 1; i <= n; ++i) {
            register(i, STAKE);
        }
        submitTo(10);
    }

    // Votes ---------------------------------------------------------------------------------------

    /// R71, R75.
    function test_voteEvidence_slashesAndTombstones() external {
        equivocate(0, 1, key(2));
        assertEq(statusOf(2), TOMBSTONED, "status");
        assertEq(viewOf(2).stake, 950e18, "5 % of the stake");
        assertEq(token.balanceOf(REPORTER), 2.5e18, "5 % of that for the reporter");
        assertEq(consensus.sinkOwed(), 47.5e18, "the rest for the sink");
        assertEq(consensus.bonded(), 3950e18, "bonded");
        assertEq(token.balanceOf(address(consensus)), consensus.bonded() + consensus.sinkOwed(), "I1");
        assertEq(consensus.slashedWeight(0), 1000, "weight of the offence");
        assertEq(consensus.sweepSlashed(), 47.5e18, "swept");
        assertEq(token.balanceOf(SINK), 47.5e18, "burned");
        assertEq(consensus.sinkOwed(), 0, "nothing owed");
        assertEq(consensus.sweepSlashed(), 0, "nothing left");
    }

    /// R18.
    function test_voteEvidence_leavesSetFromNextFreeze() external {
        equivocate(0, 1, key(2));
        assertEq(consensus.getValidatorSet(2).length, 4, "frozen sets keep it");
        finishEpoch();
        assertEq(consensus.getValidatorSet(3).length, 3, "out");
        finishEpochs(3); // the chain goes on
        assertEq(consensus.getActiveValidators().length, 3, "three go on");
    }

    /// R71.
    function test_voteEvidence_everyKind() external {
        for (uint8 kind = 0; kind < 3; ++kind) {
            Vote memory v = vote(0, keccak256("a"));
            v.kind = kind;
            equivocateWith(v, kind, key(kind + 1));
            assertEq(statusOf(kind + 1), TOMBSTONED, "kind");
        }
        Vote memory w = vote(0, keccak256("a"));
        w.kind = 3;
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(w, key(4));
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(w, keccak256("b"), 3, sigA, sigB);
    }

    /// R71.
    function test_voteEvidence_nilCounts() external {
        equivocateWith(vote(0, bytes32(0)), 1, key(2));
        assertEq(statusOf(2), TOMBSTONED, "no block and a block");
    }

    /// R71.
    function test_voteEvidence_65bytes() external {
        Vote memory v = vote(0, keccak256("a"));
        bytes memory sigA = _long(key(2), consensus.voteDigest(v));
        v.blockHash = keccak256("b");
        bytes memory sigB = _long(key(2), consensus.voteDigest(v));
        v.blockHash = keccak256("a");
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        assertEq(statusOf(2), TOMBSTONED, "status");
    }

    /// R75.
    function test_voteEvidence_twice_reverts() external {
        equivocate(0, 1, key(2));
        Vote memory v = vote(1, keccak256("c"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        VM.expectRevert(abi.encodeWithSelector(AlreadyTombstoned.selector, 2));
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        assertEq(viewOf(2).stake, 950e18, "one slash per id");
    }

    /// R71, R73.
    function test_voteEvidence_badEvidence_reverts() external {
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        bytes memory other = signVote(key(3), v);

        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("a"), 1, sigA, sigA); // the same vote
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("c"), 1, sigA, sigB); // not what was signed
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, other, sigB); // two signers
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 2, sigA, sigB); // another member
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, new bytes(64), new bytes(64)); // nobody
        VM.expectRevert(abi.encodeWithSelector(NotInSet.selector, 0, 4));
        consensus.submitVoteEvidence(v, keccak256("b"), 4, sigA, sigB);
        v.epoch = 3;
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 3));
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        v.epoch = 0;
        v.l2ChainId += 1;
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        v.l2ChainId -= 1;
        v.era = 1;
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        assertEq(viewOf(2).stake, STAKE, "untouched");
    }

    /// R74.
    /// @notice An era that has not begun is nobody's business, even properly signed.
    function test_voteEvidence_ofFutureEra_reverts() external {
        Vote memory v = vote(0, keccak256("a"));
        v.era = 1;
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        VM.prank(address(coordinator));
        consensus.onEscape(0);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        assertEq(statusOf(2), TOMBSTONED, "once it has begun");
    }

    /// R71.
    /// @notice Votes for different heights, rounds or kinds never make evidence together.
    function testFuzz_voteEvidence_differentPlaces_revert(uint256 which, uint64 by) external {
        by = uint64(bound(by, 1, 1000));
        Vote memory v = vote(0, keccak256("a"));
        bytes memory sigA = signVote(key(2), v);
        Vote memory w = vote(0, keccak256("b"));
        which = bound(which, 0, 4);
        if (which == 0) w.height += by;
        if (which == 1) w.round += uint32(by);
        if (which == 2) w.kind = uint8(by % 2);
        if (which == 3) w.era += uint32(by);
        if (which == 4) w.epoch += by;
        bytes memory sigB = signVote(key(2), w);
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
    }

    /// R74.
    /// @notice One flipped bit anywhere in the signatures makes evidence worthless.
    function testFuzz_voteEvidence_anyBit_reverts(uint256 bit) external {
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        bit = bound(bit, 0, 511);
        sigB[bit / 8] = bytes1(uint8(sigB[bit / 8]) ^ uint8(2 ** (bit % 8)));
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
    }

    /// R74.
    function test_voteEvidence_ofOtherChainOrContract_reverts() external {
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        VM.chainId(77);
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        VM.chainId(31_337);
        launchWith(4);
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
    }

    // Window --------------------------------------------------------------------------------------

    /// R73.
    function test_evidence_windowOfEpoch() external {
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        pass(50 * DAY);
        assertTrue(consensus.isEvidenceOpen(0), "an open epoch has no end");
        finishEpoch();
        pass(DAY);
        assertTrue(consensus.isEvidenceOpen(0), "last second");
        uint256 state = VM.snapshotState();
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        assertEq(statusOf(2), TOMBSTONED, "last second");
        VM.revertToState(state);
        pass(1);
        assertTrue(!consensus.isEvidenceOpen(0), "over");
        assertTrue(consensus.isEvidenceOpen(1), "next one");
        assertTrue(!consensus.isEvidenceOpen(9), "not frozen");
        VM.expectRevert(abi.encodeWithSelector(EvidenceExpired.selector, 0));
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
    }

    /// R73.
    /// @notice The window belongs to the epoch: who was on duty under a long one stays accountable for as long.
    function test_evidence_windowIsFrozenWithTheSet() external {
        consensus.setParam("evidenceWindow", 1 hours);
        finishEpochs(3); // epochs 0 to 2 were frozen before, 3 after
        assertEq(consensus.config().evidenceWindow, 1 hours, "the new window");
        pass(20 hours);
        assertTrue(consensus.isEvidenceOpen(2), "old window");
        finishEpoch();
        pass(2 hours);
        assertTrue(!consensus.isEvidenceOpen(3), "new window");
    }

    /// R78.
    function test_evidence_againstExiting_locksTheRest() external {
        requestExit(2);
        finishEpochs(3);
        pass(DAY); // epoch 2 still accepts evidence
        equivocate(2, 1, key(2));
        assertEq(statusOf(2), TOMBSTONED, "no escape by leaving");
        uint256 unlock = consensus.unlockTime(2);
        assertEq(unlock, clock + DAY, "the lock of the exit stays");
        setTime(unlock);
        assertEq(consensus.claimExit(2), 950e18, "the rest");
        assertEq(statusOf(2), TOMBSTONED, "for ever");
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, TOMBSTONED));
        consensus.claimExit(2);
    }

    /// R78.
    function test_evidence_againstExited_reverts() external {
        requestExit(2);
        finishEpochs(3);
        Vote memory v = vote(2, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        pass(2 * DAY);
        consensus.claimExit(2);
        VM.expectRevert(abi.encodeWithSelector(EvidenceExpired.selector, 2));
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        // Not a member of any later set either.
        v = vote(3, keccak256("a"));
        (sigA, sigB) = conflictingVotes(v, key(2));
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
    }

    /// R10, R75.
    function test_tombstoned_canDoNothing() external {
        equivocate(0, 1, key(2));
        address owner = account(2);
        fund(owner, 1e18);
        VM.startPrank(owner);
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, TOMBSTONED));
        consensus.requestExit(2);
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, TOMBSTONED));
        consensus.unjail(2);
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, TOMBSTONED));
        consensus.topUp(2, 1e18);
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, TOMBSTONED));
        consensus.rotateSigner(2, owner, clock, "");
        VM.stopPrank();
        VM.expectRevert(abi.encodeWithSelector(NotUnlocked.selector, 0));
        consensus.claimExit(2);
    }

    /// R76.
    /// @notice Reporting oneself is no way out: the stake waits as in an exit and the reward is less than the slash.
    function test_selfReport_neverPays() external {
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        VM.prank(account(2));
        consensus.submitVoteEvidence(v, keccak256("b"), 1, sigA, sigB);
        finishEpochs(3);
        uint256 unlock = consensus.unlockTime(2);
        assertEq(unlock, clock + 2 * DAY, "the full unbonding");
        setTime(unlock);
        consensus.claimExit(2);
        assertEq(token.balanceOf(account(2)), 952.5e18, "lost 4.75 %");
    }

    // Checkpoints ---------------------------------------------------------------------------------

    function _checkpointEvidence(Checkpoint memory a, Checkpoint memory b) private {
        bytes memory sigA = compactSign(key(2), consensus.checkpointDigest(a));
        bytes memory sigB = compactSign(key(2), consensus.checkpointDigest(b));
        consensus.submitCheckpointEvidence(a, b, 1, sigA, sigB);
    }

    /// R72.
    function test_checkpointEvidence_otherContent() external {
        Checkpoint memory b = checkpoint(0, "b");
        b.attempt = 3; // whatever the attempt
        _checkpointEvidence(checkpoint(0, "a"), b);
        assertEq(statusOf(2), TOMBSTONED, "status");
    }

    /// R72.
    function test_checkpointEvidence_otherDataOfOneAttempt() external {
        Checkpoint memory b = checkpoint(0, "a");
        b.daHash = keccak256("other");
        _checkpointEvidence(checkpoint(0, "a"), b);
        assertEq(statusOf(2), TOMBSTONED, "status");
    }

    /// R72.
    /// @notice What an honest validator may have to sign.
    function test_checkpointEvidence_honest_reverts() external {
        Checkpoint memory a = checkpoint(0, "a");
        Checkpoint memory b = checkpoint(0, "a");
        b.attempt = 1;
        b.daHash = keccak256("posted again");
        _refused(a, b);
        b = checkpoint(0, "b");
        b.parentBatchHash = keccak256("another parent after a reorganization");
        _refused(a, b);
        b = checkpoint(0, "b");
        b.batchIndex = 8;
        _refused(a, b);
        b = checkpoint(0, "b");
        b.era = 1;
        _refused(a, b);
        _refused(b, a);
        _refused(a, a);
        b = checkpoint(0, "b");
        b.l2ChainId = 1;
        _refused(a, b);
        _refused(b, a);
        assertEq(viewOf(2).stake, STAKE, "untouched");
    }

    function _refused(Checkpoint memory a, Checkpoint memory b) private {
        bytes memory sigA = compactSign(key(2), consensus.checkpointDigest(a));
        bytes memory sigB = compactSign(key(2), consensus.checkpointDigest(b));
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitCheckpointEvidence(a, b, 1, sigA, sigB);
    }

    /// R74.
    /// @notice A vote is never taken for a checkpoint.
    function test_evidence_typesDoNotMix() external {
        Vote memory v = vote(0, keccak256("a"));
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, key(2));
        Checkpoint memory a = checkpoint(0, "a");
        Checkpoint memory b = checkpoint(0, "b");
        VM.expectRevert(InvalidEvidence.selector);
        consensus.submitCheckpointEvidence(a, b, 1, sigA, sigB);
    }

    // Correlation ---------------------------------------------------------------------------------

    function _claimAll(uint32 offenders) private returns (uint256[] memory paid) {
        finishEpochs(4);
        pass(2 * DAY);
        paid = new uint256[](offenders + 1);
        for (uint32 id = 1; id <= offenders; ++id) {
            paid[id] = consensus.claimExit(id);
        }
    }

    /// R77.
    function test_correlation_oneOfTen() external {
        _launchWithCorrelation(10, 3);
        equivocate(0, 0, key(1));
        uint256[] memory paid = _claimAll(1);
        assertEq(paid[1], 665e18, "950 less 3 * 1/10 of it");
        assertEq(token.balanceOf(address(consensus)), consensus.bonded() + consensus.sinkOwed(), "I1");
    }

    /// R77.
    function test_correlation_threeOfTen_neighbouringEpochs() external {
        _launchWithCorrelation(10, 3);
        equivocate(0, 0, key(1));
        equivocate(1, 1, key(2));
        equivocate(2, 2, key(3));
        uint256[] memory paid = _claimAll(3);
        for (uint256 i = 1; i <= 3; ++i) {
            assertEq(paid[i], 95e18, "950 less 3 * 3/10 of it, whatever the order");
        }
    }

    /// R77.
    function test_correlation_aThirdLosesEverything() external {
        _launchWithCorrelation(6, 3);
        equivocate(0, 0, key(1));
        equivocate(0, 1, key(2));
        uint256[] memory paid = _claimAll(2);
        assertEq(paid[1], 0, "everything");
        assertEq(paid[2], 0, "everything");
        assertEq(token.balanceOf(address(consensus)), consensus.bonded() + consensus.sinkOwed(), "I1");
    }

    /// R89.
    /// @notice The factor is frozen with the set of the offence: no later change reaches back.
    function test_correlation_factorOfTheOffence() external {
        _launchWithCorrelation(10, 3);
        equivocate(0, 0, key(1));
        consensus.setParam("correlationFactor", 10);
        uint256[] memory paid = _claimAll(1);
        assertEq(paid[1], 665e18, "as promised");
    }

    /// R77.
    function test_correlation_distantOffencesDoNotAdd() external {
        _launchWithCorrelation(10, 3);
        equivocate(0, 0, key(1));
        finishEpochs(4);
        equivocate(4, indexOf(4, 2), key(2));
        finishEpochs(4);
        pass(2 * DAY);
        assertEq(consensus.claimExit(1), 665e18, "epoch 4 is not near epoch 0");
        // Nine members are left in the set of epoch 4.
        assertEq(consensus.claimExit(2), 950e18 - (uint256(950e18) * 3 * 1000) / 9000, "own offence only");
    }

    /// R77.
    /// @notice S6: more offenders never make it cheaper, and nobody loses more than the stake.
    function testFuzz_S6_penaltyIsMonotone(uint256 few, uint256 many, uint256 factor) external {
        many = bound(many, 1, 6);
        few = bound(few, 1, many);
        _launchWithCorrelation(8, uint16(bound(factor, 0, 10)));
        uint256 state = VM.snapshotState();
        uint256 paidFew = _paidToFirst(few);
        VM.revertToState(state);
        uint256 paidMany = _paidToFirst(many);
        assertLe(paidMany, paidFew, "S6 monotone");
        assertLe(paidFew, 950e18, "never more than the stake");
    }

    function _paidToFirst(uint256 offenders) private returns (uint256) {
        for (uint256 i = 0; i < offenders; ++i) {
            equivocate(0, i, key(i + 1));
        }
        finishEpochs(3);
        pass(10 * DAY);
        return consensus.claimExit(1);
    }

    /// R76.
    function test_reward_isShareOfTheSlash() external {
        consensus.setParam("baseSlashBps", 1000);
        consensus.setParam("reporterShareBps", 2000);
        finishEpochs(1);
        equivocate(1, 1, key(2));
        assertEq(viewOf(2).stake, 900e18, "10 %");
        assertEq(token.balanceOf(REPORTER), 20e18, "I6: a fifth of it");
        assertEq(consensus.sinkOwed(), 80e18, "the rest");
    }

    function _long(uint256 signerKey, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(signerKey, digest);
        return abi.encodePacked(r, s, v);
    }
}
