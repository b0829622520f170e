// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BadBitmap, BadCertLength, BadSigner} from "../consensus/AndeErrors.sol";
import {IQuorumVerifier} from "../interfaces/IQuorumVerifier.sol";
import {ValidatorSetLib} from "../libraries/ValidatorSetLib.sol";

/// @title EcdsaQuorumVerifier
/// @notice Certificates of secp256k1 signatures: 64 bytes r||vs (EIP-2098, low s) per bit, in ascending index order.
contract EcdsaQuorumVerifier is IQuorumVerifier {
    /// @dev No index.
    uint256 private constant NONE = type(uint256).max;
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

        // Where there is no such set the members read as zero, and zero signs nothing.
        return _signedWeight(ValidatorSetLib.load(setPtr, size), digest, signers, proof);
    }

    /// @dev One pass over the members. The loop is assembly because its cost is paid for every signature of every
    ///      batch; ReferenceQuorumVerifier in the tests is the same in plain Solidity.
    function _signedWeight(uint256[] memory members, bytes32 digest, uint256 signers, bytes calldata proof)
        private
        view
        returns (uint256 signedWeight)
    {
        uint256 badIndex = NONE;
        uint256 used = 0;
        assembly ("memory-safe") {
            // Input of the recovery precompile (digest, v, r, s) and its output, above the free memory pointer.
            let input := mload(0x40)
            let output := add(input, 0x80)
            mstore(input, digest)
            let word := add(members, 0x20)
            let previous := 0 // cumulative weight of the member before
            let index := 0
            for { let bits := signers } bits { bits := shr(1, bits) } {
                let member := mload(word)
                let cumulative := and(shr(32, member), 0xffffffffffffffff)
                if and(bits, 1) {
                    let position := add(proof.offset, used)
                    used := add(used, 64)
                    if gt(used, proof.length) { break }
                    let vs := calldataload(add(position, 0x20))
                    let s := and(vs, shr(1, not(0)))
                    mstore(add(input, 0x20), add(27, shr(255, vs)))
                    mstore(add(input, 0x40), calldataload(position))
                    mstore(add(input, 0x60), s)
                    // The precompile returns nothing for an invalid signature: the output word is cleared first.
                    mstore(output, 0)
                    let ok := staticcall(gas(), 1, input, 0x80, output, 0x20)
                    // Signed by this member, who is not zero, with a low s (half of the group order). In a block of its own,
                    // because code that is not optimised would be too deep for the stack.
                    {
                        let recovered := mload(output)
                        ok := and(ok, eq(recovered, shr(96, member)))
                        ok := and(ok, iszero(iszero(recovered)))
                    }
                    ok := and(ok, lt(s, 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1))
                    if iszero(ok) {
                        badIndex := index
                        break
                    }
                    signedWeight := add(signedWeight, sub(cumulative, previous))
                }
                previous := cumulative
                word := add(word, 0x20)
                index := add(index, 1)
            }
        }
        require(badIndex == NONE, BadSigner(badIndex));
        require(used == proof.length, BadCertLength(proof.length));
    }
}
