// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    AlreadySettled,
    EpochNotClosed,
    EpochNotFrozen,
    EvidenceExpired,
    InsufficientStake,
    SetFull,
    StillJailed,
    Unauthorized,
    WrongStatus
} from "../../src/consensus/AndeErrors.sol";
import {ConsensusConfig, SetMember, ValidatorStatus, ValidatorView} from "../../src/consensus/AndeTypes.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @dev Seven validators and 42 windows of one height: six windows for each.
contract DowntimeTest is DutiesFixture {
    uint8 private constant ACTIVE = uint8(ValidatorStatus.Active);
    uint8 private constant JAILED = uint8(ValidatorStatus.Jailed);
    uint64 private constant WINDOWS = 42;
    uint16 private constant MEMBERS = 7;

    function setUp() external {
        setTime(clock);
        _deployWith(MEMBERS, WINDOWS);
    }

    function _deployWith(uint16 members, uint64 windows) private {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.minValidators = members;
        config.rotationInterval = 1;
        config.windowsPerEpoch = uint32(windows);
        consensus.configure(config);
        deployCoordinator();
        for (uint256 i = 1; i <= members; ++i) {
            register(i, STAKE);
        }
    }

    /// @dev Passes over the validators in `down` in as many of their windows as `misses` says, closes the epoch.
    function _epochWithout(uint256 down, uint256 misses) private {
        uint64 epoch = consensus.epochOf(coordinator.tip().endHeight + 1);
        uint64 start = coordinator.tip().endHeight + 1;
        uint256[] memory missed = new uint256[](20);
        for (uint64 height = start; height < (epoch + 1) * _windows(); ++height) {
            (, uint32 id) = consensus.proposerIndexAt(height, 0);
            bool skip = (down >> id) & 1 != 0 && missed[id] < misses;
            if (skip) {
                ++missed[id];
                submitSkipped(height, 1);
            } else {
                submitTo(height);
            }
        }
        submitTo((epoch + 1) * _windows());
    }

    function _windows() private view returns (uint64) {
        return coordinator.epochLength();
    }

    function _bit(uint256 id) private pure returns (uint256) {
        return uint256(1) << id;
    }

    /// R80.
    function test_settle_jailsWhoMissedHalf() external {
        _epochWithout(_bit(3), 3);
        assertEq(consensus.missedWindows(0, 3), 3, "missed");
        assertEq(consensus.skippedWindows(0), 3, "skipped");
        VM.prank(RELAY); // anyone
        consensus.settleDowntime(0);
        ValidatorView memory v = viewOf(3);
        assertEq(uint8(v.status), JAILED, "jailed");
        assertEq(v.stake, STAKE, "the first offence costs nothing");
        assertEq(v.jailedUntil, 2, "one epoch after the running one");
        assertEq(v.lastDutyEpoch, 3, "duties until the last frozen epoch");
        for (uint32 id = 1; id <= MEMBERS; ++id) {
            if (id != 3) assertEq(statusOf(id), ACTIVE, "D3: who lost nothing stays");
        }
        _epochWithout(0, 0);
        assertEq(consensus.getValidatorSet(4).length, MEMBERS - 1, "out of the next set");
    }

    /// R80.
    function test_settle_belowHalf_nobody() external {
        _epochWithout(_bit(3), 2); // two of six or seven windows
        consensus.settleDowntime(0);
        assertEq(statusOf(3), ACTIVE, "less than half");
    }

    /// R80.
    /// @notice One missed window is none of many, even when it was the only one assigned.
    function test_settle_oneWindow_nobody() external {
        _deployWith(4, 6);
        uint64 height = 5;
        (, uint32 id) = consensus.proposerIndexAt(height, 0);
        submitTo(4);
        submitSkipped(height, 1);
        submitTo(6);
        consensus.settleDowntime(0);
        assertEq(statusOf(id), ACTIVE, "one is no pattern");
    }

    /// R79.
    function test_settle_rules() external {
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 7));
        consensus.settleDowntime(7);
        VM.expectRevert(abi.encodeWithSelector(EpochNotClosed.selector, 0));
        consensus.settleDowntime(0);
        _epochWithout(_bit(3), 3);
        consensus.settleDowntime(0);
        VM.expectRevert(abi.encodeWithSelector(AlreadySettled.selector, 0));
        consensus.settleDowntime(0);
        _epochWithout(0, 0);
        pass(DAY + 1);
        VM.expectRevert(abi.encodeWithSelector(EvidenceExpired.selector, 1));
        consensus.settleDowntime(1);
    }

    // Amnesty -------------------------------------------------------------------------------------

    /// R81.
    /// @notice D2: a fault of the network jails nobody.
    function test_amnesty_manyWindows() external {
        // Three of seven are down all the time: 18 of 42 windows.
        _epochWithout(_bit(1) | _bit(2) | _bit(3), 100);
        assertTrue(consensus.skippedWindows(0) > 14, "more than a third");
        consensus.settleDowntime(0);
        for (uint32 id = 1; id <= MEMBERS; ++id) {
            assertEq(statusOf(id), ACTIVE, "nobody");
        }
    }

    /// R81.
    function test_amnesty_manyMembers() external {
        // Three of seven missed half of theirs: 9 of 42 windows.
        _epochWithout(_bit(1) | _bit(2) | _bit(3), 3);
        assertLe(consensus.skippedWindows(0), 14, "not the windows");
        consensus.settleDowntime(0);
        for (uint32 id = 1; id <= MEMBERS; ++id) {
            assertEq(statusOf(id), ACTIVE, "more than a third of the members");
        }
    }

    /// R81.
    function test_amnesty_twoOfSevenAreJailed() external {
        _epochWithout(_bit(1) | _bit(2), 3);
        consensus.settleDowntime(0);
        assertEq(statusOf(1), JAILED, "first");
        assertEq(statusOf(2), JAILED, "second");
    }

    /// R82.
    function test_lastTwoCandidates_areNeverJailed() external {
        for (uint256 i = 3; i <= MEMBERS; ++i) {
            requestExit(i);
        }
        _epochWithout(_bit(1) | _bit(2), 3);
        consensus.settleDowntime(0);
        assertEq(statusOf(1), ACTIVE, "one of the last two");
        assertEq(statusOf(2), ACTIVE, "one of the last two");
    }

    /// R82.
    function test_exiting_isNotJudged() external {
        requestExit(3);
        _epochWithout(_bit(3), 3);
        consensus.settleDowntime(0);
        assertEq(statusOf(3), uint8(ValidatorStatus.Exiting), "left");
        assertEq(viewOf(3).stake, STAKE, "untouched");
    }

    // Strikes -------------------------------------------------------------------------------------

    /// @dev Down for an epoch, settled, back as soon as possible; ends in an epoch with it in the set.
    function _strike(uint32 id) private {
        uint64 epoch = consensus.epochOf(coordinator.tip().endHeight + 1);
        _epochWithout(_bit(id), 3);
        consensus.settleDowntime(epoch);
        assertEq(statusOf(id), JAILED, "struck");
    }

    function _comeBack(uint32 id) private {
        _epochWithout(0, 0);
        VM.prank(account(id));
        consensus.unjail(id);
        // The epoch in which it is first in the set again.
        while (viewOf(id).joinEpoch > consensus.currentEpoch()) _epochWithout(0, 0);
    }

    /// R83.
    function test_strikes_jailThenSmallSlashes() external {
        _strike(3);
        assertEq(viewOf(3).stake, 1000e18, "free");
        fund(account(3), 50e18);
        VM.prank(account(3));
        consensus.topUp(3, 50e18); // in jail: the slash must not keep it out
        _comeBack(3);
        _strike(3);
        assertEq(viewOf(3).stake, 1048.95e18, "0.1 %");
        _comeBack(3);
        _strike(3);
        assertEq(viewOf(3).stake, 1048.95e18 - 10.4895e18, "1 %");
        _comeBack(3);
        _strike(3);
        assertEq(viewOf(3).stake, 1048.95e18 - 10.4895e18 - 10.384605e18, "1 % each further time");
        assertEq(token.balanceOf(address(consensus)), consensus.bonded() + consensus.sinkOwed(), "I1");
    }

    /// R83.
    function test_strikes_areForgottenAfter30Days() external {
        _strike(3);
        _comeBack(3);
        pass(30 * DAY + 1);
        _strike(3);
        assertEq(viewOf(3).stake, STAKE, "first again");
    }

    // Unjail --------------------------------------------------------------------------------------

    /// R84.
    function test_unjail_afterJailTime() external {
        _strike(3);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.unjail(3);
        VM.prank(account(4));
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 4, ACTIVE));
        consensus.unjail(4);
        VM.prank(account(3));
        VM.expectRevert(abi.encodeWithSelector(StillJailed.selector, 2));
        consensus.unjail(3);
        _epochWithout(0, 0);
        VM.prank(account(3));
        consensus.unjail(3);
        assertEq(statusOf(3), ACTIVE, "back");
        assertEq(viewOf(3).joinEpoch, 5, "from the next freeze");
        _epochWithout(0, 0);
        SetMember[] memory members = consensus.getValidatorSet(5);
        assertEq(members.length, MEMBERS, "in the set");
        assertEq(members[2].id, 3, "at its place");
    }

    /// R84.
    /// @notice A relaunch needs everyone it can get: no jail time while halted.
    function test_unjail_whileHalted_atOnce() external {
        _strike(3);
        pass(DAY);
        consensus.declareHalt();
        VM.prank(account(3));
        consensus.unjail(3);
        consensus.relaunch();
        assertEq(consensus.getActiveValidators().length, MEMBERS, "all of them");
    }

    /// R82.
    /// @notice What an epoch before the return shows is not judged again.
    function test_unjail_olderEpochsDoNotJailAgain() external {
        _strike(3);
        _epochWithout(_bit(3), 3); // still in the set of epoch 1
        VM.prank(account(3));
        consensus.unjail(3);
        consensus.settleDowntime(1);
        assertEq(statusOf(3), ACTIVE, "it sat for that");
    }

    /// R84.
    function test_unjail_needsStakeAndRoom() external {
        _strike(3);
        _comeBack(3);
        _strike(3); // below the minimum now
        _epochWithout(0, 0);
        VM.prank(account(3));
        VM.expectRevert(abi.encodeWithSelector(InsufficientStake.selector, 999e18, 1000e18));
        consensus.unjail(3);
        fund(account(3), 1e18);
        VM.prank(account(3));
        consensus.topUp(3, 1e18);
        consensus.setParam("maxValidators", 7);
        register(20, STAKE);
        _epochWithout(0, 0);
        VM.prank(account(3));
        VM.expectRevert(abi.encodeWithSelector(SetFull.selector, 1000e18));
        consensus.unjail(3);
        // It can still leave.
        requestExit(3);
        assertEq(statusOf(3), uint8(ValidatorStatus.Exiting), "leaves from jail");
    }

    function test_jailed_leavesAndIsPaid() external {
        _strike(3);
        uint64 duty = viewOf(3).lastDutyEpoch;
        _epochWithout(0, 0);
        requestExit(3);
        assertEq(viewOf(3).lastDutyEpoch, duty, "the duty ended with the jail");
        while (consensus.currentEpoch() <= duty) _epochWithout(0, 0);
        uint256 unlock = consensus.unlockTime(3);
        assertEq(unlock, clock + 2 * DAY, "unbonding after the duty");
        setTime(unlock);
        consensus.claimExit(3);
        assertEq(token.balanceOf(account(3)), STAKE, "paid");
    }

    /// R78.
    function test_jailed_isStillSlashable() external {
        _strike(3);
        equivocate(0, 2, key(3));
        assertEq(statusOf(3), uint8(ValidatorStatus.Tombstoned), "no hiding in jail");
    }

    /// R51.
    /// @notice D1: the culprits are those of the schedule, whoever they are.
    function testFuzz_D1_culpritsAreScheduled(uint256 height, uint32 skip) external {
        height = bound(height, 1, WINDOWS - 1);
        skip = uint32(bound(skip, 1, 8));
        uint256[] memory expected = new uint256[](MEMBERS + 1);
        for (uint32 s = 0; s < skip && s < MEMBERS; ++s) {
            (, uint32 id) = consensus.proposerIndexAt(uint64(height), s);
            ++expected[id];
        }
        submitSkipped(uint64(height), skip);
        for (uint32 id = 1; id <= MEMBERS; ++id) {
            assertEq(consensus.missedWindows(0, id), expected[id], "culprit");
        }
    }
}
