// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {AndeConsensusMainnet} from "../src/consensus/AndeConsensusMainnet.sol";
import {AndeSequencerCoordinator} from "../src/consensus/AndeSequencerCoordinator.sol";
import {ConsensusConfig} from "../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../src/interfaces/IAndeConsensus.sol";
import {SCRIPT_VM} from "./ScriptVm.sol";

/// @title DeployMainnet
/// @notice Deploys the production profile in two steps, and prints what the timelock has to do after each.
/// @dev `run()` deploys timelock and consensus contract; the timelock configures it. `link()` deploys the coordinator;
///      the timelock binds it, names guardian and validators, and launches once they are registered. The deployer has
///      no power at any time. Nothing is broadcast when a value is refused; the operations of the timelock are
///      rehearsed before they are printed.
///
///      Environment of both: ANDE_SETTLEMENT_CHAIN_ID, ANDE_L2_CHAIN_ID, ANDE_L2_GENESIS_HASH and, each optional,
///      ANDE_MIN_STAKE, ANDE_MIN_VALIDATORS, ANDE_MAX_VALIDATORS, ANDE_SLASH_SINK.
///      Of `run()`: ANDE_STAKE_TOKEN, ANDE_TIMELOCK_PROPOSERS (contracts, such as multisigs, with commas between them),
///      and, each optional, ANDE_TIMELOCK_EXECUTORS (default: anyone), ANDE_TIMELOCK_DELAY (seconds; 48 hours).
///      Of `link()`: ANDE_CONSENSUS, ANDE_VALIDATORS (owners who may register), ANDE_GUARDIAN (optional).
contract DeployMainnet {
    using SafeCast for uint256;

    /// @notice Tells `forge build --sizes` that the size of this contract does not matter.
    bool public constant IS_SCRIPT = true;

    uint256 private constant MIN_DELAY = 48 hours;
    /// @dev A longer one would make every answer to an incident come too late.
    uint256 private constant MAX_DELAY = 30 days;
    /// @dev One of four may be faulty; of fewer none.
    uint256 private constant MIN_VALIDATORS = 4;
    uint256 private constant TOKEN_DECIMALS = 18;
    /// @dev Code of a key with a delegation (EIP-7702): a contract is longer.
    uint256 private constant DELEGATION_LENGTH = 23;

    /// @notice The parameters of the chain; 0 in an optional one leaves the value of the profile.
    struct Chain {
        uint256 settlementChainId;
        uint256 l2ChainId;
        bytes32 l2GenesisHash;
        uint256 minStake;
        uint256 minValidators;
        uint256 maxValidators;
        address slashSink;
    }

    /// @notice Token and powers.
    struct Powers {
        address token;
        address[] proposers;
        address[] executors;
        uint256 delay;
    }

    /// @notice Calls that the timelock makes together, and what to send to it: first `schedule` by a proposer, after
    ///         the delay `execute` by an executor.
    struct Operation {
        bytes32 id;
        bytes schedule;
        bytes execute;
    }

    /// @notice A value that must not go into production.
    error Refused(string what);
    /// @notice The timelock could not do what was to be printed.
    error RehearsalFailed(uint256 call, bytes reason);

    function run() external returns (address timelock, address consensus, Operation memory configure) {
        address[] memory anyone = new address[](1);
        Powers memory powers = Powers({
            token: SCRIPT_VM.envOr("ANDE_STAKE_TOKEN", address(0)),
            proposers: SCRIPT_VM.envOr("ANDE_TIMELOCK_PROPOSERS", ",", new address[](0)),
            executors: SCRIPT_VM.envOr("ANDE_TIMELOCK_EXECUTORS", ",", anyone),
            delay: SCRIPT_VM.envOr("ANDE_TIMELOCK_DELAY", MIN_DELAY)
        });
        return deploy(_chainFromEnvironment(), powers, msg.sender);
    }

    function link() external returns (address coordinator, Operation memory bind, Operation memory launch) {
        return linkWith(
            _chainFromEnvironment(),
            IAndeConsensus(SCRIPT_VM.envOr("ANDE_CONSENSUS", address(0))),
            SCRIPT_VM.envOr("ANDE_GUARDIAN", address(0)),
            SCRIPT_VM.envOr("ANDE_VALIDATORS", ",", new address[](0)),
            msg.sender
        );
    }

    /// @notice First step.
    /// @param deployer Who sends the transactions; refused in every role.
    function deploy(Chain memory chain, Powers memory powers, address deployer)
        public
        returns (address timelock, address consensus, Operation memory configure)
    {
        _checkChain(chain);
        _checkPowers(powers, deployer);
        _check(chain.slashSink != deployer && chain.slashSink != powers.token, "slash sink");

        SCRIPT_VM.startBroadcast();
        timelock = address(new TimelockController(powers.delay, powers.proposers, powers.executors, address(0)));
        consensus = address(new AndeConsensusMainnet(powers.token, timelock));
        SCRIPT_VM.stopBroadcast();

        ConsensusConfig memory config = _configOf(chain, IAndeConsensus(consensus).config());
        uint256 supply = IERC20Metadata(powers.token).totalSupply();
        _check(supply >= uint256(config.minStake) * config.minValidators, "supply of the token");
        bytes[] memory calls = new bytes[](1);
        calls[0] = abi.encodeCall(IAndeConsensus(consensus).configure, (config));
        configure = _operation(timelock, consensus, calls, 0);
        _rehearse(timelock, consensus, calls);
    }

    /// @notice Second step, after the timelock configured the consensus contract.
    function linkWith(
        Chain memory chain,
        IAndeConsensus consensus,
        address guardian,
        address[] memory validators,
        address deployer
    ) public returns (address coordinator, Operation memory bind, Operation memory launch) {
        _checkChain(chain);
        _check(address(consensus).code.length != 0, "consensus contract");
        address timelock = AndeConsensusMainnet(address(consensus)).owner();
        _check(timelock.code.length != 0, "owner of the consensus contract");
        _check(consensus.coordinator() == address(0), "consensus contract that has a coordinator");
        bytes32 present = keccak256(abi.encode(consensus.config()));
        ConsensusConfig memory config = _configOf(chain, consensus.config());
        _check(keccak256(abi.encode(config)) == present, "consensus contract that is not configured yet");
        bool keyed = guardian == deployer || guardian == timelock || guardian == address(consensus);
        _check(!keyed, "guardian");
        _check(validators.length >= config.minValidators && validators.length <= config.maxValidators, "validators");
        _checkAccounts(validators, "validators");

        SCRIPT_VM.startBroadcast();
        coordinator = address(new AndeSequencerCoordinator(address(consensus)));
        SCRIPT_VM.stopBroadcast();

        bytes[] memory calls = new bytes[](validators.length + 2);
        calls[0] = abi.encodeCall(consensus.setCoordinator, (coordinator));
        calls[1] = abi.encodeCall(consensus.setGuardian, (guardian));
        for (uint256 i = 0; i < validators.length; ++i) {
            calls[i + 2] = abi.encodeCall(consensus.setAllowed, (validators[i], true));
        }
        bind = _operation(timelock, address(consensus), calls, 0);
        _rehearse(timelock, address(consensus), calls);
        // It stays possible until enough of them are registered.
        bytes[] memory last = new bytes[](1);
        last[0] = abi.encodeCall(consensus.launch, ());
        launch = _operation(timelock, address(consensus), last, bind.id);
    }

    // Checks --------------------------------------------------------------------------------------

    function _checkChain(Chain memory chain) private view {
        _check(chain.settlementChainId == block.chainid, "settlement chain");
        _check(chain.l2ChainId != 0, "chain id of the L2");
        // Transactions of one would be valid on the other.
        _check(chain.l2ChainId != block.chainid, "chain id of the settlement chain for the L2");
        _check(chain.l2GenesisHash != 0, "genesis of the L2");
        _check(chain.minValidators == 0 || chain.minValidators >= MIN_VALIDATORS, "fewer than four validators");
    }

    function _checkPowers(Powers memory powers, address deployer) private view {
        _check(powers.token.code.length != 0, "stake token");
        _check(IERC20Metadata(powers.token).decimals() == TOKEN_DECIMALS, "decimals of the token");
        _check(powers.delay >= MIN_DELAY && powers.delay <= MAX_DELAY, "delay of the timelock");
        _check(powers.proposers.length != 0, "timelock without proposers");
        _checkAccounts(powers.proposers, "proposers");
        for (uint256 i = 0; i < powers.proposers.length; ++i) {
            address proposer = powers.proposers[i];
            _check(proposer != deployer && proposer.code.length > DELEGATION_LENGTH, "proposer that is a single key");
        }
        _check(powers.executors.length != 0, "timelock without executors");
        bool anyone = powers.executors.length == 1 && powers.executors[0] == address(0);
        if (!anyone) _checkAccounts(powers.executors, "executors");
    }

    /// @dev No zero, nobody twice.
    function _checkAccounts(address[] memory accounts, string memory what) private pure {
        for (uint256 i = 0; i < accounts.length; ++i) {
            _check(accounts[i] != address(0), what);
            for (uint256 j = 0; j < i; ++j) {
                _check(accounts[i] != accounts[j], what);
            }
        }
    }

    function _check(bool condition, string memory what) private pure {
        require(condition, Refused(what));
    }

    // Operations ----------------------------------------------------------------------------------

    function _operation(address timelock, address target, bytes[] memory calls, bytes32 predecessor)
        private
        view
        returns (Operation memory operation)
    {
        (address[] memory targets, uint256[] memory values) = (new address[](calls.length), new uint256[](calls.length));
        for (uint256 i = 0; i < calls.length; ++i) {
            targets[i] = target;
        }
        TimelockController lock = TimelockController(payable(timelock));
        operation.id = lock.hashOperationBatch(targets, values, calls, predecessor, 0);
        uint256 delay = lock.getMinDelay();
        operation.schedule = abi.encodeCall(lock.scheduleBatch, (targets, values, calls, predecessor, 0, delay));
        operation.execute = abi.encodeCall(lock.executeBatch, (targets, values, calls, predecessor, 0));
    }

    /// @dev Does the calls as the timelock and takes them back.
    function _rehearse(address timelock, address target, bytes[] memory calls) private {
        uint256 state = SCRIPT_VM.snapshotState();
        for (uint256 i = 0; i < calls.length; ++i) {
            SCRIPT_VM.prank(timelock);
            (bool ok, bytes memory reason) = target.call(calls[i]);
            require(ok, RehearsalFailed(i, reason));
        }
        SCRIPT_VM.revertToState(state);
    }

    // Parameters ----------------------------------------------------------------------------------

    /// @dev Changes and returns `c`.
    function _configOf(Chain memory chain, ConsensusConfig memory c) private pure returns (ConsensusConfig memory) {
        c.l2ChainId = chain.l2ChainId.toUint64();
        c.l2GenesisHash = chain.l2GenesisHash;
        if (chain.minStake != 0) c.minStake = chain.minStake.toUint96();
        if (chain.minValidators != 0) c.minValidators = chain.minValidators.toUint16();
        if (chain.maxValidators != 0) c.maxValidators = chain.maxValidators.toUint16();
        if (chain.slashSink != address(0)) c.slashSink = chain.slashSink;
        return c;
    }

    function _chainFromEnvironment() private view returns (Chain memory) {
        return Chain({
            settlementChainId: SCRIPT_VM.envOr("ANDE_SETTLEMENT_CHAIN_ID", uint256(0)),
            l2ChainId: SCRIPT_VM.envOr("ANDE_L2_CHAIN_ID", uint256(0)),
            l2GenesisHash: SCRIPT_VM.envOr("ANDE_L2_GENESIS_HASH", bytes32(0)),
            minStake: SCRIPT_VM.envOr("ANDE_MIN_STAKE", uint256(0)),
            minValidators: SCRIPT_VM.envOr("ANDE_MIN_VALIDATORS", uint256(0)),
            maxValidators: SCRIPT_VM.envOr("ANDE_MAX_VALIDATORS", uint256(0)),
            slashSink: SCRIPT_VM.envOr("ANDE_SLASH_SINK", address(0))
        });
    }
}
