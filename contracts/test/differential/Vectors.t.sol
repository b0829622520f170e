// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AndeConsensus} from "../../src/consensus/AndeConsensus.sol";
import {AndeSequencerCoordinator} from "../../src/consensus/AndeSequencerCoordinator.sol";
import {
    BatchHeader,
    Checkpoint,
    DaPointer,
    OpenTerm,
    ScheduleMode,
    SignerKey,
    Vote
} from "../../src/consensus/AndeTypes.sol";
import {BatchLib} from "../../src/libraries/BatchLib.sol";
import {InclusionLib} from "../../src/libraries/InclusionLib.sol";
import {ScheduleLib} from "../../src/libraries/ScheduleLib.sol";
import {TypedDataLib} from "../../src/libraries/TypedDataLib.sol";
import {ValidatorSetLib} from "../../src/libraries/ValidatorSetLib.sol";
import {EcdsaQuorumVerifier} from "../../src/verifiers/EcdsaQuorumVerifier.sol";
import {Signers} from "../utils/Signers.sol";
import {TestBase} from "../utils/TestBase.sol";
import {VM} from "../utils/Vm.sol";

/// @title VectorsTest
/// @notice The vector files that the Rust crate ande-primitives writes: both sides compute the same. A missing file is
///         a failure.
contract VectorsTest is TestBase {
    uint256 internal constant MIN_SCHEDULE_CASES = 3000;

    function _json(string memory name) private view returns (string memory) {
        return VM.readFile(testFile(string.concat("vectors/", name)));
    }

    // Schedule ------------------------------------------------------------------------------------

    /// R29.
    function test_vectors_schedule() external view {
        string memory json = _json("schedule.json");
        uint256[] memory modes = VM.parseJsonUintArray(json, ".mode");
        uint256[] memory sizes = VM.parseJsonUintArray(json, ".n");
        uint256[] memory windows = VM.parseJsonUintArray(json, ".windowsPerEpoch");
        uint256[] memory rotations = VM.parseJsonUintArray(json, ".rotationInterval");
        bytes32[] memory seeds = VM.parseJsonBytes32Array(json, ".seed");
        uint256[] memory maxWeights = VM.parseJsonUintArray(json, ".maxWeight");
        uint256[] memory heights = VM.parseJsonUintArray(json, ".height");
        uint256[] memory skips = VM.parseJsonUintArray(json, ".skip");
        uint256[] memory expected = VM.parseJsonUintArray(json, ".index");
        assertTrue(expected.length >= MIN_SCHEDULE_CASES, "too few schedule vectors");

        uint256 weighted = 0;
        uint256 skipped = 0;
        for (uint256 i = 0; i < expected.length; ++i) {
            ScheduleLib.Schedule memory schedule = ScheduleLib.Schedule({
                seed: seeds[i],
                mode: ScheduleMode(modes[i]),
                windowsPerEpoch: windows[i],
                members: _members(seeds[i], sizes[i], maxWeights[i])
            });
            uint256 index = ScheduleLib.indexAt(schedule, heights[i] / rotations[i], skips[i]);
            if (index != expected[i]) {
                revert AssertionFailed(string.concat("schedule ", VM.toString(i)), index, expected[i]);
            }
            weighted += modes[i];
            if (skips[i] != 0) ++skipped;
        }
        assertTrue(weighted > 500 && expected.length - weighted > 500, "both modes");
        assertTrue(skipped > 500, "skips");
    }

    function _members(bytes32 seed, uint256 n, uint256 maxWeight) private pure returns (uint256[] memory words) {
        words = new uint256[](n);
        for (uint256 i = 0; i < n; ++i) {
            uint256 weight = 1 + uint256(keccak256(abi.encode(seed, uint256(0x77), i))) % maxWeight;
            words[i] = ValidatorSetLib.pack(address(uint160(i + 1)), uint64(weight), uint32(i + 1));
        }
        ValidatorSetLib.accumulate(words, 0);
    }

    // Digests -------------------------------------------------------------------------------------

    /// @dev Separator of the file's domain, computed with this test at the file's address and chain.
    function _domain(string memory json) private returns (bytes32) {
        VM.chainId(VM.parseJsonUint(json, ".domain.chainId"));
        return TypedDataLib.domainSeparator(VM.parseJsonAddress(json, ".domain.verifyingContract"));
    }

    /// R71.
    function test_vectors_votes() external {
        string memory json = _json("digests.json");
        bytes32 domain = _domain(json);
        uint256[] memory l2ChainId = VM.parseJsonUintArray(json, ".vote.l2ChainId");
        uint256[] memory era = VM.parseJsonUintArray(json, ".vote.era");
        uint256[] memory epoch = VM.parseJsonUintArray(json, ".vote.epoch");
        uint256[] memory height = VM.parseJsonUintArray(json, ".vote.height");
        uint256[] memory round = VM.parseJsonUintArray(json, ".vote.round");
        uint256[] memory kind = VM.parseJsonUintArray(json, ".vote.kind");
        bytes32[] memory blockHash = VM.parseJsonBytes32Array(json, ".vote.blockHash");
        bytes32[] memory expected = VM.parseJsonBytes32Array(json, ".vote.digest");
        assertGt(expected.length, 0, "no votes");
        for (uint256 i = 0; i < expected.length; ++i) {
            Vote memory vote;
            vote.l2ChainId = uint64(l2ChainId[i]);
            vote.era = uint32(era[i]);
            vote.epoch = uint64(epoch[i]);
            vote.height = uint64(height[i]);
            vote.round = uint32(round[i]);
            vote.kind = uint8(kind[i]);
            vote.blockHash = blockHash[i];
            assertEq(TypedDataLib.voteDigest(domain, vote), expected[i], "vote");
        }
    }

    /// R41.
    function test_vectors_checkpoints() external {
        string memory json = _json("digests.json");
        bytes32 domain = _domain(json);
        bytes32[] memory expected = VM.parseJsonBytes32Array(json, ".checkpoint.digest");
        assertGt(expected.length, 0, "no checkpoints");
        Checkpoint[] memory all = new Checkpoint[](expected.length);
        uint256[] memory values = VM.parseJsonUintArray(json, ".checkpoint.l2ChainId");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].l2ChainId = uint64(values[i]);
        }
        values = VM.parseJsonUintArray(json, ".checkpoint.era");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].era = uint32(values[i]);
        }
        values = VM.parseJsonUintArray(json, ".checkpoint.epoch");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].epoch = uint64(values[i]);
        }
        values = VM.parseJsonUintArray(json, ".checkpoint.batchIndex");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].batchIndex = uint64(values[i]);
        }
        values = VM.parseJsonUintArray(json, ".checkpoint.attempt");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].attempt = uint32(values[i]);
        }
        bytes32[] memory hashes = VM.parseJsonBytes32Array(json, ".checkpoint.parentBatchHash");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].parentBatchHash = hashes[i];
        }
        hashes = VM.parseJsonBytes32Array(json, ".checkpoint.contentHash");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].contentHash = hashes[i];
        }
        hashes = VM.parseJsonBytes32Array(json, ".checkpoint.daHash");
        for (uint256 i = 0; i < all.length; ++i) {
            all[i].daHash = hashes[i];
            assertEq(TypedDataLib.checkpointDigest(domain, all[i]), expected[i], "checkpoint");
        }
    }

    /// R37.
    function test_vectors_openTerms() external {
        string memory json = _json("digests.json");
        bytes32 domain = _domain(json);
        uint256[] memory l2ChainId = VM.parseJsonUintArray(json, ".openTerm.l2ChainId");
        uint256[] memory era = VM.parseJsonUintArray(json, ".openTerm.era");
        uint256[] memory epoch = VM.parseJsonUintArray(json, ".openTerm.epoch");
        uint256[] memory term = VM.parseJsonUintArray(json, ".openTerm.term");
        bytes32[] memory expected = VM.parseJsonBytes32Array(json, ".openTerm.digest");
        assertGt(expected.length, 0, "no terms");
        for (uint256 i = 0; i < expected.length; ++i) {
            OpenTerm memory openTerm = OpenTerm(uint64(l2ChainId[i]), uint32(era[i]), uint64(epoch[i]), uint64(term[i]));
            assertEq(TypedDataLib.openTermDigest(domain, openTerm), expected[i], "openTerm");
        }
    }

    /// R3.
    function test_vectors_signerKeys() external {
        string memory json = _json("digests.json");
        bytes32 domain = _domain(json);
        address[] memory owner = VM.parseJsonAddressArray(json, ".signerKey.owner");
        address[] memory signer = VM.parseJsonAddressArray(json, ".signerKey.signer");
        bytes32[] memory peer = VM.parseJsonBytes32Array(json, ".signerKey.p2pPeerId");
        uint256[] memory nonce = VM.parseJsonUintArray(json, ".signerKey.nonce");
        uint256[] memory deadline = VM.parseJsonUintArray(json, ".signerKey.deadline");
        bytes32[] memory expected = VM.parseJsonBytes32Array(json, ".signerKey.digest");
        assertGt(expected.length, 0, "no keys");
        for (uint256 i = 0; i < expected.length; ++i) {
            SignerKey memory signerKey = SignerKey(owner[i], signer[i], peer[i], nonce[i], deadline[i]);
            assertEq(TypedDataLib.signerKeyDigest(domain, signerKey), expected[i], "signerKey");
        }
    }

    /// R41.
    function test_vectors_batchHeaders() external view {
        string memory json = _json("digests.json");
        bytes32[] memory expected = VM.parseJsonBytes32Array(json, ".batchHeader.contentHash");
        assertGt(expected.length, 0, "no headers");
        for (uint256 i = 0; i < expected.length; ++i) {
            BatchHeader memory h;
            (h.version, h.era, h.txCount) =
            (uint8(_uint(json, "version", i)), uint32(_uint(json, "era", i)), uint32(_uint(json, "txCount", i)));
            h.epoch = _uint(json, "epoch", i);
            h.batchIndex = _uint(json, "batchIndex", i);
            h.startHeight = _uint(json, "startHeight", i);
            h.endHeight = _uint(json, "endHeight", i);
            h.term = _uint(json, "term", i);
            h.forcedUpTo = _uint(json, "forcedUpTo", i);
            h.parentBatchHash = _word(json, "parentBatchHash", i);
            h.lastBlockHash = _word(json, "lastBlockHash", i);
            h.stateRoot = _word(json, "stateRoot", i);
            h.txRoot = _word(json, "txRoot", i);
            h.forcedAcc = _word(json, "forcedAcc", i);
            h.skipsHash = _word(json, "skipsHash", i);
            h.feeRecipient = VM.parseJsonAddressArray(json, ".batchHeader.feeRecipient")[i];
            assertEq(BatchLib.contentHash(h), expected[i], "contentHash");
            assertEq(keccak256(abi.encode(h)), expected[i], "abi.encode");
        }
    }

    function _uint(string memory json, string memory field, uint256 i) private pure returns (uint64) {
        return uint64(VM.parseJsonUintArray(json, string.concat(".batchHeader.", field))[i]);
    }

    function _word(string memory json, string memory field, uint256 i) private pure returns (bytes32) {
        return VM.parseJsonBytes32Array(json, string.concat(".batchHeader.", field))[i];
    }

    /// R41.
    function test_vectors_daPointers() external view {
        string memory json = _json("digests.json");
        uint256[] memory kind = VM.parseJsonUintArray(json, ".daPointer.kind");
        uint256[] memory height = VM.parseJsonUintArray(json, ".daPointer.height");
        bytes32[] memory commitment = VM.parseJsonBytes32Array(json, ".daPointer.commitment");
        uint256[] memory size = VM.parseJsonUintArray(json, ".daPointer.size");
        bytes32[] memory expected = VM.parseJsonBytes32Array(json, ".daPointer.daHash");
        assertGt(expected.length, 0, "no pointers");
        for (uint256 i = 0; i < expected.length; ++i) {
            DaPointer memory da = DaPointer(uint8(kind[i]), uint64(height[i]), commitment[i], uint32(size[i]));
            assertEq(BatchLib.daHash(da), expected[i], "daHash");
            assertEq(keccak256(abi.encode(da)), expected[i], "abi.encode");
        }
    }

    /// R44.
    function test_vectors_blobs() external view {
        string memory json = _json("digests.json");
        bytes[] memory hashes = VM.parseJsonBytesArray(json, ".blobs.hashes");
        uint256[] memory size = VM.parseJsonUintArray(json, ".blobs.size");
        bytes32[] memory commitment = VM.parseJsonBytes32Array(json, ".blobs.commitment");
        bytes32[] memory expected = VM.parseJsonBytes32Array(json, ".blobs.daHash");
        assertGt(expected.length, 0, "no blobs");
        for (uint256 i = 0; i < expected.length; ++i) {
            assertEq(this.blobCommitment(_split(hashes[i])), commitment[i], "commitment");
            DaPointer memory da = DaPointer(BatchLib.DA_BLOBS, 0, commitment[i], uint32(size[i]));
            assertEq(BatchLib.daHash(da), expected[i], "daHash");
        }
    }

    /// @dev External, because the hashes are calldata.
    function blobCommitment(bytes32[] calldata hashes) external pure returns (bytes32) {
        return BatchLib.blobCommitment(hashes);
    }

    /// R55.
    /// @notice A real queue gives the accumulators of the file.
    function test_vectors_forced() external {
        string memory json = _json("digests.json");
        address[] memory sender = VM.parseJsonAddressArray(json, ".forced.sender");
        uint256[] memory l1Block = VM.parseJsonUintArray(json, ".forced.l1Block");
        uint256[] memory l1Timestamp = VM.parseJsonUintArray(json, ".forced.l1Timestamp");
        bytes[] memory rawTx = VM.parseJsonBytesArray(json, ".forced.rawTx");
        bytes32[] memory acc = VM.parseJsonBytes32Array(json, ".forced.acc");
        assertGt(acc.length, 0, "no forced transactions");
        AndeSequencerCoordinator queue = new AndeSequencerCoordinator(address(new AndeConsensus()));
        for (uint256 i = 0; i < acc.length; ++i) {
            VM.roll(l1Block[i]);
            VM.warp(l1Timestamp[i]);
            VM.deal(sender[i], 1 ether);
            VM.prank(sender[i]);
            uint64 index = queue.enqueueForced{value: 1 ether}(rawTx[i]);
            assertEq(index, i, "index");
            assertEq(queue.forcedEntry(index).acc, acc[i], "accumulator");
        }
    }

    /// R49.
    function test_vectors_merkle() external view {
        string memory json = _json("digests.json");
        uint256[] memory count = VM.parseJsonUintArray(json, ".merkle.count");
        bytes32[] memory seed = VM.parseJsonBytes32Array(json, ".merkle.seed");
        bytes32[] memory root = VM.parseJsonBytes32Array(json, ".merkle.root");
        uint256[] memory index = VM.parseJsonUintArray(json, ".merkle.index");
        bytes[] memory proof = VM.parseJsonBytesArray(json, ".merkle.proof");
        assertGt(root.length, 0, "no trees");
        for (uint256 i = 0; i < root.length; ++i) {
            assertEq(_merkleRoot(seed[i], count[i]), root[i], "root");
            if (count[i] == 0) continue;
            bytes32 txHash = keccak256(abi.encode(seed[i], index[i]));
            bytes32[] memory nodes = _split(proof[i]);
            assertTrue(this.verify(root[i], uint32(count[i]), uint32(index[i]), txHash, nodes), "proof");
            assertTrue(!this.verify(root[i], uint32(count[i]), uint32(index[i]), ~txHash, nodes), "other transaction");
        }
    }

    /// @dev External, because proofs are calldata.
    function verify(bytes32 root, uint32 count, uint32 index, bytes32 txHash, bytes32[] calldata proof)
        external
        pure
        returns (bool)
    {
        return InclusionLib.verify(root, count, index, txHash, proof);
    }

    /// @dev Whole tree, padded with zero words.
    function _merkleRoot(bytes32 seed, uint256 count) private pure returns (bytes32) {
        if (count == 0) return bytes32(0);
        uint256 width = uint256(1) << InclusionLib.depthOf(uint32(count));
        bytes32[] memory level = new bytes32[](width);
        for (uint256 i = 0; i < count; ++i) {
            level[i] = InclusionLib.leaf(uint32(i), keccak256(abi.encode(seed, i)));
        }
        for (; width > 1; width /= 2) {
            for (uint256 i = 0; i < width / 2; ++i) {
                level[i] = InclusionLib.node(level[2 * i], level[2 * i + 1]);
            }
        }
        return level[0];
    }

    function _split(bytes memory data) private pure returns (bytes32[] memory nodes) {
        nodes = new bytes32[](data.length / 32);
        for (uint256 i = 0; i < nodes.length; ++i) {
            bytes32 word;
            assembly ("memory-safe") {
                word := mload(add(add(data, 0x20), shl(5, i)))
            }
            nodes[i] = word;
        }
    }

    // Certificates --------------------------------------------------------------------------------

    /// R39.
    function test_vectors_certificates() external {
        EcdsaQuorumVerifier verifier = new EcdsaQuorumVerifier();
        string memory json = _json("certificates.json");
        bytes32[] memory digest = VM.parseJsonBytes32Array(json, ".digest");
        uint256[] memory bitmap = VM.parseJsonUintArray(json, ".bitmap");
        bytes[] memory signatures = VM.parseJsonBytesArray(json, ".signatures");
        uint256[] memory weight = VM.parseJsonUintArray(json, ".signedWeight");
        bool[] memory valid = VM.parseJsonBoolArray(json, ".valid");
        uint256 accepted = 0;
        for (uint256 i = 0; i < valid.length; ++i) {
            string memory place = string.concat("[", VM.toString(i), "]");
            address[] memory signers = VM.parseJsonAddressArray(json, string.concat(".signers", place));
            uint256[] memory weights = VM.parseJsonUintArray(json, string.concat(".weights", place));
            address ptr = Signers.store(signers, weights);
            try verifier.verify(ptr, uint32(signers.length), digest[i], bitmap[i], signatures[i]) returns (
                uint256 signed
            ) {
                assertTrue(valid[i], string.concat("accepted ", place));
                assertEq(signed, weight[i], string.concat("weight ", place));
                ++accepted;
            } catch {
                assertTrue(!valid[i], string.concat("rejected ", place));
            }
        }
        assertGt(accepted, 0, "no valid certificate");
        assertGt(valid.length, accepted, "no invalid certificate");
    }
}
