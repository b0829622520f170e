// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {SetMember, ValidatorView} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {ValidatorSetLib} from "../../src/libraries/ValidatorSetLib.sol";
import {TestBase} from "../utils/TestBase.sol";
import {Handler} from "./Handler.sol";

/// @title ConsensusInvariants
/// @notice What holds after any sequence of actions. The letters are those of the design.
abstract contract ConsensusInvariants is TestBase {
    Handler internal handler;
    IAndeConsensus internal consensus;

    function setUp() external {
        handler = new Handler(_weighted());
        consensus = handler.consensusContract();
    }

    function _weighted() internal pure virtual returns (bool);

    /// @notice The runner calls only the handler, and only what changes state.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](12);
        selectors[0] = handler.act_register.selector;
        selectors[1] = handler.act_topUp.selector;
        selectors[2] = handler.act_endpoint.selector;
        selectors[3] = handler.act_batch.selector;
        selectors[4] = handler.act_badBatch.selector;
        selectors[5] = handler.act_openTerm.selector;
        selectors[6] = handler.act_freeze.selector;
        selectors[7] = handler.act_freezeEarly.selector;
        selectors[8] = handler.act_wait.selector;
        // Weighed: the chain must move for the rest to matter.
        selectors[9] = handler.act_batch.selector;
        selectors[10] = handler.act_batch.selector;
        selectors[11] = handler.act_register.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// R1, R17, R19, R21, R22, R29, R47, R70.
    /// @dev One campaign for all: each would repeat the same random calls.
    function invariant_I_E_B() external view {
        _I1_I2_I4_accounting();
        _E1_E6_frozenEpochsNeverChange();
        _E2_setsAreWellFormed();
        _E3_oneProposerAndMember();
        _E8_candidates();
        _B1_B2_B4_B5_batches();
        _B3_acceptedHashesNeverChange();
        _epochsFollowBatches();
    }

    function _I1_I2_I4_accounting() private view {
        uint256 sum = 0;
        ValidatorView[] memory all = consensus.getValidators(1, type(uint32).max);
        for (uint256 i = 0; i < all.length; ++i) {
            sum += all[i].stake;
        }
        assertEq(sum, consensus.bonded(), "I2 sum of stakes");
        assertEq(handler.custody(), consensus.bonded(), "I1 custody");
        assertEq(handler.deposited(), consensus.bonded(), "I4 deposits");
        assertEq(all.length, handler.registered(), "ids are dense");
    }

    function _E1_E6_frozenEpochsNeverChange() private view {
        if (!consensus.launched()) return;
        for (uint64 epoch = 0; epoch <= consensus.lastFrozenEpoch(); ++epoch) {
            assertEq(handler.fingerprint(epoch), handler.setHash(epoch), "E1 set");
            assertEq(handler.scheduleFingerprint(epoch), handler.scheduleHash(epoch), "E6 schedule");
        }
        assertEq(consensus.setIdOf(consensus.lastFrozenEpoch() + 1), 0, "nothing beyond");
    }

    function _E2_setsAreWellFormed() private view {
        if (!consensus.launched()) return;
        for (uint64 epoch = 0; epoch <= consensus.lastFrozenEpoch(); ++epoch) {
            SetMember[] memory members = consensus.getValidatorSet(epoch);
            assertTrue(members.length >= 1 && members.length <= 64, "E2 size");
            uint256 total = 0;
            for (uint256 i = 0; i < members.length; ++i) {
                assertTrue(members[i].weight != 0, "E2 weight");
                if (i != 0) assertGt(members[i].id, members[i - 1].id, "E2 ids");
                assertEq(consensus.idOfSigner(members[i].signer), members[i].id, "S4 key of the id");
                total += members[i].weight;
            }
            assertEq(total, consensus.totalWeight(epoch), "E2 total");
            uint32 setId = consensus.setIdOf(epoch);
            assertTrue(setId != 0 && setId <= epoch + 1, "set id is 1 + first epoch");
            bytes32 previous = epoch == 0 ? bytes32(0) : consensus.seedOf(epoch - 1);
            assertEq(consensus.seedOf(epoch), keccak256(abi.encode(previous, epoch, setId)), "seed chain");
        }
    }

    function _E3_oneProposerAndMember() private view {
        if (!consensus.launched()) return;
        uint64 epoch = consensus.lastFrozenEpoch();
        SetMember[] memory members = consensus.getValidatorSet(epoch);
        uint64 height = epoch * 20;
        for (uint32 skip = 0; skip < 6; ++skip) {
            (uint256 index, uint32 id) = consensus.proposerIndexAt(height, skip);
            assertEq(members[index].id, id, "E3 id");
            assertEq(consensus.proposerAt(height, skip), members[index].signer, "E3 signer");
            assertEq(consensus.proposerAt(height + 4, skip), members[index].signer, "E3 sticky");
        }
    }

    function _E8_candidates() private view {
        uint256[] memory words = handler.harness().candidates();
        assertEq(words.length, handler.registered(), "everybody is a candidate");
        SetMember[] memory frozen;
        if (consensus.launched() && !handler.harness().setDirty()) {
            frozen = consensus.getValidatorSet(consensus.lastFrozenEpoch());
            assertEq(frozen.length, words.length, "clean: their number");
        }
        for (uint256 i = 0; i < words.length; ++i) {
            uint32 id = ValidatorSetLib.idOf(words[i]);
            assertEq(handler.harness().activeIndexPlus1(id), i + 1, "E8 index");
            ValidatorView memory v = consensus.getValidator(id);
            assertEq(v.signer, ValidatorSetLib.signerOf(words[i]), "E8 signer");
            assertEq(v.weight, ValidatorSetLib.weightOf(words[i]), "E8 weight");
            if (frozen.length != 0) {
                assertEq(v.signer, frozen[i].signer, "clean: the last set is the candidates");
                assertEq(v.weight, frozen[i].weight, "clean: their weights");
            }
            assertEq(consensus.idOfSigner(v.signer), id, "S4 signer");
            assertEq(consensus.idOfOwner(v.owner), id, "owner");
        }
    }

    function _B1_B2_B4_B5_batches() private view {
        assertEq(bytes(handler.broken()).length, 0, handler.broken());
        assertEq(handler.coordinatorTip().batchIndex, handler.batches(), "B1 one index per batch");
    }

    function _B3_acceptedHashesNeverChange() private view {
        uint64 last = handler.coordinatorTip().batchIndex;
        for (uint64 i = 1; i <= last; ++i) {
            assertEq(handler.batchHashAt(i), handler.acceptedHash(i), "B3");
        }
        assertEq(handler.batchHashAt(0), consensus.genesisBatchHash(), "genesis");
        assertEq(handler.batchHashAt(last + 1), bytes32(0), "nothing beyond");
    }

    function _epochsFollowBatches() private view {
        if (!consensus.launched()) return;
        uint64 current = consensus.currentEpoch();
        assertTrue(consensus.lastFrozenEpoch() <= current + 2, "never frozen too early");
        assertEq(consensus.epochClosedAt(current), 0, "the current epoch is open");
        if (handler.batches() != 0) {
            assertEq(current, consensus.epochOf(handler.coordinatorTip().endHeight), "epoch of the tip");
        }
    }
}

contract ConsensusInvariantsRoundRobin is ConsensusInvariants {
    function _weighted() internal pure override returns (bool) {
        return false;
    }
}

contract ConsensusInvariantsWeighted is ConsensusInvariants {
    function _weighted() internal pure override returns (bool) {
        return true;
    }
}

/// @title HandlerTest
/// @notice The handler reaches the states that the invariants are about: the suite is not vacuous.
contract HandlerTest is TestBase {
    function test_handler_reachesEverything() external {
        Handler handler = new Handler(false);
        IAndeConsensus consensus = handler.consensusContract();
        for (uint256 i = 0; i < 20; ++i) {
            handler.act_register(i * 1e18);
        }
        handler.act_openTerm(0, 2);
        for (uint256 i = 0; i < 40; ++i) {
            handler.act_batch(uint256(keccak256(abi.encode(i))), i, i);
            handler.act_badBatch(i % 7);
            handler.act_topUp(i, i * 1e18);
            handler.act_freeze();
            handler.act_wait(i);
        }
        assertTrue(consensus.lastFrozenEpoch() > 4, "epochs");
        assertTrue(handler.batches() > 10, "batches");
        assertTrue(handler.skipsSeen() > 2, "skips");
        assertTrue(handler.refusedBatches() > 20, "refusals");
        assertEq(consensus.getValidatorSet(consensus.lastFrozenEpoch()).length, 20, "grown set");
        assertEq(bytes(handler.broken()).length, 0, handler.broken());
    }
}
