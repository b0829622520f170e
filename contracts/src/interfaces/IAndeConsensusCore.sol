// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {QuorumContext} from "../consensus/AndeTypes.sol";
import {IAndeConsensusEvents} from "./IAndeConsensusEvents.sol";

/// @title IAndeConsensusCore
/// @notice Registry, life cycle and what the coordinator calls: the part of IAndeConsensus in the contract's own code.
interface IAndeConsensusCore is IAndeConsensusEvents {
    // Registry ------------------------------------------------------------------------------------

    /// @notice Registers the caller as owner and signer of a new validator and pulls its stake.
    /// @param p2pPeerId Raw ed25519 public key of the node, not zero. Not unique: nodes check it in the handshake.
    /// @param rpcEndpoint `http(s)://...`, at most 128 printable ASCII characters without quotes, brackets, backslash.
    /// @param stake Token wei; the contract must have an allowance for it.
    /// @return id Identity of the validator, from 1, never reused.
    /// @dev When the set is full, a stake that is at least a tenth above the lowest one evicts it.
    /// @custom:reverts PausedFor, NotAllowed, AlreadyRegistered, SignerInUse, InvalidEndpoint, InsufficientStake,
    ///                 SetFull, TransferAmountMismatch; in the production profile CoordinatorMismatch before there is one
    function registerValidator(bytes32 p2pPeerId, string calldata rpcEndpoint, uint256 stake)
        external
        returns (uint32 id);

    /// @notice `registerValidator` with an EIP-2612 permit instead of a previous approval.
    /// @dev A permit that somebody else already used is no failure as long as the allowance is there.
    function registerValidatorWithPermit(
        bytes32 p2pPeerId,
        string calldata rpcEndpoint,
        uint256 stake,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external returns (uint32 id);

    /// @notice Registers the caller as owner of a validator whose hot key is `signer`.
    /// @param signerSig EIP-712 `SignerKey(owner, signer, p2pPeerId, nonce, deadline)` by the signer key, with
    ///                  `nonces(owner)`; 65 bytes r||s||v or 64 bytes r||vs (EIP-2098), low s.
    /// @custom:reverts Expired, InvalidSignerProof and those of registerValidator
    function registerValidatorWithSigner(
        address signer,
        bytes32 p2pPeerId,
        string calldata rpcEndpoint,
        uint256 stake,
        uint256 deadline,
        bytes calldata signerSig
    ) external returns (uint32 id);

    /// @notice Adds stake; the weight changes with the next frozen set. Owner only.
    function topUp(uint32 id, uint256 amount) external;

    /// @notice Replaces node key and endpoint, after launch at most once per epoch. Owner only.
    function updateEndpoint(uint32 id, bytes32 p2pPeerId, string calldata rpcEndpoint) external;

    // Life cycle ----------------------------------------------------------------------------------

    /// @notice Freezes epochs 0 and 1 from the candidates. Owner only; with autoLaunch it happens by itself.
    function launch() external;

    /// @notice Freezes the set of `epoch`. Anyone may call; possible once epoch - 2 has an accepted batch.
    /// @custom:reverts NotLaunched, EpochAlreadyFrozen, EpochNotOpen
    function freezeEpoch(uint64 epoch) external returns (uint32 setId);

    /// @notice Called by the coordinator for each batch that it is about to accept: opens and closes epochs, freezes
    ///         small sets, records skipped windows. The coordinator reverts everything if the certificate is not valid.
    /// @param epoch Epoch of the batch.
    /// @param prevTerm Term of the batch before.
    /// @param term Term of the batch: (window << 16) | skip of its last block.
    /// @param skips Validated skip records, 12 bytes each: uint64 window, uint32 finalSkip.
    /// @return context As quorumContext(epoch).
    /// @return leaderId Id of the proposer of `term`, or 0 when the term did not change.
    /// @return leader Its signer.
    /// @custom:reverts NotLaunched, PausedFor, Unauthorized, EpochNotFrozen
    function onBatch(uint64 epoch, uint64 prevTerm, uint64 term, bytes calldata skips)
        external
        returns (QuorumContext memory context, uint32 leaderId, address leader);

    /// @notice Called by the coordinator when it accepts an escape batch: starts a new era, so that certificates and
    ///         votes about the orphaned blocks are dead, and opens `epoch`. Sets stay. Works in every pause and halt.
    /// @param epoch Epoch of the escape batch; while the chain is launched its set must be frozen.
    /// @return newEra The era from now on.
    /// @custom:reverts Unauthorized, EpochNotFrozen
    function onEscape(uint64 epoch) external returns (uint32 newEra);

    // Certificates --------------------------------------------------------------------------------

    /// @notice What is needed to judge a certificate signed by the set of `epoch`.
    /// @dev A pause does not touch it: nodes read sets here.
    /// @custom:reverts NotLaunched, EpochNotFrozen
    function quorumContext(uint64 epoch) external view returns (QuorumContext memory);

    /// @notice EIP-712 domain of everything validators sign; follows the chain id of the settlement chain.
    function domainSeparator() external view returns (bytes32);
}
