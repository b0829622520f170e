//! The settlement side of a cluster on a real anvil.

use std::{os::unix::fs::MetadataExt as _, path::PathBuf, time::Duration};

use ande_contracts::AndeConsensus;
use ande_devnet::{
    Account, Anvil, DeployPlan, NodeKeys, OnOrphan, Owner, Ports, Rpc, TestnetOptions, deploy,
    fund, init, launch, register, wait_until,
};
use eyre::Result;

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ande-{name}-{}", std::process::id()))
}

fn plan() -> DeployPlan {
    DeployPlan {
        l2_chain_id: 6174,
        genesis_hash: [7; 32].into(),
        rotation: 10,
        windows_per_epoch: 6,
        min_validators: 4,
    }
}

#[tokio::test]
async fn four_validators_register_and_the_chain_survives_a_restart() -> Result<()> {
    let dir = scratch("settlement");
    let mut anvil = Anvil::new(&dir, Ports::free(0)?.settlement, 1, OnOrphan::Kill);
    anvil.start().await?;
    anvil.mine_instantly().await?;
    let bank = Account::bank(&anvil.url())?;
    let contracts = deploy(&bank, &plan()).await?;
    let consensus = AndeConsensus::new(contracts.consensus, bank.provider());
    assert!(!consensus.launched().call().await?);
    let mut addresses = Vec::new();
    for index in 1..=4u32 {
        let keys = NodeKeys::load_or_create(&dir.join(format!("node-{index}")))?;
        fund(&bank, contracts.token, keys.address(), 1000).await?;
        let id = register(&anvil.url(), &contracts, &keys, "http://127.0.0.1:8545", 1000).await?;
        assert_eq!(id, index);
        addresses.push(keys.address());
    }
    anvil.mine_in_intervals().await?;
    assert!(consensus.launched().call().await?);
    assert_eq!(consensus.getActiveValidators().call().await?, addresses);

    // Keys are read back, not made anew.
    let keys = NodeKeys::load_or_create(&dir.join("node-1"))?;
    assert_eq!(keys.address(), addresses[0]);

    let rpc = Rpc::new(anvil.url(), Duration::from_secs(2))?;
    let before = rpc.height().await?;
    wait_until("two blocks are mined in intervals", Duration::from_secs(10), async || {
        Ok((rpc.height().await? >= before + 2).then_some(()))
    })
    .await?;
    anvil.stop().await?;
    assert!(anvil.has_state());
    anvil.start().await?;
    assert_eq!(consensus.getActiveValidators().call().await?, addresses);
    // The state behind the head is there too: nodes read final blocks.
    let finalized = rpc.block("finalized").await?.map(|block| block.number.0);
    let finalized = finalized.ok_or_else(|| eyre::eyre!("no final block"))?;
    assert!(finalized < rpc.height().await?);
    let at_final = consensus.launched().block(finalized.into()).call().await?;
    assert!(at_final);
    anvil.stop().await?;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

#[tokio::test]
async fn refused_registration_names_the_contracts_reason() -> Result<()> {
    let dir = scratch("refused");
    let mut anvil = Anvil::new(&dir, Ports::free(0)?.settlement, 1, OnOrphan::Kill);
    anvil.start().await?;
    anvil.mine_instantly().await?;
    let bank = Account::bank(&anvil.url())?;
    let contracts = deploy(&bank, &plan()).await?;
    let keys = NodeKeys::load_or_create(&dir.join("node-1"))?;
    fund(&bank, contracts.token, keys.address(), 999).await?;
    let error = register(&anvil.url(), &contracts, &keys, "http://127.0.0.1:8545", 999)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("below"), "{error}");
    anvil.stop().await?;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}

#[tokio::test]
async fn an_interrupted_launch_of_a_testnet_goes_on_and_a_second_one_does_nothing() -> Result<()> {
    let dir = scratch("testnet");
    std::fs::create_dir_all(&dir)?;
    let us = std::fs::metadata(&dir)?;
    let owner = Owner { uid: us.uid(), gid: us.gid() };
    let (testnet, _) = init(&dir.join("files"), TestnetOptions::default(), owner)?;
    let mut anvil = Anvil::new(&dir, Ports::free(0)?.settlement, 1, OnOrphan::Kill);
    anvil.start().await?;
    let bank = Account::bank(&anvil.url())?;
    // An earlier run ended after its first transaction.
    AndeConsensus::deploy(bank.provider().clone()).await?;

    let said = std::sync::Mutex::new(Vec::new());
    let say = |text: &str| said.lock().unwrap_or_else(|e| e.into_inner()).push(text.to_owned());
    let done = launch(&dir.join("files"), &anvil.url(), &say).await?;
    assert!(!done.was_there);
    assert_eq!((done.consensus, done.coordinator), (testnet.consensus, testnet.coordinator));
    let consensus = AndeConsensus::new(done.consensus, bank.provider());
    assert!(consensus.launched().call().await?);
    let addresses: Vec<_> = testnet.validators.iter().map(|it| it.address).collect();
    assert_eq!(consensus.getActiveValidators().call().await?, addresses);
    let first = consensus.getValidator(1).call().await?;
    assert_eq!(first.rpcEndpoint, "http://node-1:8545");
    assert_eq!(first.p2pPeerId, testnet.validators[0].node_id.0);
    let config = consensus.config().call().await?;
    assert_eq!(config.l2GenesisHash, testnet.genesis_hash);
    assert_eq!((config.rotationInterval, config.windowsPerEpoch), (10, 6));

    let sent = bank.nonce().await?;
    let again = launch(&dir.join("files"), &anvil.url(), &say).await?;
    assert!(again.was_there && again.token == done.token);
    assert_eq!(bank.nonce().await?, sent);
    let said = said.into_inner().unwrap_or_else(|e| e.into_inner());
    assert_eq!(said.len(), 6, "{said:?}");
    anvil.stop().await?;
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
