//! Whether the configured contracts are the deployment this node belongs to.

use alloy::primitives::B256;
use alloy::{eips::BlockId, primitives::Address, sol_types::SolCall};
use ande_contracts::{
    AndeConsensus, AndeSequencerCoordinator as Coordinator, quorum_fraction, schedule_rules,
};
use ande_primitives::{Domain, genesis_batch_hash};

use crate::{ContractConfig, DeploymentError, L1Client, L1Config, L1Error};

/// Name and version that the contracts answer with; the part before the last dot must be equal.
const CONTRACT_VERSION: &str = "0.1.";

/// Asks the contracts who they are and compares with what the node expects. Nothing may be signed
/// before this succeeded once: a wrong contract address means a wrong signing domain.
///
/// # Errors
/// The first thing that differs; [`DeploymentError::L1`] when the chain cannot be asked.
pub async fn check_deployment(
    client: &L1Client,
    config: &L1Config,
    l2_chain_id: u64,
    l2_genesis_hash: B256,
) -> Result<ContractConfig, DeploymentError> {
    let got = client.served_chain_id().await.map_err(DeploymentError::L1)?;
    if got != config.chain_id {
        return Err(DeploymentError::WrongChainId { expected: config.chain_id, got });
    }
    check_consensus(client, config, l2_chain_id).await?;
    check_coordinator(client, config, l2_chain_id).await?;

    let consensus = Asked { client, address: config.consensus, what: CONSENSUS };
    let got = consensus.call(&AndeConsensus::coordinatorCall {}).await?;
    if got != config.coordinator {
        return Err(DeploymentError::CoordinatorMismatch { expected: config.coordinator, got });
    }
    let expected = genesis_batch_hash(l2_chain_id, l2_genesis_hash);
    let got = consensus.call(&AndeConsensus::genesisBatchHashCall {}).await?;
    if got != expected {
        return Err(DeploymentError::GenesisMismatch { expected, got });
    }
    read_config(client, config.consensus).await.map_err(DeploymentError::L1)
}

/// The contract's parameters at the latest block.
///
/// # Errors
/// When the chain cannot be asked or the values cannot be used.
pub async fn read_config(client: &L1Client, consensus: Address) -> Result<ContractConfig, L1Error> {
    let config = client.call(consensus, &AndeConsensus::configCall {}, BlockId::latest()).await?;
    Ok(ContractConfig {
        l2_chain_id: config.l2ChainId,
        rules: schedule_rules(&config)?,
        quorum: quorum_fraction(config.quorumNum, config.quorumDen)?,
        min_validators: config.minValidators,
        max_validators: config.maxValidators,
        min_stake: config.minStake.to(),
        auto_launch: config.autoLaunch,
    })
}

const CONSENSUS: &str = "AndeConsensus";
const COORDINATOR: &str = "AndeSequencerCoordinator";

/// One contract being asked who it is: any refusal or strange answer means it is something else.
struct Asked<'a> {
    client: &'a L1Client,
    address: Address,
    what: &'static str,
}

impl Asked<'_> {
    async fn call<C: SolCall>(&self, call: &C) -> Result<C::Return, DeploymentError> {
        self.client.call(self.address, call, BlockId::latest()).await.map_err(|error| match error {
            L1Error::NoCode(address) => DeploymentError::NoCode(address),
            L1Error::Reverted(_) | L1Error::WrongAnswer { .. } => {
                self.wrong(format!("{}: {error}", C::SIGNATURE))
            }
            other => DeploymentError::L1(other),
        })
    }

    async fn has_code(&self) -> Result<(), DeploymentError> {
        let code = self.client.code(self.address).await.map_err(DeploymentError::L1)?;
        if code.is_empty() { Err(DeploymentError::NoCode(self.address)) } else { Ok(()) }
    }

    fn version(&self, version: &str) -> Result<(), DeploymentError> {
        if version.starts_with(CONTRACT_VERSION) {
            return Ok(());
        }
        let shown: String = version.chars().take(32).collect();
        Err(self.wrong(format!("version {shown:?}, this software works with {CONTRACT_VERSION}x")))
    }

    fn wrong(&self, why: String) -> DeploymentError {
        DeploymentError::WrongContract { address: self.address, expected: self.what, why }
    }
}

async fn check_consensus(
    client: &L1Client,
    config: &L1Config,
    l2_chain_id: u64,
) -> Result<(), DeploymentError> {
    let asked = Asked { client, address: config.consensus, what: CONSENSUS };
    asked.has_code().await?;
    // Only the consensus contract knows a domain separator; the version alone both contracts have.
    let got = asked.call(&AndeConsensus::domainSeparatorCall {}).await?;
    asked.version(&asked.call(&AndeConsensus::versionCall {}).await?)?;
    let served = asked.call(&AndeConsensus::configCall {}).await?.l2ChainId;
    if served != l2_chain_id {
        return Err(DeploymentError::L2ChainMismatch { expected: l2_chain_id, got: served });
    }
    let expected = Domain::new(config.chain_id, config.consensus, l2_chain_id).separator();
    if got != expected {
        return Err(DeploymentError::DomainMismatch { expected, got });
    }
    Ok(())
}

async fn check_coordinator(
    client: &L1Client,
    config: &L1Config,
    l2_chain_id: u64,
) -> Result<(), DeploymentError> {
    let asked = Asked { client, address: config.coordinator, what: COORDINATOR };
    asked.has_code().await?;
    let got = asked.call(&Coordinator::consensusCall {}).await?;
    if got != config.consensus {
        return Err(DeploymentError::ConsensusMismatch { expected: config.consensus, got });
    }
    asked.version(&asked.call(&Coordinator::versionCall {}).await?)?;
    let served = asked.call(&Coordinator::l2ChainIdCall {}).await?;
    if served != l2_chain_id {
        return Err(DeploymentError::L2ChainMismatch { expected: l2_chain_id, got: served });
    }
    Ok(())
}
