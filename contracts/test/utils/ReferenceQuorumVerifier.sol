// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {BadBitmap, BadCertLength, BadSigner} from "../../src/consensus/AndeErrors.sol";
import {IQuorumVerifier} from "../../src/interfaces/IQuorumVerifier.sol";
import {SignatureLib} from "../../src/libraries/SignatureLib.sol";
import {ValidatorSetLib} from "../../src/libraries/ValidatorSetLib.sol";

/// @title ReferenceQuorumVerifier
/// @notice EcdsaQuorumVerifier in plain Solidity, to compare with.
contract ReferenceQuorumVerifier is IQuorumVerifier {
    function verify(address setPtr, uint32 size, bytes32 digest, uint256 signers, bytes calldata proof)
        external
        view
        returns (uint256 signedWeight)
    {
        require(signers != 0 && size <= 256, BadBitmap(signers));
        for (uint256 i = size; i < 256; ++i) {
            require((signers >> i) & 1 == 0, BadBitmap(signers));
        }
        uint256[] memory members = ValidatorSetLib.load(setPtr, size);
        uint256 used = 0;
        for (uint256 i = 0; i < size; ++i) {
            if ((signers >> i) & 1 == 0) continue;
            require(used + 64 <= proof.length, BadCertLength(proof.length));
            address recovered = SignatureLib.tryRecover(digest, proof[used:used + 64]);
            bool ok = recovered != address(0) && recovered == ValidatorSetLib.signerOf(members[i]);
            require(ok, BadSigner(i));
            used += 64;
            signedWeight += ValidatorSetLib.memberWeight(members, i);
        }
        require(used == proof.length, BadCertLength(proof.length));
    }
}
