// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    AlreadyRegistered,
    CoordinatorMismatch,
    Expired,
    InsufficientStake,
    InvalidSignerProof,
    NotAllowed,
    NotUnlocked,
    SetFull,
    SignerInUse,
    TooFrequent,
    Unauthorized,
    UnknownValidator,
    WrongStatus
} from "../../src/consensus/AndeErrors.sol";
import {ConsensusConfig, SetMember, ValidatorStatus, ValidatorView} from "../../src/consensus/AndeTypes.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

contract ExitsTest is DutiesFixture {
    uint8 private constant ACTIVE = uint8(ValidatorStatus.Active);
    uint8 private constant EXITING = uint8(ValidatorStatus.Exiting);
    uint8 private constant EXITED = uint8(ValidatorStatus.Exited);

    function setUp() external {
        setTime(clock);
        launchWith(4);
    }

    // Exit ----------------------------------------------------------------------------------------

    /// R18, R63.
    function test_requestExit_leavesNextSetButKeepsDuty() external {
        submitTo(10); // freezes epoch 2 with everybody
        requestExit(2);
        ValidatorView memory v = viewOf(2);
        assertEq(uint8(v.status), EXITING, "status");
        assertEq(v.lastDutyEpoch, 2, "last frozen epoch");
        assertEq(v.unlockTime, 0, "unknown while on duty");
        assertEq(consensus.unlockTime(2), 0, "the same");
        finishEpoch();
        assertEq(consensus.getValidatorSet(2).length, 4, "duty");
        SetMember[] memory next = consensus.getValidatorSet(3);
        assertEq(next.length, 3, "gone from the next set");
        assertEq(next[1].id, 3, "still in order of ids");
        assertEq(consensus.totalWeight(3), 3000, "weight");
        assertEq(consensus.getValidatorSet(3)[2].id, 4, "the last candidate took the free place");
    }

    /// R64.
    function test_claimExit_afterEndOfDutyAndUnbonding() external {
        submitTo(10);
        requestExit(2);
        finishEpochs(2); // epoch 2 is open
        pass(100 * DAY); // time alone frees nothing
        VM.expectRevert(abi.encodeWithSelector(NotUnlocked.selector, 0));
        consensus.claimExit(2);
        finishEpoch(); // first batch of epoch 3 ends epoch 2
        uint256 unlock = clock + 2 * DAY;
        assertEq(consensus.unlockTime(2), unlock, "unlock");
        assertEq(viewOf(2).unlockTime, unlock, "in the view");
        setTime(unlock - 1);
        VM.expectRevert(abi.encodeWithSelector(NotUnlocked.selector, unlock));
        consensus.claimExit(2);
        setTime(unlock);
        VM.prank(RELAY); // anyone, but the owner is paid
        assertEq(consensus.claimExit(2), STAKE, "paid");
        assertEq(token.balanceOf(account(2)), STAKE, "to the owner");
        assertEq(consensus.bonded(), 3 * STAKE, "bonded");
        assertEq(token.balanceOf(address(consensus)), 3 * STAKE, "custody");
        assertEq(statusOf(2), EXITED, "status");
        assertEq(consensus.unlockTime(2), 0, "nothing to unlock");
        assertEq(consensus.idOfOwner(account(2)), 0, "the owner is free");
        assertEq(consensus.idOfSigner(account(2)), 2, "the key is not");
    }

    /// R66.
    function test_claimExit_onlyOnce() external {
        _exited(2);
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, EXITED));
        consensus.claimExit(2);
    }

    /// R66.
    function test_claimExit_active_reverts() external {
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, ACTIVE));
        consensus.claimExit(2);
        VM.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 9));
        consensus.claimExit(9);
        assertEq(consensus.unlockTime(2), 0, "not leaving");
        VM.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 9));
        consensus.unlockTime(9);
    }

    /// R1, R5.
    function test_exited_ownerComesBackWithAnotherKey() external {
        _exited(2);
        address owner = account(2);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(SignerInUse.selector, owner));
        consensus.registerValidator(keccak256("peer"), ENDPOINT, STAKE);
        bytes memory proof = signerKeyProof(owner, key(50), keccak256("peer"), clock);
        VM.prank(owner);
        uint32 id =
            consensus.registerValidatorWithSigner(VM.addr(key(50)), keccak256("peer"), ENDPOINT, STAKE, clock, proof);
        assertEq(id, 5, "a new identity");
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, uint8(ValidatorStatus.Exited)));
        consensus.updateEndpoint(2, keccak256("peer"), ENDPOINT);
        VM.prank(owner);
        consensus.updateEndpoint(5, keccak256("other"), ENDPOINT);
    }

    /// R62.
    function test_requestExit_rules() external {
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.requestExit(1);
        VM.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 9));
        consensus.requestExit(9);
        requestExit(1);
        VM.prank(account(1));
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 1, EXITING));
        consensus.requestExit(1);
        fund(account(1), 1e18);
        VM.prank(account(1));
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 1, EXITING));
        consensus.topUp(1, 1e18);
    }

    /// R63.
    function test_requestExit_beforeLaunch_isFreeAtOnce() external {
        configureWith(4);
        register(1, STAKE);
        register(2, STAKE);
        requestExit(1);
        assertEq(consensus.unlockTime(1), 1 + uint256(consensus.config().unbondingDelay), "no duty, long ago");
        consensus.claimExit(1);
        assertEq(token.balanceOf(account(1)), STAKE, "paid");
        assertEq(consensus.getActiveValidators().length, 1, "candidates");
    }

    /// R24.
    /// @notice Without candidates the chain ends with the last frozen epoch; batches until then pass.
    function test_requestExit_everybody_chainEndsCleanly() external {
        submitTo(10);
        for (uint256 i = 1; i <= 4; ++i) {
            requestExit(i);
        }
        finishEpochs(2);
        submitTo(1799); // the end of epoch 2
        assertEq(consensus.setIdOf(3), 0, "nobody is left");
        VM.expectRevert(abi.encodeWithSelector(InsufficientStake.selector, 0, 1));
        consensus.freezeEpoch(3);
        pass(DAY);
        consensus.declareHalt();
        for (uint32 id = 1; id <= 4; ++id) {
            assertEq(consensus.unlockTime(id), clock + 2 * DAY, "the halt ends the duty");
        }
        pass(2 * DAY);
        for (uint32 id = 1; id <= 4; ++id) {
            consensus.claimExit(id);
        }
        assertEq(consensus.bonded(), 0, "nothing is stuck");
        assertEq(token.balanceOf(address(consensus)), 0, "custody");
    }

    /// R64.
    /// @notice A later change of the delay holds nobody longer.
    function test_unbonding_isFixedByTheExit() external {
        submitTo(10);
        requestExit(2);
        consensus.setParam("unbondingDelay", 30 days);
        finishEpochs(3);
        assertEq(consensus.config().unbondingDelay, 30 days, "the new delay holds");
        assertEq(consensus.unlockTime(2), clock + 2 days, "not for who left before");
        requestExit(3);
        finishEpochs(3);
        assertEq(consensus.unlockTime(3), clock + 30 days, "for who leaves now");
    }

    function test_duties_needCoordinator() external {
        deploy();
        register(1, STAKE);
        VM.prank(account(1));
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, address(0)));
        consensus.requestExit(1);
        assertEq(consensus.duties(), address(0), "not there");
        deployCoordinator();
        assertEq(consensus.duties(), coordinator.duties(), "bound");
        requestExit(1);
    }

    /// R27.
    function test_duties_areBoundOnce() external {
        configureWith(4);
        address first = consensus.duties();
        deployCoordinator();
        assertEq(consensus.duties(), first, "for ever");
        assertEq(coordinator.duties(), address(0), "a later coordinator brings none");
    }

    /// R94.
    /// @notice Alone, without the storage of the consensus contract, the code does nothing.
    function test_duties_alone_areEmpty() external {
        (bool ok,) = consensus.duties().call(abi.encodeCall(consensus.claimExit, (1)));
        assertTrue(!ok, "no validators there");
        (ok,) = consensus.duties().call(abi.encodeCall(consensus.relaunch, ()));
        assertTrue(!ok, "no launch there");
    }

    // Replace the lowest --------------------------------------------------------------------------

    function _full() private {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.maxValidators = 3;
        consensus.configure(config);
        deployCoordinator();
        register(1, 2000e18);
        register(2, 1000e18);
        register(3, 1000e18);
        submitTo(10);
    }

    /// R11.
    function test_replaceLowest_needsATenthMore() external {
        _full();
        address owner = account(4);
        fund(owner, 1100e18 - 1);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(SetFull.selector, 1000e18));
        consensus.registerValidator(keccak256("p"), ENDPOINT, 1100e18 - 1);
        register(4, 1100e18);
        // The youngest of equals.
        assertEq(statusOf(3), EXITING, "evicted");
        assertEq(statusOf(2), ACTIVE, "stays");
        assertEq(viewOf(3).lastDutyEpoch, 2, "with its duties");
        finishEpochs(1);
        SetMember[] memory members = consensus.getValidatorSet(3);
        assertEq(members.length, 3, "full");
        assertEq(members[2].id, 4, "newcomer");
    }

    /// R11.
    function test_replaceLowest_evictedIsPaidAfterUnbonding() external {
        _full();
        register(4, 1100e18);
        finishEpochs(3);
        uint256 unlock = clock + 2 * DAY;
        assertEq(consensus.unlockTime(3), unlock, "as any exit");
        setTime(unlock);
        consensus.claimExit(3);
        assertEq(token.balanceOf(account(3)), 1000e18, "all of it");
    }

    /// R67.
    /// @notice Evicting others and leaving at once costs the same lock as serving.
    function test_replaceLowest_evictAndLeave_isLocked() external {
        _full();
        register(4, 1100e18);
        requestExit(4);
        assertEq(viewOf(4).lastDutyEpoch, 2, "locked though it never served");
        VM.expectRevert(abi.encodeWithSelector(NotUnlocked.selector, 0));
        consensus.claimExit(4);
    }

    // Signer rotation -----------------------------------------------------------------------------

    /// R18, R68.
    function test_rotateSigner_fromNextFrozenSet() external {
        submitTo(10);
        rotate(2, 60);
        assertEq(consensus.getValidatorSet(2)[1].signer, account(2), "frozen sets keep the old key");
        submitTo(20);
        finishEpoch();
        assertEq(consensus.getValidatorSet(3)[1].signer, VM.addr(key(60)), "new key");
        assertEq(consensus.idOfSigner(account(2)), 2, "the old key belongs to the id for ever");
        assertEq(consensus.idOfSigner(VM.addr(key(60))), 2, "the new one too");
        finishEpochs(3); // certified by the new key
        assertTrue(consensus.isActiveSigner(VM.addr(key(60))), "in charge");
    }

    /// R1, R4.
    function test_rotateSigner_hidesNoOffence() external {
        submitTo(10);
        rotate(2, 60);
        equivocate(0, 1, key(2));
        assertEq(statusOf(2), uint8(ValidatorStatus.Tombstoned), "by its old key");
    }

    /// R68.
    function test_rotateSigner_oncePerFrozenEpoch() external {
        submitTo(10);
        rotate(2, 60);
        address owner = account(2);
        bytes memory proof = signerKeyProof(owner, key(61), viewOf(2).p2pPeerId, clock);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(TooFrequent.selector, 3));
        consensus.rotateSigner(2, VM.addr(key(61)), clock, proof);
        finishEpoch();
        rotate(2, 61);
        assertEq(viewOf(2).signer, VM.addr(key(61)), "next frozen epoch");
    }

    /// R68.
    function test_rotateSigner_beforeLaunch_free() external {
        configureWith(4);
        register(1, STAKE);
        rotate(1, 60);
        rotate(1, 61);
        assertEq(consensus.getActiveValidators()[0], VM.addr(key(61)), "candidate");
    }

    /// R68.
    function test_rotateSigner_rules() external {
        address owner = account(2);
        bytes32 peer = viewOf(2).p2pPeerId;
        address newSigner = VM.addr(key(60));
        bytes memory proof = signerKeyProof(owner, key(60), peer, clock);

        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.rotateSigner(2, newSigner, clock, proof);
        VM.startPrank(owner);
        VM.expectRevert(abi.encodeWithSelector(Expired.selector, clock - 1));
        consensus.rotateSigner(2, newSigner, clock - 1, proof);
        VM.expectRevert(InvalidSignerProof.selector);
        consensus.rotateSigner(2, newSigner, clock + 1, proof);
        VM.expectRevert(InvalidSignerProof.selector);
        consensus.rotateSigner(2, address(0), clock, new bytes(64));
        bytes memory used = signerKeyProof(owner, key(3), peer, clock);
        VM.expectRevert(abi.encodeWithSelector(SignerInUse.selector, account(3)));
        consensus.rotateSigner(2, VM.addr(key(3)), clock, used);
        consensus.rotateSigner(2, newSigner, clock, proof);
        VM.stopPrank();

        // The proof names the nonce of the owner: it is good once.
        requestExit(2);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, EXITING));
        consensus.rotateSigner(2, newSigner, clock, proof);
    }

    // Ownership -----------------------------------------------------------------------------------

    /// R69.
    function test_transferValidator_twoSteps() external {
        address from = account(2);
        address to = account(70);
        VM.prank(from);
        consensus.transferValidator(2, to);
        assertEq(viewOf(2).owner, from, "not yet");
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.acceptValidator(2);
        VM.prank(to);
        consensus.acceptValidator(2);
        assertEq(viewOf(2).owner, to, "new owner");
        assertEq(consensus.idOfOwner(to), 2, "role");
        assertEq(consensus.idOfOwner(from), 0, "role given up");
        assertEq(consensus.idOfSigner(from), 2, "the key stays");
        VM.prank(from);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, from));
        consensus.requestExit(2);
        VM.prank(to);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, to));
        consensus.acceptValidator(2);
        VM.prank(to);
        consensus.requestExit(2);
        finishEpochs(3);
        pass(2 * DAY);
        consensus.claimExit(2);
        assertEq(token.balanceOf(to), STAKE, "the new owner is paid");
    }

    /// R69.
    function test_transferValidator_rules() external {
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.transferValidator(2, address(this));
        VM.prank(account(2));
        consensus.transferValidator(2, account(3));
        VM.prank(account(3));
        VM.expectRevert(abi.encodeWithSelector(AlreadyRegistered.selector, account(3)));
        consensus.acceptValidator(2);
        VM.prank(account(2));
        consensus.transferValidator(2, address(0)); // withdrawn
        VM.prank(account(3));
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, account(3)));
        consensus.acceptValidator(2);
        VM.expectRevert(abi.encodeWithSelector(UnknownValidator.selector, 9));
        consensus.acceptValidator(9);
    }

    /// R69.
    function test_transferValidator_afterClaim_reverts() external {
        VM.prank(account(2));
        consensus.transferValidator(2, account(70));
        _exited(2);
        VM.prank(account(70));
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, account(70)));
        consensus.acceptValidator(2);
        VM.prank(account(2));
        VM.expectRevert(abi.encodeWithSelector(WrongStatus.selector, 2, EXITED));
        consensus.transferValidator(2, account(70));
    }

    /// R12.
    function test_acceptValidator_permissioned() external {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.permissioned = true;
        consensus.configure(config);
        deployCoordinator();
        consensus.setAllowed(account(1), true);
        register(1, STAKE);
        VM.prank(account(1));
        consensus.transferValidator(1, account(70));
        VM.prank(account(70));
        VM.expectRevert(abi.encodeWithSelector(NotAllowed.selector, account(70)));
        consensus.acceptValidator(1);
        consensus.setAllowed(account(70), true);
        VM.prank(account(70));
        consensus.acceptValidator(1);
    }

    /// R92.
    /// @notice The owner of the contract has no way to move a validator or its stake.
    function test_contractOwner_cannotTouchValidators() external {
        consensus.setAllowed(account(2), false);
        assertEq(statusOf(2), ACTIVE, "taken off the list, still a validator");
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.requestExit(2);
        VM.expectRevert(abi.encodeWithSelector(Unauthorized.selector, address(this)));
        consensus.transferValidator(2, address(this));
    }

    function _exited(uint32 id) private {
        requestExit(id);
        finishEpochs(3);
        pass(2 * DAY);
        consensus.claimExit(id);
    }
}
