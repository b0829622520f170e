//! The validator's side of `AndeConsensus`.

use std::path::PathBuf;

use alloy::{
    contract::{CallBuilder, CallDecoder},
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256},
    providers::{DynProvider, Provider},
};
use ande_contracts::{
    AndeConsensus::{AndeConsensusInstance, ValidatorView},
    AndeToken,
};
use ande_primitives::{Domain, NodeId, SignerKey, ValidatorKey};
use clap::{Args, Subcommand};
use eyre::{ContextCompat as _, Result, bail, ensure};
use serde::Serialize;

use crate::{
    amount::{format_tokens, parse_tokens},
    deployment::{Deployment, Place, signer},
    output::{Output, table},
    secret::Password,
    send::{Step, cast_line, describe, refused, send},
};

/// Validators asked for at once.
const PAGE: u32 = 100;
/// How long the new key's consent to a rotation is good for.
const PROOF_SECONDS: u64 = 3_600;

#[derive(Debug, Subcommand)]
pub(crate) enum ValidatorCommand {
    /// All validators, whatever their status
    List,
    /// One validator
    Show {
        /// Id, or address of its signer or owner
        who: String,
    },
    /// Approve the stake and register
    #[command(after_help = "Example:\n  \
        ande validator register --config node.toml --endpoint https://node.example:8545 --stake 1000")]
    Register {
        #[command(flatten)]
        key: Key,
        /// Where other nodes reach this one
        #[arg(long, value_name = "URL")]
        endpoint: String,
        /// Id of the node; that of the configuration's node key when left out
        #[arg(long, value_name = "HEX")]
        node_id: Option<B256>,
        #[command(flatten)]
        stake: Stake,
    },
    /// Approve and add stake
    TopUp {
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        stake: Stake,
    },
    /// Leave the set; the stake stays locked until the unbonding delay after the last duty is over
    Exit {
        #[command(flatten)]
        key: Key,
    },
    /// Take the stake, less penalties, once it is unlocked
    Claim {
        #[command(flatten)]
        key: Key,
    },
    /// Come back from jail
    Unjail {
        #[command(flatten)]
        key: Key,
    },
    /// Replace the key that votes; once per epoch
    ///
    /// The old key votes until the first epoch whose set has the new one: stop its node only then,
    /// and never run two nodes with one key.
    #[command(after_help = "Example:\n  \
        ande validator rotate-signer --config node.toml --new-key keys/next.key")]
    RotateSigner {
        #[command(flatten)]
        key: Key,
        /// Key file of the new signer, which proves that it agrees
        #[arg(long, value_name = "FILE")]
        new_key: PathBuf,
    },
    /// Replace node id and endpoint; once per epoch
    Update {
        #[command(flatten)]
        key: Key,
        /// Where other nodes reach this one
        #[arg(long, value_name = "URL")]
        endpoint: String,
        /// Id of the node; that of the configuration's node key when left out
        #[arg(long, value_name = "HEX")]
        node_id: Option<B256>,
    },
}

/// Who pays and owns. Never a key itself: a command line is seen by everybody on the machine.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// Key file of the owner; the configuration's validator key when no other is named
    #[arg(long, value_name = "FILE", env = "ANDE_OWNER_KEY_FILE", hide_env_values = true)]
    key: Option<PathBuf>,
    /// Keystore of the owner, as `ande keys` and wallets write it
    #[arg(
        long,
        value_name = "FILE",
        env = "ANDE_OWNER_KEYSTORE",
        hide_env_values = true,
        conflicts_with = "key"
    )]
    keystore: Option<PathBuf>,
    #[command(flatten)]
    password: Password,
    /// Print what would be sent, as `cast` commands, and send nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Stake {
    /// Whole tokens, for example 1000 or 0.5
    #[arg(long = "stake", value_name = "TOKENS", value_parser = parse_tokens)]
    tokens: U256,
}

/// A validator as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) id: u32,
    pub(crate) status: &'static str,
    owner: Address,
    pub(crate) signer: Address,
    node: NodeId,
    pub(crate) endpoint: String,
    /// Whole tokens.
    stake: String,
    weight: String,
    join_epoch: u64,
    last_duty_epoch: u64,
    jailed_until: u64,
    unlock_time: u64,
}

/// What a command that sends did.
#[derive(Debug, Serialize)]
struct Done {
    dry_run: bool,
    owner: Address,
    /// Id of the validator, once it has one.
    validator: Option<u32>,
    steps: Vec<Step>,
}

impl ValidatorCommand {
    pub(crate) async fn run(self, place: &Place, output: Output) -> Result<()> {
        let (sender, steps) = match self {
            Self::List => return output.show(&list(&place.open().await?).await?, |all| rows(all)),
            Self::Show { who } => {
                let deployment = place.open().await?;
                let id = find(&deployment, &who).await?;
                let view = deployment.consensus.getValidator(id).call().await.map_err(refused)?;
                return output.show(&Shown::of(&view), Shown::lines);
            }
            Self::Register { key, endpoint, node_id, stake } => {
                let node = node_id_or_own(place, node_id)?;
                let sender = Sender::open(place, &key).await?;
                ensure!(
                    sender.deployment.consensus.idOfOwner(sender.owner).call().await? == 0,
                    "{} owns a validator already; to add stake: ande validator top-up",
                    sender.owner
                );
                let steps = sender.register(node, endpoint, stake.tokens).await?;
                (sender, steps)
            }
            Self::TopUp { key, stake } => {
                let sender = Sender::open(place, &key).await?;
                let steps = sender.top_up(stake.tokens).await?;
                (sender, steps)
            }
            Self::Exit { key } => Sender::open(place, &key).await?.duty(Duty::Exit).await?,
            Self::Claim { key } => Sender::open(place, &key).await?.duty(Duty::Claim).await?,
            Self::Unjail { key } => Sender::open(place, &key).await?.duty(Duty::Unjail).await?,
            Self::RotateSigner { key, new_key } => {
                let new = ande_node::read_validator_key(&new_key)?;
                let sender = Sender::open(place, &key).await?;
                let steps = vec![sender.rotate(&new).await?];
                (sender, steps)
            }
            Self::Update { key, endpoint, node_id } => {
                let node = node_id_or_own(place, node_id)?;
                let sender = Sender::open(place, &key).await?;
                let steps = sender.update(node, endpoint).await?;
                (sender, steps)
            }
        };
        output.show(&sender.done(steps).await?, Done::lines)
    }
}

impl Key {
    fn read(&self, place: &Place) -> Result<ValidatorKey> {
        match (&self.key, &self.keystore) {
            (Some(file), _) => Ok(ande_node::read_validator_key(file)?),
            (None, Some(keystore)) => self.password.open(keystore),
            (None, None) => {
                let node = place
                    .node()?
                    .wrap_err("say whose validator it is: --key, --keystore or --config")?;
                Ok(ande_node::read_validator_key(&node.validator_key)?)
            }
        }
    }
}

/// What takes nothing but the validator's id.
#[derive(Clone, Copy)]
enum Duty {
    Exit,
    Claim,
    Unjail,
}

/// A key at the contracts.
struct Sender {
    deployment: Deployment,
    owner: Address,
    dry_run: bool,
}

impl Sender {
    async fn open(place: &Place, key: &Key) -> Result<Self> {
        let signer = signer(&key.read(place)?);
        let owner = signer.address();
        Ok(Self { deployment: place.open_with(signer).await?, owner, dry_run: key.dry_run })
    }

    async fn duty(self, duty: Duty) -> Result<(Self, Vec<Step>)> {
        let id = self.own().await?;
        let cast = |signature: &str| self.cast(signature, &[id.to_string()]);
        let consensus = &self.deployment.consensus;
        let step = match duty {
            Duty::Exit => self.act(consensus.requestExit(id), cast("requestExit(uint32)")).await?,
            Duty::Claim => self.act(consensus.claimExit(id), cast("claimExit(uint32)")).await?,
            Duty::Unjail => self.act(consensus.unjail(id), cast("unjail(uint32)")).await?,
        };
        Ok((self, vec![step]))
    }

    async fn register(&self, node: B256, endpoint: String, stake: U256) -> Result<Vec<Step>> {
        let consensus = &self.deployment.consensus;
        let words = [node.to_string(), endpoint.clone(), stake.to_string()];
        let cast = self.cast("registerValidator(bytes32,string,uint256)", &words);
        let call = consensus.registerValidator(node, endpoint, stake);
        let mut steps = self.approve(stake).await?;
        steps.push(self.act(call, cast).await?);
        Ok(steps)
    }

    async fn top_up(&self, stake: U256) -> Result<Vec<Step>> {
        let id = self.own().await?;
        let cast = self.cast("topUp(uint32,uint256)", &[id.to_string(), stake.to_string()]);
        let call = self.deployment.consensus.topUp(id, stake);
        let mut steps = self.approve(stake).await?;
        steps.push(self.act(call, cast).await?);
        Ok(steps)
    }

    async fn rotate(&self, new: &ValidatorKey) -> Result<Step> {
        let consensus = &self.deployment.consensus;
        let id = self.own().await?;
        let l2_chain_id = consensus.config().call().await.map_err(refused)?.l2ChainId;
        let l1_chain_id = consensus.provider().get_chain_id().await?;
        let domain = Domain::new(l1_chain_id, *consensus.address(), l2_chain_id);
        let theirs = consensus.domainSeparator().call().await.map_err(refused)?;
        ensure!(theirs == domain.separator(), "the contract signs for another domain");
        let latest = consensus.provider().get_block(BlockId::latest()).await?;
        let now = latest.wrap_err("the settlement chain has no block")?.header.timestamp;
        let proof = SignerKey {
            owner: self.owner,
            signer: new.address(),
            p2p_peer_id: consensus.getValidator(id).call().await.map_err(refused)?.p2pPeerId,
            nonce: consensus.nonces(self.owner).call().await.map_err(refused)?,
            deadline: U256::from(now.saturating_add(PROOF_SECONDS)),
        };
        let signature = new.sign_digest(domain.signer_key_digest(&proof))?;
        let signature = Bytes::copy_from_slice(signature.as_bytes());
        let words = [
            id.to_string(),
            proof.signer.to_string(),
            proof.deadline.to_string(),
            signature.to_string(),
        ];
        let cast = self.cast("rotateSigner(uint32,address,uint256,bytes)", &words);
        self.act(consensus.rotateSigner(id, proof.signer, proof.deadline, signature), cast).await
    }

    async fn update(&self, node: B256, endpoint: String) -> Result<Vec<Step>> {
        let id = self.own().await?;
        let words = [id.to_string(), node.to_string(), endpoint.clone()];
        let cast = self.cast("updateEndpoint(uint32,bytes32,string)", &words);
        let call = self.deployment.consensus.updateEndpoint(id, node, endpoint);
        Ok(vec![self.act(call, cast).await?])
    }

    /// Sends a call, or plans it.
    async fn act<P: Provider, D: CallDecoder>(
        &self,
        call: CallBuilder<P, D>,
        cast: String,
    ) -> Result<Step> {
        if self.dry_run { Ok(Step::planned(cast)) } else { send(call, cast).await }
    }

    /// Lets the contract take the stake, unless it may already.
    async fn approve(&self, stake: U256) -> Result<Vec<Step>> {
        let consensus = &self.deployment.consensus;
        let token = consensus.stakeToken().call().await.map_err(refused)?;
        let token = AndeToken::new(token, consensus.provider());
        let balance = token.balanceOf(self.owner).call().await.map_err(refused)?;
        ensure!(
            balance >= stake,
            "{} has {} tokens of {}, not {}",
            self.owner,
            format_tokens(balance),
            token.address(),
            format_tokens(stake)
        );
        let allowed = token.allowance(self.owner, *consensus.address()).call().await;
        if allowed.map_err(refused)? >= stake {
            return Ok(Vec::new());
        }
        let words = [consensus.address().to_string(), stake.to_string()];
        let signature = "approve(address,uint256)";
        let cast = cast_line(*token.address(), signature, &words, &self.deployment.url);
        Ok(vec![self.act(token.approve(*consensus.address(), stake), cast).await?])
    }

    /// The validator that the key owns.
    async fn own(&self) -> Result<u32> {
        let id = self.deployment.consensus.idOfOwner(self.owner).call().await.map_err(refused)?;
        ensure!(id != 0, "{} owns no validator; first: ande validator register", self.owner);
        Ok(id)
    }

    fn cast(&self, signature: &str, words: &[String]) -> String {
        let to = *self.deployment.consensus.address();
        cast_line(to, signature, words, &self.deployment.url)
    }

    async fn done(&self, steps: Vec<Step>) -> Result<Done> {
        let id = self.deployment.consensus.idOfOwner(self.owner).call().await.map_err(refused)?;
        let validator = (id != 0).then_some(id);
        Ok(Done { dry_run: self.dry_run, owner: self.owner, validator, steps })
    }
}

/// Node id given, or that of the configuration's node key.
fn node_id_or_own(place: &Place, given: Option<B256>) -> Result<B256> {
    if let Some(id) = given {
        return Ok(id);
    }
    let node = place.node()?.wrap_err("say which node it is: --node-id or --config")?;
    Ok(ande_node::read_node_key(&node.node_key)?.id().0)
}

pub(crate) async fn list(deployment: &Deployment) -> Result<Vec<Shown>> {
    let mut all: Vec<Shown> = Vec::new();
    loop {
        let from = all.last().map_or(1, |last| last.id + 1);
        let page = deployment.consensus.getValidators(from, PAGE).call().await.map_err(refused)?;
        let full = page.len() == PAGE as usize;
        all.extend(page.iter().map(Shown::of));
        if !full {
            return Ok(all);
        }
    }
}

async fn find(deployment: &Deployment, who: &str) -> Result<u32> {
    if let Ok(id) = who.parse() {
        return Ok(id);
    }
    let Ok(address) = who.parse::<Address>() else {
        bail!("{who:?} is neither an id nor an address");
    };
    let consensus: &AndeConsensusInstance<DynProvider> = &deployment.consensus;
    let by_signer = consensus.idOfSigner(address).call().await.map_err(refused)?;
    let by_owner = consensus.idOfOwner(address).call().await.map_err(refused)?;
    let id = if by_signer == 0 { by_owner } else { by_signer };
    ensure!(id != 0, "{address} is no validator's signer or owner");
    Ok(id)
}

/// `ValidatorStatus` of the contract.
const fn status(status: u8) -> &'static str {
    match status {
        0 => "none",
        1 => "active",
        2 => "jailed",
        3 => "exiting",
        4 => "tombstoned",
        5 => "exited",
        _ => "unknown",
    }
}

impl Shown {
    fn of(view: &ValidatorView) -> Self {
        Self {
            id: view.id,
            status: status(view.status),
            owner: view.owner,
            signer: view.signer,
            node: NodeId(view.p2pPeerId),
            // Chosen by strangers.
            endpoint: view.rpcEndpoint.escape_debug().to_string(),
            stake: format_tokens(view.stake),
            weight: view.weight.to_string(),
            join_epoch: view.joinEpoch,
            last_duty_epoch: view.lastDutyEpoch,
            jailed_until: view.jailedUntil,
            unlock_time: u64::try_from(view.unlockTime).unwrap_or(u64::MAX),
        }
    }

    fn lines(&self) -> String {
        let rows = [
            ("id", self.id.to_string()),
            ("status", self.status.to_owned()),
            ("owner", self.owner.to_string()),
            ("signer", self.signer.to_string()),
            ("node", self.node.to_string()),
            ("endpoint", self.endpoint.clone()),
            ("stake", format!("{} tokens", self.stake)),
            ("weight", self.weight.clone()),
            ("joins", format!("from epoch {}", self.join_epoch)),
        ];
        rows.iter().map(|(name, value)| format!("{name:10}{value}\n")).collect()
    }
}

fn rows(all: &[Shown]) -> String {
    let row = |it: &Shown| {
        vec![
            it.id.to_string(),
            it.status.to_owned(),
            it.signer.to_string(),
            it.stake.clone(),
            it.weight.clone(),
            it.endpoint.clone(),
        ]
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table(&["ID", "STATUS", "SIGNER", "STAKE", "WEIGHT", "ENDPOINT"], &rows)
}

impl Done {
    fn lines(&self) -> String {
        let mut text = describe(&self.steps);
        if let Some(id) = self.validator.filter(|_| !self.dry_run) {
            text.push_str(&format!("validator {id} of {}\n", self.owner));
        }
        text
    }
}
