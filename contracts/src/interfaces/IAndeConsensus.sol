// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {IAndeConsensusCore} from "./IAndeConsensusCore.sol";
import {IAndeConsensusExtension} from "./IAndeConsensusExtension.sol";

/// @title IAndeConsensus
/// @notice Custody of the stake, registry of validators, frozen validator sets and the proposer schedule.
/// @dev The complete interface of a deployed AndeConsensus. Exits, slashing, jail, halt and guardian are declared in
///      interfaces/planned and are not part of this version: stake bonded here cannot be withdrawn yet.
interface IAndeConsensus is IAndeConsensusCore, IAndeConsensusExtension {}
