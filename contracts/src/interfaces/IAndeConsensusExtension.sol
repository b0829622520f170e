// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity >=0.8.28;

import {
    Checkpoint,
    ConsensusConfig,
    OpenTerm,
    SetInfo,
    SetMember,
    SignerKey,
    ValidatorView,
    Vote
} from "../consensus/AndeTypes.sol";
import {IAndeConsensusEvents} from "./IAndeConsensusEvents.sol";

/// @title IAndeConsensusExtension
/// @notice Administration and reads: the part of IAndeConsensus whose code is in a second contract (code size limit).
///         Call it at the address of the consensus contract.
interface IAndeConsensusExtension is IAndeConsensusEvents {
    // Admin ---------------------------------------------------------------------------------------

    /// @notice Sets all parameters; before launch only.
    /// @dev Chain id, genesis, rotationInterval and windowsPerEpoch are fixed once a coordinator is set, since the
    ///      coordinator holds them as immutables.
    function configure(ConsensusConfig calldata config_) external;

    /// @notice Sets the coordinator; possible before launch, and once after launch when none was set. Later ones:
    ///         proposeCoordinator.
    /// @dev The first one also brings the code of exits, slashing and halts, for ever: see `duties`.
    /// @custom:reverts CoordinatorMismatch when it was built for another consensus contract or other parameters
    function setCoordinator(address coordinator_) external;

    /// @notice Replaces the stake token; before the first registration only.
    function setStakeToken(address token) external;

    /// @notice Replaces the certificate verifier; before launch only.
    function setVerifier(address verifier_) external;

    /// @notice Allows or disallows an owner to register while the contract is permissioned.
    function setAllowed(address owner_, bool allowed) external;

    /// @notice Opens registration for everybody; cannot be undone.
    function disablePermissioned() external;

    // Reads: validators ---------------------------------------------------------------------------

    /// @notice Signers of the current epoch in set order; while not launched the candidates.
    function getActiveValidators() external view returns (address[] memory);

    /// @notice Members of the set of `epoch` in set order.
    /// @custom:reverts EpochNotFrozen
    function getValidatorSet(uint64 epoch) external view returns (SetMember[] memory);

    /// @notice Id of the set of `epoch`; 0 when the epoch is not frozen.
    function setIdOf(uint64 epoch) external view returns (uint32);

    /// @notice Set by id, also one that a halt made void. The low 24 bits of an id are 1 + the first epoch that uses the
    ///         set, the bits above count relaunches; so ids grow but are not dense.
    function setInfo(uint32 setId) external view returns (SetInfo memory);

    /// @custom:reverts UnknownValidator
    function getValidator(uint32 id) external view returns (ValidatorView memory);

    /// @notice Up to `count` validators with ids from `from` (at least 1).
    function getValidators(uint32 from, uint32 count) external view returns (ValidatorView[] memory);

    /// @notice Id that the key belongs to, for ever; 0 when it was never used.
    function idOfSigner(address signer) external view returns (uint32);

    /// @notice Id that the account owns now; 0 when it owns none.
    function idOfOwner(address owner_) external view returns (uint32);

    /// @notice True for a signer of the current epoch's set; while not launched for a candidate.
    function isActiveSigner(address signer) external view returns (bool);

    /// @notice True when the account may register or take over a validator as far as the list of allowed ones goes.
    function isAllowed(address owner_) external view returns (bool);

    /// @notice Nonce of the owner's next SignerKey message.
    function nonces(address owner_) external view returns (uint256);

    // Reads: schedule -----------------------------------------------------------------------------

    /// @notice Signer whose turn it is for the height after the last accepted batch.
    function currentProposer() external view returns (address);

    /// @notice Scheduled proposer of a height, nobody skipped.
    function proposerAt(uint64 height) external view returns (address);

    /// @notice Proposer of a height after `skip` proposers of its window were passed over.
    function proposerAt(uint64 height, uint32 skip) external view returns (address);

    /// @notice The same as index in the set of the epoch and as id.
    function proposerIndexAt(uint64 height, uint32 skip) external view returns (uint256 index, uint32 id);

    /// @notice Epoch of an L2 height.
    function epochOf(uint64 height) external view returns (uint64);

    /// @notice Window of an L2 height.
    function windowOf(uint64 height) external view returns (uint64);

    /// @notice Epoch of the last accepted batch; before the first one after launch or relaunch, the first epoch.
    function currentEpoch() external view returns (uint64);

    /// @notice Highest epoch whose set is frozen.
    /// @custom:reverts NotLaunched
    function lastFrozenEpoch() external view returns (uint64);

    /// @notice seed(e) = keccak256(abi.encode(seed(e-1), e, setId(e))), seed(-1) = 0. Zero when not frozen.
    function seedOf(uint64 epoch) external view returns (bytes32);

    /// @notice Era of the messages that count now; it grows with every halt and every escape batch.
    function era() external view returns (uint32);

    /// @notice False before the launch and from a halt to the relaunch.
    function launched() external view returns (bool);

    /// @notice Weight of all members of the set of `epoch`.
    /// @custom:reverts EpochNotFrozen
    function totalWeight(uint64 epoch) external view returns (uint256);

    /// @notice Settlement time at which the first batch of the next epoch was accepted, or at which a halt found all of
    ///         its heights in batches; 0 before.
    function epochClosedAt(uint64 epoch) external view returns (uint64);

    /// @notice Windows of `epoch` in which the validator was skipped, as certified by accepted batches.
    function missedWindows(uint64 epoch, uint32 id) external view returns (uint32);

    /// @notice Windows of `epoch` in which at least one proposer was skipped.
    function skippedWindows(uint64 epoch) external view returns (uint32);

    // Reads: contract -----------------------------------------------------------------------------

    /// @notice Parameters that are effective now.
    function config() external view returns (ConsensusConfig memory);

    /// @notice Token of the stake.
    function stakeToken() external view returns (address);

    /// @notice The coordinator; zero before the first one.
    function coordinator() external view returns (address);

    /// @notice Contract with the code of exits, slashing, downtime and halts; zero before the first coordinator.
    function duties() external view returns (address);

    /// @notice Verifier that the next stored set will use.
    function verifier() external view returns (address);

    /// @notice Sum of all stakes, token wei.
    function bonded() external view returns (uint256);

    /// @notice Version of the contracts.
    function version() external pure returns (string memory);

    /// @notice Hash that stands for batch 0: keccak256(abi.encode("ANDE_GENESIS", l2ChainId, l2GenesisHash)).
    function genesisBatchHash() external view returns (bytes32);

    /// @notice What a validator signs for a vote.
    function voteDigest(Vote calldata vote) external view returns (bytes32);

    /// @notice What a validator signs for a batch.
    function checkpointDigest(Checkpoint calldata checkpoint) external view returns (bytes32);

    /// @notice What a validator signs to open a term.
    function openTermDigest(OpenTerm calldata openTerm_) external view returns (bytes32);

    /// @notice What a signer key signs to be bound to an owner.
    function signerKeyDigest(SignerKey calldata signerKey) external view returns (bytes32);

    // Read aliases for existing tooling -----------------------------------------------------------

    /// @notice currentProposer.
    function getCurrentProposer() external view returns (address);

    /// @notice Window of the height after the last accepted batch.
    function getCurrentRotation() external view returns (uint64);

    /// @notice isActiveSigner.
    function isValidator(address signer) external view returns (bool);

    /// @notice Weight of the current set; while not launched, of the candidates.
    function totalVotingPower() external view returns (uint256);

    /// @notice Number of getActiveValidators.
    function getActiveValidatorsCount() external view returns (uint256);
}
