// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

// Data types of the settlement contracts.
//
// Units: stake in token wei; weight in whole tokens; heights in L2 blocks; times in seconds.

/// @notice Life cycle of a validator identity.
enum ValidatorStatus {
    None,
    Active,
    Jailed,
    Exiting,
    Tombstoned,
    Exited
}

/// @notice How the windows of an epoch are dealt to the members of the set.
enum ScheduleMode {
    RoundRobin,
    Weighted
}

/// @notice All parameters of a deployment.
struct ConsensusConfig {
    /// Chain id of the L2 that the validators sequence; part of every signed message.
    uint64 l2ChainId;
    /// Hash of the L2 genesis block; the batch chain starts from it.
    bytes32 l2GenesisHash;
    /// Heights per window (N).
    uint32 rotationInterval;
    /// Windows per epoch (W).
    uint32 windowsPerEpoch;
    /// Block times without a block after which the proposer of a window is skipped.
    uint16 timeoutBlocks;
    ScheduleMode mode;
    /// Candidates needed to launch.
    uint16 minValidators;
    /// Upper bound of a set; at most 256, the width of a certificate bitmap.
    uint16 maxValidators;
    /// Smallest stake of a registration, token wei.
    uint96 minStake;
    /// Largest share of one member in basis points of the uncapped total; 0 switches the cap off.
    uint16 maxWeightBps;
    /// A certificate needs strictly more than quorumNum / quorumDen of the weight.
    uint16 quorumNum;
    uint16 quorumDen;
    /// When set, only allowed owners may register.
    bool permissioned;
    /// When set, the registration that reaches minValidators launches the chain.
    bool autoLaunch;
    /// Seconds after the end of an epoch in which evidence about it is accepted.
    uint32 evidenceWindow;
    /// Seconds between the end of the last duty epoch and the claim of the stake.
    uint32 unbondingDelay;
    /// Seconds without a batch after which a halt may be declared.
    uint32 haltTimeout;
    /// Epochs a jailed validator stays out.
    uint32 jailDuration;
    uint16 baseSlashBps;
    uint16 correlationFactor;
    uint16 reporterShareBps;
    /// Slash of the second and of the third downtime offence, basis points of the stake.
    uint16 downtimeSlashBps2;
    uint16 downtimeSlashBps3;
    /// Receiver of slashed stake.
    address slashSink;
}

/// @notice Stored record of a validator; the key of the mapping is its id.
struct Validator {
    address owner;
    uint96 stake;
    // slot 1
    address signer;
    uint16 activeIndexPlus1;
    ValidatorStatus status;
    /// Downtime offences in a row, each within the strike memory of the one before.
    uint8 downtimeStrikes;
    /// Epoch from which the validator may leave jail.
    uint48 jailedUntil;
    // slot 2
    bytes32 p2pPeerId;
    // slot 3
    /// First epoch whose set can contain the validator.
    uint32 joinEpoch;
    /// Last frozen epoch when the validator left the candidates.
    uint32 lastDutyEpoch;
    /// Epoch of the equivocation.
    uint32 slashEpoch;
    uint32 nextEndpointEpoch;
    /// Era in which the last duty epoch was frozen, and era of the equivocation.
    uint24 dutyEra;
    uint24 slashEra;
    /// Seconds, fixed when the validator leaves.
    uint32 unbondingDelay;
    uint48 lastStrikeAt;
    // slot 4
    address pendingOwner;
    uint32 evictedBy;
    /// First epoch that the present signer can be in.
    uint32 signerFrom;
    // slot 5
    string rpcEndpoint;
}

/// @notice A validator as the read functions return it.
struct ValidatorView {
    uint32 id;
    address owner;
    address signer;
    bytes32 p2pPeerId;
    string rpcEndpoint;
    uint256 stake;
    uint256 weight;
    ValidatorStatus status;
    /// First epoch whose set can contain the validator (after launch: the next epoch to be frozen).
    uint64 joinEpoch;
    uint64 lastDutyEpoch;
    uint64 jailedUntil;
    /// Time from which the stake can be claimed; 0 while it is not known.
    uint256 unlockTime;
}

/// @notice One member of a frozen set, in set order (ascending id).
struct SetMember {
    address signer;
    uint64 weight;
    uint32 id;
}

/// @notice Where a frozen set lives and how large it is.
struct SetInfo {
    address ptr;
    uint32 size;
    uint64 totalWeight;
}

/// @notice Everything that is needed to judge a certificate of one epoch.
struct QuorumContext {
    bytes32 domainSeparator;
    uint32 era;
    address setPtr;
    uint32 size;
    uint64 totalWeight;
    address verifier;
    uint16 quorumNum;
    uint16 quorumDen;
}

/// @notice Set of one epoch: one slot. `totalWeight` cannot exceed 256 * 2^96 / 10^18 < 2^48.
struct EpochSet {
    address ptr;
    uint32 setId;
    uint16 size;
    uint48 totalWeight;
}

/// @notice What is learned about an epoch after it was opened: one slot.
struct EpochRecord {
    /// Time of the first batch of the next epoch.
    uint64 closedAt;
    /// Era whose start made the set of this epoch void; 0 when none did.
    uint32 voidedBy;
    uint32 skippedWindows;
    /// Weight of the members that were slashed for equivocation in this epoch.
    uint48 slashedWeight;
    /// True when downtime was judged.
    bool settled;
}

/// @notice Set of an epoch that a halt made void, for evidence and unbonding.
struct VoidedSet {
    EpochSet set;
    /// Time of the halt.
    uint64 closedAt;
    /// Era that voided the set before this one; 0 when there was none. The set served eras from here on.
    uint32 since;
}

/// @notice What every batch reads: one slot. Epochs need no more than 32 bits, eras no more than 24.
struct LiveState {
    address coordinator;
    uint24 era;
    /// Bit 0: launched. Above it the mask of what the guardian paused, which may have expired.
    uint8 flags;
    /// Number of epochs in which a batch was accepted.
    uint32 epochsOpened;
    uint32 lastFrozenEpoch;
}

/// @notice What every registration writes: one slot.
struct RegistryState {
    uint32 nextId;
    /// True when the candidates changed since the last stored set.
    bool setDirty;
    /// From the configuration.
    bool permissioned;
    /// From the configuration.
    bool autoLaunch;
    /// Sum of all stakes, token wei.
    uint128 bonded;
    /// True when changed parameters wait for the next frozen epoch.
    bool configPending;
    /// Number of relaunches; part of set ids.
    uint8 generation;
}

/// @notice The parameters that registrations and freezes read: one slot. The whole configuration is stored as code.
struct HotConfig {
    uint24 rotationInterval;
    uint16 windowsPerEpoch;
    ScheduleMode mode;
    uint16 minValidators;
    uint16 maxValidators;
    uint96 minStake;
    uint16 maxWeightBps;
    uint16 quorumNum;
    uint16 quorumDen;
    /// The evidence window, rounded up.
    uint24 evidenceMinutes;
    uint8 correlationFactor;
}

/// @notice Rules that are frozen together with a set.
struct SetRules {
    address verifier;
    uint16 quorumNum;
    uint16 quorumDen;
    ScheduleMode mode;
    uint32 windowsPerEpoch;
    uint24 evidenceMinutes;
    uint8 correlationFactor;
}

/// @notice Ids behind an address. `signerOf` is written once and never changes.
struct Roles {
    uint32 signerOf;
    uint32 ownerOf;
}

/// @notice Consensus message: kind 0 proposal, 1 prevote, 2 precommit.
struct Vote {
    uint64 l2ChainId;
    uint32 era;
    uint64 epoch;
    uint64 height;
    uint32 round;
    uint8 kind;
    bytes32 blockHash;
}

/// @notice What a validator signs for a batch.
struct Checkpoint {
    uint64 l2ChainId;
    uint32 era;
    uint64 epoch;
    uint64 batchIndex;
    uint32 attempt;
    bytes32 parentBatchHash;
    bytes32 contentHash;
    bytes32 daHash;
}

/// @notice Statement that fences every leader of a lower term.
struct OpenTerm {
    uint64 l2ChainId;
    uint32 era;
    uint64 epoch;
    uint64 term;
}

/// @notice Proof of possession of a signer key, bound to the owner that uses it.
struct SignerKey {
    address owner;
    address signer;
    bytes32 p2pPeerId;
    uint256 nonce;
    uint256 deadline;
}

/// @notice Header of a batch; `keccak256(abi.encode(header))` is its content hash.
struct BatchHeader {
    uint8 version;
    uint32 era;
    uint64 epoch;
    uint64 batchIndex;
    uint64 startHeight;
    uint64 endHeight;
    /// (window of endHeight << 16) | skip of the last block.
    uint64 term;
    /// Number of forced transactions consumed by this batch and all before it.
    uint64 forcedUpTo;
    uint32 txCount;
    bytes32 parentBatchHash;
    bytes32 lastBlockHash;
    bytes32 stateRoot;
    bytes32 txRoot;
    bytes32 forcedAcc;
    bytes32 skipsHash;
    address feeRecipient;
}

/// @notice Where the data of a batch is: kind 0 calldata, 1 blobs, 2 Celestia.
struct DaPointer {
    uint8 kind;
    uint64 height;
    bytes32 commitment;
    uint32 size;
}

/// @notice Certificate: bit i of `signers` is member i of the set, signatures in ascending index order.
struct QuorumCert {
    uint32 attempt;
    uint256 signers;
    bytes signatures;
}

/// @notice Last accepted batch: one slot. `acceptedAt` is the time of the last certified batch.
struct BatchTip {
    uint64 batchIndex;
    uint64 endHeight;
    uint64 term;
    uint64 acceptedAt;
}

/// @notice Counters of the forced queue and the highest opened term: one slot.
struct QueueState {
    uint64 forcedHead;
    uint64 forcedTail;
    /// Time of the last escape batch, of the deployment before the first.
    uint64 lastEscapeAt;
    uint64 openedTerm;
}

/// @notice Entry of the forced queue as it is stored: two slots.
struct QueuedTransaction {
    bytes32 acc;
    uint64 enqueuedAt;
    uint64 l1Block;
    /// Sum of the fees of this and all entries before.
    uint128 feesUpTo;
}

/// @notice Entry of the forced queue as the read function returns it.
struct ForcedEntry {
    bytes32 acc;
    uint64 enqueuedAt;
    uint64 l1Block;
    uint128 fee;
}
