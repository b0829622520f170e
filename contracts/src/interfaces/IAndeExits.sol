// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {IAndeConsensusEvents} from "./IAndeConsensusEvents.sol";

/// @title IAndeExits
/// @notice Key rotation, change of ownership, leaving and coming back. Nothing here can be paused.
/// @dev A part of IAndeConsensus: call it at the address of the consensus contract.
interface IAndeExits is IAndeConsensusEvents {
    /// @notice Gives the validator a new signer key from the next frozen set on. Owner only, while Active or Jailed;
    ///         once per frozen epoch.
    /// @dev The old key votes in the sets that are frozen already and stays bound to the id for ever, so a rotation hides
    ///      no offence.
    /// @param newSigner Key that was never used by any validator.
    /// @param signerSig SignerKey(owner, newSigner, p2pPeerId of the validator, nonce, deadline) by the new key, as in
    ///                  registerValidatorWithSigner.
    /// @custom:reverts UnknownValidator, Unauthorized, WrongStatus, TooFrequent, Expired, InvalidSignerProof, SignerInUse
    function rotateSigner(uint32 id, address newSigner, uint256 deadline, bytes calldata signerSig) external;

    /// @notice Offers the validator to another owner, who has to accept; zero withdraws the offer. Owner only.
    /// @custom:reverts UnknownValidator, Unauthorized, WrongStatus
    function transferValidator(uint32 id, address newOwner) external;

    /// @notice Takes over a validator that was offered to the caller.
    /// @custom:reverts UnknownValidator, Unauthorized, AlreadyRegistered when the caller owns another one, NotAllowed
    ///                 while the contract is permissioned and the caller is not on the list
    function acceptValidator(uint32 id) external;

    /// @notice Leaves the candidates; duty ends with the last epoch that is frozen now. Owner only, cannot be undone.
    /// @custom:reverts UnknownValidator, Unauthorized, WrongStatus
    function requestExit(uint32 id) external;

    /// @notice Pays the stake, less penalties, to the owner. Anyone may call.
    /// @dev Possible once the unbonding delay after the end of the last duty epoch is over, which is longer than evidence
    ///      about any duty is accepted. A tombstoned validator pays the correlation penalty here:
    ///      stake * correlationFactor * (weight slashed in the epochs e-3 to e+3) / (weight of the set of e), at most all.
    /// @return paid Token wei that the owner received.
    /// @custom:reverts UnknownValidator, WrongStatus, NotUnlocked
    function claimExit(uint32 id) external returns (uint256 paid);

    /// @notice Returns from jail to the candidates. Owner only, once the jail time is over (at once while halted).
    /// @custom:reverts UnknownValidator, Unauthorized, WrongStatus, StillJailed, InsufficientStake, SetFull
    function unjail(uint32 id) external;

    /// @notice Time from which the stake can be claimed; 0 while it is not known: not leaving, or on duty.
    function unlockTime(uint32 id) external view returns (uint256);
}
