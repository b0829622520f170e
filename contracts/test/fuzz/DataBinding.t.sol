// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {DaPointer} from "../../src/consensus/AndeTypes.sol";
import {BatchLib} from "../../src/libraries/BatchLib.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @title DataBindingFuzz
/// @notice B6 for data that is not calldata: a certificate is good for exactly one pointer, attempt and list of blobs.
contract DataBindingFuzz is ConsensusFixture {
    function setUp() external {
        launchWith(4);
    }

    // Blobs ---------------------------------------------------------------------------------------

    /// R44.
    /// @notice Whatever blobs the transaction carries and whatever list is passed: accepted if and only if both are
    ///         what was certified.
    function testFuzz_B6_blobs(uint256 certified, uint256 carried, uint256 passed, uint256 salt) external {
        bytes32[] memory wanted = _list(bound(certified, 1, 6), 0, salt);
        bytes32[] memory inTransaction = _list(bound(carried, 0, 6), salt % 3, salt);
        bytes32[] memory given = _list(bound(passed, 0, 6), (salt >> 8) % 3, salt);
        Submission memory s = _blobBatch(wanted);
        bytes32 want = keccak256(abi.encode(wanted));
        bool same = keccak256(abi.encode(inTransaction)) == want && keccak256(abi.encode(given)) == want;
        assertTrue(_accepted(s, inTransaction, given) == same, "exactly the certified blobs");
        assertTrue(_accepted(s, wanted, wanted), "the certified blobs");
    }

    /// R44.
    /// @notice One word of the transaction's blobs or of the passed list changed.
    function testFuzz_B6_blobChanged_reverts(uint256 count, uint256 where, uint256 flip, bool inTransaction) external {
        VM.assume(flip != 0);
        count = bound(count, 1, 6);
        bytes32[] memory hashes = blobHashes(count);
        Submission memory s = _blobBatch(hashes);
        bytes32[] memory other = blobHashes(count);
        where = bound(where, 0, count - 1);
        other[where] ^= bytes32(flip);
        assertTrue(!_accepted(s, inTransaction ? other : hashes, inTransaction ? hashes : other), "changed on one side");
        assertTrue(!_accepted(s, other, other), "changed on both");
    }

    /// R44.
    function testFuzz_B6_blobOrder_reverts(uint256 a, uint256 b) external {
        a = bound(a, 0, 5);
        b = bound(b, 0, 5);
        VM.assume(a != b);
        bytes32[] memory hashes = blobHashes(6);
        Submission memory s = _blobBatch(hashes);
        bytes32[] memory other = blobHashes(6);
        (other[a], other[b]) = (other[b], other[a]);
        assertTrue(!_accepted(s, other, other), "another order");
        assertTrue(!_accepted(s, hashes, other), "another order than carried");
    }

    /// R41.
    /// @notice Any change of kind, height, commitment, size or attempt voids the certificate for all three entries.
    function testFuzz_B6_pointerChanged_reverts(uint256 kind, uint256 what, uint256 flip) external {
        VM.assume(flip != 0);
        kind = bound(kind, 1, 2);
        what = bound(what, 0, 4);
        bytes32[] memory hashes = blobHashes(2);
        Submission memory s = _blobBatch(hashes);
        if (kind == 2) {
            s = nextCelestiaBatch(50);
            certify(s, quorum(0));
        }
        if (what == 0) s.da.kind = uint8(s.da.kind ^ uint8(bound(flip, 1, 255)));
        if (what == 1) s.da.height ^= uint64(bound(flip, 1, type(uint64).max));
        if (what == 2) s.da.commitment ^= bytes32(flip);
        if (what == 3) s.da.size ^= uint32(bound(flip, 1, type(uint32).max));
        if (what == 4) s.qc.attempt = uint32(bound(flip, 1, type(uint32).max));
        assertTrue(!_accepted(s, hashes, hashes), "as blobs");
        assertTrue(!_acceptedCelestia(s), "as Celestia");
        assertTrue(!_acceptedCalldata(s), "as calldata");
    }

    /// R45.
    /// @notice A pointer of any content is taken only by the entry of its kind.
    function testFuzz_B6_kindDecidesEntry(uint8 kind, uint64 height, bytes32 commitment, uint32 size) external {
        Submission memory s = nextBatch(50, "");
        s.da = DaPointer({kind: kind, height: height, commitment: commitment, size: size});
        certify(s, quorum(0));
        // Neither calldata nor blobs have this commitment.
        assertTrue(!_accepted(s, blobHashes(1), blobHashes(1)), "blobs");
        assertTrue(!_acceptedCalldata(s), "calldata");
        assertTrue(_acceptedCelestia(s) == (kind == 2 && height != 0), "Celestia");
    }

    // Helpers against plain definitions -----------------------------------------------------------

    function testFuzz_blobCommitment_isAbiEncoding(bytes32[] calldata hashes) external view {
        bytes memory words = abi.encodePacked(uint256(0x20), hashes.length);
        for (uint256 i = 0; i < hashes.length && i < 32; ++i) {
            words = bytes.concat(words, hashes[i]);
        }
        if (hashes.length <= 32) assertEq(this.commitmentOf(hashes), keccak256(words), "commitment");
        assertEq(this.commitmentOf(hashes), keccak256(abi.encode(hashes)), "abi.encode");
    }

    function commitmentOf(bytes32[] calldata hashes) external pure returns (bytes32) {
        return BatchLib.blobCommitment(hashes);
    }

    function _list(uint256 count, uint256 shift, uint256 salt) private pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            hashes[i] = keccak256(abi.encode(salt, i + shift));
        }
    }

    function _blobBatch(bytes32[] memory hashes) private view returns (Submission memory s) {
        s = nextBatch(50, "");
        s.da = DaPointer({kind: 1, height: 0, commitment: keccak256(abi.encode(hashes)), size: 7});
        certify(s, quorum(0));
    }

    function _accepted(Submission memory s, bytes32[] memory carried, bytes32[] memory passed)
        private
        returns (bool ok)
    {
        VM.blobhashes(carried);
        return _call(abi.encodeCall(coordinator.submitBatchWithBlobs, (s.header, s.da, passed, s.qc, s.skips)));
    }

    function _acceptedCelestia(Submission memory s) private returns (bool) {
        return _call(abi.encodeCall(coordinator.submitBatch, (s.header, s.da, s.qc, s.skips)));
    }

    function _acceptedCalldata(Submission memory s) private returns (bool) {
        return _call(abi.encodeCall(coordinator.submitBatchWithCalldata, (s.header, s.da, s.qc, s.skips, s.data)));
    }

    function _call(bytes memory input) private returns (bool ok) {
        uint256 state = VM.snapshotState();
        VM.prank(RELAY, RELAY);
        (ok,) = address(coordinator).call(input);
        VM.revertToState(state);
    }
}
