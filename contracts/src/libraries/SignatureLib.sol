// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title SignatureLib
/// @notice secp256k1 recovery for the two encodings in use, without malleable forms.
library SignatureLib {
    /// @dev Largest s that is not malleable: half of the group order.
    uint256 internal constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    /// @dev Low 255 bits of an EIP-2098 `vs` word.
    uint256 internal constant S_MASK = (1 << 255) - 1;

    /// @notice Signer of `digest`; 64 bytes are r||vs (EIP-2098), 65 bytes r||s||v with v 27 or 28.
    /// @return signer Zero when the signature has another length, a high s, or recovers nothing.
    function tryRecover(bytes32 digest, bytes calldata signature) internal pure returns (address signer) {
        bytes32 r;
        uint256 s;
        uint8 v;
        if (signature.length == 64) {
            r = bytes32(signature[0:32]);
            uint256 vs = uint256(bytes32(signature[32:64]));
            s = vs & S_MASK;
            v = uint8(27 + (vs >> 255));
        } else if (signature.length == 65) {
            r = bytes32(signature[0:32]);
            s = uint256(bytes32(signature[32:64]));
            v = uint8(signature[64]);
        } else {
            return address(0);
        }
        if (s > MAX_S) return address(0);
        return ecrecover(digest, v, r, bytes32(s));
    }
}
