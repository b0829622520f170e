// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IAndeExits} from "../interfaces/IAndeExits.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {
    AlreadyRegistered,
    Expired,
    InsufficientStake,
    InvalidSignerProof,
    NotAllowed,
    NotUnlocked,
    SetFull,
    SignerInUse,
    StillJailed,
    TooFrequent,
    Unauthorized,
    WrongStatus
} from "./AndeErrors.sol";
import {EpochSet, RegistryState, SignerKey, Validator, ValidatorStatus} from "./AndeTypes.sol";
import {CandidateList} from "./CandidateList.sol";

/// @title ValidatorExits
/// @notice Keys, owners, leaving and coming back.
/// @dev Stake of who leaves stays locked until no evidence about any of its duties can be accepted any more: there is no
///      instant at which it is neither locked nor paid out.
abstract contract ValidatorExits is CandidateList, IAndeExits {
    using SafeERC20 for IERC20;

    /// @inheritdoc IAndeExits
    function rotateSigner(uint32 id, address newSigner, uint256 deadline, bytes calldata signerSig) external {
        Validator storage validator = _ownedValidator(id);
        ValidatorStatus status = validator.status;
        require(status == ValidatorStatus.Active || status == ValidatorStatus.Jailed, WrongStatus(id, uint8(status)));
        require(block.timestamp <= deadline, Expired(deadline));
        SignerKey memory key = SignerKey(msg.sender, newSigner, validator.p2pPeerId, _nonces[msg.sender]++, deadline);
        bytes32 digest = TypedDataLib.signerKeyDigest(_domainSeparator(), key);
        address recovered = SignatureLib.tryRecover(digest, signerSig);
        require(recovered != address(0) && recovered == newSigner, InvalidSignerProof());
        require(_roles[newSigner].signerOf == 0, SignerInUse(newSigner));

        // One new key per set: an owner cannot fill the map of keys between two freezes.
        uint32 from = _wasLaunched() ? _live.lastFrozenEpoch + 1 : 0;
        require(from == 0 || validator.signerFrom < from, TooFrequent(validator.signerFrom));
        validator.signerFrom = from;
        emit SignerRotationScheduled(id, validator.signer, newSigner, from);
        _roles[newSigner].signerOf = id;
        validator.signer = newSigner;
        uint256 index = validator.activeIndexPlus1;
        if (index != 0) {
            _active[index - 1] = ValidatorSetLib.pack(newSigner, _weightOf(validator.stake), id);
            _markDirty();
        }
    }

    /// @inheritdoc IAndeExits
    function transferValidator(uint32 id, address newOwner) external {
        Validator storage validator = _ownedValidator(id);
        require(_roles[msg.sender].ownerOf == id, WrongStatus(id, uint8(validator.status)));
        validator.pendingOwner = newOwner;
        emit OwnershipTransferStartedFor(id, msg.sender, newOwner);
    }

    /// @inheritdoc IAndeExits
    function acceptValidator(uint32 id) external {
        Validator storage validator = _knownValidator(id);
        require(validator.pendingOwner == msg.sender, Unauthorized(msg.sender));
        require(_roles[msg.sender].ownerOf == 0, AlreadyRegistered(msg.sender));
        require(!_loadRegistry().permissioned || _allowed[msg.sender], NotAllowed(msg.sender));
        address from = validator.owner;
        validator.pendingOwner = address(0);
        validator.owner = msg.sender;
        _roles[from].ownerOf = 0;
        _roles[msg.sender].ownerOf = id;
        emit OwnershipTransferredFor(id, from, msg.sender);
    }

    /// @inheritdoc IAndeExits
    function requestExit(uint32 id) external {
        Validator storage validator = _ownedValidator(id);
        ValidatorStatus status = validator.status;
        require(status == ValidatorStatus.Active || status == ValidatorStatus.Jailed, WrongStatus(id, uint8(status)));
        _leave(validator, ValidatorStatus.Exiting);
        if (status == ValidatorStatus.Active) _markDirty();
        emit ExitRequested(id, validator.lastDutyEpoch);
    }

    /// @inheritdoc IAndeExits
    function claimExit(uint32 id) external nonReentrant returns (uint256 paid) {
        Validator storage validator = _knownValidator(id);
        ValidatorStatus status = validator.status;
        address owner_ = validator.owner;
        // The role is given up by the claim, so a tombstoned validator cannot claim twice either.
        bool leaving = status == ValidatorStatus.Exiting || status == ValidatorStatus.Tombstoned;
        require(leaving && _roles[owner_].ownerOf == id, WrongStatus(id, uint8(status)));
        uint256 unlock = _unlockTime(validator);
        require(unlock != 0 && block.timestamp >= unlock, NotUnlocked(unlock));

        uint256 stake = validator.stake;
        uint256 penalty = 0;
        if (status == ValidatorStatus.Tombstoned) penalty = _correlationPenalty(validator, stake);
        else validator.status = ValidatorStatus.Exited;
        paid = stake - penalty;
        validator.stake = 0;
        validator.pendingOwner = address(0);
        _roles[owner_].ownerOf = 0;
        RegistryState memory registry = _loadRegistry();
        registry.bonded -= uint128(stake);
        _storeRegistry(registry);
        _sinkOwed += uint96(penalty);
        emit ExitClaimed(id, owner_, paid, penalty);
        _token.safeTransfer(owner_, paid);
    }

    /// @inheritdoc IAndeExits
    function unjail(uint32 id) external {
        Validator storage validator = _ownedValidator(id);
        ValidatorStatus status = validator.status;
        require(status == ValidatorStatus.Jailed, WrongStatus(id, uint8(status)));
        uint64 until = validator.jailedUntil;
        require(!_isLaunched() || _currentEpoch() >= until, StillJailed(until));
        require(validator.stake >= _hot.minStake, InsufficientStake(validator.stake, _hot.minStake));
        if (_active.length >= _hot.maxValidators) {
            (, uint256 lowest) = _lowestCandidate();
            revert SetFull(lowest);
        }
        validator.status = ValidatorStatus.Active;
        _addCandidate(id, validator);
        _markDirty();
        emit ValidatorUnjailed(id);
    }

    /// @inheritdoc IAndeExits
    function unlockTime(uint32 id) external view returns (uint256) {
        return _unlockTime(_knownValidator(id));
    }

    /// @dev The more weight equivocated at about the same time, the more everyone of them loses: one by accident loses
    ///      little, a third of the set loses everything.
    function _correlationPenalty(Validator storage validator, uint256 stake) private view returns (uint256) {
        uint64 epoch = validator.slashEpoch;
        (EpochSet memory set,) = _setOf(epoch, validator.slashEra);
        uint256 slashed = 0;
        for (uint64 e = epoch < 3 ? 0 : epoch - 3; e <= epoch + 3; ++e) {
            slashed += _epochRecords[e].slashedWeight;
        }
        uint256 factor = ValidatorSetLib.correlationOf(ValidatorSetLib.loadRules(set.ptr, set.size));
        uint256 penalty = (stake * factor * slashed) / set.totalWeight;
        return penalty > stake ? stake : penalty;
    }
}
