// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {IAndeConsensusCore} from "./IAndeConsensusCore.sol";
import {IAndeConsensusExtension} from "./IAndeConsensusExtension.sol";
import {IAndeExits} from "./IAndeExits.sol";
import {IAndeGovernance} from "./IAndeGovernance.sol";
import {IAndeSlashing} from "./IAndeSlashing.sol";

/// @title IAndeConsensus
/// @notice Custody of the stake, registry of validators, frozen validator sets, the proposer schedule and penalties.
/// @dev The complete interface of a deployed AndeConsensus.
interface IAndeConsensus is IAndeConsensusCore, IAndeConsensusExtension, IAndeExits, IAndeSlashing, IAndeGovernance {}
