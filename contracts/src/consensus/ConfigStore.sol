// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {CodeStoreLib} from "../libraries/CodeStoreLib.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {ConsensusConfig, HotConfig, RegistryState} from "./AndeTypes.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";

/// @title ConfigStore
/// @notice Writes the parameters: all of them as code, the ones that transactions read also in storage.
abstract contract ConfigStore is ConsensusStorage {
    /// @dev Checks and stores the parameters; stores `registry` with the flags among them.
    /// @param floors Bounds of the deployment profile.
    function _setConfig(RegistryState memory registry, ConsensusConfig memory c, ConfigLib.Floors memory floors)
        internal
    {
        ConfigLib.check(c, floors);
        _configPtr = CodeStoreLib.write(abi.encode(c));
        _storeHot(c);
        registry.permissioned = c.permissioned;
        registry.autoLaunch = c.autoLaunch;
        _storeRegistry(registry);
        emit Configured(c);
    }

    /// @dev Parameters that are stored as code.
    function _loadConfig(address ptr) internal view returns (ConsensusConfig memory c) {
        uint256[] memory words = CodeStoreLib.words(ptr, ConfigLib.WORDS);
        // The words are the ABI encoding of the (static) struct and so its memory.
        assembly ("memory-safe") {
            c := add(words, 0x20)
        }
    }

    function _storeHot(ConsensusConfig memory c) internal {
        _hot = HotConfig({
            rotationInterval: uint24(c.rotationInterval),
            windowsPerEpoch: uint16(c.windowsPerEpoch),
            mode: c.mode,
            minValidators: c.minValidators,
            maxValidators: c.maxValidators,
            minStake: c.minStake,
            maxWeightBps: c.maxWeightBps,
            quorumNum: c.quorumNum,
            quorumDen: c.quorumDen,
            evidenceMinutes: uint24((uint256(c.evidenceWindow) + 59) / 60),
            correlationFactor: uint8(c.correlationFactor)
        });
    }
}
