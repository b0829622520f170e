// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ConsensusConfig, ValidatorStatus, ValidatorView} from "../../src/consensus/AndeTypes.sol";
import {IAndeConsensus} from "../../src/interfaces/IAndeConsensus.sol";
import {ValidatorSetLib} from "../../src/libraries/ValidatorSetLib.sol";
import {TestBase} from "../utils/TestBase.sol";
import {DutiesHandler} from "./DutiesHandler.sol";

/// @title DutiesInvariants
/// @notice Stake, evidence, sets and power of the owner after any sequence of actions, and that everybody can leave.
contract DutiesInvariants is TestBase {
    DutiesHandler internal handler;
    IAndeConsensus internal consensus;
    /// @dev Highest status seen: a tombstone is for ever.
    mapping(uint32 id => bool) internal tombstoned;

    function setUp() external {
        handler = new DutiesHandler();
        consensus = handler.consensusContract();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](26);
        selectors[0] = handler.act_register.selector;
        selectors[1] = handler.act_topUp.selector;
        selectors[2] = handler.act_exit.selector;
        selectors[3] = handler.act_claim.selector;
        selectors[4] = handler.act_rotate.selector;
        selectors[5] = handler.act_transfer.selector;
        selectors[6] = handler.act_unjail.selector;
        selectors[7] = handler.act_batch.selector;
        selectors[8] = handler.act_downEpoch.selector;
        selectors[9] = handler.act_settle.selector;
        selectors[10] = handler.act_freeze.selector;
        selectors[11] = handler.act_halt.selector;
        selectors[12] = handler.act_relaunch.selector;
        selectors[13] = handler.act_escape.selector;
        selectors[14] = handler.act_wait.selector;
        selectors[15] = handler.act_equivocate.selector;
        selectors[16] = handler.act_sweep.selector;
        selectors[17] = handler.act_param.selector;
        selectors[18] = handler.act_pause.selector;
        // Weighed: newcomers, batches and claims drive the rest.
        selectors[19] = handler.act_register.selector;
        selectors[20] = handler.act_register.selector;
        selectors[21] = handler.act_batch.selector;
        selectors[22] = handler.act_batch.selector;
        selectors[23] = handler.act_batch.selector;
        selectors[24] = handler.act_claim.selector;
        selectors[25] = handler.act_wait.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// R4, R67, R70.
    /// @dev One campaign for all: each would repeat the same random calls.
    function invariant_I_S_E_D_A() external {
        assertEq(bytes(handler.broken()).length, 0, handler.broken());
        _I_accounting();
        _S3_S4_identities();
        handler.checkS1();
        handler.checkE1();
        _E8_candidates();
        _A3_S5_parameters();
    }

    /// @notice L1, at the end of each run: everybody leaves, and nothing is left behind.
    function afterInvariant() external {
        handler.drain();
        assertEq(consensus.bonded(), 0, "L1 stake that nobody can claim");
        assertEq(handler.custody(), 0, "L1 tokens that belong to nobody");
        assertEq(handler.paidOut() + handler.swept() + handler.rewarded(), handler.deposited(), "I4 at the end");
    }

    function _I_accounting() private view {
        uint256 sum = 0;
        for (uint32 id = 1; id <= handler.ids(); ++id) {
            uint256 stake = handler.view_(id).stake;
            assertEq(stake, handler.stakeOf(id), "I3 stake");
            sum += stake;
        }
        uint256 owed = consensus.sinkOwed();
        assertEq(sum, consensus.bonded(), "I2 sum of stakes");
        assertEq(handler.custody(), consensus.bonded() + owed, "I1 custody");
        uint256 gone = handler.paidOut() + handler.rewarded() + handler.swept();
        assertEq(gone + owed + consensus.bonded(), handler.deposited(), "I4 conservation");
    }

    function _S3_S4_identities() private {
        for (uint32 id = 1; id <= handler.ids(); ++id) {
            ValidatorView memory v = handler.view_(id);
            bool dead = v.status == ValidatorStatus.Tombstoned;
            assertTrue(dead || !tombstoned[id], "S3 came back");
            assertTrue(handler.equivocations(id) == (dead ? 1 : 0), "S3 one slash per id");
            tombstoned[id] = dead;
        }
        for (uint256 i = 0; i < handler.usedKeysLength(); ++i) {
            address signer = handler.usedKeys(i);
            assertEq(consensus.idOfSigner(signer), handler.idOfKey(signer), "S4 key of the id");
        }
    }

    function _E8_candidates() private view {
        uint256[] memory words = handler.harness().candidates();
        for (uint256 i = 0; i < words.length; ++i) {
            uint32 id = ValidatorSetLib.idOf(words[i]);
            ValidatorView memory v = handler.view_(id);
            assertEq(handler.harness().activeIndexPlus1(id), i + 1, "E8 index");
            assertEq(v.signer, ValidatorSetLib.signerOf(words[i]), "E8 signer");
            assertEq(v.weight, ValidatorSetLib.weightOf(words[i]), "E8 weight");
            assertEq(uint8(v.status), uint8(ValidatorStatus.Active), "E8 candidates are active");
        }
        uint256 active = 0;
        for (uint32 id = 1; id <= handler.ids(); ++id) {
            if (handler.view_(id).status == ValidatorStatus.Active) ++active;
            else assertEq(handler.harness().activeIndexPlus1(id), 0, "E8 no index");
        }
        assertEq(active, words.length, "E8 the active are candidates");
    }

    function _A3_S5_parameters() private view {
        ConsensusConfig memory c = consensus.config();
        assertTrue(c.unbondingDelay >= c.evidenceWindow + 1 hours, "S5");
        assertTrue(c.minValidators >= 1 && c.minValidators <= c.maxValidators, "A3");
        (uint8 mask, uint64 until) = consensus.paused();
        assertTrue(mask == 0 || until <= block.timestamp + 3 days, "A1 expires");
    }
}

/// @title DutiesHandlerTest
/// @notice The handler reaches the states that the invariants are about: the suite is not vacuous.
contract DutiesHandlerTest is TestBase {
    function test_dutiesHandler_reachesEverything() external {
        DutiesHandler handler = new DutiesHandler();
        uint256 random = uint256(keccak256("duties"));
        for (uint256 i = 0; i < 12; ++i) {
            for (uint256 j = 0; j < 4; ++j) {
                handler.act_register(random % (i + j + 7));
            }
            handler.act_batch(random, i);
            handler.act_exit(i);
            handler.act_rotate(i + 1);
            handler.act_transfer(i);
            handler.act_downEpoch(i);
            handler.act_downEpoch(i + 1);
            handler.act_equivocate(i * 5, i);
            handler.act_batch(random, 1);
            handler.act_wait(1 days);
            for (uint256 j = 0; j < 12; ++j) {
                handler.act_unjail(j);
                handler.act_claim(j);
            }
            handler.act_param(i, random);
            handler.act_escape();
            if (i % 4 == 3) {
                handler.act_pause(3, false);
                handler.act_wait(1 days);
                handler.act_wait(1 days);
                handler.act_halt();
                handler.act_claim(1);
                handler.act_pause(3, true);
                handler.act_relaunch();
            }
        }
        assertGt(handler.count("registered"), 10, "registered");
        assertGt(handler.count("exits"), 3, "exits");
        assertGt(handler.count("claims"), 1, "claims");
        assertGt(handler.count("rotations"), 2, "rotations");
        assertGt(handler.count("jailed"), 0, "jailed");
        assertGt(handler.count("slashed"), 1, "slashed");
        assertGt(handler.count("halts"), 1, "halts");
        assertGt(handler.count("relaunches"), 0, "relaunches");
        assertGt(handler.count("params"), 1, "params");
        assertGt(handler.count("pauses"), 0, "pauses");
        assertGt(handler.count("batches"), 5, "batches");
        assertEq(bytes(handler.broken()).length, 0, handler.broken());
        handler.checkS1();
        handler.checkE1();
        handler.drain();
        assertEq(handler.custody(), 0, "L1");
    }
}
