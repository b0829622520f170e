// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {AndeConsensusMainnet} from "../../src/consensus/AndeConsensusMainnet.sol";
import {CoordinatorMismatch, NotAllowed, ParamOutOfBounds} from "../../src/consensus/AndeErrors.sol";
import {AndeSequencerCoordinator} from "../../src/consensus/AndeSequencerCoordinator.sol";
import {ConsensusConfig, ScheduleMode} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {AndeToken} from "../../src/token/AndeToken.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

contract MainnetTest is DutiesFixture {
    TimelockController private timelock;

    function setUp() external {
        setTime(clock);
        timelock = _timelock(48 hours);
        token = new AndeToken(address(this), 0);
        consensus = IAndeConsensus(address(new AndeConsensusMainnet(address(token), address(timelock))));
    }

    function _timelock(uint256 delay) private returns (TimelockController) {
        address[] memory accounts = new address[](1);
        accounts[0] = address(this);
        return new TimelockController(delay, accounts, accounts, address(0));
    }

    /// @dev Announces a call of the owner, waits, executes it.
    function _asOwner(bytes memory input) private {
        timelock.schedule(address(consensus), 0, input, 0, bytes32(clock), 48 hours);
        bytes32 salt = bytes32(clock);
        pass(48 hours);
        timelock.execute(address(consensus), 0, input, 0, salt);
    }

    function _link() private {
        coordinator = IAndeSequencerCoordinator(address(new AndeSequencerCoordinator(address(consensus))));
        _asOwner(abi.encodeCall(consensus.setCoordinator, (address(coordinator))));
    }

    /// R15.
    function test_mainnet_profile() external view {
        ConsensusConfig memory c = consensus.config();
        assertEq(c.windowsPerEpoch, 72, "windows");
        assertEq(uint8(c.mode), uint8(ScheduleMode.Weighted), "mode");
        assertEq(c.minValidators, 4, "minValidators");
        assertTrue(c.permissioned && !c.autoLaunch, "a managed start");
        assertEq(c.evidenceWindow, 14 days, "evidence");
        assertEq(c.unbondingDelay, 21 days, "unbonding");
        assertEq(c.haltTimeout, 7 days, "halt");
        assertEq(c.correlationFactor, 3, "correlation");
        assertEq(consensus.stakeToken(), address(token), "token");
        assertEq(AndeConsensusMainnet(address(consensus)).owner(), address(timelock), "owner");
    }

    /// R28.
    function test_mainnet_ownerMustBeATimelock() external {
        VM.expectRevert();
        new AndeConsensusMainnet(address(token), RELAY);
        VM.expectRevert();
        new AndeConsensusMainnet(address(token), address(token));
        address quick = address(_timelock(48 hours - 1));
        VM.expectRevert(
            abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("timelock"), 48 hours, type(uint256).max)
        );
        new AndeConsensusMainnet(address(token), quick);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("stakeToken"), 1, type(uint160).max));
        new AndeConsensusMainnet(RELAY, address(timelock));
    }

    /// R28.
    function test_mainnet_deployerHasNoPower() external {
        VM.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        consensus.setAllowed(account(1), true);
    }

    /// R28.
    function test_mainnet_noStakeBeforeTheCodeThatPaysItOut() external {
        _asOwner(abi.encodeCall(consensus.setAllowed, (account(1), true)));
        address owner = account(1);
        fund(owner, STAKE);
        VM.prank(owner);
        VM.expectRevert(abi.encodeWithSelector(CoordinatorMismatch.selector, address(0)));
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
        _link();
        VM.prank(owner);
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
    }

    /// @notice From deployment to a paid exit, every owner's step through the timelock.
    function test_mainnet_wholeLife() external {
        ConsensusConfig memory config = consensus.config();
        config.l2ChainId = 4242;
        config.l2GenesisHash = keccak256("genesis");
        _asOwner(abi.encodeCall(consensus.configure, (config)));
        _link();
        for (uint256 i = 1; i <= 4; ++i) {
            _asOwner(abi.encodeCall(consensus.setAllowed, (account(i), true)));
            register(i, STAKE);
        }
        address stranger = account(5);
        fund(stranger, STAKE);
        VM.prank(stranger);
        VM.expectRevert(abi.encodeWithSelector(NotAllowed.selector, stranger));
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
        assertTrue(!consensus.launched(), "by the owner");
        _asOwner(abi.encodeCall(consensus.launch, ()));
        submitTo(10);
        _asOwner(abi.encodeCall(consensus.disablePermissioned, ()));
        VM.prank(stranger);
        consensus.registerValidator(keccak256("p"), ENDPOINT, STAKE);
        requestExit(1);
        finishEpochs(3);
        assertEq(consensus.unlockTime(1), clock + 21 days, "unbonding");
        pass(21 days);
        assertEq(consensus.claimExit(1), STAKE, "paid");
        _asOwner(abi.encodeCall(consensus.setParam, (bytes32("evidenceWindow"), 10 days)));
        (bool ok,) = address(consensus).call("");
        assertTrue(!ok, "nothing else");
    }

    /// R25, R65.
    /// @notice The floors of the profile are those of every later change.
    function test_mainnet_floors() external {
        ConsensusConfig memory config = consensus.config();
        config.evidenceWindow = 7 days - 1;
        bytes memory input = abi.encodeCall(consensus.configure, (config));
        timelock.schedule(address(consensus), 0, input, 0, 0, 48 hours);
        pass(48 hours);
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("evidenceWindow"), 7 days, 365 days));
        timelock.execute(address(consensus), 0, input, 0, 0);
    }
}
