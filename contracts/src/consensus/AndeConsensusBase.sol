// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {ConsensusConfig, RegistryState} from "./AndeTypes.sol";
import {ConfigStore} from "./ConfigStore.sol";
import {ConsensusExtension} from "./ConsensusExtension.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";
import {ValidatorRegistry} from "./ValidatorRegistry.sol";

/// @title AndeConsensusBase
/// @notice The consensus contract without a parameter profile. Its whole interface is IAndeConsensus.
/// @dev Registry and life cycle are in this contract's code. Administration and reads are in an extension that the
///      constructor creates and nobody can replace; the fallback runs it on this contract's storage. This keeps both
///      below the code size limit.
abstract contract AndeConsensusBase is ValidatorRegistry, ConfigStore {
    address private immutable EXTENSION;

    /// @param config Parameters; checked against the bounds of the profile.
    /// @param floors Bounds of the profile.
    /// @param token Stake token.
    /// @param verifier Certificate verifier of the first sets.
    /// @param owner_ Owner of the contract.
    constructor(
        ConsensusConfig memory config,
        ConfigLib.Floors memory floors,
        IERC20 token,
        IQuorumVerifier verifier,
        address owner_
    ) ConsensusStorage(owner_) {
        RegistryState memory registry;
        registry.nextId = 1;
        _setConfig(registry, config, floors);
        _token = token;
        _verifier = verifier;
        EXTENSION = address(new ConsensusExtension(floors));
        emit StakeTokenSet(address(token));
        emit VerifierSet(address(verifier));
    }

    /// @dev Everything that is not in IAndeConsensusCore is answered by the extension; unknown functions revert there.
    fallback() external {
        address extension = EXTENSION;
        assembly ("memory-safe") {
            // Memory above the free pointer is enough for input and output: nothing returns to Solidity.
            let buffer := mload(0x40)
            calldatacopy(buffer, 0, calldatasize())
            let ok := delegatecall(gas(), extension, buffer, calldatasize(), 0, 0)
            returndatacopy(buffer, 0, returndatasize())
            if iszero(ok) { revert(buffer, returndatasize()) }
            return(buffer, returndatasize())
        }
    }

    /// @notice Ownership can be renounced only after launch: before it the contract would be stuck.
    function renounceOwnership() public override(Ownable) onlyOwner whenLaunched {
        super.renounceOwnership();
    }
}
