// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

/// @title IQuorumVerifier
/// @notice Judges the signatures of a certificate against a frozen validator set.
/// @dev The verifier of a set is fixed when the set is frozen, so a signature scheme changes only at an epoch boundary.
interface IQuorumVerifier {
    /// @notice Weight of the members whose valid signatures over `digest` are in `proof`.
    /// @param setPtr Contract whose code holds the set (see ValidatorSetLib).
    /// @param size Number of members of the set.
    /// @param digest EIP-712 digest that was signed.
    /// @param signers Bitmap of the members that signed; bit i is member i.
    /// @param proof Signatures in the form of the implementation.
    /// @return signedWeight Sum of the weights of the members in `signers`.
    /// @custom:reverts BadBitmap, BadCertLength or BadSigner if any part is not valid: a certificate is all or nothing.
    function verify(address setPtr, uint32 size, bytes32 digest, uint256 signers, bytes calldata proof)
        external
        view
        returns (uint256 signedWeight);
}
