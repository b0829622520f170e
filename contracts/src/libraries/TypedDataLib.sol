// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

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
        return _digest(domain, keccak256(abi.encode(VOTE_TYPEHASH, vote)));
    }

    function checkpointDigest(bytes32 domain, Checkpoint memory checkpoint) internal pure returns (bytes32) {
        return _digest(domain, keccak256(abi.encode(CHECKPOINT_TYPEHASH, checkpoint)));
    }

    function openTermDigest(bytes32 domain, OpenTerm memory openTerm) internal pure returns (bytes32) {
        return _digest(domain, keccak256(abi.encode(OPEN_TERM_TYPEHASH, openTerm)));
    }

    function signerKeyDigest(bytes32 domain, SignerKey memory signerKey) internal pure returns (bytes32) {
        return _digest(domain, keccak256(abi.encode(SIGNER_KEY_TYPEHASH, signerKey)));
    }

    function _digest(bytes32 domain, bytes32 structHash) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }
}
