// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    BatchTip,
    Checkpoint,
    ConsensusConfig,
    SetMember,
    SignerKey,
    ValidatorView,
    Vote
} from "../../src/consensus/AndeTypes.sol";
import {ConsensusFixture} from "./ConsensusFixture.sol";
import {VM} from "./Vm.sol";

/// @title DutiesFixture
/// @notice Epochs that pass, exits, evidence and skipped windows.
abstract contract DutiesFixture is ConsensusFixture {
    /// @dev Somebody who brings evidence.
    address internal constant REPORTER = address(0xCAFE);
    uint64 internal constant DAY = 1 days;

    /// @dev Kept here: the compiler may read block.timestamp before a warp.
    uint256 internal clock = 1_000_000;

    function setTime(uint256 time) internal {
        clock = time;
        VM.warp(time);
    }

    function pass(uint256 time) internal {
        setTime(clock + time);
    }

    /// @notice Batches to the end of the running epoch and the first one of the next.
    function finishEpoch() internal {
        uint64 length = coordinator.epochLength();
        uint64 next = coordinator.tip().endHeight + 1;
        uint64 last = (next / length + 1) * length - 1;
        if (next <= last) submitTo(last);
        submitTo(last + 1);
    }

    function finishEpochs(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            finishEpoch();
        }
    }

    function configureWith(uint16 n) internal {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.minValidators = n;
        consensus.configure(config);
        deployCoordinator();
    }

    function requestExit(uint256 i) internal {
        VM.prank(account(i));
        consensus.requestExit(uint32(i));
    }

    function statusOf(uint32 id) internal view returns (uint8) {
        return uint8(consensus.getValidator(id).status);
    }

    function viewOf(uint32 id) internal view returns (ValidatorView memory) {
        return consensus.getValidator(id);
    }

    /// @notice Everything that no power over the contract may change: stake, validators, sets, schedule, batches, era.
    function untouchable() internal view returns (bytes32 hash) {
        uint32 setId;
        uint64 last = consensus.launched() ? consensus.lastFrozenEpoch() : 0;
        for (uint64 epoch = 0; epoch <= last; ++epoch) {
            setId = consensus.setIdOf(epoch);
            hash = keccak256(abi.encode(hash, setId, consensus.epochClosedAt(epoch)));
            if (setId == 0) continue;
            address ptr = consensus.setInfo(setId).ptr;
            hash = keccak256(abi.encode(hash, ptr, ptr.codehash, consensus.seedOf(epoch)));
        }
        ValidatorView[] memory all = consensus.getValidators(1, type(uint32).max);
        hash = keccak256(abi.encode(hash, all, consensus.bonded(), consensus.sinkOwed(), last));
        hash = keccak256(abi.encode(hash, consensus.era(), consensus.launched(), consensus.currentEpoch()));
        BatchTip memory tip = coordinator.tip();
        hash = keccak256(abi.encode(hash, tip, coordinator.batchHash(tip.batchIndex), coordinator.lastTerm()));
        return keccak256(abi.encode(hash, token.balanceOf(address(consensus)), consensus.stakeToken()));
    }

    // Keys ----------------------------------------------------------------------------------------

    function signerKeyProof(address owner, uint256 newKey, bytes32 peer, uint256 deadline)
        internal
        view
        returns (bytes memory)
    {
        SignerKey memory message = SignerKey(owner, VM.addr(newKey), peer, consensus.nonces(owner), deadline);
        return compactSign(newKey, consensus.signerKeyDigest(message));
    }

    /// @notice Rotates validator `i` to test key `newKey`.
    function rotate(uint256 i, uint256 newKey) internal {
        address owner = account(i);
        account(newKey);
        bytes memory proof = signerKeyProof(owner, key(newKey), viewOf(uint32(i)).p2pPeerId, type(uint256).max);
        VM.prank(owner);
        consensus.rotateSigner(uint32(i), VM.addr(key(newKey)), type(uint256).max, proof);
    }

    // Evidence ------------------------------------------------------------------------------------

    function vote(uint64 epoch, bytes32 blockHash) internal view returns (Vote memory) {
        return Vote({
            l2ChainId: coordinator.l2ChainId(),
            era: consensus.era(),
            epoch: epoch,
            height: epoch * coordinator.epochLength() + 1,
            round: 0,
            kind: 2,
            blockHash: blockHash
        });
    }

    function signVote(uint256 signerKey, Vote memory v) internal view returns (bytes memory) {
        return compactSign(signerKey, consensus.voteDigest(v));
    }

    /// @notice Two precommits of the holder of `signerKey` in `epoch`.
    function equivocate(uint64 epoch, uint256 setIndex, uint256 signerKey) internal {
        Vote memory v = vote(epoch, keccak256("a"));
        equivocateWith(v, setIndex, signerKey);
    }

    function equivocateWith(Vote memory v, uint256 setIndex, uint256 signerKey) internal {
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, signerKey);
        VM.prank(REPORTER);
        consensus.submitVoteEvidence(v, keccak256("b"), setIndex, sigA, sigB);
    }

    function conflictingVotes(Vote memory v, uint256 signerKey) internal view returns (bytes memory, bytes memory) {
        bytes32 own = v.blockHash;
        bytes memory sigA = signVote(signerKey, v);
        v.blockHash = keccak256("b");
        bytes memory sigB = signVote(signerKey, v);
        v.blockHash = own;
        return (sigA, sigB);
    }

    function checkpoint(uint64 epoch, bytes32 content) internal view returns (Checkpoint memory) {
        return Checkpoint({
            l2ChainId: coordinator.l2ChainId(),
            era: consensus.era(),
            epoch: epoch,
            batchIndex: 7,
            attempt: 0,
            parentBatchHash: keccak256("parent"),
            contentHash: content,
            daHash: keccak256("da")
        });
    }

    // Skips ---------------------------------------------------------------------------------------

    /// @notice A batch to `endHeight` in whose last window `skip` proposers were passed over.
    function submitSkipped(uint64 endHeight, uint32 skip) internal {
        Submission memory s = nextBatch(endHeight, "data");
        uint64 window = consensus.windowOf(endHeight);
        s.header.term = (window << 16) | skip;
        setSkips(s, abi.encodePacked(window, skip));
        certify(s, quorum(s.header.epoch));
        submit(s);
    }

    /// @notice Index of the member with this id in the set of `epoch`.
    function indexOf(uint64 epoch, uint32 id) internal view returns (uint256) {
        SetMember[] memory members = consensus.getValidatorSet(epoch);
        for (uint256 i = 0; i < members.length; ++i) {
            if (members[i].id == id) return i;
        }
        revert AssertionFailed("not a member", id, epoch);
    }
}
