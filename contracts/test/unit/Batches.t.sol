// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {
    BadBitmap,
    BadCertLength,
    BadDa,
    BadSigner,
    BadSkips,
    BadVersion,
    EpochBoundary,
    EpochNotOpen,
    NotContiguous,
    NotLaunched,
    NotTopLevelCall,
    ParamOutOfBounds,
    QuorumNotReached,
    StaleTerm,
    TermWindowMismatch,
    WrongEra,
    WrongParent
} from "../../src/consensus/AndeErrors.sol";
import {BatchTip, OpenTerm, QuorumCert} from "../../src/consensus/AndeTypes.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {InclusionLib} from "../../src/libraries/InclusionLib.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @notice Relay that is a contract.
contract Forwarder {
    function forward(address target, bytes calldata input) external {
        (bool ok, bytes memory reason) = target.call(input);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(reason, 0x20), mload(reason))
            }
        }
    }
}

contract BatchesTest is ConsensusFixture {
    function setUp() external {
        launchWith(4);
    }

    // Acceptance ----------------------------------------------------------------------------------

    function test_submitBatch_storesAndAnnounces() external {
        VM.warp(777);
        Submission memory s = certifiedBatch(150);
        bytes32 hash = keccak256(abi.encode(s.header));
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeSequencerCoordinator.BatchAccepted(1, hash, 0, 1, 150, 1 << 16, 0, s.qc.signers, s.da);
        (, uint32 id) = consensus.proposerIndexAt(150, 0);
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeSequencerCoordinator.LeaderRotated(1, id, consensus.proposerAt(150), 0);
        submit(s);
        BatchTip memory tip = coordinator.tip();
        assertEq(tip.batchIndex, 1, "index");
        assertEq(tip.endHeight, 150, "height");
        assertEq(tip.term, 1 << 16, "term");
        assertEq(tip.acceptedAt, 777, "time");
        assertEq(coordinator.batchHash(1), hash, "hash");
        assertEq(coordinator.contentHash(s.header), hash, "contentHash");
        assertEq(coordinator.daHash(s.da), keccak256(abi.encode(s.da)), "daHash");
        assertEq(coordinator.lastTerm(), 1 << 16, "lastTerm");
    }

    /// R34.
    function test_genesis() external view {
        assertEq(coordinator.batchHash(0), keccak256(abi.encode("ANDE_GENESIS", uint64(6174), bytes32(0))), "genesis");
        assertEq(coordinator.tip().batchIndex, 0, "tip");
    }

    /// R43.
    function test_submitBatch_emptyData() external {
        Submission memory s = nextBatch(10, "");
        certify(s, quorum(0));
        submit(s);
    }

    /// R33.
    function test_submitBatch_anyRelay() external {
        Submission memory s = certifiedBatch(10);
        uint256 state = VM.snapshotState();
        submit(s);
        bytes32 hash = coordinator.batchHash(1);
        VM.revertToState(state);
        VM.prank(address(0xABCDEF), address(0xABCDEF));
        coordinator.submitBatchWithCalldata(s.header, s.da, s.qc, s.skips, s.data);
        assertEq(coordinator.batchHash(1), hash, "the same batch from anybody");
    }

    function test_submitBatch_moreThanQuorum() external {
        Submission memory s = nextBatch(10, "data");
        certify(s, 15);
        submit(s);
    }

    /// R34.
    function test_submitBatch_wholeChain() external {
        uint64[10] memory ends = [uint64(1), 2, 99, 100, 101, 599, 600, 1199, 1200, 1799];
        for (uint256 i = 0; i < ends.length; ++i) {
            submitTo(ends[i]);
        }
        assertEq(coordinator.tip().batchIndex, 10, "index");
        assertEq(consensus.currentEpoch(), 2, "epoch");
        assertEq(consensus.lastFrozenEpoch(), 4, "frozen");
    }

    // Position ------------------------------------------------------------------------------------

    /// R42.
    function test_submitBatch_version_reverts() external {
        Submission memory s = nextBatch(10, "data");
        s.header.version = 2;
        _refused(s, abi.encodeWithSelector(BadVersion.selector, 2));
    }

    /// R34.
    function test_submitBatch_notContiguous_reverts() external {
        submitTo(10);
        bytes memory error_ = abi.encodeWithSelector(NotContiguous.selector, 2, 11);
        Submission memory s = nextBatch(20, "data");
        s.header.batchIndex = 3;
        _refused(s, error_);
        s.header.batchIndex = 1;
        _refused(s, error_);
        s = nextBatch(20, "data");
        s.header.startHeight = 12;
        _refused(s, error_);
        s.header.startHeight = 10;
        _refused(s, error_);
        s = nextBatch(20, "data");
        s.header.endHeight = 10;
        _refused(s, error_);
    }

    /// R47.
    function test_submitBatch_twice_reverts() external {
        Submission memory s = certifiedBatch(10);
        submit(s);
        VM.expectRevert(abi.encodeWithSelector(NotContiguous.selector, 2, 11));
        submit(s);
    }

    /// R35.
    function test_submitBatch_acrossEpochs_reverts() external {
        submitTo(590);
        Submission memory s = nextBatch(600, "data");
        _refused(s, abi.encodeWithSelector(EpochBoundary.selector, 591, 600));
        s = nextBatch(599, "data");
        s.header.epoch = 1;
        _refused(s, abi.encodeWithSelector(EpochBoundary.selector, 591, 599));
    }

    /// R34.
    function test_submitBatch_wrongParent_reverts() external {
        submitTo(10);
        Submission memory s = nextBatch(20, "data");
        s.header.parentBatchHash = coordinator.batchHash(0);
        _refused(s, abi.encodeWithSelector(WrongParent.selector, coordinator.batchHash(1), s.header.parentBatchHash));
    }

    /// R40.
    function test_submitBatch_wrongEra_reverts() external {
        Submission memory s = nextBatch(10, "data");
        s.header.era = 1;
        _refused(s, abi.encodeWithSelector(WrongEra.selector, 0, 1));
    }

    function test_submitBatch_beforeLaunch_reverts() external {
        deploy();
        deployCoordinator();
        Submission memory s = nextBatch(10, "data");
        VM.expectRevert(NotLaunched.selector);
        submit(s);
    }

    // Terms ---------------------------------------------------------------------------------------

    /// R36.
    function test_submitBatch_termOfOtherWindow_reverts() external {
        Submission memory s = nextBatch(150, "data");
        s.header.term = 2 << 16;
        _refused(s, abi.encodeWithSelector(TermWindowMismatch.selector, 1, 2 << 16));
        s.header.term = 0;
        _refused(s, abi.encodeWithSelector(TermWindowMismatch.selector, 1, 0));
    }

    /// R36.
    function test_submitBatch_staleTerm_reverts() external {
        Submission memory s = nextBatch(10, "data");
        s.header.term = 2;
        setSkips(s, abi.encodePacked(uint64(0), uint32(2)));
        certify(s, quorum(0));
        submit(s);
        s = nextBatch(20, "data");
        s.header.term = 1;
        _refused(s, abi.encodeWithSelector(StaleTerm.selector, 2, 1));
        s.header.term = 2;
        certify(s, quorum(0));
        submit(s);
    }

    /// R37.
    function test_openTerm_fencesStaleLeader() external {
        submitTo(120);
        Submission memory stale = certifiedBatch(150);
        VM.expectEmit(true, true, true, true, address(coordinator));
        emit IAndeSequencerCoordinator.TermOpened((1 << 16) | 1, 0);
        openTerm(0, (1 << 16) | 1);
        VM.expectRevert(abi.encodeWithSelector(StaleTerm.selector, (1 << 16) | 1, 1 << 16));
        submit(stale);
        Submission memory s = nextBatch(150, "data");
        s.header.term = (1 << 16) | 1;
        setSkips(s, abi.encodePacked(uint64(1), uint32(1)));
        certify(s, quorum(0));
        submit(s);
    }

    /// R37.
    function test_openTerm_rules() external {
        submitTo(120);
        QuorumCert memory qc = _termCert(0, 1 << 16, 7);
        VM.expectRevert(abi.encodeWithSelector(StaleTerm.selector, 1 << 16, 1 << 16));
        coordinator.openTerm(0, 1 << 16, qc);

        qc = _termCert(0, 6 << 16, 7);
        VM.expectRevert(abi.encodeWithSelector(TermWindowMismatch.selector, 6, 6 << 16));
        coordinator.openTerm(0, 6 << 16, qc);
        VM.expectRevert(
            abi.encodeWithSelector(TermWindowMismatch.selector, uint256(type(uint64).max) >> 16, type(uint64).max)
        );
        coordinator.openTerm(0, type(uint64).max, qc);

        // The next epoch's set has no say before its turn.
        qc = _termCert(1, 6 << 16, 7);
        VM.expectRevert(abi.encodeWithSelector(EpochNotOpen.selector, 1));
        coordinator.openTerm(1, 6 << 16, qc);

        qc = _termCert(0, 3 << 16, 7);
        qc.attempt = 1;
        VM.expectRevert(abi.encodeWithSelector(ParamOutOfBounds.selector, bytes32("attempt"), 0, 0));
        coordinator.openTerm(0, 3 << 16, qc);

        qc = _termCert(0, 3 << 16, 3);
        VM.expectRevert(abi.encodeWithSelector(QuorumNotReached.selector, 2000, 4000));
        coordinator.openTerm(0, 3 << 16, qc);

        // A certificate for one term is none for another, and no checkpoint is a term.
        qc = _termCert(0, 3 << 16, 7);
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        coordinator.openTerm(0, (3 << 16) | 1, qc);
        Submission memory s = certifiedBatch(150);
        VM.expectRevert(abi.encodeWithSelector(BadSigner.selector, 0));
        coordinator.openTerm(0, 3 << 16, s.qc);
        coordinator.openTerm(0, 3 << 16, qc);
        assertEq(coordinator.lastTerm(), 3 << 16, "opened");
    }

    function _termCert(uint64 epoch, uint64 term, uint256 signers) private view returns (QuorumCert memory qc) {
        bytes32 digest = consensus.openTermDigest(OpenTerm(coordinator.l2ChainId(), consensus.era(), epoch, term));
        qc.signers = signers;
        qc.signatures = signatures(epoch, digest, signers);
    }

    // Skips ---------------------------------------------------------------------------------------

    /// R51.
    function test_skips_recordedOnce() external {
        Submission memory s = nextBatch(150, "data");
        s.header.term = (1 << 16) | 2;
        setSkips(s, abi.encodePacked(uint64(0), uint32(1), uint64(1), uint32(2)));
        certify(s, quorum(0));
        submit(s);
        uint32 first = _proposerId(50, 0);
        uint32 second = _proposerId(150, 0);
        uint32 third = _proposerId(150, 1);
        assertEq(_missedBy(first) + _missedBy(second) + _missedBy(third), _expected(first, second, third), "missed");
        assertEq(consensus.skippedWindows(0), 2, "windows");

        // The window goes on with one more skip: only the new one is recorded.
        uint32 fourth = _proposerId(180, 2);
        uint256 before = _missedBy(fourth);
        s = nextBatch(180, "data");
        s.header.term = (1 << 16) | 3;
        setSkips(s, abi.encodePacked(uint64(1), uint32(3)));
        certify(s, quorum(0));
        submit(s);
        assertEq(_missedBy(fourth), before + 1, "the new one");
        assertEq(consensus.skippedWindows(0), 2, "same windows");
        uint256 total = 0;
        for (uint32 id = 1; id <= 4; ++id) {
            total += _missedBy(id);
        }
        assertEq(total, 4, "four in all");
    }

    function _proposerId(uint64 height, uint32 skip) private view returns (uint32 id) {
        (, id) = consensus.proposerIndexAt(height, skip);
    }

    function _missedBy(uint32 id) private view returns (uint256) {
        return consensus.missedWindows(0, id);
    }

    /// @dev Each is counted once per mention, and a mention by another name counts again in the sum.
    function _expected(uint32 a, uint32 b, uint32 c) private pure returns (uint256 sum) {
        uint32[3] memory ids = [a, b, c];
        for (uint256 i = 0; i < 3; ++i) {
            for (uint256 j = 0; j < 3; ++j) {
                if (ids[i] == ids[j]) ++sum;
            }
        }
    }

    /// R51.
    function test_skips_hugeSkip_isBounded() external {
        Submission memory s = nextBatch(50, "data");
        s.header.term = type(uint16).max;
        setSkips(s, abi.encodePacked(uint64(0), type(uint32).max));
        certify(s, quorum(0));
        submit(s);
        for (uint32 id = 1; id <= 4; ++id) {
            assertEq(consensus.missedWindows(0, id), 1, "everybody once");
        }
    }

    /// R50.
    function test_skips_missingRecord_reverts() external {
        Submission memory s = nextBatch(150, "data");
        s.header.term = (1 << 16) | 2;
        _refused(s, abi.encodeWithSelector(BadSkips.selector, 0));
        setSkips(s, abi.encodePacked(uint64(0), uint32(2)));
        _refused(s, abi.encodeWithSelector(BadSkips.selector, 1));
        setSkips(s, abi.encodePacked(uint64(0), uint32(2), uint64(1), uint32(2)));
        certify(s, quorum(0));
        submit(s);
        // The same leader goes on: nothing new to say.
        s = nextBatch(160, "data");
        s.header.term = (1 << 16) | 2;
        certify(s, quorum(0));
        submit(s);
        // The next one took over in the same window.
        s = nextBatch(170, "data");
        s.header.term = (1 << 16) | 3;
        _refused(s, abi.encodeWithSelector(BadSkips.selector, 0));
        // The same skip in the next window is another leader.
        s = nextBatch(250, "data");
        s.header.term = (2 << 16) | 2;
        _refused(s, abi.encodeWithSelector(BadSkips.selector, 0));
    }

    /// R50.
    /// @notice A record above the term would be continued, and counted again, by the next batch.
    function test_skips_recordUnlikeTerm_reverts() external {
        for (uint32 skip = 1; skip < 6; ++skip) {
            if (skip == 3) continue;
            Submission memory s = nextBatch(150, "data");
            s.header.term = (1 << 16) | 3;
            setSkips(s, abi.encodePacked(uint64(1), skip));
            _refused(s, abi.encodeWithSelector(BadSkips.selector, 0));
        }
        Submission memory t = nextBatch(150, "data");
        setSkips(t, abi.encodePacked(uint64(1), uint32(1)));
        _refused(t, abi.encodeWithSelector(BadSkips.selector, 0));
    }

    /// R50.
    function test_skips_badRecords_revert() external {
        _badSkips(abi.encodePacked(uint64(2), uint32(1)), 0); // after the batch
        _badSkips(abi.encodePacked(uint64(1), uint32(0)), 0); // no skip
        _badSkips(abi.encodePacked(uint64(1), uint32(1), uint64(1), uint32(1)), 1); // twice
        _badSkips(abi.encodePacked(uint64(1), uint32(1), uint64(0), uint32(1)), 1); // descending
        _badSkips(abi.encodePacked(uint64(1), uint32(1), uint8(0)), 1); // trailing byte
        _badSkips(hex"00", 0);
        bytes memory many;
        for (uint64 i = 0; i < 17; ++i) {
            many = abi.encodePacked(many, i, uint32(1));
        }
        _badSkips(many, 17);
        // Before the batch.
        submitTo(150);
        Submission memory s = nextBatch(250, "data");
        setSkips(s, abi.encodePacked(uint64(0), uint32(1)));
        _refused(s, abi.encodeWithSelector(BadSkips.selector, 0));
        // Not what the header says.
        s.skips = "";
        _refused(s, abi.encodeWithSelector(BadSkips.selector, 0));
        s = nextBatch(250, "data");
        s.skips = abi.encodePacked(uint64(1), uint32(1));
        _refused(s, abi.encodeWithSelector(BadSkips.selector, 0));
    }

    function _badSkips(bytes memory skips, uint256 record) private {
        Submission memory s = nextBatch(150, "data");
        s.header.term = (1 << 16) | 1;
        setSkips(s, skips);
        _refused(s, abi.encodeWithSelector(BadSkips.selector, record));
    }

    // Data ----------------------------------------------------------------------------------------

    /// R43.
    function test_da_mismatch_reverts() external {
        bytes memory error_ = abi.encodeWithSelector(BadDa.selector, 0);
        Submission memory s = certifiedBatch(10);
        s.data = "datA";
        VM.expectRevert(error_);
        submit(s);
        s.data = "data ";
        VM.expectRevert(error_);
        submit(s);
        s = nextBatch(10, "data");
        s.da.size = 5;
        certify(s, quorum(0));
        VM.expectRevert(error_);
        submit(s);
        s = nextBatch(10, "data");
        s.da.height = 1;
        _refused(s, error_);
    }

    /// R43.
    function test_da_throughContract_reverts() external {
        Submission memory s = certifiedBatch(10);
        Forwarder forwarder = new Forwarder();
        bytes memory input =
            abi.encodeCall(coordinator.submitBatchWithCalldata, (s.header, s.da, s.qc, s.skips, s.data));
        VM.prank(RELAY, RELAY);
        VM.expectRevert(NotTopLevelCall.selector);
        forwarder.forward(address(coordinator), input);
    }

    /// R43.
    function test_da_fromAccountWithCode_reverts() external {
        Submission memory s = certifiedBatch(10);
        VM.etch(RELAY, hex"ef01000000000000000000000000000000000000000001"); // delegated account
        VM.expectRevert(NotTopLevelCall.selector);
        submit(s);
    }

    // Quorum --------------------------------------------------------------------------------------

    /// R38.
    function test_quorum_isStrict() external {
        launchWith(3);
        Submission memory s = nextBatch(10, "data");
        certify(s, 3); // exactly two thirds
        VM.expectRevert(abi.encodeWithSelector(QuorumNotReached.selector, 2000, 3000));
        submit(s);
        certify(s, 7);
        submit(s);
    }

    /// R13, R38.
    function test_quorum_byWeight() external {
        deploy();
        deployCoordinator();
        register(1, 1000e18);
        register(2, 1000e18);
        register(3, 5000e18);
        Submission memory s = nextBatch(10, "data");
        certify(s, 3);
        VM.expectRevert(abi.encodeWithSelector(QuorumNotReached.selector, 2000, 7000));
        submit(s);
        certify(s, 4); // 5000 of 7000
        submit(s);
    }

    /// R17, R38.
    function test_quorum_ofEpochsOwnSet() external {
        submitTo(599);
        register(5, 100_000e18);
        submitTo(600);
        submitTo(1199);
        submitTo(1200);
        submitTo(1799);
        // Epoch 3 has the newcomer with nearly all the weight; the old four are not enough any more.
        Submission memory s = nextBatch(1800, "data");
        certify(s, 15);
        VM.expectRevert(abi.encodeWithSelector(QuorumNotReached.selector, 4000, 104_000));
        submit(s);
        certify(s, 16);
        submit(s);
    }

    // Dry run -------------------------------------------------------------------------------------

    /// R48.
    function test_checkBatch_agreesWithSubmit() external {
        Submission memory s = certifiedBatch(10);
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        s.qc.signers = 1 << 200;
        VM.expectRevert(abi.encodeWithSelector(BadBitmap.selector, uint256(1) << 200));
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        s.qc.signers = 15;
        VM.expectRevert(abi.encodeWithSelector(BadCertLength.selector, 192));
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
    }

    /// @dev Reverts in the same way when it is submitted and when it is only checked.
    function _refused(Submission memory s, bytes memory error_) private {
        if (s.header.epoch < 2) certify(s, quorum(s.header.epoch));
        VM.expectRevert(error_);
        coordinator.checkBatch(s.header, s.da, s.qc, s.skips);
        VM.expectRevert(error_);
        submit(s);
    }

    // Inclusion -----------------------------------------------------------------------------------

    /// R49.
    function test_verifyInclusion() external {
        bytes32[3] memory txs = [keccak256("a"), keccak256("b"), keccak256("c")];
        bytes32[4] memory leaves;
        for (uint32 i = 0; i < 3; ++i) {
            leaves[i] = InclusionLib.leaf(i, txs[i]);
        }
        bytes32 left = InclusionLib.node(leaves[0], leaves[1]);
        bytes32 right = InclusionLib.node(leaves[2], leaves[3]);
        Submission memory s = nextBatch(10, "data");
        s.header.txCount = 3;
        s.header.txRoot = InclusionLib.node(left, right);
        certify(s, quorum(0));

        bytes32[] memory proof = new bytes32[](2);
        (proof[0], proof[1]) = (bytes32(0), left);
        assertTrue(!coordinator.verifyInclusion(s.header, txs[2], 2, proof), "not accepted yet");
        submit(s);
        assertTrue(coordinator.verifyInclusion(s.header, txs[2], 2, proof), "third");
        assertTrue(!coordinator.verifyInclusion(s.header, txs[2], 3, proof), "position is bound");
        assertTrue(!coordinator.verifyInclusion(s.header, txs[1], 2, proof), "transaction is bound");
        assertTrue(!coordinator.verifyInclusion(s.header, txs[2], 2, new bytes32[](1)), "short");
        assertTrue(!coordinator.verifyInclusion(s.header, txs[2], 2, new bytes32[](3)), "long");
        // The padding leaf is no transaction, an inner node is none either.
        (proof[0], proof[1]) = (leaves[2], left);
        assertTrue(!coordinator.verifyInclusion(s.header, bytes32(0), 3, proof), "padding");
        bytes32[] memory short = new bytes32[](1);
        short[0] = right;
        assertTrue(!coordinator.verifyInclusion(s.header, left, 0, short), "inner node");
        s.header.txCount = 2;
        assertTrue(!coordinator.verifyInclusion(s.header, left, 0, short), "another header");
    }
}
