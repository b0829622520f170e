// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAndeConsensusExtension} from "../interfaces/IAndeConsensusExtension.sol";
import {IAndeSequencerCoordinator} from "../interfaces/IAndeSequencerCoordinator.sol";
import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {BatchLib} from "../libraries/BatchLib.sol";
import {CodeStoreLib} from "../libraries/CodeStoreLib.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {AlreadyLaunched, CoordinatorMismatch, ParamOutOfBounds} from "./AndeErrors.sol";
import {ConsensusConfig, RegistryState} from "./AndeTypes.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";
import {ConsensusViews} from "./ConsensusViews.sol";
import {Governance} from "./Governance.sol";

/// @title ConsensusExtension
/// @notice Administration and reads of the consensus contract.
/// @dev Runs by delegatecall on the storage of the consensus contract that created it; alone it has no state and no
///      effect. What it does not know it passes on to the duties. The owner can never touch stake, a frozen set, an
///      accepted batch or the choice of a proposer.
contract ConsensusExtension is ConsensusViews, Governance {
    uint256 private immutable MIN_EVIDENCE_WINDOW;
    uint256 private immutable UNBONDING_MARGIN;

    /// @param floors Bounds of the deployment profile.
    constructor(ConfigLib.Floors memory floors) ConsensusStorage(msg.sender) {
        MIN_EVIDENCE_WINDOW = floors.minEvidenceWindow;
        UNBONDING_MARGIN = floors.unbondingMargin;
    }

    /// @dev Everything else is answered by the duties; unknown functions revert there.
    fallback() external {
        address duties_ = _duties;
        // A call of no code would succeed.
        require(duties_ != address(0), CoordinatorMismatch(address(0)));
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, 0, calldatasize())
            let ok := delegatecall(gas(), duties_, buffer, calldatasize(), 0, 0)
            returndatacopy(buffer, 0, returndatasize())
            if iszero(ok) { revert(buffer, returndatasize()) }
            return(buffer, returndatasize())
        }
    }

    modifier beforeLaunch() {
        _requireNotLaunched();
        _;
    }

    /// @inheritdoc IAndeConsensusExtension
    function configure(ConsensusConfig calldata config_) external onlyOwner beforeLaunch {
        ConsensusConfig memory next = config_;
        if (_live.coordinator != address(0)) {
            _checkEqual("l2ChainId", next.l2ChainId, CodeStoreLib.wordAt(_configPtr, ConfigLib.L2_CHAIN_ID_WORD));
            _checkEqual("l2GenesisHash", uint256(next.l2GenesisHash), _genesisWord());
            _checkEqual("rotationInterval", next.rotationInterval, _hot.rotationInterval);
            _checkEqual("windowsPerEpoch", next.windowsPerEpoch, _hot.windowsPerEpoch);
        }
        // Who is registered stays within the rules of the registration.
        uint256 candidates = _active.length;
        if (candidates != 0) {
            require(next.minStake <= _hot.minStake, ParamOutOfBounds("minStake", ConfigLib.MIN_STAKE, _hot.minStake));
            bool room = next.maxValidators >= candidates;
            require(room, ParamOutOfBounds("maxValidators", candidates, ConfigLib.MAX_SET));
        }
        _setConfig(_loadRegistry(), next, _floors());
    }

    /// @inheritdoc IAndeConsensusExtension
    function setCoordinator(address coordinator_) external onlyOwner {
        require(_live.coordinator == address(0) || !_wasLaunched(), AlreadyLaunched());
        IAndeSequencerCoordinator candidate = IAndeSequencerCoordinator(coordinator_);
        bool matches = coordinator_.code.length != 0 && candidate.consensus() == address(this)
            && candidate.batchHash(0) == _genesisBatchHash() && candidate.rotationInterval() == _hot.rotationInterval
            && candidate.epochLength() == _epochLength();
        require(matches, CoordinatorMismatch(coordinator_));
        if (_duties == address(0)) {
            address duties_ = candidate.duties();
            require(duties_.code.length != 0, CoordinatorMismatch(coordinator_));
            _duties = duties_;
            emit DutiesSet(duties_);
        }
        _live.coordinator = coordinator_;
        emit CoordinatorSet(coordinator_);
    }

    /// @inheritdoc IAndeConsensusExtension
    function setStakeToken(address token) external onlyOwner {
        require(_loadRegistry().nextId == 1, AlreadyLaunched());
        require(token.code.length != 0, ParamOutOfBounds("stakeToken", 1, type(uint160).max));
        _token = IERC20(token);
        emit StakeTokenSet(token);
    }

    /// @inheritdoc IAndeConsensusExtension
    function setVerifier(address verifier_) external onlyOwner beforeLaunch {
        require(verifier_.code.length != 0, ParamOutOfBounds("verifier", 1, type(uint160).max));
        _verifier = IQuorumVerifier(verifier_);
        emit VerifierSet(verifier_);
    }

    /// @inheritdoc IAndeConsensusExtension
    function setAllowed(address owner_, bool allowed) external onlyOwner {
        _allowed[owner_] = allowed;
        emit AllowedSet(owner_, allowed);
    }

    /// @inheritdoc IAndeConsensusExtension
    function disablePermissioned() external onlyOwner {
        RegistryState memory registry = _loadRegistry();
        registry.permissioned = false;
        _storeRegistry(registry);
        emit PermissionedDisabled();
    }

    /// @inheritdoc IAndeConsensusExtension
    function genesisBatchHash() external view returns (bytes32) {
        return _genesisBatchHash();
    }

    function _genesisBatchHash() private view returns (bytes32) {
        uint256 chainId = CodeStoreLib.wordAt(_configPtr, ConfigLib.L2_CHAIN_ID_WORD);
        return BatchLib.genesisHash(uint64(chainId), bytes32(_genesisWord()));
    }

    function _genesisWord() private view returns (uint256) {
        return CodeStoreLib.wordAt(_configPtr, ConfigLib.L2_GENESIS_HASH_WORD);
    }

    function _checkEqual(bytes32 key, uint256 value, uint256 fixedValue) private pure {
        require(value == fixedValue, ParamOutOfBounds(key, fixedValue, fixedValue));
    }

    function _requireNotLaunched() private view {
        require(!_wasLaunched(), AlreadyLaunched());
    }

    function _floors() internal view override returns (ConfigLib.Floors memory) {
        return ConfigLib.Floors(MIN_EVIDENCE_WINDOW, UNBONDING_MARGIN);
    }
}
