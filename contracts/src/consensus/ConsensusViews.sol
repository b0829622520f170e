// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {IAndeConsensusExtension} from "../interfaces/IAndeConsensusExtension.sol";
import {IAndeSequencerCoordinator} from "../interfaces/IAndeSequencerCoordinator.sol";
import {BatchLib} from "../libraries/BatchLib.sol";
import {CodeStoreLib} from "../libraries/CodeStoreLib.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {ScheduleLib} from "../libraries/ScheduleLib.sol";
import {TypedDataLib} from "../libraries/TypedDataLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";
import {
    Checkpoint,
    ConsensusConfig,
    EpochSet,
    OpenTerm,
    SetInfo,
    SetMember,
    SignerKey,
    Validator,
    ValidatorView,
    Vote
} from "./AndeTypes.sol";
import {ScheduleReader} from "./ScheduleReader.sol";

/// @title ConsensusViews
/// @notice Read functions of the consensus contract.
abstract contract ConsensusViews is ScheduleReader, IAndeConsensusExtension {
    // Validators ----------------------------------------------------------------------------------

    /// @inheritdoc IAndeConsensusExtension
    function getActiveValidators() public view returns (address[] memory signers) {
        uint256[] memory words = _activeWords();
        signers = new address[](words.length);
        for (uint256 i = 0; i < words.length; ++i) {
            signers[i] = ValidatorSetLib.signerOf(words[i]);
        }
    }

    /// @inheritdoc IAndeConsensusExtension
    function getValidatorSet(uint64 epoch) external view returns (SetMember[] memory members) {
        EpochSet memory set = _epochSet(epoch);
        uint256[] memory words = ValidatorSetLib.load(set.ptr, set.size);
        members = new SetMember[](words.length);
        for (uint256 i = 0; i < words.length; ++i) {
            members[i] = SetMember({
                signer: ValidatorSetLib.signerOf(words[i]),
                weight: ValidatorSetLib.memberWeight(words, i),
                id: ValidatorSetLib.idOf(words[i])
            });
        }
    }

    /// @inheritdoc IAndeConsensusExtension
    function setIdOf(uint64 epoch) external view returns (uint32) {
        return _epochSets[epoch].setId;
    }

    /// @inheritdoc IAndeConsensusExtension
    function setInfo(uint32 setId) external view returns (SetInfo memory info) {
        // 1 + first epoch, below the number of relaunches.
        uint64 first = uint24(setId);
        if (first == 0) return info;
        --first;
        EpochSet memory set = _epochSets[first];
        uint32 voidedBy = _epochRecords[first].voidedBy;
        while (set.setId != setId) {
            if (voidedBy == 0) return info;
            set = _voidedSets[first][voidedBy].set;
            voidedBy = _voidedSets[first][voidedBy].since;
        }
        return SetInfo({ptr: set.ptr, size: set.size, totalWeight: set.totalWeight});
    }

    /// @inheritdoc IAndeConsensusExtension
    function getValidator(uint32 id) external view returns (ValidatorView memory) {
        _knownValidator(id);
        return _view(id);
    }

    /// @inheritdoc IAndeConsensusExtension
    function getValidators(uint32 from, uint32 count) external view returns (ValidatorView[] memory views) {
        uint256 first = from == 0 ? 1 : from;
        uint256 end = first + count;
        uint256 nextId = _loadRegistry().nextId;
        if (end > nextId) end = nextId;
        views = new ValidatorView[](end > first ? end - first : 0);
        for (uint256 i = 0; i < views.length; ++i) {
            views[i] = _view(uint32(first + i));
        }
    }

    /// @inheritdoc IAndeConsensusExtension
    function idOfSigner(address signer) external view returns (uint32) {
        return _roles[signer].signerOf;
    }

    /// @inheritdoc IAndeConsensusExtension
    function idOfOwner(address owner_) external view returns (uint32) {
        return _roles[owner_].ownerOf;
    }

    /// @inheritdoc IAndeConsensusExtension
    function isActiveSigner(address signer) public view returns (bool) {
        uint256[] memory words = _activeWords();
        for (uint256 i = 0; i < words.length; ++i) {
            if (ValidatorSetLib.signerOf(words[i]) == signer) return true;
        }
        return false;
    }

    /// @inheritdoc IAndeConsensusExtension
    function isAllowed(address owner_) external view returns (bool) {
        return !_loadRegistry().permissioned || _allowed[owner_];
    }

    /// @inheritdoc IAndeConsensusExtension
    function nonces(address owner_) external view returns (uint256) {
        return _nonces[owner_];
    }

    // Schedule ------------------------------------------------------------------------------------

    /// @inheritdoc IAndeConsensusExtension
    function currentProposer() public view returns (address) {
        (uint64 height, uint32 skip) = _nextTurn();
        return _proposer(height, skip);
    }

    /// @inheritdoc IAndeConsensusExtension
    function proposerAt(uint64 height) external view returns (address) {
        return _proposer(height, 0);
    }

    /// @inheritdoc IAndeConsensusExtension
    function proposerAt(uint64 height, uint32 skip) external view returns (address) {
        return _proposer(height, skip);
    }

    /// @inheritdoc IAndeConsensusExtension
    function proposerIndexAt(uint64 height, uint32 skip) external view returns (uint256 index, uint32 id) {
        uint256 word;
        (index, word) = _proposerWord(height, skip);
        return (index, ValidatorSetLib.idOf(word));
    }

    /// @inheritdoc IAndeConsensusExtension
    function epochOf(uint64 height) public view returns (uint64) {
        return height / _epochLength();
    }

    /// @inheritdoc IAndeConsensusExtension
    function windowOf(uint64 height) public view returns (uint64) {
        return height / _hot.rotationInterval;
    }

    /// @inheritdoc IAndeConsensusExtension
    function currentEpoch() public view returns (uint64) {
        return _currentEpoch();
    }

    /// @inheritdoc IAndeConsensusExtension
    function lastFrozenEpoch() external view whenLaunched returns (uint64) {
        return _live.lastFrozenEpoch;
    }

    /// @inheritdoc IAndeConsensusExtension
    function seedOf(uint64 epoch) external view returns (bytes32) {
        return _seeds[epoch];
    }

    /// @inheritdoc IAndeConsensusExtension
    function era() external view returns (uint32) {
        return _live.era;
    }

    /// @inheritdoc IAndeConsensusExtension
    function launched() external view returns (bool) {
        return _isLaunched();
    }

    /// @inheritdoc IAndeConsensusExtension
    function totalWeight(uint64 epoch) external view returns (uint256) {
        return _epochSet(epoch).totalWeight;
    }

    /// @inheritdoc IAndeConsensusExtension
    function epochClosedAt(uint64 epoch) external view returns (uint64) {
        return _epochRecords[epoch].closedAt;
    }

    /// @inheritdoc IAndeConsensusExtension
    function missedWindows(uint64 epoch, uint32 id) external view returns (uint32) {
        return _missed[epoch][id];
    }

    /// @inheritdoc IAndeConsensusExtension
    function skippedWindows(uint64 epoch) external view returns (uint32) {
        return _epochRecords[epoch].skippedWindows;
    }

    // Contract ------------------------------------------------------------------------------------

    /// @inheritdoc IAndeConsensusExtension
    function config() external view returns (ConsensusConfig memory) {
        uint256[] memory words = CodeStoreLib.words(_configPtr, ConfigLib.WORDS);
        words[ConfigLib.PERMISSIONED_WORD] = _loadRegistry().permissioned ? 1 : 0;
        // The words are the ABI encoding of the (static) result.
        assembly ("memory-safe") {
            return(add(words, 0x20), shl(5, mload(words)))
        }
    }

    /// @inheritdoc IAndeConsensusExtension
    function stakeToken() external view returns (address) {
        return address(_token);
    }

    /// @inheritdoc IAndeConsensusExtension
    function coordinator() external view returns (address) {
        return _live.coordinator;
    }

    /// @inheritdoc IAndeConsensusExtension
    function duties() external view returns (address) {
        return _duties;
    }

    /// @inheritdoc IAndeConsensusExtension
    function verifier() external view returns (address) {
        return address(_verifier);
    }

    /// @inheritdoc IAndeConsensusExtension
    function bonded() external view returns (uint256) {
        return _loadRegistry().bonded;
    }

    /// @inheritdoc IAndeConsensusExtension
    function version() external pure returns (string memory) {
        return "0.1.0";
    }

    /// @inheritdoc IAndeConsensusExtension
    function voteDigest(Vote calldata vote) external view returns (bytes32) {
        return TypedDataLib.voteDigest(_domainSeparator(), vote);
    }

    /// @inheritdoc IAndeConsensusExtension
    function checkpointDigest(Checkpoint calldata checkpoint) external view returns (bytes32) {
        return TypedDataLib.checkpointDigest(_domainSeparator(), checkpoint);
    }

    /// @inheritdoc IAndeConsensusExtension
    function openTermDigest(OpenTerm calldata openTerm_) external view returns (bytes32) {
        return TypedDataLib.openTermDigest(_domainSeparator(), openTerm_);
    }

    /// @inheritdoc IAndeConsensusExtension
    function signerKeyDigest(SignerKey calldata signerKey) external view returns (bytes32) {
        return TypedDataLib.signerKeyDigest(_domainSeparator(), signerKey);
    }

    // Aliases -------------------------------------------------------------------------------------

    /// @inheritdoc IAndeConsensusExtension
    function getCurrentProposer() external view returns (address) {
        return currentProposer();
    }

    /// @inheritdoc IAndeConsensusExtension
    function getCurrentRotation() external view returns (uint64) {
        (uint64 height,) = _nextTurn();
        return windowOf(height);
    }

    /// @inheritdoc IAndeConsensusExtension
    function isValidator(address signer) external view returns (bool) {
        return isActiveSigner(signer);
    }

    /// @inheritdoc IAndeConsensusExtension
    function totalVotingPower() external view returns (uint256 total) {
        if (_isLaunched()) return _epochSet(currentEpoch()).totalWeight;
        uint256[] memory words = _candidates();
        for (uint256 i = 0; i < words.length; ++i) {
            total += ValidatorSetLib.weightOf(words[i]);
        }
    }

    /// @inheritdoc IAndeConsensusExtension
    function getActiveValidatorsCount() external view returns (uint256) {
        return _isLaunched() ? _epochSet(currentEpoch()).size : _active.length;
    }

    // ---------------------------------------------------------------------------------------------

    /// @dev Words of the current epoch's set, or of the candidates before launch.
    function _activeWords() private view returns (uint256[] memory) {
        if (!_isLaunched()) return _candidates();
        EpochSet memory set = _epochSet(currentEpoch());
        return ValidatorSetLib.load(set.ptr, set.size);
    }

    /// @dev The height after the last accepted batch and the skip that holds there as far as this chain knows.
    function _nextTurn() private view returns (uint64 height, uint32 skip) {
        if (_live.coordinator == address(0)) return (1, 0);
        IAndeSequencerCoordinator coordinator_ = IAndeSequencerCoordinator(_live.coordinator);
        height = coordinator_.tip().endHeight + 1;
        uint64 term = coordinator_.lastTerm();
        if (BatchLib.windowOfTerm(term) == windowOf(height)) skip = BatchLib.skipOfTerm(term);
    }

    function _proposer(uint64 height, uint32 skip) private view returns (address) {
        (, uint256 word) = _proposerWord(height, skip);
        return ValidatorSetLib.signerOf(word);
    }

    function _proposerWord(uint64 height, uint32 skip) private view returns (uint256 index, uint256 word) {
        uint64 epoch = epochOf(height);
        (ScheduleLib.Schedule memory schedule,) = _schedule(epoch, _epochSet(epoch));
        index = ScheduleLib.indexAt(schedule, windowOf(height), skip);
        word = schedule.members[index];
    }

    function _view(uint32 id) private view returns (ValidatorView memory v) {
        Validator storage validator = _validators[id];
        v.id = id;
        v.owner = validator.owner;
        v.signer = validator.signer;
        v.p2pPeerId = validator.p2pPeerId;
        v.rpcEndpoint = validator.rpcEndpoint;
        v.stake = validator.stake;
        v.weight = _weightOf(validator.stake);
        v.status = validator.status;
        v.joinEpoch = validator.joinEpoch;
        v.lastDutyEpoch = validator.lastDutyEpoch;
        v.jailedUntil = validator.jailedUntil;
        v.unlockTime = _unlockTime(validator);
    }
}
