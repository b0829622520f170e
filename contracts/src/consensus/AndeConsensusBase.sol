// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

import {IAndeConsensusExtension} from "../interfaces/IAndeConsensusExtension.sol";
import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {ConfigLib} from "../libraries/ConfigLib.sol";
import {ConsensusConfig, RegistryState} from "./AndeTypes.sol";
import {ConsensusExtension} from "./ConsensusExtension.sol";
import {ConsensusStorage} from "./ConsensusStorage.sol";
import {ValidatorRegistry} from "./ValidatorRegistry.sol";

/// @title AndeConsensusBase
/// @notice The consensus contract without a parameter profile. Its whole interface is IAndeConsensus.
/// @dev Registry and epochs are in this contract's code. Administration and reads are in an extension that the
///      constructor creates; exits, slashing and halts are in a second one, the duties, which the first coordinator
///      brings (docs/adr/0001-code-of-the-consensus-contract.md). Nobody can replace either. The fallback runs them on
///      this contract's storage; this keeps all of them below the code size limits.
abstract contract AndeConsensusBase is ValidatorRegistry {
    address private immutable EXTENSION;

    /// @param config Parameters; checked against the bounds of the profile.
    /// @param floors Bounds of the profile.
    /// @param token Stake token.
    /// @param verifier Certificate verifier of the first sets.
    /// @param owner_ Owner of the contract.
    /// @param needsCoordinator True when nobody may register before the coordinator is set.
    constructor(
        ConsensusConfig memory config,
        ConfigLib.Floors memory floors,
        IERC20 token,
        IQuorumVerifier verifier,
        address owner_,
        bool needsCoordinator
    ) ConsensusStorage(msg.sender) ValidatorRegistry(needsCoordinator) {
        RegistryState memory registry;
        registry.nextId = 1;
        _storeRegistry(registry);
        _token = token;
        _verifier = verifier;
        emit StakeTokenSet(address(token));
        emit VerifierSet(address(verifier));
        address extension = address(new ConsensusExtension(floors));
        EXTENSION = extension;
        // The check of the parameters is code of the extension only, which takes it from the owner: for now the deployer.
        Address.functionDelegateCall(extension, abi.encodeCall(IAndeConsensusExtension.configure, (config)));
        if (owner_ != msg.sender) _transferOwnership(owner_);
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
