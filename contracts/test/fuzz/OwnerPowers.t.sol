// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {AndeSequencerCoordinator} from "../../src/consensus/AndeSequencerCoordinator.sol";
import {SuccessorCoordinator} from "../unit/Governance.t.sol";
import {DutiesFixture} from "../utils/DutiesFixture.sol";
import {VM} from "../utils/Vm.sol";

/// @title OwnerPowersFuzz
/// @notice Owner and guardian of a chain with active, leaving and tombstoned validators and a successor that could take
///         over.
contract OwnerPowersFuzz is DutiesFixture {
    address private constant GUARDIAN = address(0x6A);

    address private next;

    function setUp() external {
        setTime(clock);
        launchWith(7);
        submitTo(10);
        requestExit(1);
        equivocate(0, 1, key(2));
        finishEpoch();
        SuccessorCoordinator successor = new SuccessorCoordinator(address(consensus));
        consensus.proposeCoordinator(address(successor));
        requestExit(3);
        finishEpochs(3);
        successor.follow(AndeSequencerCoordinator(address(coordinator)));
        consensus.setGuardian(GUARDIAN);
        next = address(successor);
    }

    /// R92.
    /// @notice A2: whatever owner and guardian do, in any order, stake, validators, frozen sets and batches stay.
    function testFuzz_A2_ownerTouchesNothing(uint256[6] calldata what, uint256[6] calldata value) external {
        bytes32 before = untouchable();
        for (uint256 i = 0; i < what.length; ++i) {
            _power(what[i] % 14, value[i]);
            pass(value[i] % 2 days);
            assertEq(untouchable(), before, "A2");
        }
    }

    /// @dev One call of owner or guardian, which the contract may refuse.
    function _power(uint256 what, uint256 value) private returns (bool ok) {
        bytes32[4] memory keys = [bytes32("minStake"), "maxValidators", "baseSlashBps", "evidenceWindow"];
        bytes memory input;
        if (what == 0) input = abi.encodeCall(consensus.setParam, (keys[value % 4], value >> 128));
        if (what == 1) input = abi.encodeCall(consensus.setParam, (keys[value % 4], value % 1 days));
        if (what == 2) input = abi.encodeCall(consensus.setParam, ("minValidators", 1 + value % 7));
        if (what == 3) input = abi.encodeCall(consensus.setParam, ("quorum", (3 << 16) | (4 + value % 2)));
        if (what == 4) input = abi.encodeCall(consensus.setAllowed, (account(value % 9), value % 2 == 0));
        if (what == 5) input = abi.encodeCall(consensus.disablePermissioned, ());
        if (what == 6) input = abi.encodeCall(consensus.proposeCoordinator, (next));
        if (what == 7) input = abi.encodeCall(consensus.acceptCoordinator, ());
        if (what == 8) input = abi.encodeCall(consensus.setCoordinator, (next));
        if (what == 9) input = abi.encodeCall(consensus.setStakeToken, (address(token)));
        if (what == 10) input = abi.encodeCall(consensus.setVerifier, (next));
        if (what == 11) input = abi.encodeCall(consensus.configure, (consensus.config()));
        if (what == 12) input = abi.encodeCall(consensus.unpause, (uint8(value)));
        if (what == 13) {
            input = abi.encodeCall(consensus.pause, (uint8(1 + value % 3)));
            VM.prank(GUARDIAN);
        }
        (ok,) = address(consensus).call(input);
    }
}
