// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BadSigner} from "../../src/consensus/AndeErrors.sol";
import {BatchHeader, DaPointer} from "../../src/consensus/AndeTypes.sol";
import {BatchLib} from "../../src/libraries/BatchLib.sol";
import {SignatureLib} from "../../src/libraries/SignatureLib.sol";
import {EcdsaQuorumVerifier} from "../../src/verifiers/EcdsaQuorumVerifier.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {ReferenceQuorumVerifier} from "../utils/ReferenceQuorumVerifier.sol";
import {Signers} from "../utils/Signers.sol";
import {VM} from "../utils/Vm.sol";

/// @title CertificatesFuzz
/// @notice B6 and B7: a certificate is worth exactly what was signed, in exactly one encoding.
contract CertificatesFuzz is ConsensusFixture {
    uint256 internal constant HEADER_WORDS = 16;
    uint256 internal constant DA_WORDS = 4;

    EcdsaQuorumVerifier internal verifier;
    ReferenceQuorumVerifier internal plain;

    function setUp() external {
        launchWith(4);
        submitTo(110);
        verifier = new EcdsaQuorumVerifier();
        plain = new ReferenceQuorumVerifier();
    }

    // B6 ------------------------------------------------------------------------------------------

    /// R41.
    /// @notice Any change of any word of header, pointer, attempt or bitmap makes the certificate worthless.
    function testFuzz_B6_anyWordChanged_reverts(uint256 where, uint256 flip) external {
        Submission memory s = certifiedBatch(180);
        where = bound(where, 0, HEADER_WORDS + DA_WORDS + 1);
        VM.assume(flip != 0);
        if (where < HEADER_WORDS) {
            _flip(_headerPtr(s.header) + 32 * where, flip);
        } else if (where < HEADER_WORDS + DA_WORDS) {
            _flip(_daPtr(s.da) + 32 * (where - HEADER_WORDS), flip);
        } else if (where == HEADER_WORDS + DA_WORDS) {
            uint32 attempt = uint32(flip);
            VM.assume(attempt != 0);
            s.qc.attempt = attempt;
        } else {
            s.qc.signers ^= flip;
        }
        assertTrue(!_accepted(s), "accepted a changed certificate");
    }

    /// R41.
    /// @notice The same for each single bit of header and pointer, without fuzzing.
    function test_B6_everyHeaderWord_reverts() external {
        Submission memory s = certifiedBatch(180);
        for (uint256 word = 0; word < HEADER_WORDS; ++word) {
            _flip(_headerPtr(s.header) + 32 * word, 1);
            assertTrue(!_accepted(s), "low bit of a header word");
            _flip(_headerPtr(s.header) + 32 * word, 1);
            _flip(_headerPtr(s.header) + 32 * word, 1 << 255);
            assertTrue(!_accepted(s), "high bit of a header word");
            _flip(_headerPtr(s.header) + 32 * word, 1 << 255);
        }
        for (uint256 word = 0; word < DA_WORDS; ++word) {
            _flip(_daPtr(s.da) + 32 * word, 1);
            assertTrue(!_accepted(s), "pointer word");
            _flip(_daPtr(s.da) + 32 * word, 1);
        }
        assertTrue(_accepted(s), "unchanged");
    }

    // B7 ------------------------------------------------------------------------------------------

    /// R39.
    function testFuzz_B7_anyBitOfSignatures_reverts(uint256 bit) external {
        Submission memory s = certifiedBatch(180);
        bit = bound(bit, 0, s.qc.signatures.length * 8 - 1);
        s.qc.signatures[bit / 8] ^= _bit(bit);
        assertTrue(!_accepted(s), "accepted a changed signature");
    }

    /// R39.
    function testFuzz_B7_otherLengths_revert(uint256 length) external {
        Submission memory s = certifiedBatch(180);
        length = bound(length, 0, 320);
        if (length == s.qc.signatures.length) ++length;
        bytes memory other = new bytes(length);
        for (uint256 i = 0; i < length && i < s.qc.signatures.length; ++i) {
            other[i] = s.qc.signatures[i];
        }
        s.qc.signatures = other;
        assertTrue(!_accepted(s), "accepted another length");
    }

    /// R39.
    function testFuzz_B7_permuted_reverts(uint256 a, uint256 b) external {
        Submission memory s = nextBatch(180, "data");
        certify(s, 15);
        a = bound(a, 0, 3);
        b = bound(b, 0, 3);
        VM.assume(a != b);
        for (uint256 i = 0; i < 64; ++i) {
            (s.qc.signatures[64 * a + i], s.qc.signatures[64 * b + i]) =
            (s.qc.signatures[64 * b + i], s.qc.signatures[64 * a + i]);
        }
        assertTrue(!_accepted(s), "accepted another order");
    }

    /// R39.
    function testFuzz_B7_duplicated_reverts(uint256 a, uint256 b) external {
        Submission memory s = nextBatch(180, "data");
        certify(s, 15);
        a = bound(a, 0, 3);
        b = bound(b, 0, 3);
        VM.assume(a != b);
        for (uint256 i = 0; i < 64; ++i) {
            s.qc.signatures[64 * a + i] = s.qc.signatures[64 * b + i];
        }
        assertTrue(!_accepted(s), "counted one signature twice");
    }

    /// R39.
    /// @notice Of s and order - s only the low one is a signature. Few high values fit the compact form at all, so the
    ///         member is made to fit one of them: recovery gives exactly his address.
    function test_B7_highS_reverts() external {
        bytes32 digest = keccak256("digest");
        (, bytes32 r,) = VM.sign(key(1), digest);
        uint256 lowest = SignatureLib.MAX_S + 1;
        uint256[3] memory highs = [lowest, lowest + 1, SignatureLib.S_MASK];
        for (uint256 i = 0; i < 3; ++i) {
            _highS(digest, r, highs[i]);
        }
        // The largest low one is fine.
        address[] memory signers = new address[](1);
        uint256[] memory weights = new uint256[](1);
        signers[0] = ecrecover(digest, 27, r, bytes32(SignatureLib.MAX_S));
        weights[0] = 5;
        address ptr = Signers.store(signers, weights);
        bytes memory proof = abi.encodePacked(r, SignatureLib.MAX_S);
        assertEq(verifier.verify(ptr, 1, digest, 1, proof), 5, "low s");
    }

    function _highS(bytes32 digest, bytes32 r, uint256 high) private {
        address[] memory signers = new address[](1);
        uint256[] memory weights = new uint256[](1);
        signers[0] = ecrecover(digest, 27, r, bytes32(high));
        weights[0] = 5;
        assertTrue(signers[0] != address(0), "recovers");
        address ptr = Signers.store(signers, weights);
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        verifier.verify(ptr, 1, digest, 1, abi.encodePacked(r, high));
    }

    /// R39.
    function testFuzz_B7_bitBeyondSet_reverts(uint256 bit) external {
        Submission memory s = certifiedBatch(180);
        bit = bound(bit, 4, 255);
        s.qc.signers |= uint256(1) << bit;
        s.qc.signatures = bytes.concat(s.qc.signatures, compactSign(key(9), bytes32(bit)));
        assertTrue(!_accepted(s), "accepted a member beyond the set");
    }

    /// R39.
    /// @notice A member word of zero (no such contract) is not signed by a signature that recovers nothing.
    function test_B7_zeroRecovery_reverts() external {
        VM.expectRevert();
        verifier.verify(address(0xdead), 3, keccak256("x"), 1, new bytes(64));
        VM.expectRevert();
        verifier.verify(address(0xdead), 3, keccak256("x"), 1, abi.encodePacked(uint256(1), uint256(1)));
    }

    /// R33.
    /// @notice B8: who relays does not matter.
    function testFuzz_B8_anyCodelessSender(uint160 sender) external {
        VM.assume(sender > 0xffff && address(sender).code.length == 0);
        Submission memory s = certifiedBatch(180);
        VM.prank(address(sender), address(sender));
        coordinator.submitBatchWithCalldata(s.header, s.da, s.qc, s.skips, s.data);
        assertEq(coordinator.batchHash(2), keccak256(abi.encode(s.header)), "accepted");
    }

    // Verifier and loader against plain Solidity --------------------------------------------------

    /// R39.
    function testFuzz_verifier_equalsReference(uint256 n, uint256 signers, uint256 mutation, bytes32 digest) external {
        n = bound(n, 1, 20);
        signers = bound(signers, 1, (uint256(1) << n) - 1);
        address ptr = Signers.storeTestSet(n);
        bytes memory proof = Signers.proof(digest, signers);
        // One in two is left as it is.
        if (mutation % 2 == 0) {
            uint256 bit = (mutation >> 8) % (proof.length * 8);
            if (mutation % 4 == 0) proof[bit / 8] ^= _bit(bit);
            else if (mutation % 8 == 2) proof = bytes.concat(proof, hex"00");
            else signers ^= uint256(1) << ((mutation >> 8) % (n + 2));
        }
        (bool ok, bytes memory got) = _verify(address(verifier), ptr, n, digest, signers, proof);
        (bool expectedOk, bytes memory expected) = _verify(address(plain), ptr, n, digest, signers, proof);
        assertTrue(ok == expectedOk, "verdict");
        assertEq(keccak256(got), keccak256(expected), "weight or error");
        if (mutation % 2 != 0) assertTrue(ok, "valid certificate");
    }

    function _verify(address target, address ptr, uint256 n, bytes32 digest, uint256 signers, bytes memory proof)
        private
        view
        returns (bool, bytes memory)
    {
        return target.staticcall(abi.encodeCall(EcdsaQuorumVerifier.verify, (ptr, uint32(n), digest, signers, proof)));
    }

    /// R19.
    function test_verifier_256members() external {
        address ptr = Signers.storeTestSet(256);
        uint256 all = type(uint256).max;
        uint256 weight = verifier.verify(ptr, 256, keccak256("x"), all, Signers.proof(keccak256("x"), all));
        assertEq(weight, 256 * 257 / 2, "everybody");
    }

    /// R42.
    function testFuzz_load_equalsDecoder(BatchHeader calldata header, DaPointer calldata da) external view {
        this.compareLoad(header, da);
    }

    function compareLoad(BatchHeader calldata header, DaPointer calldata da) external pure {
        (BatchHeader memory h, DaPointer memory d) = BatchLib.load(header, da);
        assertEq(keccak256(abi.encode(h)), keccak256(abi.encode(header)), "header");
        assertEq(keccak256(abi.encode(d)), keccak256(abi.encode(da)), "pointer");
        assertEq(BatchLib.contentHash(h), keccak256(abi.encode(header)), "content hash");
        assertEq(BatchLib.daHash(d), keccak256(abi.encode(da)), "da hash");
    }

    /// R42.
    /// @notice Bits outside of a field are refused, as the decoder would.
    function testFuzz_load_dirtyWord_reverts(uint256 word, uint256 bit) external view {
        uint16[20] memory width = [8, 32, 64, 64, 64, 64, 64, 64, 32, 256, 256, 256, 256, 256, 256, 160, 8, 64, 256, 32];
        word = bound(word, 0, 19);
        VM.assume(width[word] != 256);
        bit = bound(bit, width[word], 255);
        uint256[20] memory words;
        words[word] = uint256(1) << bit;
        (bool ok,) = address(this).staticcall(abi.encodePacked(this.compareLoad.selector, words));
        assertTrue(!ok, "accepted a dirty word");
    }

    // Helpers -------------------------------------------------------------------------------------

    /// @dev Submits raw, so that malformed words reach the contract.
    function _accepted(Submission memory s) private returns (bool ok) {
        uint256 state = VM.snapshotState();
        bytes memory head = abi.encodePacked(_raw(_headerPtr(s.header), HEADER_WORDS), _raw(_daPtr(s.da), DA_WORDS));
        bytes memory tail = abi.encode(s.qc, s.skips, s.data);
        // The three offsets count from the start of the arguments, 20 words earlier than in `tail`.
        for (uint256 i = 0; i < 3; ++i) {
            uint256 offset;
            assembly ("memory-safe") {
                let position := add(add(tail, 0x20), shl(5, i))
                offset := mload(position)
                mstore(position, add(offset, 0x280))
            }
        }
        bytes memory input = bytes.concat(coordinator.submitBatchWithCalldata.selector, head, tail);
        VM.prank(RELAY, RELAY);
        (ok,) = address(coordinator).call(input);
        VM.revertToState(state);
    }

    function _bit(uint256 bit) private pure returns (bytes1) {
        return bytes1(uint8(uint256(1) << (bit % 8)));
    }

    function _headerPtr(BatchHeader memory header) private pure returns (uint256 ptr) {
        assembly ("memory-safe") {
            ptr := header
        }
    }

    function _daPtr(DaPointer memory da) private pure returns (uint256 ptr) {
        assembly ("memory-safe") {
            ptr := da
        }
    }

    function _flip(uint256 ptr, uint256 flip) private pure {
        assembly ("memory-safe") {
            mstore(ptr, xor(mload(ptr), flip))
        }
    }

    function _raw(uint256 ptr, uint256 words) private pure returns (bytes memory data) {
        data = new bytes(32 * words);
        assembly ("memory-safe") {
            mcopy(add(data, 0x20), ptr, shl(5, words))
        }
    }
}
