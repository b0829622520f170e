// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";

import {Deploy} from "../../script/Deploy.s.sol";
import {DeployMainnet} from "../../script/DeployMainnet.s.sol";
import {AndeConsensusMainnet} from "../../src/consensus/AndeConsensusMainnet.sol";
import {ParamOutOfBounds} from "../../src/consensus/AndeErrors.sol";
import {ConsensusConfig} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {AndeToken} from "../../src/token/AndeToken.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @title Multisig
/// @notice Stands for the contract of several people that proposes to the timelock.
contract Multisig {
    function send(address target, bytes calldata input) external {
        (bool ok, bytes memory reason) = target.call(input);
        assembly ("memory-safe") {
            if iszero(ok) { revert(add(reason, 0x20), mload(reason)) }
        }
    }
}

/// @title SixDecimals
/// @notice A token whose whole unit is not 10^18.
contract SixDecimals {
    uint8 public constant decimals = 6;
    uint256 public constant totalSupply = type(uint128).max;
}

/// @title DeploymentTest
/// @notice The scripts: a whole deployment of the production profile, and every value that it refuses.
contract DeploymentTest is DutiesFixture {
    address private constant DEPLOYER = address(0xD0);
    address private constant GUARDIAN = address(0x6A);
    uint256 private constant L2 = 4242;

    DeployMainnet private script;
    Multisig private multisig;
    address private timelock;

    function setUp() external {
        setTime(clock);
        VM.chainId(11_155_111);
        script = new DeployMainnet();
        multisig = new Multisig();
        token = new AndeToken(address(this), 1_000_000e18);
    }

    function _chain() private pure returns (DeployMainnet.Chain memory chain) {
        chain.settlementChainId = 11_155_111;
        chain.l2ChainId = L2;
        chain.l2GenesisHash = keccak256("genesis");
    }

    function _powers() private view returns (DeployMainnet.Powers memory powers) {
        powers.token = address(token);
        powers.proposers = new address[](1);
        powers.proposers[0] = address(multisig);
        powers.executors = new address[](1);
        powers.delay = 48 hours;
    }

    function _validators(uint256 count) private returns (address[] memory validators) {
        validators = new address[](count);
        for (uint256 i = 0; i < count; ++i) {
            validators[i] = account(i + 1);
        }
    }

    function _deploy() private returns (DeployMainnet.Operation memory configure) {
        address deployed;
        (timelock, deployed, configure) = script.deploy(_chain(), _powers(), DEPLOYER);
        consensus = IAndeConsensus(deployed);
    }

    function _linkTo(address[] memory validators)
        private
        returns (DeployMainnet.Operation memory bind, DeployMainnet.Operation memory launch)
    {
        address deployed;
        (deployed, bind, launch) = script.linkWith(_chain(), consensus, GUARDIAN, validators, DEPLOYER);
        coordinator = IAndeSequencerCoordinator(deployed);
    }

    /// @dev The proposers announce it, anyone executes it after the delay.
    function _throughTimelock(DeployMainnet.Operation memory operation) private {
        multisig.send(timelock, operation.schedule);
        _execute(operation, false);
        pass(48 hours - 1);
        _execute(operation, false);
        pass(1);
        _execute(operation, true);
    }

    function _execute(DeployMainnet.Operation memory operation, bool expected) private {
        VM.prank(RELAY);
        (bool ok,) = timelock.call(operation.execute);
        assertTrue(ok == expected, "execution");
        assertTrue(TimelockController(payable(timelock)).isOperationDone(operation.id) == expected, "done");
    }

    // Production ----------------------------------------------------------------------------------

    /// R14, R28.
    /// @notice From nothing to the first batch by the two steps of the script and what it prints.
    function test_mainnet_wholeDeployment() external {
        DeployMainnet.Operation memory configure = _deploy();
        assertEq(consensus.config().l2ChainId, 6174, "the rehearsal left nothing behind");
        _throughTimelock(configure);
        assertEq(consensus.config().l2ChainId, L2, "configured");
        (DeployMainnet.Operation memory bind, DeployMainnet.Operation memory launch) = _linkTo(_validators(4));
        assertEq(consensus.coordinator(), address(0), "by the timelock only");
        multisig.send(timelock, launch.schedule);
        _throughTimelock(bind);
        assertEq(consensus.coordinator(), address(coordinator), "bound");
        assertEq(consensus.guardian(), GUARDIAN, "guardian");
        assertEq(coordinator.batchHash(0), consensus.genesisBatchHash(), "genesis");
        assertEq(coordinator.l2ChainId(), L2, "L2");
        for (uint256 i = 1; i <= 3; ++i) {
            register(i, STAKE);
        }
        _execute(launch, false);
        register(4, STAKE);
        assertTrue(!consensus.isAllowed(account(5)), "nobody else");
        _execute(launch, true);
        assertTrue(consensus.launched(), "launched");
        submitTo(10);
    }

    /// R28.
    function test_mainnet_deployerHasNoRole() external {
        _deploy();
        TimelockController lock = TimelockController(payable(timelock));
        assertEq(AndeConsensusMainnet(address(consensus)).owner(), timelock, "owner");
        assertEq(lock.getMinDelay(), 48 hours, "delay");
        address[4] memory others = [DEPLOYER, address(script), address(this), tx.origin];
        for (uint256 i = 0; i < others.length; ++i) {
            assertTrue(!lock.hasRole(lock.DEFAULT_ADMIN_ROLE(), others[i]), "admin");
            assertTrue(!lock.hasRole(lock.PROPOSER_ROLE(), others[i]), "proposer");
            assertTrue(!lock.hasRole(lock.CANCELLER_ROLE(), others[i]), "canceller");
        }
        assertTrue(lock.hasRole(lock.PROPOSER_ROLE(), address(multisig)), "the multisig proposes");
        assertTrue(lock.hasRole(lock.CANCELLER_ROLE(), address(multisig)), "and cancels");
        assertTrue(lock.hasRole(lock.EXECUTOR_ROLE(), address(0)), "anyone executes");
        assertTrue(lock.hasRole(lock.DEFAULT_ADMIN_ROLE(), timelock), "only it changes its roles");
    }

    /// R25.
    function test_mainnet_optionalValues() external {
        DeployMainnet.Chain memory chain = _chain();
        (chain.minStake, chain.minValidators, chain.maxValidators) = (2000e18, 5, 100);
        chain.slashSink = address(0x51);
        DeployMainnet.Powers memory powers = _powers();
        powers.executors[0] = address(multisig);
        powers.delay = 30 days;
        DeployMainnet.Operation memory configure;
        address deployed;
        (timelock, deployed, configure) = script.deploy(chain, powers, DEPLOYER);
        multisig.send(timelock, configure.schedule);
        pass(30 days);
        _execute(configure, false); // not by anyone
        multisig.send(timelock, configure.execute);
        ConsensusConfig memory c = IAndeConsensus(deployed).config();
        assertEq(c.minStake, 2000e18, "minStake");
        assertEq(c.minValidators, 5, "minValidators");
        assertEq(c.maxValidators, 100, "maxValidators");
        assertEq(c.slashSink, address(0x51), "slashSink");
        assertEq(c.l2GenesisHash, keccak256("genesis"), "genesis");
        assertEq(c.unbondingDelay, 21 days, "the rest is the profile");
    }

    function _refused(DeployMainnet.Chain memory chain, DeployMainnet.Powers memory powers, string memory what)
        private
    {
        VM.expectRevert(abi.encodeWithSelector(DeployMainnet.Refused.selector, what));
        script.deploy(chain, powers, DEPLOYER);
    }

    /// R28.
    function test_mainnet_refusesChain() external {
        DeployMainnet.Chain memory chain = _chain();
        chain.settlementChainId = 1;
        _refused(chain, _powers(), "settlement chain");
        chain = _chain();
        chain.l2ChainId = 0;
        _refused(chain, _powers(), "chain id of the L2");
        chain.l2ChainId = 11_155_111;
        _refused(chain, _powers(), "chain id of the settlement chain for the L2");
        chain = _chain();
        chain.l2GenesisHash = 0;
        _refused(chain, _powers(), "genesis of the L2");
        chain = _chain();
        chain.minValidators = 3;
        _refused(chain, _powers(), "fewer than four validators");
        chain = _chain();
        chain.slashSink = DEPLOYER;
        _refused(chain, _powers(), "slash sink");
        chain.slashSink = address(token);
        _refused(chain, _powers(), "slash sink");
        chain = _chain();
        chain.minStake = 300_000e18;
        _refused(chain, _powers(), "supply of the token");
        // What the contract itself would refuse after two days is refused at once.
        chain = _chain();
        chain.maxValidators = 257;
        bytes memory reason =
            abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("maxValidators"), uint256(1), uint256(256));
        VM.expectRevert(abi.encodeWithSelector(DeployMainnet.RehearsalFailed.selector, 0, reason));
        script.deploy(chain, _powers(), DEPLOYER);
        // Values are never cut.
        chain = _chain();
        chain.minValidators = (1 << 16) + 4;
        VM.expectRevert();
        script.deploy(chain, _powers(), DEPLOYER);
        chain = _chain();
        chain.l2ChainId = (1 << 64) + L2;
        VM.expectRevert();
        script.deploy(chain, _powers(), DEPLOYER);
    }

    /// R28.
    function test_mainnet_refusesToken() external {
        DeployMainnet.Powers memory powers = _powers();
        powers.token = RELAY;
        _refused(_chain(), powers, "stake token");
        powers.token = address(new SixDecimals());
        _refused(_chain(), powers, "decimals of the token");
    }

    /// R28.
    function test_mainnet_refusesTimelock() external {
        DeployMainnet.Powers memory powers = _powers();
        powers.delay = 48 hours - 1;
        _refused(_chain(), powers, "delay of the timelock");
        powers.delay = 30 days + 1;
        _refused(_chain(), powers, "delay of the timelock");
        powers = _powers();
        powers.proposers = new address[](0);
        _refused(_chain(), powers, "timelock without proposers");
        powers.proposers = new address[](1);
        _refused(_chain(), powers, "proposers");
        powers.proposers = new address[](2);
        (powers.proposers[0], powers.proposers[1]) = (address(multisig), address(multisig));
        _refused(_chain(), powers, "proposers");
        powers.proposers[1] = RELAY;
        _refused(_chain(), powers, "proposer that is a single key");
        VM.etch(RELAY, abi.encodePacked(hex"ef0100", address(multisig)));
        _refused(_chain(), powers, "proposer that is a single key");
        powers.proposers[1] = DEPLOYER;
        VM.etch(DEPLOYER, address(multisig).code);
        _refused(_chain(), powers, "proposer that is a single key");
        powers = _powers();
        powers.executors = new address[](0);
        _refused(_chain(), powers, "timelock without executors");
        powers.executors = new address[](2);
        powers.executors[0] = RELAY;
        _refused(_chain(), powers, "executors");
    }

    function _linkRefused(address guardian, address[] memory validators, string memory what) private {
        VM.expectRevert(abi.encodeWithSelector(DeployMainnet.Refused.selector, what));
        script.linkWith(_chain(), consensus, guardian, validators, DEPLOYER);
    }

    /// R27, R28.
    function test_mainnet_refusesLink() external {
        address[] memory validators = _validators(4);
        consensus = IAndeConsensus(RELAY);
        _linkRefused(GUARDIAN, validators, "consensus contract");
        DeployMainnet.Operation memory configure = _deploy();
        _linkRefused(GUARDIAN, validators, "consensus contract that is not configured yet");
        _throughTimelock(configure);
        _linkRefused(DEPLOYER, validators, "guardian");
        _linkRefused(timelock, validators, "guardian");
        _linkRefused(address(consensus), validators, "guardian");
        _linkRefused(GUARDIAN, _validators(3), "validators");
        _linkRefused(GUARDIAN, _validators(65), "validators");
        validators[3] = validators[0];
        _linkRefused(GUARDIAN, validators, "validators");
        validators[3] = address(0);
        _linkRefused(GUARDIAN, validators, "validators");
        (DeployMainnet.Operation memory bind,) = _linkTo(_validators(4));
        _throughTimelock(bind);
        _linkRefused(GUARDIAN, _validators(4), "consensus contract that has a coordinator");
        // A contract of the other profile belongs to a key.
        deploy();
        VM.prank(address(this));
        AndeConsensusMainnet(address(consensus)).transferOwnership(RELAY);
        VM.prank(RELAY);
        AndeConsensusMainnet(address(consensus)).acceptOwnership();
        _linkRefused(GUARDIAN, _validators(4), "owner of the consensus contract");
    }

    /// R28.
    /// @notice Without any environment nothing is deployed.
    function test_mainnet_needsItsEnvironment() external {
        VM.expectRevert(abi.encodeWithSelector(DeployMainnet.Refused.selector, "settlement chain"));
        script.run();
        VM.expectRevert(abi.encodeWithSelector(DeployMainnet.Refused.selector, "settlement chain"));
        script.link();
    }

    // Test networks -------------------------------------------------------------------------------

    /// R27.
    function test_testnet_run() external {
        (address deployed, address linked, address stakeToken) = new Deploy().run();
        consensus = IAndeConsensus(deployed);
        assertEq(consensus.coordinator(), linked, "linked");
        assertEq(consensus.stakeToken(), stakeToken, "its token");
        assertEq(IAndeSequencerCoordinator(linked).batchHash(0), consensus.genesisBatchHash(), "genesis");
    }
}
