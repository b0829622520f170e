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
    Expired,
    InsufficientStake,
    InvalidEndpoint,
    InvalidSignerProof,
    NotAllowed,
    ParamOutOfBounds,
    SetFull,
    SignerInUse,
    TooFrequent,
    TransferAmountMismatch,
    Unauthorized,
    WrongStatus
} from "./AndeErrors.sol";
import {RegistryState, Roles, SignerKey, Validator, ValidatorStatus} from "./AndeTypes.sol";
import {EpochManager} from "./EpochManager.sol";

/// @title ValidatorRegistry
/// @notice Identities, keys, endpoints and stake of validators.
/// @dev An id is the identity; a signer key belongs to its id for ever, so no later change can hide an offence.
///      Nothing here touches a frozen set: changes act from the next freeze.
abstract contract ValidatorRegistry is EpochManager {
    using SafeERC20 for IERC20;

    struct Registration {
        address owner;
        address signer;
        bytes32 p2pPeerId;
        uint256 stake;
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
        require(validator.status == ValidatorStatus.Active, WrongStatus(id, uint8(validator.status)));
        require(amount != 0, InsufficientStake(0, 1));
        uint256 stake = validator.stake + amount;
        require(stake <= type(uint96).max, ParamOutOfBounds("stake", 1, type(uint96).max));

        validator.stake = uint96(stake);
        RegistryState memory registry = _loadRegistry();
        registry.bonded += uint128(amount);
        uint256 slot = validator.activeIndexPlus1 - 1;
        uint256 word = ValidatorSetLib.pack(validator.signer, _weightOf(stake), id);
        if (_active[slot] != word) {
            _active[slot] = word;
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
        if (_live.launched) {
            uint64 epoch = _currentEpoch();
            require(validator.nextEndpointEpoch <= epoch, TooFrequent(validator.nextEndpointEpoch));
            validator.nextEndpointEpoch = epoch + 1;
        }
        validator.p2pPeerId = p2pPeerId;
        validator.rpcEndpoint = rpcEndpoint;
        emit EndpointUpdated(id, p2pPeerId, rpcEndpoint);
    }

    function _register(Registration memory r, string calldata rpcEndpoint) private returns (uint32 id) {
        RegistryState memory registry = _loadRegistry();
        require(!registry.permissioned || _allowed[r.owner], NotAllowed(r.owner));
        require(_roles[r.owner].ownerOf == 0, AlreadyRegistered(r.owner));
        require(_roles[r.signer].signerOf == 0, SignerInUse(r.signer));
        _checkEndpoint(r.p2pPeerId, rpcEndpoint);
        require(r.stake >= _hot.minStake, InsufficientStake(r.stake, _hot.minStake));
        require(r.stake <= type(uint96).max, ParamOutOfBounds("stake", _hot.minStake, type(uint96).max));
        uint256 candidates = _active.length;
        if (candidates >= _hot.maxValidators) revert SetFull(_lowestStake());

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
        _active.push(ValidatorSetLib.pack(r.signer, _weightOf(r.stake), id));
        Validator storage validator = _validators[id];
        validator.owner = r.owner;
        validator.stake = uint96(r.stake);
        validator.signer = r.signer;
        validator.activeIndexPlus1 = uint16(candidates + 1);
        validator.status = ValidatorStatus.Active;
        validator.p2pPeerId = r.p2pPeerId;
        bool launched_ = _live.launched;
        if (launched_) validator.joinEpoch = uint64(_live.lastFrozenEpoch) + 1;
        validator.rpcEndpoint = rpcEndpoint;

        emit ValidatorRegistered(id, r.owner, r.signer, r.p2pPeerId, rpcEndpoint, r.stake);
        _pull(r.owner, r.stake);
        if (!launched_ && registry.autoLaunch && candidates + 1 >= _hot.minValidators) _launch();
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

    function _ownedValidator(uint32 id) private view returns (Validator storage validator) {
        validator = _knownValidator(id);
        require(validator.owner == msg.sender, Unauthorized(msg.sender));
    }

    function _lowestStake() private view returns (uint256 lowest) {
        lowest = type(uint256).max;
        uint256 candidates = _active.length;
        for (uint256 i = 0; i < candidates; ++i) {
            uint256 stake = _validators[ValidatorSetLib.idOf(_active[i])].stake;
            if (stake < lowest) lowest = stake;
        }
    }
}
