// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BadDa, BadSigner, NotContiguous, QuorumNotReached, StaleTerm} from "../../src/consensus/AndeErrors.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @notice Calls on behalf of whoever asks.
contract BlobForwarder {
    function forward(address target, bytes calldata input) external {
        (bool ok, bytes memory reason) = target.call(input);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}

/// @title DataAvailabilityTest
/// @notice Batches whose data is in blobs or on Celestia, and that no kind passes for another.
contract DataAvailabilityTest is ConsensusFixture {
    function setUp() external {
        launchWith(4);
    }

    function _badDa(uint8 kind) private {
        VM.expectRevert(abi.encodeWithSelector(BadDa.selector, kind));
    }

    // Blobs ---------------------------------------------------------------------------------------

    function test_submitBatchWithBlobs_storesAndAnnounces() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(150, 1);
        certify(s, quorum(0));
        bytes32 hash = keccak256(abi.encode(s.header));
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeSequencerCoordinator.BatchAccepted(1, hash, 0, 1, 150, 1 << 16, 0, s.qc.signers, s.da);
        submitBlobs(s, hashes);
        assertEq(coordinator.batchHash(1), hash, "hash");
        assertEq(coordinator.tip().endHeight, 150, "height");
    }

    function test_submitBatchWithBlobs_upToNine() external {
        // More than any settlement chain allows in one transaction today.
        for (uint256 count = 1; count <= 9; ++count) {
            (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(uint64(count), count);
            certify(s, quorum(0));
            submitBlobs(s, hashes);
        }
        assertEq(coordinator.tip().batchIndex, 9, "all");
    }

    /// R44.
    function test_submitBatchWithBlobs_none_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 0);
        certify(s, quorum(0));
        _badDa(1);
        submitBlobs(s, hashes);
        // Nor when the transaction has blobs.
        VM.blobhashes(blobHashes(1));
        _badDa(1);
        submitBlobs(s, hashes);
    }

    /// R44.
    /// @notice Beyond the last blob the chain answers zero: a zero hash must not be taken for a blob.
    function test_submitBatchWithBlobs_zeroHash_reverts() external {
        (Submission memory s,) = nextBlobBatch(10, 0);
        bytes32[] memory hashes = new bytes32[](1);
        s.da.commitment = keccak256(abi.encode(hashes));
        certify(s, quorum(0));
        _badDa(1);
        submitBlobs(s, hashes);

        // One true blob and a hole behind it.
        bytes32[] memory one = blobHashes(1);
        VM.blobhashes(one);
        hashes = new bytes32[](2);
        hashes[0] = one[0];
        s.da.commitment = keccak256(abi.encode(hashes));
        certify(s, quorum(0));
        _badDa(1);
        submitBlobs(s, hashes);
    }

    function test_submitBatchWithBlobs_noBlobsInTransaction_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 2);
        certify(s, quorum(0));
        VM.blobhashes(new bytes32[](0));
        _badDa(1);
        submitBlobs(s, hashes);
    }

    /// R44.
    function test_submitBatchWithBlobs_otherBlob_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 3);
        certify(s, quorum(0));
        for (uint256 i = 0; i < 3; ++i) {
            bytes32[] memory carried = blobHashes(3);
            carried[i] = keccak256("garbage");
            VM.blobhashes(carried);
            // The certified hashes are not those of the transaction,
            _badDa(1);
            submitBlobs(s, hashes);
            // and those of the transaction are not certified.
            _badDa(1);
            submitBlobs(s, carried);
        }
        VM.blobhashes(hashes);
        submitBlobs(s, hashes);
    }

    /// R44.
    function test_submitBatchWithBlobs_swapped_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 2);
        certify(s, quorum(0));
        bytes32[] memory swapped = new bytes32[](2);
        (swapped[0], swapped[1]) = (hashes[1], hashes[0]);
        VM.blobhashes(swapped);
        _badDa(1);
        submitBlobs(s, hashes);
        _badDa(1);
        submitBlobs(s, swapped);
    }

    /// R44.
    /// @notice A relay cannot hide the data among blobs of its own: the batch's blobs are all there are.
    function test_submitBatchWithBlobs_additionalBlob_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 2);
        certify(s, quorum(0));
        bytes32[] memory more = blobHashes(3);
        VM.blobhashes(more);
        _badDa(1);
        submitBlobs(s, hashes);
        _badDa(1);
        submitBlobs(s, more);
        bytes32[] memory shifted = new bytes32[](3);
        (shifted[0], shifted[1], shifted[2]) = (keccak256("first"), hashes[0], hashes[1]);
        VM.blobhashes(shifted);
        _badDa(1);
        submitBlobs(s, hashes);
    }

    /// R44.
    function test_submitBatchWithBlobs_fewer_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 3);
        certify(s, quorum(0));
        bytes32[] memory fewer = blobHashes(2);
        VM.blobhashes(fewer);
        _badDa(1);
        submitBlobs(s, hashes);
        _badDa(1);
        submitBlobs(s, fewer);
    }

    /// R45.
    function test_submitBatchWithBlobs_height_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 1);
        s.da.height = 1;
        certify(s, quorum(0));
        _badDa(1);
        submitBlobs(s, hashes);
    }

    function test_submitBatchWithBlobs_belowQuorum_reverts() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 1);
        certify(s, 3);
        VM.expectRevert(abi.encodeWithSelector(QuorumNotReached.selector, 2000, 4000));
        submitBlobs(s, hashes);
    }

    /// @notice Blobs belong to the whole transaction, so unlike calldata they may be posted through a contract.
    function test_submitBatchWithBlobs_throughContract() external {
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(10, 2);
        certify(s, quorum(0));
        BlobForwarder forwarder = new BlobForwarder();
        bytes memory input = abi.encodeCall(coordinator.submitBatchWithBlobs, (s.header, s.da, hashes, s.qc, s.skips));
        forwarder.forward(address(coordinator), input);
        assertEq(coordinator.tip().batchIndex, 1, "accepted");
    }

    /// R46.
    /// @notice Another attempt is another statement: the certificate of the first says nothing about it.
    function test_submitBatchWithBlobs_secondAttempt() external {
        (Submission memory s,) = nextBlobBatch(10, 1);
        certify(s, quorum(0));
        bytes memory first = s.qc.signatures;
        bytes32 content = keccak256(abi.encode(s.header));

        // The blobs were too dear: the same content again, split in another way.
        bytes32[] memory hashes = blobHashes(2);
        s.da.commitment = keccak256(abi.encode(hashes));
        s.qc.attempt = 1;
        VM.blobhashes(hashes);
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitBlobs(s, hashes);
        certify(s, quorum(0));
        assertTrue(keccak256(first) != keccak256(s.qc.signatures), "signed again");
        submitBlobs(s, hashes);
        assertEq(coordinator.batchHash(1), content, "same content");
    }

    // Celestia ------------------------------------------------------------------------------------

    /// R45.
    function test_submitBatch_celestia() external {
        Submission memory s = nextCelestiaBatch(150);
        certify(s, quorum(0));
        bytes32 hash = keccak256(abi.encode(s.header));
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeSequencerCoordinator.BatchAccepted(1, hash, 0, 1, 150, 1 << 16, 0, s.qc.signers, s.da);
        submitCelestia(s);
        assertEq(coordinator.batchHash(1), hash, "hash");
    }

    /// R45.
    function test_submitBatch_celestiaWithoutHeight_reverts() external {
        Submission memory s = nextCelestiaBatch(10);
        s.da.height = 0;
        certify(s, quorum(0));
        _badDa(2);
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        _badDa(2);
        submitCelestia(s);
    }

    function test_submitBatch_celestiaOtherPointer_reverts() external {
        Submission memory s = nextCelestiaBatch(10);
        certify(s, quorum(0));
        s.da.height += 1;
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitCelestia(s);
        s.da.height -= 1;
        s.da.commitment = keccak256("garbage");
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitCelestia(s);
        s.da.commitment = keccak256("share commitment");
        s.da.size -= 1;
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitCelestia(s);
        s.da.size += 1;
        submitCelestia(s);
    }

    /// R46.
    /// @notice Published again at another height: the higher attempt is what counts, and only as certified.
    function test_submitBatch_celestiaSecondAttempt() external {
        Submission memory s = nextCelestiaBatch(10);
        certify(s, quorum(0));
        s.da.height += 100;
        s.qc.attempt = 1;
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitCelestia(s);
        certify(s, quorum(0));
        s.qc.attempt = 2;
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitCelestia(s);
        s.qc.attempt = 1;
        submitCelestia(s);
        assertEq(coordinator.tip().batchIndex, 1, "accepted");
    }

    // One kind for another ------------------------------------------------------------------------

    /// R45.
    function test_kinds_mixedUp_revert() external {
        bytes32[] memory hashes = blobHashes(1);
        VM.blobhashes(hashes);
        for (uint8 kind = 0; kind < 5; ++kind) {
            Submission memory s = nextBatch(10, "data");
            s.da.kind = kind;
            if (kind == 2) s.da.height = 1;
            if (kind == 1) s.da.commitment = keccak256(abi.encode(hashes));
            certify(s, quorum(0));
            if (kind != 0) {
                _badDa(kind);
                submit(s);
            }
            if (kind != 1) {
                _badDa(kind);
                submitBlobs(s, hashes);
            }
            if (kind != 2) {
                _badDa(kind);
                submitCelestia(s);
            }
            if (kind > 2) {
                _badDa(kind);
                coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
            } else {
                coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
            }
        }
    }

    /// @notice What was certified for one place cannot be moved to another without new signatures.
    function test_kinds_certificateOfAnother_reverts() external {
        bytes32[] memory hashes = blobHashes(1);
        VM.blobhashes(hashes);
        Submission memory s = certifiedBatch(10);
        s.da.kind = 1;
        s.da.commitment = keccak256(abi.encode(hashes));
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitBlobs(s, hashes);
        s.da.kind = 2;
        s.da.height = 1;
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        submitCelestia(s);
    }

    function test_kinds_followEachOther() external {
        submitTo(10);
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(20, 2);
        certify(s, quorum(0));
        submitBlobs(s, hashes);
        VM.expectRevert(abi.encodeWithSelector(NotContiguous.selector, 3, 21));
        submitBlobs(s, hashes);
        s = nextCelestiaBatch(120);
        certify(s, quorum(0));
        submitCelestia(s);
        VM.expectRevert(abi.encodeWithSelector(NotContiguous.selector, 4, 121));
        submitCelestia(s);
        submitTo(130);
        assertEq(coordinator.tip().batchIndex, 4, "four batches");
    }

    /// R36.
    function test_kinds_obeyTerms() external {
        submitTo(120);
        openTerm(0, (1 << 16) | 1);
        (Submission memory s, bytes32[] memory hashes) = nextBlobBatch(150, 1);
        certify(s, quorum(0));
        VM.expectRevert(abi.encodeWithSelector(StaleTerm.selector, (1 << 16) | 1, 1 << 16));
        submitBlobs(s, hashes);
        s = nextCelestiaBatch(150);
        certify(s, quorum(0));
        VM.expectRevert(abi.encodeWithSelector(StaleTerm.selector, (1 << 16) | 1, 1 << 16));
        submitCelestia(s);
    }
}
