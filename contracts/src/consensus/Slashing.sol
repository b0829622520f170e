// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IAndeSlashing} from "../interfaces/IAndeSlashing.sol";
import {CodeStoreLib} from "../libraries/CodeStoreLib.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {AlreadyTombstoned, EvidenceExpired, InvalidEvidence, NotInSet, WrongStatus} from "./AndeErrors.sol";
import {Checkpoint, EpochSet, RegistryState, Validator, ValidatorStatus, Vote} from "./AndeTypes.sol";
import {CandidateList} from "./CandidateList.sol";

/// @title Slashing
/// @notice Evidence of equivocation. Anyone may bring it; nobody has to be trusted and nobody can stop it.
abstract contract Slashing is CandidateList, IAndeSlashing {
    using SafeERC20 for IERC20;

    /// @dev Reasons of ValidatorSlashed.
    uint8 internal constant REASON_VOTE = 1;
    uint8 internal constant REASON_CHECKPOINT = 2;
    uint8 internal constant REASON_DOWNTIME = 3;
    /// @dev Highest kind of a vote: precommit.
    uint8 internal constant MAX_VOTE_KIND = 2;

    /// @dev Two digests that one key must not both sign.
    struct Conflict {
        uint8 reason;
        uint64 epoch;
        uint32 era;
        uint256 setIndex;
        bytes32 digestA;
        bytes32 digestB;
    }

    /// @inheritdoc IAndeSlashing
    function submitVoteEvidence(
        Vote calldata a,
        bytes32 otherBlockHash,
        uint256 setIndex,
        bytes calldata sigA,
        bytes calldata sigB
    ) external nonReentrant {
        _checkChain(a.l2ChainId);
        require(a.blockHash != otherBlockHash && a.kind <= MAX_VOTE_KIND, InvalidEvidence());
        Vote memory vote = a;
        Conflict memory conflict;
        conflict.reason = REASON_VOTE;
        conflict.epoch = vote.epoch;
        conflict.era = vote.era;
        conflict.setIndex = setIndex;
        bytes32 domain = _domainSeparator();
        conflict.digestA = TypedDataLib.voteDigest(domain, vote);
        vote.blockHash = otherBlockHash;
        conflict.digestB = TypedDataLib.voteDigest(domain, vote);
        _punish(conflict, sigA, sigB);
    }

    /// @inheritdoc IAndeSlashing
    function submitCheckpointEvidence(
        Checkpoint calldata a,
        Checkpoint calldata b,
        uint256 setIndex,
        bytes calldata sigA,
        bytes calldata sigB
    ) external nonReentrant {
        _checkChain(a.l2ChainId);
        _checkChain(b.l2ChainId);
        bool samePlace = a.era == b.era && a.batchIndex == b.batchIndex && a.parentBatchHash == b.parentBatchHash;
        bool conflicting = a.contentHash != b.contentHash || (a.attempt == b.attempt && a.daHash != b.daHash);
        require(samePlace && conflicting, InvalidEvidence());
        Conflict memory conflict;
        conflict.reason = REASON_CHECKPOINT;
        conflict.epoch = a.epoch;
        conflict.era = a.era;
        conflict.setIndex = setIndex;
        bytes32 domain = _domainSeparator();
        conflict.digestA = TypedDataLib.checkpointDigest(domain, a);
        conflict.digestB = TypedDataLib.checkpointDigest(domain, b);
        _punish(conflict, sigA, sigB);
    }

    /// @inheritdoc IAndeSlashing
    function sweepSlashed() external nonReentrant returns (uint256 amount) {
        amount = _sinkOwed;
        _sinkOwed = 0;
        address sink = address(uint160(_configWord(ConfigLib.SLASH_SINK_WORD)));
        emit SlashedSwept(sink, amount);
        _token.safeTransfer(sink, amount);
    }

    /// @inheritdoc IAndeSlashing
    function isEvidenceOpen(uint64 epoch) external view returns (bool) {
        uint32 voidedBy = _epochRecords[epoch].voidedBy;
        if (voidedBy != 0) {
            (EpochSet memory set, uint256 closedAt) = _setOf(epoch, voidedBy - 1);
            if (_isOpen(closedAt, ValidatorSetLib.loadRules(set.ptr, set.size))) return true;
        }
        EpochSet storage current = _epochSets[epoch];
        if (current.setId == 0) return false;
        return _isOpen(_epochRecords[epoch].closedAt, ValidatorSetLib.loadRules(current.ptr, current.size));
    }

    /// @inheritdoc IAndeSlashing
    function sinkOwed() external view returns (uint256) {
        return _sinkOwed;
    }

    /// @inheritdoc IAndeSlashing
    function slashedWeight(uint64 epoch) external view returns (uint256) {
        return _epochRecords[epoch].slashedWeight;
    }

    function _punish(Conflict memory c, bytes calldata sigA, bytes calldata sigB) private {
        // Nobody has a reason to sign for an era that has not begun.
        require(c.era <= _live.era, InvalidEvidence());
        (EpochSet memory set, uint256 closedAt) = _setOf(c.epoch, c.era);
        require(c.setIndex < set.size, NotInSet(c.epoch, c.setIndex));
        require(_isOpen(closedAt, ValidatorSetLib.loadRules(set.ptr, set.size)), EvidenceExpired(c.epoch));
        uint256 word = CodeStoreLib.wordAt(set.ptr, c.setIndex);
        address signer = ValidatorSetLib.signerOf(word);
        // A member is never zero, so a signature that recovers nothing is of nobody.
        bool both =
            SignatureLib.tryRecover(c.digestA, sigA) == signer && SignatureLib.tryRecover(c.digestB, sigB) == signer;
        require(both, InvalidEvidence());

        uint256 weight = ValidatorSetLib.weightOf(word);
        if (c.setIndex != 0) weight -= ValidatorSetLib.weightOf(CodeStoreLib.wordAt(set.ptr, c.setIndex - 1));
        _epochRecords[c.epoch].slashedWeight += uint48(weight);
        _slashAndTombstone(ValidatorSetLib.idOf(word), c);
    }

    /// @dev The member stays slashable until its claim, also while it leaves or sits in jail.
    function _slashAndTombstone(uint32 id, Conflict memory c) private {
        Validator storage validator = _validators[id];
        ValidatorStatus status = validator.status;
        require(status != ValidatorStatus.Tombstoned, AlreadyTombstoned(id));
        require(status != ValidatorStatus.Exited, WrongStatus(id, uint8(status)));
        validator.slashEpoch = uint32(c.epoch);
        validator.slashEra = uint24(c.era);
        _leave(validator, ValidatorStatus.Tombstoned);

        uint256 amount = (validator.stake * _configWord(ConfigLib.BASE_SLASH_WORD)) / ConfigLib.BPS;
        uint256 reward = (amount * _configWord(ConfigLib.REPORTER_SHARE_WORD)) / ConfigLib.BPS;
        _takeStake(validator, amount, status == ValidatorStatus.Active);
        _sinkOwed += uint96(amount - reward);
        emit ValidatorSlashed(id, c.reason, c.epoch, amount, msg.sender, reward);
        emit ValidatorTombstoned(id, keccak256(abi.encode(c.digestA, c.digestB)));
        _token.safeTransfer(msg.sender, reward);
    }

    /// @dev The caller says where the amount goes.
    function _takeStake(Validator storage validator, uint256 amount, bool wasCandidate) internal {
        validator.stake -= uint96(amount);
        RegistryState memory registry = _loadRegistry();
        registry.bonded -= uint128(amount);
        if (wasCandidate) registry.setDirty = true;
        _storeRegistry(registry);
    }

    function _isOpen(uint256 closedAt, uint256 rules) internal view returns (bool) {
        return closedAt == 0 || block.timestamp <= closedAt + ValidatorSetLib.evidenceWindowOf(rules);
    }

    /// @dev The domain binds settlement chain and contract; messages of another L2 are nobody's offence here.
    function _checkChain(uint64 l2ChainId) private view {
        require(l2ChainId == _configWord(ConfigLib.L2_CHAIN_ID_WORD), InvalidEvidence());
    }
}
