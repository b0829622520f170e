// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IERC20, SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IAndeConsensusCore} from "../interfaces/IAndeConsensusCore.sol";
import {EndpointLib} from "../libraries/EndpointLib.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {
    AlreadyRegistered,
    CoordinatorMismatch,
    Expired,
    InsufficientStake,
    InvalidEndpoint,
    InvalidSignerProof,
    NotAllowed,
    ParamOutOfBounds,
    PausedFor,
    SetFull,
    SignerInUse,
    TooFrequent,
    TransferAmountMismatch,
    WrongStatus
} from "./AndeErrors.sol";
import {LiveState, RegistryState, Roles, SignerKey, Validator, ValidatorStatus} from "./AndeTypes.sol";
import {EpochManager} from "./EpochManager.sol";

/// @title ValidatorRegistry
/// @notice Identities, keys, endpoints and stake of validators.
/// @dev An id is the identity; a signer key belongs to its id for ever, so no later change can hide an offence.
///      Nothing here touches a frozen set: changes act from the next freeze.
abstract contract ValidatorRegistry is EpochManager {
    using SafeERC20 for IERC20;

    /// @dev Production profile: no stake before the code that pays it out is bound (with the first coordinator).
    bool private immutable NEEDS_COORDINATOR;

    struct Registration {
        address owner;
        address signer;
        bytes32 p2pPeerId;
        uint256 stake;
    }

    constructor(bool needsCoordinator) {
        NEEDS_COORDINATOR = needsCoordinator;
    }

    /// @inheritdoc IAndeConsensusCore
    function registerValidator(bytes32 p2pPeerId, string calldata rpcEndpoint, uint256 stake)
        external
        nonReentrant
        returns (uint32 id)
    {
        // The transaction itself proves possession of the key.
        return _register(Registration(msg.sender, msg.sender, p2pPeerId, stake), rpcEndpoint);
    }

    /// @inheritdoc IAndeConsensusCore
    function registerValidatorWithPermit(
        bytes32 p2pPeerId,
        string calldata rpcEndpoint,
        uint256 stake,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant returns (uint32 id) {
        // A permit is public once sent: whoever uses it first must not be able to block the registration.
        try IERC20Permit(address(_token)).permit(msg.sender, address(this), stake, deadline, v, r, s) {} catch {}
        return _register(Registration(msg.sender, msg.sender, p2pPeerId, stake), rpcEndpoint);
    }

    /// @inheritdoc IAndeConsensusCore
    function registerValidatorWithSigner(
        address signer,
        bytes32 p2pPeerId,
        string calldata rpcEndpoint,
        uint256 stake,
        uint256 deadline,
        bytes calldata signerSig
    ) external nonReentrant returns (uint32 id) {
        require(block.timestamp <= deadline, Expired(deadline));
        SignerKey memory key = SignerKey(msg.sender, signer, p2pPeerId, _nonces[msg.sender]++, deadline);
        bytes32 digest = TypedDataLib.signerKeyDigest(_domainSeparator(), key);
        address recovered = SignatureLib.tryRecover(digest, signerSig);
        require(recovered != address(0) && recovered == signer, InvalidSignerProof());
        return _register(Registration(msg.sender, signer, p2pPeerId, stake), rpcEndpoint);
    }

    /// @inheritdoc IAndeConsensusCore
    function topUp(uint32 id, uint256 amount) external nonReentrant {
        Validator storage validator = _ownedValidator(id);
        bool stays = validator.status == ValidatorStatus.Active || validator.status == ValidatorStatus.Jailed;
        require(stays, WrongStatus(id, uint8(validator.status)));
        require(amount != 0, InsufficientStake(0, 1));
        uint256 stake = validator.stake + amount;
        require(stake <= type(uint96).max, ParamOutOfBounds("stake", 1, type(uint96).max));

        validator.stake = uint96(stake);
        RegistryState memory registry = _loadRegistry();
        registry.bonded += uint128(amount);
        uint256 index = validator.activeIndexPlus1;
        uint256 word = ValidatorSetLib.pack(validator.signer, _weightOf(stake), id);
        if (index != 0 && _active[index - 1] != word) {
            _active[index - 1] = word;
            registry.setDirty = true;
        }
        _storeRegistry(registry);
        emit StakeIncreased(id, amount, stake);
        _pull(msg.sender, amount);
    }

    /// @inheritdoc IAndeConsensusCore
    function updateEndpoint(uint32 id, bytes32 p2pPeerId, string calldata rpcEndpoint) external {
        Validator storage validator = _ownedValidator(id);
        require(validator.status != ValidatorStatus.Exited, WrongStatus(id, uint8(validator.status)));
        _checkEndpoint(p2pPeerId, rpcEndpoint);
        if (_wasLaunched()) {
            uint64 epoch = _currentEpoch();
            require(validator.nextEndpointEpoch <= epoch, TooFrequent(validator.nextEndpointEpoch));
            validator.nextEndpointEpoch = uint32(epoch + 1);
        }
        validator.p2pPeerId = p2pPeerId;
        validator.rpcEndpoint = rpcEndpoint;
        emit EndpointUpdated(id, p2pPeerId, rpcEndpoint);
    }

    function _register(Registration memory r, string calldata rpcEndpoint) private returns (uint32 id) {
        LiveState memory live = _loadLive();
        require(live.coordinator != address(0) || !NEEDS_COORDINATOR, CoordinatorMismatch(address(0)));
        if ((live.flags >> PAUSE_SHIFT) & PAUSE_REGISTER != 0) {
            require(block.timestamp >= _pausedUntil, PausedFor(PAUSE_REGISTER, _pausedUntil));
        }
        RegistryState memory registry = _loadRegistry();
        require(!registry.permissioned || _allowed[r.owner], NotAllowed(r.owner));
        require(_roles[r.owner].ownerOf == 0, AlreadyRegistered(r.owner));
        require(_roles[r.signer].signerOf == 0, SignerInUse(r.signer));
        _checkEndpoint(r.p2pPeerId, rpcEndpoint);
        require(r.stake >= _hot.minStake, InsufficientStake(r.stake, _hot.minStake));
        require(r.stake <= type(uint96).max, ParamOutOfBounds("stake", _hot.minStake, type(uint96).max));
        if (_active.length >= _hot.maxValidators) _evict(r.stake, registry.nextId);

        id = registry.nextId++;
        registry.setDirty = true;
        registry.bonded += uint128(r.stake);
        _storeRegistry(registry);

        // One address in both roles costs one slot.
        if (r.owner == r.signer) {
            _roles[r.owner] = Roles({signerOf: id, ownerOf: id});
        } else {
            _roles[r.owner].ownerOf = id;
            _roles[r.signer].signerOf = id;
        }
        Validator storage validator = _validators[id];
        validator.owner = r.owner;
        validator.stake = uint96(r.stake);
        validator.signer = r.signer;
        validator.status = ValidatorStatus.Active;
        _addCandidate(id, validator);
        validator.p2pPeerId = r.p2pPeerId;
        validator.rpcEndpoint = rpcEndpoint;

        emit ValidatorRegistered(id, r.owner, r.signer, r.p2pPeerId, rpcEndpoint, r.stake);
        _pull(r.owner, r.stake);
        if (registry.autoLaunch && live.lastFrozenEpoch == 0 && _active.length >= _hot.minValidators) _launch();
    }

    /// @dev The newcomer takes the place of the lowest stake if it brings a tenth more; who is evicted leaves like
    ///      anyone else, with unbonding.
    function _evict(uint256 stake, uint32 by) private {
        (uint32 id, uint256 lowest) = _lowestCandidate();
        require(stake * 10 >= lowest * 11, SetFull(lowest));
        Validator storage validator = _validators[id];
        validator.evictedBy = by;
        _leave(validator, ValidatorStatus.Exiting);
        emit ValidatorEvicted(id, by);
        emit ExitRequested(id, validator.lastDutyEpoch);
    }

    /// @dev Pulls exactly `amount`; tokens that take a fee on transfers are refused.
    function _pull(address from, uint256 amount) private {
        uint256 before = _token.balanceOf(address(this));
        _token.safeTransferFrom(from, address(this), amount);
        uint256 received = _token.balanceOf(address(this)) - before;
        require(received == amount, TransferAmountMismatch(received, amount));
    }

    function _checkEndpoint(bytes32 p2pPeerId, string calldata rpcEndpoint) private pure {
        require(p2pPeerId != bytes32(0), InvalidEndpoint());
        EndpointLib.check(rpcEndpoint);
    }
}
