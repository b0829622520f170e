// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AndeConsensus} from "../../src/consensus/AndeConsensus.sol";
import {AndeSequencerCoordinator} from "../../src/consensus/AndeSequencerCoordinator.sol";
import {
    BatchHeader,
    BatchTip,
    Checkpoint,
    ConsensusConfig,
    DaPointer,
    OpenTerm,
    QuorumCert,
    SetMember
} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {AndeToken} from "../../src/token/AndeToken.sol";
import {TestBase} from "./TestBase.sol";
import {VM} from "./Vm.sol";

/// @title ConsensusFixture
/// @notice A deployed consensus contract and coordinator, validators with known keys, and batches signed by them.
abstract contract ConsensusFixture is TestBase {
    /// @dev Codeless account that relays batches.
    address internal constant RELAY = address(0xBEEF);
    /// @dev Sender of forced transactions.
    address internal constant USER = address(0xCAFE);
    uint256 internal constant STAKE = 1000e18;
    string internal constant ENDPOINT = "http://10.0.0.1:8545";

    IAndeConsensus internal consensus;
    IAndeSequencerCoordinator internal coordinator;
    AndeToken internal token;
    mapping(address signer => uint256 key) internal keyOf;

    /// @notice Everything that a submission takes.
    struct Submission {
        BatchHeader header;
        DaPointer da;
        QuorumCert qc;
        bytes skips;
        bytes data;
    }

    function deploy() internal {
        consensus = IAndeConsensus(address(new AndeConsensus()));
        token = AndeToken(consensus.stakeToken());
    }

    function deployCoordinator() internal {
        coordinator = IAndeSequencerCoordinator(address(new AndeSequencerCoordinator(address(consensus))));
        consensus.setCoordinator(address(coordinator));
    }

    /// @notice Deploys with `n` needed and registered validators of equal stake; the chain is launched.
    function launchWith(uint16 n) internal {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.minValidators = n;
        if (n > config.maxValidators) config.maxValidators = n;
        consensus.configure(config);
        deployCoordinator();
        for (uint256 i = 1; i <= n; ++i) {
            register(i, STAKE);
        }
    }

    /// @notice Key of test validator `i`.
    function key(uint256 i) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("ande test key", i)));
    }

    function account(uint256 i) internal returns (address signer) {
        signer = VM.addr(key(i));
        keyOf[signer] = key(i);
    }

    function fund(address owner, uint256 amount) internal {
        token.mint(owner, amount);
        VM.prank(owner);
        token.approve(address(consensus), amount);
    }

    function register(uint256 i, uint256 stake) internal returns (uint32) {
        address owner = account(i);
        fund(owner, stake);
        VM.prank(owner);
        return consensus.registerValidator(keccak256(abi.encode("peer", i)), ENDPOINT, stake);
    }

    // Certificates --------------------------------------------------------------------------------

    /// @notice r||vs of a key, low s.
    function compactSign(uint256 signerKey, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(signerKey, digest);
        return abi.encodePacked(r, uint256(s) | (uint256(v - 27) << 255));
    }

    /// @notice Signatures of the members in `signers`, ascending.
    function signatures(uint64 epoch, bytes32 digest, uint256 signers) internal view returns (bytes memory proof) {
        SetMember[] memory members = consensus.getValidatorSet(epoch);
        for (uint256 i = 0; i < members.length; ++i) {
            if ((signers >> i) & 1 != 0) {
                proof = bytes.concat(proof, compactSign(keyOf[members[i].signer], digest));
            }
        }
    }

    /// @notice Bitmap of the smallest prefix of the set that is a quorum.
    function quorum(uint64 epoch) internal view returns (uint256 signers) {
        SetMember[] memory members = consensus.getValidatorSet(epoch);
        uint256 total = consensus.totalWeight(epoch);
        uint256 signed = 0;
        for (uint256 i = 0; signed * 3 <= total * 2; ++i) {
            signed += members[i].weight;
            signers |= uint256(1) << i;
        }
    }

    // Batches -------------------------------------------------------------------------------------

    /// @notice The next batch up to `endHeight`, unsigned.
    function nextBatch(uint64 endHeight, bytes memory data) internal view returns (Submission memory s) {
        BatchTip memory tip = coordinator.tip();
        s.data = data;
        s.da = DaPointer({kind: 0, height: 0, commitment: keccak256(data), size: uint32(data.length)});
        s.header = BatchHeader({
            version: 1,
            era: consensus.era(),
            epoch: consensus.epochOf(tip.endHeight + 1),
            batchIndex: tip.batchIndex + 1,
            startHeight: tip.endHeight + 1,
            endHeight: endHeight,
            term: consensus.windowOf(endHeight) << 16,
            forcedUpTo: _forcedHead(),
            txCount: 1,
            parentBatchHash: coordinator.batchHash(tip.batchIndex),
            lastBlockHash: keccak256(abi.encode("block", endHeight)),
            stateRoot: keccak256(abi.encode("state", endHeight)),
            txRoot: keccak256(abi.encode("txs", endHeight)),
            forcedAcc: accBefore(_forcedHead()),
            skipsHash: keccak256(""),
            feeRecipient: VM.addr(key(1))
        });
    }

    // Forced transactions -------------------------------------------------------------------------

    /// @notice Queues a transaction at the price of the moment.
    function enqueue(bytes memory rawTx) internal returns (uint64) {
        (,,, uint256 fee) = coordinator.forcedState();
        VM.deal(USER, fee);
        VM.prank(USER);
        return coordinator.enqueueForced{value: fee}(rawTx);
    }

    function enqueueMany(uint256 count) internal {
        for (uint256 i = 0; i < count; ++i) {
            enqueue(abi.encode("forced", i));
        }
    }

    /// @notice Lets the batch consume the entries up to `upTo`.
    function consume(Submission memory s, uint64 upTo) internal view {
        s.header.forcedUpTo = upTo;
        s.header.forcedAcc = accBefore(upTo);
    }

    function accBefore(uint64 index) internal view returns (bytes32) {
        return index == 0 ? bytes32(0) : coordinator.forcedEntry(index - 1).acc;
    }

    function _forcedHead() internal view returns (uint64 head) {
        (head,,,) = coordinator.forcedState();
    }

    /// @notice The next batch with its data in `count` blobs.
    function blobBatch(uint64 endHeight, uint256 count)
        internal
        view
        returns (Submission memory s, bytes32[] memory hashes)
    {
        s = nextBatch(endHeight, "");
        hashes = blobHashes(count);
        s.da = DaPointer({kind: 1, height: 0, commitment: keccak256(abi.encode(hashes)), size: uint32(count * 126_976)});
    }

    /// @notice The same, and the running transaction carries the blobs from now on.
    function nextBlobBatch(uint64 endHeight, uint256 count)
        internal
        returns (Submission memory s, bytes32[] memory hashes)
    {
        (s, hashes) = blobBatch(endHeight, count);
        VM.blobhashes(hashes);
    }

    function blobHashes(uint256 count) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            // Version 1, then a hash.
            hashes[i] = bytes32((uint256(1) << 248) | (uint256(keccak256(abi.encode("blob", i))) >> 8));
        }
    }

    /// @notice The next batch with its data on Celestia.
    function nextCelestiaBatch(uint64 endHeight) internal view returns (Submission memory s) {
        s = nextBatch(endHeight, "");
        s.da = DaPointer({kind: 2, height: 4_000_000, commitment: keccak256("share commitment"), size: 100_000});
    }

    function submitBlobs(Submission memory s, bytes32[] memory hashes) internal {
        VM.prank(RELAY, RELAY);
        coordinator.submitBatchWithBlobs(s.header, s.da, hashes, s.qc, s.skips);
    }

    function submitCelestia(Submission memory s) internal {
        VM.prank(RELAY, RELAY);
        coordinator.submitBatch(s.header, s.da, s.qc, s.skips);
    }

    function setSkips(Submission memory s, bytes memory skips) internal pure {
        s.skips = skips;
        s.header.skipsHash = keccak256(skips);
    }

    function checkpointOf(Submission memory s) internal view returns (Checkpoint memory) {
        return Checkpoint({
            l2ChainId: coordinator.l2ChainId(),
            era: s.header.era,
            epoch: s.header.epoch,
            batchIndex: s.header.batchIndex,
            attempt: s.qc.attempt,
            parentBatchHash: s.header.parentBatchHash,
            contentHash: keccak256(abi.encode(s.header)),
            daHash: keccak256(abi.encode(s.da))
        });
    }

    /// @notice Signs with the members in `signers` of the set of the batch's epoch.
    function certify(Submission memory s, uint256 signers) internal view {
        s.qc.signers = signers;
        s.qc.signatures = signatures(s.header.epoch, consensus.checkpointDigest(checkpointOf(s)), signers);
    }

    function submit(Submission memory s) internal {
        VM.prank(RELAY, RELAY);
        coordinator.submitBatchWithCalldata(s.header, s.da, s.qc, s.skips, s.data);
    }

    function certifiedBatch(uint64 endHeight) internal view returns (Submission memory s) {
        s = nextBatch(endHeight, "data");
        certify(s, quorum(s.header.epoch));
    }

    function submitTo(uint64 endHeight) internal {
        submit(certifiedBatch(endHeight));
    }

    function openTerm(uint64 epoch, uint64 term) internal {
        QuorumCert memory qc;
        qc.signers = quorum(epoch);
        bytes32 digest = consensus.openTermDigest(OpenTerm(coordinator.l2ChainId(), consensus.era(), epoch, term));
        qc.signatures = signatures(epoch, digest, qc.signers);
        coordinator.openTerm(epoch, term, qc);
    }
}
