// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

/// @title IAndeExits
/// @notice Key rotation, change of ownership, leaving and coming back. Not implemented yet: no contract here inherits
///         this interface.
interface IAndeExits {
    event SignerRotationScheduled(
        uint32 indexed id, address indexed oldSigner, address indexed newSigner, uint64 fromEpoch
    );
    event OwnershipTransferStartedFor(uint32 indexed id, address indexed from, address indexed to);
    event OwnershipTransferredFor(uint32 indexed id, address indexed from, address indexed to);
    event ExitRequested(uint32 indexed id, uint64 lastDutyEpoch);
    event ExitClaimed(uint32 indexed id, address indexed to, uint256 paid, uint256 penalty);
    event ValidatorEvicted(uint32 indexed id, uint32 indexed by);

    /// @notice Gives the validator a new signer key from the next frozen set on; the old key votes until then and stays
    ///         bound to the id for ever.
    /// @param signerSig SignerKey message by the new key, as in registerValidatorWithSigner.
    function rotateSigner(uint32 id, address newSigner, uint256 deadline, bytes calldata signerSig) external;

    /// @notice Offers the validator to another owner, who has to accept.
    function transferValidator(uint32 id, address newOwner) external;
    function acceptValidator(uint32 id) external;

    /// @notice Leaves the candidates; duty ends with the last frozen epoch that contains the validator.
    function requestExit(uint32 id) external;

    /// @notice Pays the stake, less penalties, to the owner once the unbonding delay after the last duty epoch is over.
    function claimExit(uint32 id) external returns (uint256 paid);

    /// @notice Returns from jail to the candidates.
    function unjail(uint32 id) external;

    /// @notice Time from which the stake can be claimed; 0 while it is not known.
    function unlockTime(uint32 id) external view returns (uint256);
}
