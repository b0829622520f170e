// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {BatchHeader, DaPointer, QuorumCert} from "../../consensus/AndeTypes.sol";

/// @title IAndeBlobBatches
/// @notice Batches whose data is not calldata. Not implemented yet: no contract here inherits this interface.
interface IAndeBlobBatches {
    /// @notice Data on another layer (DA kind 2), attested by the quorum.
    function submitBatch(
        BatchHeader calldata header,
        DaPointer calldata da,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external;

    /// @notice Data in the blobs of this transaction (DA kind 1): commitment = keccak256(abi.encode(versionedHashes)).
    function submitBatchWithBlobs(
        BatchHeader calldata header,
        DaPointer calldata da,
        bytes32[] calldata versionedHashes,
        QuorumCert calldata qc,
        bytes calldata skips
    ) external;
}
