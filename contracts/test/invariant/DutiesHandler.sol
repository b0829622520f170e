// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ConsensusConfig, SetMember, ValidatorStatus, ValidatorView, Vote} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {AndeToken} from "../../src/token/AndeToken.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";
import {ConsensusHarness} from "./Handler.sol";

/// @title DutiesHandler
/// @notice Random life of a deployment whose validators come and go, misbehave, stop, and whose owner meddles. It keeps
///         its own account of stake, duties and evidence, and writes down what must not happen.
/// @dev What must be possible is called without try: a revert fails the run.
contract DutiesHandler is DutiesFixture {
    /// @notice One frozen set, as long as the test knows it.
    struct Frozen {
        uint64 epoch;
        uint32 setId;
        uint32 era;
        uint32 window;
        address ptr;
        bytes32 codeHash;
        uint256 voidedAt;
    }

    uint64 internal constant EPOCH_LENGTH = 20;
    uint256 internal constant MAX_IDS = 24;
    address internal constant GUARDIAN = address(0x6A);

    ConsensusHarness public harness;
    Frozen[] internal frozen;
    uint64 internal seenUpTo;
    uint32 internal seenSetId;
    bool internal seenAny;

    // Ghosts
    uint256 public deposited;
    uint256 public paidOut;
    uint256 public rewarded;
    uint256 public swept;
    uint32 public ids;
    uint256 internal nextAccount = 1;
    mapping(uint32 id => uint256) public stakeOf;
    mapping(uint32 id => uint256) public slashedOf;
    mapping(uint32 id => uint256) public equivocations;
    mapping(uint32 id => uint256) internal ownerAccount;
    address[] public usedKeys;
    mapping(address signer => uint32) public idOfKey;
    string public broken;

    // What happened, so that the suite can show it is not vacuous.
    mapping(bytes32 what => uint256) public count;

    constructor() {
        setTime(clock);
        harness = new ConsensusHarness();
        consensus = IAndeConsensus(address(harness));
        token = AndeToken(consensus.stakeToken());
        ConsensusConfig memory c = consensus.config();
        (c.rotationInterval, c.windowsPerEpoch) = (1, uint32(EPOCH_LENGTH));
        c.maxValidators = 9;
        c.correlationFactor = 3;
        consensus.configure(c);
        deployCoordinator();
        consensus.setGuardian(GUARDIAN);
    }

    modifier step() {
        VM.warp(clock);
        _;
        _observe();
    }

    // Validators ----------------------------------------------------------------------------------

    function act_register(uint256 stake) external step {
        if (ids >= MAX_IDS) return;
        stake = bound(stake, STAKE, 3 * STAKE);
        uint256 who = nextAccount;
        address owner = account(who);
        fund(owner, stake);
        VM.prank(owner);
        try consensus.registerValidator(keccak256(abi.encode("peer", who)), ENDPOINT, stake) returns (uint32 id) {
            nextAccount += 1;
            ids = id;
            stakeOf[id] = stake;
            ownerAccount[id] = who;
            deposited += stake;
            _useKey(owner, id);
            ++count["registered"];
        } catch {}
    }

    function act_topUp(uint256 which, uint256 amount) external step {
        uint32 id = _pick(which);
        if (id == 0) return;
        uint8 status = statusOf(id);
        if (status != uint8(ValidatorStatus.Active) && status != uint8(ValidatorStatus.Jailed)) return;
        amount = bound(amount, 1, STAKE);
        fund(_owner(id), amount);
        VM.prank(_owner(id));
        consensus.topUp(id, amount);
        stakeOf[id] += amount;
        deposited += amount;
    }

    function act_exit(uint256 which) external step {
        uint32 id = _pick(which);
        if (id == 0) return;
        uint8 status = statusOf(id);
        if (status != uint8(ValidatorStatus.Active) && status != uint8(ValidatorStatus.Jailed)) return;
        VM.prank(_owner(id));
        consensus.requestExit(id);
        ++count["exits"];
    }

    function act_claim(uint256 which) external step {
        uint32 id = _pick(which);
        if (id != 0) _claim(id);
    }

    function _claim(uint32 id) private {
        uint256 unlock = consensus.unlockTime(id);
        bool due = unlock != 0 && block.timestamp >= unlock && consensus.idOfOwner(_owner(id)) == id;
        if (!due) {
            (bool ok,) = address(consensus).call(abi.encodeCall(consensus.claimExit, (id)));
            if (ok) broken = "claimed what was not due";
            return;
        }
        if (_evidenceOpen(id)) broken = "S2 claim with open evidence";
        uint256 before = token.balanceOf(_owner(id));
        uint256 owed = consensus.sinkOwed();
        uint256 paid = consensus.claimExit(id);
        uint256 penalty = consensus.sinkOwed() - owed;
        if (token.balanceOf(_owner(id)) - before != paid) broken = "paid somebody else";
        if (paid + penalty != stakeOf[id]) broken = "I3 claim";
        if (penalty != 0 && statusOf(id) != uint8(ValidatorStatus.Tombstoned)) broken = "S6 penalty of the innocent";
        stakeOf[id] = 0;
        paidOut += paid;
        ++count["claims"];
    }

    function act_rotate(uint256 which) external step {
        uint32 id = _pick(which);
        if (id == 0) return;
        uint256 newKey = nextAccount++;
        address signer = account(newKey);
        address owner = _owner(id);
        bytes memory proof = signerKeyProof(owner, key(newKey), viewOf(id).p2pPeerId, type(uint256).max);
        VM.prank(owner);
        try consensus.rotateSigner(id, signer, type(uint256).max, proof) {
            _useKey(signer, id);
            ++count["rotations"];
        } catch {}
    }

    function act_transfer(uint256 which) external step {
        uint32 id = _pick(which);
        if (id == 0 || consensus.idOfOwner(_owner(id)) != id) return;
        uint256 to = nextAccount++;
        VM.prank(_owner(id));
        consensus.transferValidator(id, account(to));
        VM.prank(account(to));
        consensus.acceptValidator(id);
        ownerAccount[id] = to;
    }

    function act_unjail(uint256 which) external step {
        uint32 id = _pick(which);
        if (id == 0) return;
        VM.prank(_owner(id));
        try consensus.unjail(id) {
            ++count["unjailed"];
        } catch {}
    }

    // Chain ---------------------------------------------------------------------------------------

    function act_batch(uint256 length, uint256 skip) external step {
        if (!_canBatch()) return;
        uint64 start = coordinator.tip().endHeight + 1;
        uint64 last = (start / EPOCH_LENGTH + 1) * EPOCH_LENGTH - 1;
        uint64 end = uint64(bound(length, start, last));
        uint64 term = coordinator.lastTerm();
        bool skipped = skip % 2 == 0 && term >> 16 < end;
        if (skipped) submitSkipped(end, uint32(bound(skip, 1, 3)));
        else submitTo(end);
        ++count["batches"];
    }

    /// @notice A whole epoch in which one validator is passed over in all of its windows.
    function act_downEpoch(uint256 which) external step {
        if (!_canBatch()) return;
        uint64 start = coordinator.tip().endHeight + 1;
        uint64 epoch = start / EPOCH_LENGTH;
        SetMember[] memory members = consensus.getValidatorSet(epoch);
        uint32 down = members[which % members.length].id;
        for (uint64 height = start; height < (epoch + 1) * EPOCH_LENGTH; ++height) {
            (, uint32 id) = consensus.proposerIndexAt(height, 0);
            if (id == down) submitSkipped(height, 1);
            else submitTo(height);
        }
        if (consensus.setIdOf(epoch + 1) != 0) submitTo((epoch + 1) * EPOCH_LENGTH);
        if (consensus.epochClosedAt(epoch) != 0) _settle(epoch);
    }

    function act_settle(uint256 epoch) external step {
        _settle(uint64(bound(epoch, 0, consensus.currentEpoch())));
    }

    function _settle(uint64 epoch) private {
        uint8[] memory before = new uint8[](ids + 1);
        for (uint32 id = 1; id <= ids; ++id) {
            before[id] = statusOf(id);
        }
        uint256 owed = consensus.sinkOwed();
        try consensus.settleDowntime(epoch) {}
        catch {
            return;
        }
        uint256 jailed = 0;
        uint256 slashed = 0;
        for (uint32 id = 1; id <= ids; ++id) {
            if (statusOf(id) == before[id]) continue;
            if (statusOf(id) != uint8(ValidatorStatus.Jailed)) broken = "D settled into another status";
            if (consensus.missedWindows(epoch, id) < 2) broken = "D3 jailed without cause";
            uint256 amount = stakeOf[id] - viewOf(id).stake;
            slashed += amount;
            slashedOf[id] += amount;
            stakeOf[id] -= amount;
            ++jailed;
        }
        if (jailed != 0 && consensus.skippedWindows(epoch) * 3 > EPOCH_LENGTH) broken = "D2 windows";
        if (jailed * 3 > consensus.getValidatorSet(epoch).length) broken = "D2 members";
        if (consensus.sinkOwed() != owed + slashed) broken = "I3 downtime";
        count["jailed"] += jailed;
    }

    function act_freeze() external step {
        if (!consensus.launched()) return;
        try consensus.freezeEpoch(consensus.lastFrozenEpoch() + 1) {} catch {}
    }

    function act_halt() external step {
        if (!consensus.launched()) return;
        uint256 since = coordinator.tip().acceptedAt;
        try consensus.declareHalt() {
            if (block.timestamp < since + 1 days) broken = "halted a living chain";
            for (uint256 i = 0; i < frozen.length; ++i) {
                bool current = frozen[i].voidedAt == 0 && consensus.setIdOf(frozen[i].epoch) == 0;
                if (current) frozen[i].voidedAt = block.timestamp;
            }
            seenAny = false;
            ++count["halts"];
        } catch {}
    }

    function act_relaunch() external step {
        try consensus.relaunch() {
            ++count["relaunches"];
        } catch {}
    }

    function act_escape() external step {
        uint64 epoch = coordinator.tip().endHeight / EPOCH_LENGTH;
        if (consensus.launched() && consensus.setIdOf(epoch) == 0) return;
        uint32 era = consensus.era();
        VM.prank(address(coordinator));
        if (consensus.onEscape(epoch) != era + 1) broken = "era";
    }

    function act_wait(uint256 time) external {
        pass(bound(time, 1 minutes, 1 days));
    }

    // Evidence ------------------------------------------------------------------------------------

    /// @notice A member of any set that was ever frozen equivocates.
    function act_equivocate(uint256 which, uint256 member) external step {
        if (frozen.length == 0) return;
        Frozen memory set = frozen[which % frozen.length];
        (uint256 index, address signer, uint32 id) = _member(set, member);
        bool open = _isOpen(set);
        uint8 status = statusOf(id);
        Vote memory v = vote(set.epoch, keccak256("a"));
        v.era = set.era;
        (bytes memory sigA, bytes memory sigB) = conflictingVotes(v, keyOf[signer]);
        uint256 owed = consensus.sinkOwed();
        uint256 before = token.balanceOf(REPORTER);
        VM.prank(REPORTER);
        try consensus.submitVoteEvidence(v, keccak256("b"), index, sigA, sigB) {
            if (!open) broken = "evidence after its window";
            uint256 amount = stakeOf[id] - viewOf(id).stake;
            uint256 reward = token.balanceOf(REPORTER) - before;
            if (reward * 10_000 > amount * 500) broken = "I6 reward";
            if (consensus.sinkOwed() - owed + reward != amount) broken = "I3 slash";
            stakeOf[id] -= amount;
            slashedOf[id] += amount;
            rewarded += reward;
            ++equivocations[id];
            ++count["slashed"];
        } catch {
            // Open evidence about somebody who is not slashed yet can never be refused.
            if (open && status != uint8(ValidatorStatus.Tombstoned)) broken = "S1 evidence refused";
        }
    }

    function act_sweep() external step {
        swept += consensus.sweepSlashed();
    }

    // Owner and guardian --------------------------------------------------------------------------

    function act_param(uint256 which, uint256 value) external step {
        bytes32[6] memory keys =
            [bytes32("evidenceWindow"), "unbondingDelay", "minValidators", "maxValidators", "jailDuration", "minStake"];
        uint256[6] memory most = [uint256(3 days), 4 days, 5, 12, 3, 2 * STAKE];
        which = which % 6;
        value = bound(value, 0, most[which]);
        bytes32 before = untouchable();
        try consensus.setParam(keys[which], value) {
            ++count["params"];
        } catch {}
        if (untouchable() != before) broken = "A2 owner";
    }

    function act_pause(uint8 mask, bool lift) external step {
        bytes32 before = untouchable();
        VM.prank(GUARDIAN);
        if (lift) {
            consensus.unpause(mask);
        } else {
            try consensus.pause(mask % 4) {
                ++count["pauses"];
            } catch {}
        }
        if (untouchable() != before) broken = "A2 guardian";
    }

    // Liveness ------------------------------------------------------------------------------------

    /// @notice L1: from here everybody who wants to leave gets the stake, with calls that need nobody's permission.
    function drain() external {
        VM.warp(clock);
        for (uint32 id = 1; id <= ids; ++id) {
            uint8 status = statusOf(id);
            if (status == uint8(ValidatorStatus.Active) || status == uint8(ValidatorStatus.Jailed)) {
                VM.prank(_owner(id));
                consensus.requestExit(id);
            }
        }
        pass(1 days);
        if (consensus.launched()) consensus.declareHalt();
        pass(5 days);
        for (uint32 id = 1; id <= ids; ++id) {
            if (consensus.unlockTime(id) != 0 && consensus.idOfOwner(_owner(id)) == id) {
                paidOut += consensus.claimExit(id);
            }
        }
        swept += consensus.sweepSlashed();
    }

    // Observation ---------------------------------------------------------------------------------

    function _canBatch() private view returns (bool) {
        if (!consensus.launched()) return false;
        (uint8 mask,) = consensus.paused();
        if (mask & 2 != 0) return false;
        return consensus.setIdOf((coordinator.tip().endHeight + 1) / EPOCH_LENGTH) != 0;
    }

    function _pick(uint256 which) private view returns (uint32) {
        return ids == 0 ? 0 : uint32(1 + which % ids);
    }

    function _owner(uint32 id) private view returns (address) {
        return VM.addr(key(ownerAccount[id]));
    }

    function _useKey(address signer, uint32 id) private {
        usedKeys.push(signer);
        idOfKey[signer] = id;
    }

    /// @dev Writes down every set when it is frozen.
    function _observe() private {
        if (!consensus.launched()) return;
        uint64 last = consensus.lastFrozenEpoch();
        uint64 epoch = seenAny ? seenUpTo + 1 : consensus.currentEpoch();
        for (; epoch <= last; ++epoch) {
            uint32 setId = consensus.setIdOf(epoch);
            address ptr = consensus.setInfo(setId).ptr;
            frozen.push(Frozen(epoch, setId, consensus.era(), consensus.config().evidenceWindow, ptr, ptr.codehash, 0));
        }
        (seenUpTo, seenAny) = (last, true);
    }

    function _member(Frozen memory set, uint256 member)
        private
        view
        returns (uint256 index, address signer, uint32 id)
    {
        uint256 words = (set.ptr.code.length - 1) / 32 - 1;
        index = member % words;
        return (index, _signerAt(set.ptr, index), _idAt(set.ptr, index));
    }

    function _wordAt(address ptr, uint256 index) private view returns (uint256 word) {
        bytes memory code = ptr.code;
        assembly ("memory-safe") {
            word := mload(add(add(code, 0x21), mul(index, 0x20)))
        }
    }

    function _signerAt(address ptr, uint256 index) private view returns (address) {
        return address(uint160(_wordAt(ptr, index) >> 96));
    }

    function _idAt(address ptr, uint256 index) private view returns (uint32) {
        return uint32(_wordAt(ptr, index));
    }

    function _isOpen(Frozen memory set) private view returns (bool) {
        uint256 end = set.voidedAt != 0 ? set.voidedAt : consensus.epochClosedAt(set.epoch);
        return end == 0 || block.timestamp <= end + set.window;
    }

    /// @notice True while evidence about any duty of the validator can be filed.
    function _evidenceOpen(uint32 id) private view returns (bool) {
        for (uint256 i = 0; i < frozen.length; ++i) {
            if (!_isOpen(frozen[i])) continue;
            uint256 words = (frozen[i].ptr.code.length - 1) / 32 - 1;
            for (uint256 index = 0; index < words; ++index) {
                if (_idAt(frozen[i].ptr, index) == id) return true;
            }
        }
        return false;
    }

    /// @notice S1: what stood behind a vote is there or was slashed as long as the vote can be punished.
    function checkS1() external view {
        for (uint256 i = 0; i < frozen.length; ++i) {
            if (!_isOpen(frozen[i])) continue;
            uint256 words = (frozen[i].ptr.code.length - 1) / 32 - 1;
            uint256 previous = 0;
            for (uint256 index = 0; index < words; ++index) {
                uint256 word = _wordAt(frozen[i].ptr, index);
                uint256 weight = uint64(word >> 32) - previous;
                previous = uint64(word >> 32);
                uint32 id = uint32(word);
                assertTrue(viewOf(id).stake + slashedOf[id] >= weight * 1e18, "S1 escaped");
            }
        }
    }

    /// @notice E1: a frozen set never changes, unless a halt made it void.
    function checkE1() external view {
        for (uint256 i = 0; i < frozen.length; ++i) {
            Frozen memory set = frozen[i];
            assertEq(set.ptr.codehash, set.codeHash, "E1 code");
            assertEq(consensus.setInfo(set.setId).ptr, set.ptr, "E1 by id");
            if (set.voidedAt == 0) assertEq(consensus.setIdOf(set.epoch), set.setId, "E1 by epoch");
        }
    }

    function usedKeysLength() external view returns (uint256) {
        return usedKeys.length;
    }

    function consensusContract() external view returns (IAndeConsensus) {
        return consensus;
    }

    function custody() external view returns (uint256) {
        return token.balanceOf(address(consensus));
    }

    function view_(uint32 id) external view returns (ValidatorView memory) {
        return viewOf(id);
    }
}
