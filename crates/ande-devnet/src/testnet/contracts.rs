//! The contracts of a testnet and its validators in them.

use std::path::Path;

use alloy::primitives::Address;
use ande_contracts::AndeConsensus;
use eyre::{Context as _, ContextCompat as _, Result, ensure};
use serde::Serialize;

use super::{L1_BLOCK_TIME_SECS, SECRETS_DIR, Testnet};
use crate::{
    anvil::{mine_in_intervals, mine_instantly},
    deploy::{self, Account, Contracts, DeployPlan},
    keys::NodeKeys,
};

/// What is deployed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TestnetContracts {
    /// Stake token.
    pub token: Address,
    /// `AndeConsensus`.
    pub consensus: Address,
    /// `AndeSequencerCoordinator`.
    pub coordinator: Address,
    /// Whether all of it was there before.
    pub was_there: bool,
}

/// Deploys the contracts of the testnet in `dir` and registers its validators. What an earlier, also
/// an interrupted, run did is not done again.
///
/// # Errors
/// No testnet in the directory, a settlement chain that does not answer or was used for something
/// else, a transaction that fails.
pub async fn launch(dir: &Path, l1_url: &str, say: &dyn Fn(&str)) -> Result<TestnetContracts> {
    let testnet = Testnet::load(dir)?.wrap_err_with(|| {
        format!(
            "there is no testnet in {dir}; first: ande init testnet --dir {dir}",
            dir = dir.display()
        )
    })?;
    let bank = Account::bank(l1_url)?;
    let missing = missing(&testnet, &bank).await?;
    let was_there = missing.is_empty();
    let contracts = if was_there {
        say("the contracts are there and the validators are registered");
        deploy::existing(&bank).await?
    } else {
        mine_instantly(l1_url).await?;
        let done = act(dir, l1_url, &testnet, &bank, &missing, say).await;
        let back = mine_in_intervals(l1_url, L1_BLOCK_TIME_SECS).await;
        let contracts = done?;
        back?;
        contracts
    };
    Ok(TestnetContracts {
        token: contracts.token,
        consensus: contracts.consensus,
        coordinator: contracts.coordinator,
        was_there,
    })
}

/// Positions of the validators that are not registered; all of them without contracts.
async fn missing(testnet: &Testnet, bank: &Account) -> Result<Vec<usize>> {
    let all = (0..testnet.validators.len()).collect();
    let steps = bank.nonce().await.wrap_err("the settlement chain does not answer")?;
    if steps < deploy::STEPS {
        return Ok(all);
    }
    let consensus = AndeConsensus::new(testnet.consensus, bank.provider());
    let mut missing = Vec::new();
    for index in all {
        let validator: &super::TestnetValidator = &testnet.validators[index];
        let id = consensus.idOfSigner(validator.address).call().await;
        let id = id.wrap_err_with(|| {
            format!("the settlement chain has another contract at {}", testnet.consensus)
        })?;
        if id == 0 {
            missing.push(index);
        }
    }
    Ok(missing)
}

async fn act(
    dir: &Path,
    l1_url: &str,
    testnet: &Testnet,
    bank: &Account,
    missing: &[usize],
    say: &dyn Fn(&str),
) -> Result<Contracts> {
    say("deploying the contracts");
    let plan = DeployPlan {
        l2_chain_id: testnet.l2_chain_id,
        genesis_hash: testnet.genesis_hash,
        rotation: testnet.rotation,
        windows_per_epoch: testnet.windows_per_epoch,
        min_validators: u16::try_from(testnet.validators.len())?,
    };
    let contracts = deploy::deploy(bank, &plan).await?;
    for index in missing {
        let validator = &testnet.validators[*index];
        say(&format!("registering {} ({})", validator.name, validator.address));
        let keys = NodeKeys::load(&dir.join(SECRETS_DIR).join(&validator.name))?;
        ensure!(
            keys.address() == validator.address && keys.node_id() == validator.node_id,
            "the keys of {} are not those that the testnet was made with",
            validator.name
        );
        deploy::fund(bank, contracts.token, validator.address, testnet.stake).await?;
        deploy::register(l1_url, &contracts, &keys, &validator.endpoint, testnet.stake).await?;
    }
    Ok(contracts)
}
