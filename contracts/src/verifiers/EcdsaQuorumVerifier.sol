// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BadBitmap, BadCertLength, BadSigner} from "../consensus/AndeErrors.sol";
import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {SignatureLib} from "../libraries/SignatureLib.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";

/// @title EcdsaQuorumVerifier
/// @notice Certificates of secp256k1 signatures: 64 bytes r||vs (EIP-2098, low s) per bit, in ascending index order.
contract EcdsaQuorumVerifier is IQuorumVerifier {
    uint256 internal constant SIGNATURE_BYTES = 64;
    /// @dev Width of the bitmap.
    uint256 internal constant MAX_MEMBERS = 256;

    /// @inheritdoc IQuorumVerifier
    function verify(address setPtr, uint32 size, bytes32 digest, uint256 signers, bytes calldata proof)
        external
        view
        returns (uint256 signedWeight)
    {
        require(signers != 0 && size <= MAX_MEMBERS, BadBitmap(signers));
        require(size == MAX_MEMBERS || signers >> size == 0, BadBitmap(signers));
        require(ValidatorSetLib.fits(setPtr, size), BadBitmap(signers));

        uint256[] memory members = ValidatorSetLib.load(setPtr, size);
        uint256 offset = 0;
        uint256 previous = 0; // cumulative weight of the member before
        for (uint256 i = 0; i < size; ++i) {
            uint256 cumulative = ValidatorSetLib.weightOf(members[i]);
            if ((signers >> i) & 1 != 0) {
                require(offset + SIGNATURE_BYTES <= proof.length, BadCertLength(proof.length));
                address recovered = _recover(digest, proof, offset);
                bool ok = recovered != address(0) && recovered == ValidatorSetLib.signerOf(members[i]);
                require(ok, BadSigner(i));
                offset += SIGNATURE_BYTES;
                signedWeight += cumulative - previous;
            }
            previous = cumulative;
        }
        require(offset == proof.length, BadCertLength(proof.length));
    }

    /// @dev Signer of the 64 bytes at `offset` of `proof`, which the caller has checked to be there; zero when the
    ///      signature is not valid or s is high. The same as SignatureLib.tryRecover without its slices.
    function _recover(bytes32 digest, bytes calldata proof, uint256 offset) private view returns (address recovered) {
        uint256 maxS = SignatureLib.MAX_S;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            let position := add(proof.offset, offset)
            let vs := calldataload(add(position, 0x20))
            let s := and(vs, shr(1, not(0)))
            if iszero(gt(s, maxS)) {
                mstore(buffer, digest)
                mstore(add(buffer, 0x20), add(27, shr(255, vs)))
                mstore(add(buffer, 0x40), calldataload(position))
                mstore(add(buffer, 0x60), s)
                // The precompile returns nothing for an invalid signature: the output word is cleared first.
                mstore(0x00, 0)
                if staticcall(gas(), 1, buffer, 0x80, 0x00, 0x20) { recovered := mload(0x00) }
            }
        }
    }
}
