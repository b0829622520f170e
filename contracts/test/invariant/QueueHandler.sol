// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BatchTip} from "../../src/consensus/AndeTypes.sol";
import {IAndeSequencerCoordinator} from "../../src/interfaces/IAndeSequencerCoordinator.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @title QueueHandler
/// @notice Random life of a forced queue: entries, batches of all kinds that consume as much as they like, batches that
///         censor, escapes, claims, time. It keeps its own account of what must hold.
contract QueueHandler is ConsensusFixture {
    uint64 internal constant DELAY = 1 hours;
    uint64 internal constant ESCAPE = 24 hours;
    uint64 internal constant STANDSTILL = 30 minutes;
    uint256 internal constant USERS = 5;

    /// @notice What was queued, as the handler saw it.
    struct Ghost {
        bytes32 acc;
        uint64 enqueuedAt;
        uint256 fee;
    }

    Ghost[] public ghosts;
    uint64 public ghostHead;
    uint64 public lastCertifiedAt;
    uint64 public lastEscapeAt;
    uint256 public catchUpEnd;
    uint256 public escapes;
    uint256 public certified;
    uint256 public refused;
    uint256 public late;
    uint256 public claimed;
    string public broken;
    mapping(uint64 batchIndex => bytes32) public acceptedHash;
    BatchTip public lastTip;
    uint256 private clock = 1_000_000;

    constructor() {
        VM.warp(clock);
        launchWith(4);
        lastEscapeAt = uint64(clock);
    }

    modifier step() {
        VM.warp(clock);
        _;
        _observe();
    }

    function act_enqueue(uint256 count, uint256 who, uint256 extra, bytes memory rawTx) external step {
        count = bound(count, 1, 40);
        if (rawTx.length == 0) rawTx = hex"00";
        for (uint256 i = 0; i < count; ++i) {
            _enqueueOne(address(uint160(0x1000 + who % USERS)), bound(extra, 0, 1 ether), rawTx);
        }
    }

    function _enqueueOne(address sender, uint256 extra, bytes memory rawTx) private {
        (, uint64 tail,, uint256 fee) = coordinator.forcedState();
        if (fee != _expectedFee()) broken = "fee";
        VM.deal(sender, fee + extra);
        VM.prank(sender);
        uint64 index = coordinator.enqueueForced{value: fee + extra}(rawTx);
        if (index != tail || index != ghosts.length) broken = "F2 index";
        bytes32 previous = index == 0 ? bytes32(0) : ghosts[index - 1].acc;
        bytes32 acc = keccak256(abi.encode(previous, sender, index, block.number, block.timestamp, keccak256(rawTx)));
        ghosts.push(Ghost(acc, uint64(clock), fee + extra));
    }

    /// @dev All that must be in it, and as much more as it likes.
    function act_batch(uint256 more, uint256 kind, uint256 recipient) external step {
        uint64 due = coordinator.mustIncludeUpTo(block.timestamp);
        uint64 most = _most();
        Submission memory s = _next(kind);
        s.header.feeRecipient = address(uint160(0x2000 + recipient % USERS));
        consume(s, uint64(bound(more, _least(), most)));
        certify(s, quorum(s.header.epoch));
        if (!_submit(s, kind)) {
            broken = "refused a good batch";
            return;
        }
        catchUpEnd = _catchUpEnd();
        if (s.header.forcedUpTo < due) ++late;
        _recordConsumed(s.header.forcedUpTo);
        lastCertifiedAt = uint64(clock);
        ++certified;
        acceptedHash[s.header.batchIndex] = keccak256(abi.encode(s.header));
        // F1
        bool full = s.header.forcedUpTo == most && most - due <= 32 && due == most;
        bool overdue = coordinator.isTimeoutReached();
        if (overdue && !full && clock >= catchUpEnd) broken = "F1";
        if (overdue && !full && ghosts[ghostHead].enqueuedAt + DELAY + ESCAPE <= clock) broken = "F1 by a day";
        if (coordinator.catchUpEnd() != catchUpEnd) broken = "time to catch up";
    }

    /// @dev With everybody's signatures: any other number of entries, or another accumulator.
    function act_badBatch(uint256 upTo, uint256 kind, bool wrongAcc) external step {
        Submission memory s = _next(kind);
        upTo = bound(upTo, 0, ghosts.length + 2);
        if (wrongAcc) {
            s.header.forcedUpTo = uint64(upTo);
            s.header.forcedAcc = keccak256(abi.encode("wrong", upTo));
        } else {
            if (upTo >= _least() && upTo <= _most()) return;
            consume(s, uint64(upTo));
        }
        certify(s, 15);
        if (_submit(s, kind)) broken = "accepted a bad batch";
        ++refused;
    }

    /// @dev F4: possible if and only if the oldest entry is overdue and nothing was accepted, all for a day.
    function act_escape(uint256 who) external step {
        bool allowed = ghosts.length != ghostHead;
        uint64 upTo = ghostHead;
        if (allowed) {
            uint256 due = ghosts[ghostHead].enqueuedAt + DELAY;
            allowed = clock >= due + ESCAPE && clock >= lastCertifiedAt + ESCAPE && clock >= lastEscapeAt + ESCAPE;
            while (upTo < ghosts.length && upTo - ghostHead < 32 && ghosts[upTo].enqueuedAt + DELAY <= clock) ++upTo;
        }
        address caller = address(uint160(0x2000 + who % USERS));
        uint32 era = consensus.era();
        VM.prank(caller);
        try coordinator.escapeBatch() {
            if (!allowed) broken = "F4 escaped too early";
            if (consensus.era() != era + 1) broken = "era";
            (uint64 head,,,) = coordinator.forcedState();
            if (head != upTo) broken = "escape takes exactly what is overdue";
            _recordConsumed(upTo);
            lastEscapeAt = uint64(clock);
            ++escapes;
            uint64 index = coordinator.tip().batchIndex;
            acceptedHash[index] = coordinator.batchHash(index);
        } catch {
            if (allowed) broken = "F3 escape refused";
            if (consensus.era() != era) broken = "era changed by a refused escape";
        }
    }

    function act_claim(uint256 who) external step {
        address account_ = address(uint160(0x2000 + who % USERS));
        uint256 amount = coordinator.feesOf(account_);
        uint256 before = account_.balance;
        VM.prank(account_);
        coordinator.claimFees(account_);
        if (account_.balance != before + amount || coordinator.feesOf(account_) != 0) broken = "claim";
        claimed += amount;
    }

    function act_wait(uint256 seconds_) external {
        clock += bound(seconds_, 1, 3 hours);
    }

    function act_waitLong(uint256 seconds_) external {
        clock += bound(seconds_, 20 hours, 30 hours);
    }

    // Helpers -------------------------------------------------------------------------------------

    function _most() private view returns (uint64 most) {
        most = ghostHead + 32;
        if (most > ghosts.length) most = uint64(ghosts.length);
    }

    /// @dev Entries that a batch of now must consume.
    function _least() private view returns (uint64 least) {
        uint64 most = _most();
        bool catchesUp = clock < _catchUpEnd();
        for (least = ghostHead; least < most; ++least) {
            uint256 due = ghosts[least].enqueuedAt + DELAY;
            if (catchesUp) due += ESCAPE;
            if (due > clock) break;
        }
    }

    /// @dev If a batch is accepted now.
    function _catchUpEnd() private view returns (uint256 end) {
        uint64 since = lastCertifiedAt > lastEscapeAt ? lastCertifiedAt : lastEscapeAt;
        uint256 pause = clock - since;
        end = catchUpEnd;
        if (pause <= STANDSTILL) return end;
        if (pause > ESCAPE) pause = ESCAPE;
        if (clock + 2 * pause > end) end = clock + 2 * pause;
    }

    function _next(uint256 kind) private returns (Submission memory s) {
        uint64 end = coordinator.tip().endHeight + 7;
        // No batch may reach over the end of an epoch.
        uint64 last = (consensus.epochOf(coordinator.tip().endHeight + 1) + 1) * 600 - 1;
        if (end > last) end = last;
        if (kind % 3 == 0) return nextBatch(end, "data");
        if (kind % 3 == 1) return nextCelestiaBatch(end);
        (s,) = nextBlobBatch(end, 2);
    }

    function _submit(Submission memory s, uint256 kind) private returns (bool ok) {
        bytes memory input =
            abi.encodeCall(IAndeSequencerCoordinator.submitBatchWithCalldata, (s.header, s.da, s.qc, s.skips, s.data));
        if (kind % 3 == 1) {
            input = abi.encodeCall(IAndeSequencerCoordinator.submitBatch, (s.header, s.da, s.qc, s.skips));
        } else if (kind % 3 == 2) {
            VM.blobhashes(blobHashes(2));
            input = abi.encodeCall(
                IAndeSequencerCoordinator.submitBatchWithBlobs, (s.header, s.da, blobHashes(2), s.qc, s.skips)
            );
        }
        VM.prank(RELAY, RELAY);
        (ok,) = address(coordinator).call(input);
    }

    function _recordConsumed(uint64 upTo) private {
        if (upTo < ghostHead || upTo > ghosts.length || upTo - ghostHead > 32) broken = "F2 range";
        ghostHead = upTo;
    }

    function _expectedFee() private view returns (uint256) {
        return 0.0001 ether + 0.0001 ether * (ghosts.length - ghostHead) / 64;
    }

    /// @dev B1, B2 with escape batches among the others.
    function _observe() private {
        BatchTip memory tip = coordinator.tip();
        bool grew = tip.batchIndex == lastTip.batchIndex || tip.batchIndex == lastTip.batchIndex + 1;
        if (!grew || tip.endHeight < lastTip.endHeight || tip.term < lastTip.term) broken = "B1 B2";
        if (tip.acceptedAt < lastTip.acceptedAt || tip.acceptedAt != lastCertifiedAt) broken = "B2 time";
        lastTip = tip;
    }

    function queue() external view returns (IAndeSequencerCoordinator) {
        return coordinator;
    }

    function ghostCount() external view returns (uint256) {
        return ghosts.length;
    }

    function unclaimed() external view returns (uint256 sum) {
        for (uint256 i = 0; i < USERS; ++i) {
            sum += coordinator.feesOf(address(uint160(0x2000 + i)));
        }
    }

    function feesOfQueued() external view returns (uint256 waiting, uint256 consumed) {
        for (uint256 i = 0; i < ghosts.length; ++i) {
            if (i < ghostHead) consumed += ghosts[i].fee;
            else waiting += ghosts[i].fee;
        }
    }

    function eraNow() external view returns (uint32) {
        return consensus.era();
    }
}
