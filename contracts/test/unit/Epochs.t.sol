// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {AndeConsensus} from "../../src/consensus/AndeConsensus.sol";
import {
    AlreadyLaunched,
    CoordinatorMismatch,
    EpochAlreadyFrozen,
    EpochNotFrozen,
    EpochNotOpen,
    NotLaunched,
    ParamOutOfBounds,
    Unauthorized
} from "../../src/consensus/AndeErrors.sol";
import {AndeSequencerCoordinator} from "../../src/consensus/AndeSequencerCoordinator.sol";
import {ConsensusConfig, ScheduleMode, SetInfo, SetMember} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {AndeToken} from "../../src/token/AndeToken.sol";
import {EcdsaQuorumVerifier} from "../../src/verifiers/EcdsaQuorumVerifier.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @title CoordinatorWithoutDuties
/// @notice Says what a coordinator has to say, but brings no code for the duties.
contract CoordinatorWithoutDuties {
    address public constant duties = address(0xD);
    uint64 public immutable rotationInterval;
    uint64 public immutable epochLength;
    address public consensus;
    mapping(uint64 index => bytes32) public batchHash;

    constructor(IAndeSequencerCoordinator like) {
        rotationInterval = like.rotationInterval();
        epochLength = like.epochLength();
    }

    function follow(address consensus_, bytes32 genesis) external {
        consensus = consensus_;
        batchHash[0] = genesis;
    }
}

contract EpochsTest is ConsensusFixture {
    // Freezing ------------------------------------------------------------------------------------

    /// R14, R21.
    function test_launch_freezesTwoEpochs() external {
        launchWith(3);
        bytes32 seed0 = keccak256(abi.encode(bytes32(0), uint64(0), uint32(1)));
        bytes32 seed1 = keccak256(abi.encode(seed0, uint64(1), uint32(1)));
        assertEq(consensus.seedOf(0), seed0, "seed 0");
        assertEq(consensus.seedOf(1), seed1, "seed 1");
        assertEq(consensus.setIdOf(0), 1, "set of 0");
        assertEq(consensus.setIdOf(1), 1, "set of 1");
        assertEq(consensus.setIdOf(2), 0, "2 is not frozen");
        SetInfo memory info = consensus.setInfo(1);
        assertEq(info.size, 3, "size");
        assertEq(info.totalWeight, 3000, "weight");
        assertEq(info.ptr.code.length, 1 + 4 * 32, "code");
        assertEq(consensus.setInfo(0).size, 0, "no set 0");
        assertEq(consensus.setInfo(2).size, 0, "id of an epoch that reuses a set");
    }

    /// R14.
    function test_launch_manual() external {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.autoLaunch = false;
        consensus.configure(config);
        register(1, STAKE);
        register(2, STAKE);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("minValidators"), 3, 2));
        consensus.launch();
        register(3, STAKE);
        assertTrue(!consensus.launched(), "manual");
        VM.prank(account(1));
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, account(1)));
        consensus.launch();
        consensus.launch();
        assertTrue(consensus.launched(), "launched");
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.launch();
    }

    /// @notice Short names that tools of other networks ask for.
    function test_reads_aliases() external {
        launchWith(4);
        submitTo(10);
        assertTrue(consensus.isValidator(account(4)), "member");
        assertTrue(!consensus.isValidator(account(5)), "stranger");
        assertTrue(!consensus.isActiveSigner(address(0)), "nobody");
        register(5, STAKE);
        assertTrue(!consensus.isValidator(account(5)), "not in the set yet");
        assertEq(consensus.totalVotingPower(), 4000, "of the set");
        assertEq(consensus.getActiveValidatorsCount(), 4, "in the set");
        assertEq(keccak256(bytes(consensus.version())), keccak256("0.1.0"), "version");
        assertEq(keccak256(bytes(coordinator.version())), keccak256("0.1.0"), "version of the coordinator");
    }

    function test_reads_beforeLaunch() external {
        deploy();
        VM.expectRevert(NotLaunched.selector);
        consensus.lastFrozenEpoch();
        VM.expectRevert(NotLaunched.selector);
        consensus.quorumContext(0);
        VM.expectRevert(NotLaunched.selector);
        consensus.freezeEpoch(0);
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 0));
        consensus.proposerAt(1);
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 0));
        consensus.getValidatorSet(0);
        assertEq(consensus.currentEpoch(), 0, "epoch");
    }

    /// R16.
    function test_freezeEpoch_rules() external {
        launchWith(17); // too many to be frozen by a batch
        VM.expectRevert(abi.encodeWithSelector(EpochAlreadyFrozen.selector, 1));
        consensus.freezeEpoch(1);
        VM.expectRevert(abi.encodeWithSelector(EpochNotOpen.selector, 0));
        consensus.freezeEpoch(2);
        submitTo(10);
        VM.expectRevert(abi.encodeWithSelector(EpochNotOpen.selector, 1));
        consensus.freezeEpoch(3);
        VM.prank(RELAY);
        assertEq(consensus.freezeEpoch(2), 1, "unchanged set keeps its id");
        VM.expectRevert(abi.encodeWithSelector(EpochAlreadyFrozen.selector, 2));
        consensus.freezeEpoch(2);
        assertEq(consensus.lastFrozenEpoch(), 2, "last");
        VM.expectRevert(abi.encodeWithSelector(EpochNotOpen.selector, type(uint64).max - 2));
        consensus.freezeEpoch(type(uint64).max);
    }

    /// R35.
    function test_batch_ofUnfrozenEpoch_reverts() external {
        launchWith(17);
        submitTo(599);
        submitTo(1199);
        Submission memory s = nextBatch(1200, "data");
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 2));
        submit(s);
    }

    /// R16.
    function test_freeze_lateCatchesUp() external {
        launchWith(17);
        submitTo(599);
        submitTo(1199);
        consensus.freezeEpoch(2);
        consensus.freezeEpoch(3);
        submitTo(1200);
        assertEq(consensus.currentEpoch(), 2, "epoch");
    }

    /// R16.
    function test_smallSet_frozenByBatch() external {
        launchWith(3);
        submitTo(10);
        assertEq(consensus.lastFrozenEpoch(), 2, "epoch 2 frozen with the first batch");
        submitTo(20);
        assertEq(consensus.lastFrozenEpoch(), 2, "only once");
    }

    /// R18.
    function test_newMember_joinsTwoEpochsLater() external {
        launchWith(3);
        submitTo(599); // freezes 2
        register(4, STAKE);
        submitTo(600); // opens 1, freezes 3 with the fourth
        assertEq(consensus.getValidatorSet(2).length, 3, "frozen before");
        SetMember[] memory members = consensus.getValidatorSet(3);
        assertEq(members.length, 4, "frozen after");
        assertEq(members[3].id, 4, "ascending ids");
        assertEq(members[3].weight, 1000, "own weight, not the cumulative one");
        assertEq(consensus.setIdOf(3), 4, "id of a new set: 1 + first epoch");
        assertEq(consensus.totalWeight(3), 4000, "total");
        submitTo(1199);
        submitTo(1799);
        submitTo(1800);
        assertEq(consensus.getActiveValidators().length, 4, "in charge from epoch 3");
        assertTrue(consensus.isActiveSigner(account(4)), "signs");
    }

    /// R13, R18.
    function test_topUp_changesNextSet() external {
        launchWith(3);
        submitTo(599);
        address owner = account(2);
        fund(owner, 3e18);
        VM.prank(owner);
        consensus.topUp(2, 2.5e18);
        submitTo(600);
        assertEq(consensus.totalWeight(2), 3000, "frozen before");
        assertEq(consensus.getValidatorSet(3)[1].weight, 1002, "whole tokens, next freeze");
        assertEq(consensus.setIdOf(3), 4, "new set");
        // A top-up that does not complete a token does not make a new set.
        VM.prank(owner);
        consensus.topUp(2, 0.25e18);
        submitTo(1199);
        submitTo(1200);
        assertEq(consensus.setIdOf(4), 4, "same set");
    }

    /// R23.
    function test_epochClosed_byFirstBatchOfNext() external {
        launchWith(3);
        submitTo(599);
        assertEq(consensus.epochClosedAt(0), 0, "open");
        VM.warp(5000);
        submitTo(600);
        assertEq(consensus.epochClosedAt(0), 5000, "closed");
        assertEq(consensus.epochClosedAt(1), 0, "next is open");
        assertEq(consensus.currentEpoch(), 1, "current");
    }

    /// R20.
    function test_maxWeightBps_capsFromFourMembers() external {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.minValidators = 4;
        config.maxWeightBps = 3300;
        consensus.configure(config);
        register(1, 7000e18);
        register(2, 1000e18);
        register(3, 1000e18);
        register(4, 1000e18);
        SetMember[] memory members = consensus.getValidatorSet(0);
        assertEq(members[0].weight, 3300, "33 % of the uncapped total");
        assertEq(consensus.totalWeight(0), 6300, "total of capped weights");
    }

    /// R20.
    function test_maxWeightBps_notForThree() external {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.maxWeightBps = 3300;
        consensus.configure(config);
        register(1, 7000e18);
        register(2, 1000e18);
        register(3, 1000e18);
        assertEq(consensus.getValidatorSet(0)[0].weight, 7000, "no cap below four");
    }

    // Schedule ------------------------------------------------------------------------------------

    /// R31.
    function test_roundRobin_everyWindowNextMember() external {
        launchWith(4);
        for (uint64 window = 1; window < 6; ++window) {
            (uint256 before,) = consensus.proposerIndexAt(window * 100 - 1, 0);
            (uint256 index, uint32 id) = consensus.proposerIndexAt(window * 100, 0);
            assertEq(index, (before + 1) % 4, "next");
            assertEq(consensus.proposerAt(window * 100), consensus.getValidator(id).signer, "signer");
            assertEq(consensus.proposerAt(window * 100 + 99), consensus.proposerAt(window * 100), "sticky");
        }
    }

    /// R32.
    function test_skips_visitEverybody() external {
        launchWith(5);
        uint256 seen = 0;
        for (uint32 skip = 0; skip < 5; ++skip) {
            (uint256 index,) = consensus.proposerIndexAt(250, skip);
            seen |= uint256(1) << index;
        }
        assertEq(seen, 31, "all five");
        assertEq(consensus.proposerAt(250, 5), consensus.proposerAt(250, 0), "comes round");
    }

    /// R17.
    function test_registration_doesNotMoveFrozenSchedule() external {
        launchWith(3);
        submitTo(50);
        bytes32 before = _scheduleHash();
        register(4, 50_000e18);
        address owner = account(1);
        fund(owner, 90_000e18);
        VM.prank(owner);
        consensus.topUp(1, 90_000e18);
        assertEq(_scheduleHash(), before, "frozen epochs stay");
    }

    function _scheduleHash() private view returns (bytes32 hash) {
        for (uint64 window = 0; window < 18; ++window) {
            hash =
                keccak256(abi.encode(hash, consensus.proposerAt(window * 100), consensus.proposerAt(window * 100, 1)));
        }
    }

    function test_currentProposer_followsTip() external {
        deploy();
        VM.expectRevert(abi.encodeWithSelector(EpochNotFrozen.selector, 0));
        consensus.currentProposer();
        launchWith(3);
        assertEq(consensus.currentProposer(), consensus.proposerAt(1), "first");
        submitTo(199);
        assertEq(consensus.currentProposer(), consensus.proposerAt(200), "next window");
        assertEq(consensus.getCurrentRotation(), 2, "rotation");
        openTerm(0, (2 << 16) | 1);
        assertEq(consensus.currentProposer(), consensus.proposerAt(200, 1), "after a skip");
        assertEq(coordinator.currentLeader(), consensus.currentProposer(), "leader");
        assertEq(consensus.getCurrentProposer(), consensus.currentProposer(), "alias");
    }

    // Configuration -------------------------------------------------------------------------------

    function test_config_roundTrip() external {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.l2ChainId = 77;
        config.l2GenesisHash = keccak256("genesis");
        config.mode = ScheduleMode.Weighted;
        config.windowsPerEpoch = 72;
        config.permissioned = true;
        config.slashSink = address(0x1234);
        config.downtimeSlashBps3 = 333;
        consensus.configure(config);
        assertEq(keccak256(abi.encode(consensus.config())), keccak256(abi.encode(config)), "config");
        assertEq(
            consensus.genesisBatchHash(),
            keccak256(abi.encode("ANDE_GENESIS", uint64(77), keccak256("genesis"))),
            "genesis"
        );
        assertEq(consensus.epochOf(7200), 1, "epochOf");
        assertEq(consensus.windowOf(7200), 72, "windowOf");
    }

    /// R15.
    function test_config_testnetProfile() external {
        deploy();
        ConsensusConfig memory c = consensus.config();
        assertEq(c.l2ChainId, 6174, "chain");
        assertEq(c.rotationInterval, 100, "N");
        assertEq(c.windowsPerEpoch, 6, "W");
        assertEq(c.timeoutBlocks, 10, "timeout");
        assertEq(c.minStake, 1000e18, "stake");
        assertEq(c.maxWeightBps, 0, "no cap");
        assertEq(uint256(c.evidenceWindow), 1 days, "evidence");
        assertEq(uint256(c.unbondingDelay), 2 days, "unbonding");
        assertTrue(c.autoLaunch && !c.permissioned && c.mode == ScheduleMode.RoundRobin, "flags");
    }

    /// R25.
    function test_configure_bounds_revert() external {
        deploy();
        ConsensusConfig memory c = consensus.config();
        c.rotationInterval = 0;
        _refused(c, "rotationInterval");
        c = consensus.config();
        c.windowsPerEpoch = 0;
        _refused(c, "windowsPerEpoch");
        c = consensus.config();
        (c.rotationInterval, c.windowsPerEpoch) = (1, 1);
        _refused(c, "epochLength");
        c = consensus.config();
        c.maxValidators = 257;
        _refused(c, "maxValidators");
        c = consensus.config();
        c.minValidators = 65;
        _refused(c, "minValidators");
        c = consensus.config();
        c.minStake = 1e18 - 1;
        _refused(c, "minStake");
        c = consensus.config();
        (c.quorumNum, c.quorumDen) = (1, 3);
        _refused(c, "quorumNum");
        c = consensus.config();
        (c.quorumNum, c.quorumDen) = (3, 3);
        _refused(c, "quorumNum");
        c = consensus.config();
        c.evidenceWindow = 1 hours - 1;
        _refused(c, "evidenceWindow");
        c = consensus.config();
        c.unbondingDelay = c.evidenceWindow;
        _refused(c, "unbondingDelay");
        c = consensus.config();
        c.slashSink = address(0);
        _refused(c, "slashSink");
    }

    function _refused(ConsensusConfig memory c, bytes32 key_) private {
        try consensus.configure(c) {
            revert AssertionFailed("accepted", uint256(key_), 0);
        } catch (bytes memory reason) {
            bytes32 got;
            assembly ("memory-safe") {
                got := mload(add(reason, 0x24))
            }
            assertTrue(bytes4(reason) == ParamOutOfBounds.selector, "error");
            assertEq(got, key_, "key");
        }
    }

    /// R26.
    function test_configure_afterLaunch_reverts() external {
        launchWith(3);
        ConsensusConfig memory c = consensus.config();
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.configure(c);
        address next = address(new EcdsaQuorumVerifier());
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setVerifier(next);
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setStakeToken(address(token));
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setCoordinator(address(coordinator));
    }

    /// R26.
    function test_configure_notOwner_reverts() external {
        deploy();
        ConsensusConfig memory c = consensus.config();
        VM.prank(RELAY);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, RELAY));
        consensus.configure(c);
    }

    /// R26.
    function test_configure_withCoordinator_keepsStructure() external {
        deploy();
        deployCoordinator();
        ConsensusConfig memory c = consensus.config();
        c.minValidators = 4;
        consensus.configure(c);
        c.rotationInterval = 50;
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("rotationInterval"), 100, 100));
        consensus.configure(c);
    }

    /// R26.
    function test_configure_withCandidates_keepsTheirRules() external {
        deploy();
        register(1, STAKE);
        register(2, STAKE);
        ConsensusConfig memory c = consensus.config();
        c.minStake = 1001e18;
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("minStake"), 1e18, STAKE));
        consensus.configure(c);
        c = consensus.config();
        (c.minValidators, c.maxValidators) = (1, 1);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("maxValidators"), 2, 256));
        consensus.configure(c);
        c.maxValidators = 2;
        c.minStake = uint96(STAKE / 2);
        consensus.configure(c);
        assertEq(consensus.config().maxValidators, 2, "as many as there are");
        assertEq(consensus.config().minStake, STAKE / 2, "less is needed from now on");
    }

    /// R26.
    function test_verifier_beforeLaunchOnly() external {
        deploy();
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("verifier"), 1, type(uint160).max));
        consensus.setVerifier(RELAY);
        address other = address(new EcdsaQuorumVerifier());
        VM.prank(RELAY);
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, RELAY));
        consensus.setVerifier(other);
        consensus.setVerifier(other);
        assertEq(consensus.verifier(), other, "changed");
        deployCoordinator();
        for (uint256 i = 1; i <= 3; ++i) {
            register(i, STAKE);
        }
        assertEq(consensus.quorumContext(0).verifier, other, "of the first set");
        submitTo(10);
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setVerifier(other);
    }

    /// R6, R26.
    function test_stakeToken_beforeRegistrationsOnly() external {
        deploy();
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("stakeToken"), 1, type(uint160).max));
        consensus.setStakeToken(RELAY);
        AndeToken other = new AndeToken(address(this), 0);
        consensus.setStakeToken(address(other));
        token = other;
        register(1, STAKE);
        assertEq(other.balanceOf(address(consensus)), STAKE, "paid with it");
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setStakeToken(address(other));
    }

    // Coordinator and extension -------------------------------------------------------------------

    /// R27.
    function test_setCoordinator_ofOtherContract_reverts() external {
        deploy();
        address other = address(new AndeSequencerCoordinator(address(new AndeConsensus())));
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, other));
        consensus.setCoordinator(other);
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, RELAY));
        consensus.setCoordinator(RELAY);
    }

    /// R27.
    function test_setCoordinator_ofOldParameters_reverts() external {
        deploy();
        address old = address(new AndeSequencerCoordinator(address(consensus)));
        ConsensusConfig memory c = consensus.config();
        c.windowsPerEpoch = 7;
        consensus.configure(c);
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, old));
        consensus.setCoordinator(old);
        c.windowsPerEpoch = 6;
        c.l2GenesisHash = keccak256("other");
        consensus.configure(c);
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, old));
        consensus.setCoordinator(old);
    }

    /// R27.
    function test_setCoordinator_withoutDuties_reverts() external {
        deploy();
        deployCoordinator();
        address empty = address(new CoordinatorWithoutDuties(coordinator));
        deploy();
        CoordinatorWithoutDuties(empty).follow(address(consensus), consensus.genesisBatchHash());
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, empty));
        consensus.setCoordinator(empty);
        assertEq(consensus.coordinator(), address(0), "none");
    }

    /// R27.
    function test_setCoordinator_onceAfterLaunch() external {
        deploy();
        register(1, STAKE);
        register(2, STAKE);
        register(3, STAKE);
        deployCoordinator();
        address second = address(new AndeSequencerCoordinator(address(consensus)));
        VM.expectRevert(AlreadyLaunched.selector);
        consensus.setCoordinator(second);
    }

    function test_onBatch_notCoordinator_reverts() external {
        launchWith(3);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.onBatch(0, 0, 0, "");
    }

    /// R94.
    function test_unknownFunction_reverts() external {
        deploy();
        (bool ok,) = address(consensus).call(abi.encodeWithSignature("nonsense()"));
        assertTrue(!ok, "unknown function");
        (ok,) = address(consensus).call("");
        assertTrue(!ok, "no function");
        VM.deal(address(this), 1);
        (ok,) = address(consensus).call{value: 1}("");
        assertTrue(!ok, "no ether");
    }

    /// R93.
    function test_renounceOwnership_afterLaunchOnly() external {
        deploy();
        VM.expectRevert(NotLaunched.selector);
        AndeConsensus(address(consensus)).renounceOwnership();
        register(1, STAKE);
        register(2, STAKE);
        register(3, STAKE);
        AndeConsensus(address(consensus)).renounceOwnership();
        assertEq(AndeConsensus(address(consensus)).owner(), address(0), "owner");
    }

    /// R52.
    function test_domainSeparator_followsChainId() external {
        launchWith(3);
        bytes32 before = consensus.domainSeparator();
        assertEq(consensus.quorumContext(0).domainSeparator, before, "cached");
        VM.chainId(1234);
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("AndeSequencer"),
                keccak256("1"),
                uint256(1234),
                address(consensus)
            )
        );
        assertEq(consensus.domainSeparator(), expected, "recomputed");
        assertEq(consensus.quorumContext(0).domainSeparator, expected, "recomputed in the context");
        assertTrue(before != expected, "differs");
    }
}
