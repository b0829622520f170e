// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ConsensusStorage} from "./ConsensusStorage.sol";
import {Downtime} from "./Downtime.sol";
import {EraManager} from "./EraManager.sol";
import {ValidatorExits} from "./ValidatorExits.sol";

/// @title ConsensusDuties
/// @notice Exits, penalties and halts of the consensus contract.
/// @dev Runs by delegatecall on the storage of the consensus contract; alone it has no state and no effect. Created by
///      the constructor of the first coordinator.
contract ConsensusDuties is ValidatorExits, Downtime, EraManager {
    constructor() ConsensusStorage(msg.sender) {}
}
