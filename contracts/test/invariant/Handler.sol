// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AndeConsensus} from "../../src/consensus/AndeConsensus.sol";
import {BatchTip, ConsensusConfig, ScheduleMode, SetMember} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {AndeToken} from "../../src/token/AndeToken.sol";
import {ConsensusFixture} from "../utils/ConsensusFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @notice The testnet contract with its candidates readable.
contract ConsensusHarness is AndeConsensus {
    function candidates() external view returns (uint256[] memory) {
        return _candidates();
    }

    function setDirty() external view returns (bool) {
        return _loadRegistry().setDirty;
    }

    function activeIndexPlus1(uint32 id) external view returns (uint256) {
        return _validators[id].activeIndexPlus1;
    }
}

/// @title Handler
/// @notice Random life of a deployment: registrations, stake, batches with skips, terms, freezes, time. It keeps its own
///         account of what must hold.
contract Handler is ConsensusFixture {
    uint256 internal constant MAX_VALIDATORS = 24;

    ConsensusHarness public harness;

    // Ghosts
    uint256 public deposited;
    uint256 public registered;
    uint256 public batches;
    uint256 public skipsSeen;
    uint256 public refusedBatches;
    mapping(uint64 epoch => bytes32) public setHash;
    mapping(uint64 epoch => bytes32) public scheduleHash;
    mapping(uint64 batchIndex => bytes32) public acceptedHash;
    BatchTip public lastTip;
    string public broken;
    uint256 private clock = 1_000_000;

    constructor(bool weighted) {
        harness = new ConsensusHarness();
        consensus = IAndeConsensus(address(harness));
        token = AndeToken(consensus.stakeToken());
        ConsensusConfig memory c = consensus.config();
        (c.rotationInterval, c.windowsPerEpoch) = (5, 4);
        c.mode = weighted ? ScheduleMode.Weighted : ScheduleMode.RoundRobin;
        consensus.configure(c);
        deployCoordinator();
    }

    modifier step() {
        VM.warp(clock);
        _;
        _observe();
    }

    function act_register(uint256 stake) external step {
        if (registered >= MAX_VALIDATORS) return;
        stake = bound(stake, STAKE, 5000e18);
        register(++registered, stake);
        deposited += stake;
    }

    function act_topUp(uint256 who, uint256 amount) external step {
        if (registered == 0) return;
        who = bound(who, 1, registered);
        amount = bound(amount, 1, 800e18);
        address owner = account(who);
        fund(owner, amount);
        VM.prank(owner);
        consensus.topUp(uint32(who), amount);
        deposited += amount;
    }

    function act_endpoint(uint256 who) external step {
        if (registered == 0) return;
        who = bound(who, 1, registered);
        VM.prank(account(who));
        try consensus.updateEndpoint(uint32(who), keccak256(abi.encode(who, clock)), ENDPOINT) {} catch {}
    }

    function act_batch(uint256 length, uint256 skip, uint256 extra) external step {
        if (!consensus.launched()) return;
        uint64 start = coordinator.tip().endHeight + 1;
        uint64 epoch = consensus.epochOf(start);
        if (consensus.setIdOf(epoch) == 0) return; // the next set waits for its freeze
        uint64 lastOfEpoch = (epoch + 1) * 20 - 1;
        uint64 end = uint64(bound(length, start, lastOfEpoch));
        Submission memory s = nextBatch(end, abi.encode(length));
        uint64 window = end / 5;
        uint64 term = coordinator.lastTerm();
        if (term >> 16 > window) return; // fenced: only a longer batch can pass
        uint64 lowest = term >> 16 == window ? uint64(uint16(term)) : 0;
        skip = bound(skip % 4 == 0 ? skip : 0, 0, 5) + lowest;
        s.header.term = (window << 16) | uint64(skip);
        if (skip != 0) {
            setSkips(s, abi.encodePacked(window, uint32(skip)));
            ++skipsSeen;
        }
        certify(s, quorum(epoch) | _extraSigners(epoch, extra));
        submit(s);
        ++batches;
        _recordBatch(s);
    }

    /// @dev A batch with something wrong must never pass.
    function act_badBatch(uint256 what) external step {
        if (!consensus.launched()) return;
        uint64 start = coordinator.tip().endHeight + 1;
        uint64 epoch = consensus.epochOf(start);
        if (consensus.setIdOf(epoch) == 0) return;
        Submission memory s = nextBatch(start, "bad");
        what = bound(what, 0, 6);
        if (what == 0) s.header.batchIndex += 1;
        if (what == 1) s.header.startHeight += 1;
        if (what == 2) s.header.endHeight = (epoch + 1) * 20;
        if (what == 3) s.header.parentBatchHash = keccak256("fork");
        if (what == 4) s.header.era += 1;
        if (what == 5) s.header.term += 1 << 16;
        uint256 signers = quorum(epoch);
        // One member less than a quorum: the prefix is the smallest one.
        if (what == 6) signers >>= 1;
        if (what == 6 && signers == 0) return;
        certify(s, signers);
        VM.prank(RELAY, RELAY);
        try coordinator.submitBatchWithCalldata(s.header, s.da, s.qc, s.skips, s.data) {
            broken = "accepted a bad batch";
        } catch {
            ++refusedBatches;
        }
    }

    function act_openTerm(uint256 windowsAhead, uint256 skip) external step {
        if (!consensus.launched()) return;
        uint64 next = coordinator.tip().endHeight + 1;
        uint64 epoch = consensus.epochOf(next);
        if (consensus.setIdOf(epoch) == 0) return;
        // Only terms that a batch of this epoch can still reach, as honest nodes do.
        uint64 window = next / 5 + uint64(bound(windowsAhead, 0, 1));
        if (window >= (epoch + 1) * 4) return;
        uint64 term = (window << 16) | uint64(bound(skip, 0, 3));
        if (term <= coordinator.lastTerm()) return;
        openTerm(epoch, term);
    }

    function act_freeze() external step {
        if (!consensus.launched()) return;
        try consensus.freezeEpoch(consensus.lastFrozenEpoch() + 1) {} catch {}
    }

    function act_freezeEarly(uint64 epoch) external step {
        if (!consensus.launched()) return;
        epoch = uint64(bound(epoch, 0, consensus.lastFrozenEpoch()));
        try consensus.freezeEpoch(epoch) {
            broken = "froze an epoch twice";
        } catch {}
    }

    function act_wait(uint256 seconds_) external {
        clock += bound(seconds_, 1, 3 days);
        VM.warp(clock);
    }

    // Observation ---------------------------------------------------------------------------------

    function _extraSigners(uint64 epoch, uint256 extra) private view returns (uint256) {
        return extra & ((uint256(1) << consensus.getValidatorSet(epoch).length) - 1);
    }

    function _recordBatch(Submission memory s) private {
        BatchTip memory tip = coordinator.tip();
        if (tip.batchIndex != lastTip.batchIndex + 1) broken = "B1 index";
        if (s.header.startHeight != lastTip.endHeight + 1 || tip.endHeight != s.header.endHeight) broken = "B1 height";
        if (tip.term < lastTip.term || tip.acceptedAt < lastTip.acceptedAt) broken = "B2";
        if (consensus.epochOf(s.header.startHeight) != consensus.epochOf(s.header.endHeight)) broken = "B5";
        if (s.header.parentBatchHash != coordinator.batchHash(tip.batchIndex - 1)) broken = "B1 parent";
        acceptedHash[tip.batchIndex] = keccak256(abi.encode(s.header));
        lastTip = tip;

        // B4: the weight of the signers, recomputed from the set.
        SetMember[] memory members = consensus.getValidatorSet(s.header.epoch);
        uint256 signed = 0;
        for (uint256 i = 0; i < members.length; ++i) {
            if ((s.qc.signers >> i) & 1 != 0) signed += members[i].weight;
        }
        if (signed * 3 <= consensus.totalWeight(s.header.epoch) * 2) broken = "B4";
    }

    /// @dev Takes the fingerprint of each epoch when it is frozen.
    function _observe() private {
        if (!consensus.launched()) return;
        uint64 last = consensus.lastFrozenEpoch();
        for (uint64 epoch = last;; --epoch) {
            if (setHash[epoch] != bytes32(0)) break;
            setHash[epoch] = fingerprint(epoch);
            scheduleHash[epoch] = scheduleFingerprint(epoch);
            if (epoch == 0) break;
        }
    }

    function fingerprint(uint64 epoch) public view returns (bytes32) {
        address ptr = consensus.setInfo(consensus.setIdOf(epoch)).ptr;
        return keccak256(abi.encode(ptr.codehash, consensus.setIdOf(epoch), consensus.seedOf(epoch)));
    }

    function scheduleFingerprint(uint64 epoch) public view returns (bytes32 hash) {
        for (uint64 window = epoch * 4; window < (epoch + 1) * 4; ++window) {
            hash =
                keccak256(abi.encode(hash, consensus.proposerAt(window * 5), consensus.proposerAt(window * 5 + 4, 1)));
        }
    }

    function consensusContract() external view returns (IAndeConsensus) {
        return consensus;
    }

    function coordinatorTip() external view returns (BatchTip memory) {
        return coordinator.tip();
    }

    function batchHashAt(uint64 index) external view returns (bytes32) {
        return coordinator.batchHash(index);
    }

    function custody() external view returns (uint256) {
        return token.balanceOf(address(consensus));
    }
}
