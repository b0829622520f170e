// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";

import {Checkpoint, OpenTerm, SignerKey, Vote} from "../consensus/AndeTypes.sol";

/// @title TypedDataLib
/// @notice EIP-712 domain and the four message types that validators sign.
library TypedDataLib {
    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 internal constant NAME_HASH = keccak256("AndeSequencer");
    bytes32 internal constant VERSION_HASH = keccak256("1");

    bytes32 internal constant VOTE_TYPEHASH = keccak256(
        "Vote(uint64 l2ChainId,uint32 era,uint64 epoch,uint64 height,uint32 round,uint8 kind,bytes32 blockHash)"
    );
    bytes32 internal constant CHECKPOINT_TYPEHASH = keccak256(
        "Checkpoint(uint64 l2ChainId,uint32 era,uint64 epoch,uint64 batchIndex,uint32 attempt,bytes32 parentBatchHash,bytes32 contentHash,bytes32 daHash)"
    );
    bytes32 internal constant OPEN_TERM_TYPEHASH =
        keccak256("OpenTerm(uint64 l2ChainId,uint32 era,uint64 epoch,uint64 term)");
    bytes32 internal constant SIGNER_KEY_TYPEHASH =
        keccak256("SignerKey(address owner,address signer,bytes32 p2pPeerId,uint256 nonce,uint256 deadline)");

    /// @notice Separator of the consensus contract on this chain.
    function domainSeparator(address verifyingContract) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, verifyingContract));
    }

    function voteDigest(bytes32 domain, Vote memory vote) internal pure returns (bytes32) {
        uint256 ptr;
        assembly ("memory-safe") {
            ptr := vote
        }
        return _digest(domain, VOTE_TYPEHASH, ptr, 7);
    }

    function checkpointDigest(bytes32 domain, Checkpoint memory checkpoint) internal pure returns (bytes32) {
        uint256 ptr;
        assembly ("memory-safe") {
            ptr := checkpoint
        }
        return _digest(domain, CHECKPOINT_TYPEHASH, ptr, 8);
    }

    function openTermDigest(bytes32 domain, OpenTerm memory openTerm) internal pure returns (bytes32) {
        uint256 ptr;
        assembly ("memory-safe") {
            ptr := openTerm
        }
        return _digest(domain, OPEN_TERM_TYPEHASH, ptr, 4);
    }

    function signerKeyDigest(bytes32 domain, SignerKey memory signerKey) internal pure returns (bytes32) {
        uint256 ptr;
        assembly ("memory-safe") {
            ptr := signerKey
        }
        return _digest(domain, SIGNER_KEY_TYPEHASH, ptr, 5);
    }

    /// @dev Digest of a struct of `words` value types, whose memory is what abi.encode would copy.
    function _digest(bytes32 domain, bytes32 typeHash, uint256 ptr, uint256 words) private pure returns (bytes32) {
        bytes32 structHash;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, typeHash)
            mcopy(add(buffer, 0x20), ptr, shl(5, words))
            structHash := keccak256(buffer, shl(5, add(words, 1)))
        }
        return MessageHashUtils.toTypedDataHash(domain, structHash);
    }
}
