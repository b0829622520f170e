// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ConsensusConfig} from "../../src/consensus/AndeTypes.sol";
import {VM} from "../utils/Vm.sol";
import {GasFixture} from "./GasFixture.sol";

/// @title GasBySizeTest
/// @notice Gas of whole transactions for sets of 3 to 100 validators; `cargo xtask gen` makes contracts/GAS.md of it.
/// forge-config: default.isolate = true
contract GasBySizeTest is GasFixture {
    /// @dev Larger sets are not frozen by batches.
    uint16 internal constant AUTO_FREEZE_MAX = 16;
    /// @dev Four fifths of what Aztec's `propose` costs with a committee of 48, whose signatures it does not check.
    uint256 internal constant BATCH_BUDGET_48 = 259_559;

    /// R95.
    function test_gas_n3() external {
        _measure(3, 110_000, 160_000);
    }

    /// R95.
    function test_gas_n4() external {
        _measure(4, 112_000, 170_000);
    }

    /// R95.
    function test_gas_n10() external {
        _measure(10, 130_000, 230_000);
    }

    /// R95.
    function test_gas_n32() external {
        _measure(32, 200_000, 430_000);
    }

    /// R95.
    function test_gas_n48() external {
        _measure(48, BATCH_BUDGET_48, 590_000);
    }

    /// R95.
    function test_gas_n64() external {
        _measure(64, 300_000, 740_000);
    }

    /// R95.
    function test_gas_n100() external {
        _measure(100, 420_000, 1_100_000);
    }

    function _measure(uint16 n, uint256 batchBudget, uint256 freezeBudget) private {
        string memory suffix = string.concat("_n", VM.toString(uint256(n)));
        setTime(clock);
        _measureBatch(n, suffix, batchBudget);
        _measureFreeze(n, suffix, freezeBudget);
        _measureRegistration(n, suffix);
        _measureForced(n, suffix);
        _measureDowntime(n, suffix);
        _measureLeaving(n, suffix);
    }

    /// @dev Second batch of an epoch; it opens a window.
    function _measureBatch(uint16 n, string memory suffix, uint256 budget) private {
        launchWith(n);
        submitTo(100);
        _report(string.concat("submitBatch_first", suffix), type(uint256).max);
        submitTo(200);
        _report(string.concat("submitBatch", suffix), budget);
        uint256 state = VM.snapshotState();
        _measureData(suffix, budget);
        VM.revertToState(state);
        openTerm(0, (3 << 16) | 1);
        _report(string.concat("openTerm", suffix), type(uint256).max);
    }

    /// @dev A set that changed. Small ones are what is left of a larger one: no batch freezes those.
    function _measureFreeze(uint16 n, string memory suffix, uint256 budget) private {
        uint16 before = n > AUTO_FREEZE_MAX ? n : AUTO_FREEZE_MAX + 1;
        launchWith(before);
        submitTo(100);
        consensus.freezeEpoch(2);
        _report(string.concat("freezeEpoch_unchanged", suffix), type(uint256).max);
        submitTo(599);
        submitTo(650);
        _changeSet();
        for (uint256 i = n + 1; i <= before; ++i) {
            requestExit(i);
        }
        consensus.freezeEpoch(3);
        _report(string.concat("freezeEpoch", suffix), budget);
    }

    /// @dev One more than n, and one more that takes the place of the lowest stake.
    function _measureRegistration(uint16 n, string memory suffix) private {
        deploy();
        ConsensusConfig memory config = consensus.config();
        config.minValidators = n;
        config.maxValidators = n + 1;
        consensus.configure(config);
        deployCoordinator();
        for (uint256 i = 1; i <= n; ++i) {
            register(i, STAKE);
        }
        register(n + 1, STAKE);
        _report(string.concat("registerValidator", suffix), 230_000);
        register(n + 2, 2 * STAKE);
        _report(string.concat("registerValidator_evicting", suffix), type(uint256).max);
    }

    function _measureForced(uint16 n, string memory suffix) private {
        launchWith(n);
        submitTo(100);
        bytes memory transfer = new bytes(110);
        for (uint256 i = 0; i < transfer.length; ++i) {
            transfer[i] = 0xff;
        }
        enqueue(transfer);
        enqueue(transfer);
        _report(string.concat("enqueueForced", suffix), 90_000);
        pass(30 hours);
        coordinator.escapeBatch();
        _report(string.concat("escapeBatch", suffix), type(uint256).max);
    }

    /// @dev One window was skipped, so all members are looked at.
    function _measureDowntime(uint16 n, string memory suffix) private {
        launchWith(n);
        submitSkipped(599, 1);
        submitTo(600);
        consensus.settleDowntime(0);
        _report(string.concat("settleDowntime", suffix), type(uint256).max);
    }

    /// @dev The reporter is a holder of the token. In an epoch that is still open the record of the epoch is new.
    function _measureLeaving(uint16 n, string memory suffix) private {
        launchWith(n);
        token.mint(REPORTER, 1);
        submitTo(10);
        equivocate(0, 1, key(2));
        _report(string.concat("submitVoteEvidence", suffix), 175_000);
        requestExit(3);
        _report(string.concat("requestExit", suffix), type(uint256).max);
        for (uint64 epoch = 0; epoch < 3; ++epoch) {
            if (n > AUTO_FREEZE_MAX) consensus.freezeEpoch(epoch + 2);
            finishEpoch();
        }
        pass(2 days);
        consensus.claimExit(3);
        _report(string.concat("claimExit", suffix), type(uint256).max);
    }
}
