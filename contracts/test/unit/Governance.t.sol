// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {
    CoordinatorMismatch,
    NotLaunched,
    ParamOutOfBounds,
    PausedFor,
    TooEarly,
    Unauthorized
} from "../../src/consensus/AndeErrors.sol";
import {AndeSequencerCoordinator} from "../../src/consensus/AndeSequencerCoordinator.sol";
import {BatchTip, ConsensusConfig} from "../../src/consensus/AndeTypes.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @title SuccessorCoordinator
/// @notice What a new coordinator shows when it takes over: where the chain of batches stands.
contract SuccessorCoordinator {
    address public immutable consensus;
    uint64 public lastTerm;
    BatchTip private _tip;
    mapping(uint64 index => bytes32) public batchHash;

    constructor(address consensus_) {
        consensus = consensus_;
    }

    function follow(AndeSequencerCoordinator present) external {
        _tip = present.tip();
        batchHash[_tip.batchIndex] = present.batchHash(_tip.batchIndex);
        lastTerm = present.lastTerm();
    }

    function spoil(uint256 what) external {
        if (what == 0) ++_tip.batchIndex;
        if (what == 1) --_tip.endHeight;
        if (what == 2) batchHash[_tip.batchIndex] = 0;
        if (what == 3) ++lastTerm;
    }

    function tip() external view returns (BatchTip memory) {
        return _tip;
    }
}

contract GovernanceTest is DutiesFixture {
    address private constant GUARDIAN = address(0x6A);

    function setUp() external {
        setTime(clock);
        launchWith(4);
        submitTo(10);
    }

    // Parameters ----------------------------------------------------------------------------------

    /// R89.
    function test_setParam_fromNextFrozenEpoch() external {
        consensus.setParam("minStake", 2000e18);
        consensus.setParam("maxValidators", 5);
        assertEq(consensus.config().minStake, 1000e18, "not yet");
        register(5, STAKE); // by the old rule
        finishEpoch();
        ConsensusConfig memory config = consensus.config();
        assertEq(config.minStake, 2000e18, "with the freeze");
        assertEq(config.maxValidators, 5, "both of them");
        address owner = account(6);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert();
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
        assertEq(consensus.getValidatorSet(3).length, 5, "nobody is removed by it");
    }

    /// R17, R89.
    function test_setParam_rulesOfASetAreFrozen() external {
        consensus.setParam("quorum", (3 << 16) | 4);
        finishEpoch();
        assertEq(consensus.quorumContext(2).quorumDen, 3, "frozen before");
        assertEq(consensus.quorumContext(3).quorumDen, 4, "frozen after");
        assertEq(consensus.quorumContext(3).quorumNum, 3, "frozen after");
    }

    /// R25, R65.
    /// @notice A3: every key inside its bounds, and nothing else can be changed.
    function test_setParam_bounds() external {
        _refused("minStake", 1e18 - 1);
        _refused("minStake", uint256(type(uint96).max) + 1);
        _refused("maxValidators", 257);
        _refused("maxValidators", 3); // below minValidators
        _refused("minValidators", 65);
        _refused("minValidators", 0);
        _refused("timeoutBlocks", 0);
        _refused("timeoutBlocks", 65_536);
        _refused("mode", 1);
        _refused("maxWeightBps", 10_001);
        _refused("quorum", (3 << 16) | 3);
        _refused("quorum", (1 << 16) | 3);
        _refused("quorum", 3);
        _refused("quorum", 2 << 16);
        _refused("quorum", (1 << 32) | (2 << 16) | 3);
        _refused("quorumNum", 2);
        _refused("evidenceWindow", 1 hours - 1);
        _refused("evidenceWindow", 2 days); // unbonding would not be longer
        _refused("haltTimeout", 1 hours - 1);
        _refused("jailDuration", 0);
        _refused("baseSlashBps", 10_001);
        _refused("correlationFactor", 11);
        _refused("reporterShareBps", 10_001);
        _refused("downtimeSlashBps2", 101); // above the third
        _refused("downtimeSlashBps3", 9); // below the second
        _refused("slashSink", 0);
        _refused("slashSink", uint256(type(uint160).max) + 1);
        _refused("unbondingDelay", 2 days - 1); // shorter than promised
        _refused("unbondingDelay", 731 days);
        _refused("l2ChainId", 1);
        _refused("l2GenesisHash", 1);
        _refused("rotationInterval", 50);
        _refused("windowsPerEpoch", 5);
        _refused("permissioned", 1);
        _refused("autoLaunch", 0);
        _refused("nonsense", 1);
    }

    function _refused(bytes32 key, uint256 value) private {
        (bool ok, bytes memory data) = address(consensus).call(abi.encodeCall(consensus.setParam, (key, value)));
        assertTrue(!ok, "accepted");
        assertEq(bytes32(bytes4(data)), bytes32(ParamOutOfBounds.selector), "error");
    }

    /// R65.
    /// @notice S5: no sequence of changes brings the unbonding to the evidence window or below.
    function testFuzz_S5_unbondingOutlivesEvidence(uint256[8] calldata values, uint256 which) external {
        for (uint256 i = 0; i < values.length; ++i) {
            bool window = (which >> i) & 1 != 0;
            bytes32 key = window ? bytes32("evidenceWindow") : bytes32("unbondingDelay");
            try consensus.setParam(key, bound(values[i], 0, 800 days)) {} catch {}
            if ((which >> (16 + i)) & 1 != 0) finishEpoch();
        }
        finishEpoch();
        ConsensusConfig memory c = consensus.config();
        assertTrue(c.unbondingDelay >= c.evidenceWindow + 1 hours, "S5");
    }

    /// R89.
    function test_setParam_everyKey() external {
        bytes32[16] memory keys = [
            bytes32("timeoutBlocks"),
            "minValidators",
            "maxValidators",
            "minStake",
            "maxWeightBps",
            "quorum",
            "evidenceWindow",
            "unbondingDelay",
            "haltTimeout",
            "jailDuration",
            "baseSlashBps",
            "correlationFactor",
            "reporterShareBps",
            "downtimeSlashBps2",
            "downtimeSlashBps3",
            "slashSink"
        ];
        uint256[16] memory values = [
            uint256(11), 2, 60, 1001e18, 3300, (4 << 16) | 6, 2 hours, 3 days, 2 days, 2, 600, 2, 400, 11, 101, 0xBEEF
        ];
        for (uint256 i = 0; i < keys.length; ++i) {
            consensus.setParam(keys[i], values[i]);
        }
        finishEpoch();
        ConsensusConfig memory c = consensus.config();
        assertEq(c.timeoutBlocks, 11, "timeoutBlocks");
        assertEq(c.minValidators, 2, "minValidators");
        assertEq(c.maxValidators, 60, "maxValidators");
        assertEq(c.minStake, 1001e18, "minStake");
        assertEq(c.maxWeightBps, 3300, "maxWeightBps");
        assertEq(c.quorumNum, 4, "quorumNum");
        assertEq(c.quorumDen, 6, "quorumDen");
        assertEq(c.evidenceWindow, 2 hours, "evidenceWindow");
        assertEq(c.unbondingDelay, 3 days, "unbondingDelay");
        assertEq(c.haltTimeout, 2 days, "haltTimeout");
        assertEq(c.jailDuration, 2, "jailDuration");
        assertEq(c.baseSlashBps, 600, "baseSlashBps");
        assertEq(c.correlationFactor, 2, "correlationFactor");
        assertEq(c.reporterShareBps, 400, "reporterShareBps");
        assertEq(c.downtimeSlashBps2, 11, "downtimeSlashBps2");
        assertEq(c.downtimeSlashBps3, 101, "downtimeSlashBps3");
        assertEq(c.slashSink, address(0xBEEF), "slashSink");
        assertEq(c.rotationInterval, 100, "structure stays");
    }

    function test_setParam_ownerAfterLaunch() external {
        VM.prank(RELAY);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, RELAY));
        consensus.setParam("minStake", 2000e18);
        configureWith(4);
        VM.expectRevert(NotLaunched.selector);
        consensus.setParam("minStake", 2000e18);
    }

    /// R92.
    /// @notice A2: when the coordinator is replaced, batches stay where they are.
    function test_A2_replacedCoordinator() external {
        SuccessorCoordinator next = _propose();
        finishEpochs(3);
        next.follow(AndeSequencerCoordinator(address(coordinator)));
        pass(10 days);
        bytes32 before = untouchable();
        consensus.acceptCoordinator();
        assertEq(consensus.coordinator(), address(next), "replaced");
        assertEq(untouchable(), before, "A2");
    }

    // Guardian ------------------------------------------------------------------------------------

    function _pause(uint8 mask) private {
        consensus.setGuardian(GUARDIAN);
        VM.prank(GUARDIAN);
        consensus.pause(mask);
    }

    /// R90.
    function test_pause_batches_expires() external {
        Submission memory s = certifiedBatch(20);
        _pause(2);
        (uint8 mask, uint64 until) = consensus.paused();
        assertEq(mask, 2, "what");
        assertEq(until, clock + 3 days, "until");
        VM.expectRevert(abi.encodeWithSelector(PausedFor.selector, 2, until));
        submit(s);
        VM.expectRevert(abi.encodeWithSelector(PausedFor.selector, 2, until));
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        assertEq(consensus.quorumContext(1).size, 4, "nodes read sets as ever");
        register(5, STAKE); // not paused
        setTime(until - 1);
        VM.expectRevert(abi.encodeWithSelector(PausedFor.selector, 2, until));
        submit(s);
        setTime(until);
        (mask,) = consensus.paused();
        assertEq(mask, 0, "by itself");
        submit(s);
    }

    /// R90.
    function test_pause_registrations() external {
        _pause(1);
        address owner = account(5);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(PausedFor.selector, 1, clock + 3 days));
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
        submitTo(20); // not paused, and does not lift the pause
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(PausedFor.selector, 1, clock + 3 days));
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
        pass(3 days);
        VM.prank(owner);
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
    }

    /// R90.
    /// @notice A1: what can never be paused works with everything paused.
    function test_A1_neverPausable() external {
        launchWith(17);
        submitTo(10);
        consensus.setParam("haltTimeout", 1 hours);
        _pause(3);
        consensus.freezeEpoch(2);
        rotate(2, 60);
        VM.prank(account(3));
        consensus.transferValidator(3, account(70));
        VM.prank(account(70));
        consensus.acceptValidator(3);
        requestExit(1);
        equivocate(0, 3, key(4));
        fund(account(5), 1e18);
        VM.prank(account(5));
        consensus.topUp(5, 1e18);
        consensus.sweepSlashed();
        VM.prank(address(coordinator));
        consensus.onEscape(0);
        pass(1 hours);
        consensus.declareHalt();
        consensus.setParam("minValidators", 4);
        consensus.relaunch();
        pass(2 * DAY);
        consensus.claimExit(1);
        (uint8 mask,) = consensus.paused();
        assertEq(mask, 3, "still paused");
    }

    /// R90.
    function test_pause_onlyOnceInAWhile() external {
        _pause(2);
        VM.startPrank(GUARDIAN);
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, clock + 10 days));
        consensus.pause(2);
        pass(10 days - 1);
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, clock + 1));
        consensus.pause(1);
        pass(1);
        consensus.pause(1);
        VM.stopPrank();
    }

    /// R90.
    function test_unpause_startsTheRest() external {
        _pause(3);
        VM.prank(RELAY);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, RELAY));
        consensus.unpause(3);
        pass(1 hours);
        VM.prank(GUARDIAN);
        consensus.unpause(2);
        (uint8 mask, uint64 until) = consensus.paused();
        assertEq(mask, 1, "one of two");
        assertGt(until, clock, "goes on");
        submitTo(20);
        consensus.unpause(255); // the owner, everything
        (mask, until) = consensus.paused();
        assertEq(mask, 0, "nothing");
        assertEq(until, clock, "over now");
        register(5, STAKE);
        VM.startPrank(GUARDIAN);
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, clock + 7 days));
        consensus.pause(1);
        pass(7 days);
        consensus.pause(1);
        VM.stopPrank();
        // Lifting an expired pause does not prolong the rest.
        pass(4 days);
        consensus.unpause(1);
        (, until) = consensus.paused();
        assertEq(until, clock - 1 days, "when it expired");
    }

    /// R90.
    function test_guardian_rules() external {
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.pause(1);
        VM.prank(RELAY);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, RELAY));
        consensus.setGuardian(RELAY);
        consensus.setGuardian(GUARDIAN);
        assertEq(consensus.guardian(), GUARDIAN, "guardian");
        VM.startPrank(GUARDIAN);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("mask"), 1, 3));
        consensus.pause(0);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("mask"), 1, 3));
        consensus.pause(4);
        VM.stopPrank();
        consensus.setGuardian(address(0));
        VM.prank(GUARDIAN);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, GUARDIAN));
        consensus.pause(1);
    }

    // Coordinator ---------------------------------------------------------------------------------

    function _propose() private returns (SuccessorCoordinator next) {
        next = new SuccessorCoordinator(address(consensus));
        next.follow(AndeSequencerCoordinator(address(coordinator)));
        consensus.proposeCoordinator(address(next));
    }

    /// R91.
    function test_coordinator_replacedAfterEverybodyCouldLeave() external {
        SuccessorCoordinator next = _propose();
        requestExit(1); // because of it
        (address pending, uint256 readyAt) = consensus.pendingCoordinator();
        assertEq(pending, address(next), "pending");
        assertEq(readyAt, 0, "not known while duties run");
        pass(100 days);
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, 0));
        consensus.acceptCoordinator();
        finishEpochs(3);
        (, readyAt) = consensus.pendingCoordinator();
        assertEq(readyAt, consensus.unlockTime(1) + 3 days, "after the stake of who leaves");
        next.follow(AndeSequencerCoordinator(address(coordinator)));
        setTime(readyAt - 1);
        VM.expectRevert(abi.encodeWithSelector(TooEarly.selector, readyAt));
        consensus.acceptCoordinator();
        setTime(readyAt);
        consensus.claimExit(1);
        consensus.acceptCoordinator();
        assertEq(consensus.coordinator(), address(next), "replaced");
        (pending, readyAt) = consensus.pendingCoordinator();
        assertEq(pending, address(0), "done");
        assertEq(readyAt, 0, "done");
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, address(0)));
        consensus.acceptCoordinator();
    }

    /// R91.
    /// @notice A4: and never before the delay, even when the duties end at once.
    function test_A4_coordinator_afterHalt() external {
        SuccessorCoordinator next = _propose();
        pass(DAY);
        consensus.declareHalt();
        (, uint256 readyAt) = consensus.pendingCoordinator();
        assertEq(readyAt, clock + 5 days, "unbonding and margin after the halt");
        setTime(readyAt);
        consensus.acceptCoordinator();
        assertEq(consensus.coordinator(), address(next), "replaced");
    }

    /// R91.
    function testFuzz_A4_neverBeforeTheDelay(uint256 epochs, uint256 time) external {
        _propose();
        uint256 proposed = clock;
        finishEpochs(bound(epochs, 0, 4));
        pass(bound(time, 0, 5 days - 1));
        (bool ok,) = address(consensus).call(abi.encodeCall(consensus.acceptCoordinator, ()));
        assertTrue(!ok || clock >= proposed + 5 days, "A4");
    }

    /// R91.
    /// @notice A successor that does not go on where the present one stands could replay history with old keys.
    function test_coordinator_mustContinue() external {
        SuccessorCoordinator next = _propose();
        finishEpochs(3);
        next.follow(AndeSequencerCoordinator(address(coordinator)));
        pass(10 days);
        for (uint256 what = 0; what < 4; ++what) {
            uint256 state = VM.snapshotState();
            next.spoil(what);
            VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, address(next)));
            consensus.acceptCoordinator();
            VM.revertToState(state);
        }
        consensus.acceptCoordinator();
    }

    /// R91.
    function test_coordinator_rules() external {
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, RELAY));
        consensus.proposeCoordinator(RELAY);
        address foreign = address(new SuccessorCoordinator(address(this)));
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, foreign));
        consensus.proposeCoordinator(foreign);
        VM.startPrank(RELAY);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, RELAY));
        consensus.proposeCoordinator(foreign);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, RELAY));
        consensus.acceptCoordinator();
        VM.stopPrank();
        configureWith(4);
        VM.expectRevert(NotLaunched.selector);
        consensus.proposeCoordinator(foreign);
    }
}
