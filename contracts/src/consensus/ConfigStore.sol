// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {CodeStoreLib} from "../libraries/CodeStoreLib.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {ConsensusConfig, Globals, HotConfig} from "./AndeTypes.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";

/// @title ConfigStore
/// @notice Writes the parameters: all of them as code, the ones that transactions read also in storage.
abstract contract ConfigStore is ConsensusStorage {
    /// @dev Checks and stores the parameters; stores `globals` with the flags among them.
    /// @param floors Bounds of the deployment profile.
    function _setConfig(Globals memory globals, ConsensusConfig memory c, ConfigLib.Floors memory floors) internal {
        ConfigLib.check(c, floors);
        _configPtr = CodeStoreLib.write(abi.encode(c));
        _hot = HotConfig({
            rotationInterval: c.rotationInterval,
            windowsPerEpoch: c.windowsPerEpoch,
            mode: c.mode,
            minValidators: c.minValidators,
            maxValidators: c.maxValidators,
            minStake: c.minStake,
            maxWeightBps: c.maxWeightBps,
            quorumNum: c.quorumNum,
            quorumDen: c.quorumDen
        });
        globals.permissioned = c.permissioned;
        globals.autoLaunch = c.autoLaunch;
        _storeGlobals(globals);
        emit Configured(c);
    }
}
