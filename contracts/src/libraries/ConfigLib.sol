// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ParamOutOfBounds} from "../consensus/AndeErrors.sol";
import {ConsensusConfig} from "../consensus/AndeTypes.sol";

/// @title ConfigLib
/// @notice Hard bounds of every parameter. They hold for the constructor and for every later change.
library ConfigLib {
    /// @dev Words of the ABI encoding, and those that are read or replaced one by one.
    uint256 internal constant WORDS = 24;
    uint256 internal constant L2_CHAIN_ID_WORD = 0;
    uint256 internal constant L2_GENESIS_HASH_WORD = 1;
    uint256 internal constant PERMISSIONED_WORD = 12;
    uint256 internal constant UNBONDING_WORD = 15;
    uint256 internal constant HALT_TIMEOUT_WORD = 16;
    uint256 internal constant JAIL_DURATION_WORD = 17;
    uint256 internal constant BASE_SLASH_WORD = 18;
    uint256 internal constant REPORTER_SHARE_WORD = 20;
    uint256 internal constant DOWNTIME_SLASH_2_WORD = 21;
    uint256 internal constant DOWNTIME_SLASH_3_WORD = 22;
    uint256 internal constant SLASH_SINK_WORD = 23;

    uint256 internal constant BPS = 10_000;
    /// @dev Width of a certificate bitmap.
    uint256 internal constant MAX_SET = 256;
    /// @dev The window of the highest height must fit above the 16 skip bits of a term for all practical heights, and
    ///      the search for the window step stays short.
    uint256 internal constant MAX_ROTATION = 1_000_000;
    uint256 internal constant MAX_WINDOWS = 10_000;
    /// @dev One weight unit, so that no member has weight zero.
    uint256 internal constant MIN_STAKE = 1e18;
    uint256 internal constant MAX_DELAY = 365 days;
    uint256 internal constant MAX_UNBONDING = 2 * MAX_DELAY;

    /// @notice Bounds that differ between deployment profiles.
    struct Floors {
        /// Shortest evidence window, seconds.
        uint256 minEvidenceWindow;
        /// Least time that stake stays locked after the evidence window, seconds.
        uint256 unbondingMargin;
    }

    /// @notice Reverts unless all values are inside their bounds.
    function check(ConsensusConfig memory c, Floors memory floors) internal pure {
        _in("l2ChainId", c.l2ChainId, 1, type(uint64).max);
        _in("rotationInterval", c.rotationInterval, 1, MAX_ROTATION);
        _in("windowsPerEpoch", c.windowsPerEpoch, 1, MAX_WINDOWS);
        // Height 0 is genesis: the first epoch must have room for a block.
        _in("epochLength", uint256(c.rotationInterval) * c.windowsPerEpoch, 2, type(uint64).max);
        _in("timeoutBlocks", c.timeoutBlocks, 1, type(uint16).max);
        _in("maxValidators", c.maxValidators, 1, MAX_SET);
        _in("minValidators", c.minValidators, 1, c.maxValidators);
        _in("minStake", c.minStake, MIN_STAKE, type(uint96).max);
        _in("maxWeightBps", c.maxWeightBps, 0, BPS);
        // A fraction of at least one half: two certificates always share a signer.
        _in("quorumDen", c.quorumDen, 1, BPS);
        _in("quorumNum", c.quorumNum, (uint256(c.quorumDen) + 1) / 2, uint256(c.quorumDen) - 1);
        _in("evidenceWindow", c.evidenceWindow, floors.minEvidenceWindow, MAX_DELAY);
        _in("unbondingDelay", c.unbondingDelay, c.evidenceWindow + floors.unbondingMargin, MAX_UNBONDING);
        _in("haltTimeout", c.haltTimeout, 1 hours, MAX_DELAY);
        _in("jailDuration", c.jailDuration, 1, type(uint32).max);
        _in("baseSlashBps", c.baseSlashBps, 0, BPS);
        _in("correlationFactor", c.correlationFactor, 0, 10);
        _in("reporterShareBps", c.reporterShareBps, 0, BPS);
        _in("downtimeSlashBps2", c.downtimeSlashBps2, 0, BPS);
        _in("downtimeSlashBps3", c.downtimeSlashBps3, c.downtimeSlashBps2, BPS);
        _in("slashSink", uint160(c.slashSink), 1, type(uint160).max);
    }

    function _in(bytes32 key, uint256 value, uint256 min, uint256 max) private pure {
        require(value >= min && value <= max, ParamOutOfBounds(key, min, max));
    }
}
