// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {Checkpoint, Vote} from "../consensus/AndeTypes.sol";
import {IAndeConsensusEvents} from "./IAndeConsensusEvents.sol";

/// @title IAndeSlashing
/// @notice Evidence, downtime and halt. Permissionless, and nothing here can be paused.
/// @dev A part of IAndeConsensus: call it at the address of the consensus contract.
///      Not punished, because this chain cannot judge it: amnesia (breaking a lock) and wrong state roots.
interface IAndeSlashing is IAndeConsensusEvents {
    /// @notice Punishes two votes of one key for the same era, epoch, height, round and kind with different hashes; no
    ///         block (zero) counts as a hash.
    /// @dev The validator loses baseSlashBps of its stake at once, of which the caller gets reporterShareBps, and is
    ///      tombstoned for ever; the rest stays locked as in an exit and is judged again by claimExit. One slash per id.
    /// @param a The one vote.
    /// @param otherBlockHash Hash of the other vote, which is the same otherwise.
    /// @param setIndex Index of the signer in the set that served the vote's epoch in the vote's era.
    /// @param sigA Signature over `a`, 64 (r||vs) or 65 (r||s||v) bytes.
    /// @param sigB Signature over the other vote.
    /// @custom:reverts InvalidEvidence, EpochNotFrozen, NotInSet, EvidenceExpired, AlreadyTombstoned, WrongStatus
    function submitVoteEvidence(
        Vote calldata a,
        bytes32 otherBlockHash,
        uint256 setIndex,
        bytes calldata sigA,
        bytes calldata sigB
    ) external;

    /// @notice Punishes two checkpoints of one key for the same era, batch index and parent with different content, or
    ///         with the same attempt and different data.
    /// @dev The parent is part of the rule: after a reorganization of the settlement chain an honest validator may have
    ///      to sign other content on another parent. Two chains that conflict share a last common parent.
    /// @param setIndex Index of the signer in the set of `a`'s epoch and era.
    /// @custom:reverts Those of submitVoteEvidence
    function submitCheckpointEvidence(
        Checkpoint calldata a,
        Checkpoint calldata b,
        uint256 setIndex,
        bytes calldata sigA,
        bytes calldata sigB
    ) external;

    /// @notice Judges the missed windows of a closed epoch, once, before its evidence window is over.
    /// @dev Who missed at least 2 windows and at least half as many as it was assigned is jailed. The first offence costs
    ///      nothing, the second within 30 days downtimeSlashBps2, every further one downtimeSlashBps3. Nobody is jailed
    ///      when more than a third of the windows were skipped, when more than a third of the members would be, or when
    ///      the epoch met a halt; and two candidates always stay.
    /// @custom:reverts EpochNotFrozen, EpochNotClosed, AlreadySettled, EvidenceExpired
    function settleDowntime(uint64 epoch) external;

    /// @notice Ends the era when no batch was certified for haltTimeout: duties end now, unused frozen sets become void.
    /// @dev Anyone may call. After it stake unbonds without the chain; relaunch starts it again.
    /// @custom:reverts NotLaunched, TooEarly
    function declareHalt() external;

    /// @notice After a halt: freezes fresh sets from the candidates, for the epoch of the next height and the one after.
    /// @custom:reverts NotLaunched, AlreadyLaunched, ParamOutOfBounds with fewer candidates than minValidators
    function relaunch() external;

    /// @notice Sends all slashed stake to the sink.
    function sweepSlashed() external returns (uint256 amount);

    /// @notice True while evidence about a set of `epoch` is accepted.
    function isEvidenceOpen(uint64 epoch) external view returns (bool);

    /// @notice Slashed stake that was not yet sent to the sink, token wei.
    function sinkOwed() external view returns (uint256);

    /// @notice Weight of the members that were slashed for equivocation in `epoch`.
    function slashedWeight(uint64 epoch) external view returns (uint256);
}
