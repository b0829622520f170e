//! Reads that several endpoints share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use alloy::{consensus::Header as EthHeader, eips::BlockNumberOrTag};
use alloy_primitives::{B256, keccak256};
use alloy_rlp::Decodable as _;
use ande_consensus::Heads;
use ande_primitives::{Commit, Domain, EpochSet, Height, NodeId};
use ande_telemetry::BuildLabels;
use tokio::sync::{Semaphore, watch};

use crate::{
    Namespace, RpcError, RpcServices, args::Reference, blocks::HeaderCache, feed::Feed,
    fees::FeeCache, filters::Filters, recent::RecentBlocks,
};

/// The services with what is derived from them once.
pub(crate) struct Context {
    pub(crate) services: RpcServices,
    pub(crate) domain: Domain,
    pub(crate) genesis_hash: B256,
    pub(crate) started: Instant,
    /// Bounds transactions whose clients gave up waiting.
    pub(crate) submissions: Arc<Semaphore>,
    /// Bounds clients that wait for their transaction to be in a block.
    pub(crate) sync_waits: Arc<Semaphore>,
    /// Bounds small reads of the state.
    pub(crate) state_reads: Arc<Semaphore>,
    /// Bounds reads that may keep a core busy.
    pub(crate) heavy_reads: Arc<Semaphore>,
    /// What is served here.
    pub(crate) namespaces: BTreeSet<Namespace>,
    /// Headers read lately.
    pub(crate) headers: HeaderCache,
    /// Blocks as they come.
    pub(crate) feed: Feed,
    /// Filters of polling clients.
    pub(crate) filters: Filters,
    /// The last blocks, as the status shows them.
    pub(crate) recent: RecentBlocks,
    /// Tips paid lately.
    pub(crate) fees: FeeCache,
    heads: watch::Receiver<Heads>,
}

impl Context {
    pub(crate) fn new(services: RpcServices, namespaces: BTreeSet<Namespace>) -> Arc<Self> {
        let info = &services.info;
        let build = BuildLabels::new(info.version, info.git_sha);
        services.metrics.build_info.set(&build, 1);
        let limits = &services.limits;
        Arc::new(Self {
            submissions: Arc::new(Semaphore::new(limits.calls_waiting)),
            sync_waits: Arc::new(Semaphore::new(limits.sync_waits)),
            state_reads: Arc::new(Semaphore::new(limits.state_reads.max(1))),
            heavy_reads: Arc::new(Semaphore::new(limits.heavy_reads.max(1))),
            namespaces,
            headers: HeaderCache::default(),
            feed: Feed::default(),
            filters: Filters::new(limits.filters, limits.filter_lifetime),
            recent: RecentBlocks::default(),
            fees: FeeCache::default(),
            heads: services.store.heads(),
            domain: Domain::new(info.l1_chain_id, info.consensus, info.l2_chain_id),
            genesis_hash: keccak256(&info.genesis),
            started: Instant::now(),
            services,
        })
    }

    /// The heads that clients see. A block is shown when its state is here: certified blocks are
    /// stored a moment before they are applied.
    pub(crate) fn heads(&self) -> Heads {
        let mut heads = *self.heads.borrow();
        if let Some(evm) = &self.services.evm {
            let applied = Height(evm.head().number);
            heads.latest = heads.latest.min(applied);
            heads.safe = heads.safe.min(applied);
            heads.finalized = heads.finalized.min(applied);
        }
        heads
    }

    /// Tells of stored blocks, which may not be applied yet.
    pub(crate) fn stored_heads(&self) -> watch::Receiver<Heads> {
        self.heads.clone()
    }

    /// Height behind a tag; none above the latest block.
    pub(crate) fn height_of_tag(&self, tag: BlockNumberOrTag) -> Option<Height> {
        let heads = self.heads();
        match tag {
            // Nothing is shown before it is certified, so pending is the latest block.
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => Some(heads.latest),
            BlockNumberOrTag::Safe => Some(heads.safe),
            BlockNumberOrTag::Finalized => Some(heads.finalized),
            BlockNumberOrTag::Earliest => Some(Height(0)),
            BlockNumberOrTag::Number(number) => {
                Some(Height(number)).filter(|height| *height <= heads.latest)
            }
        }
    }

    /// Height behind a number, a tag, or the hash of an Ethereum or consensus header.
    pub(crate) async fn height_of(&self, reference: Reference) -> Result<Option<Height>, RpcError> {
        let hash = match reference {
            Reference::Block(tag) => return Ok(self.height_of_tag(tag)),
            Reference::Hash(hash) => hash,
        };
        if hash == self.genesis_hash {
            return Ok(Some(Height(0)));
        }
        let store = &self.services.store;
        match store.height_of_block(hash).await? {
            Some(height) => Ok(Some(height)),
            None => Ok(store.height_of_header(hash).await?),
        }
    }

    /// A stored block with its certificate; none for genesis and beyond the tip.
    pub(crate) async fn commit_at(&self, height: Height) -> Result<Option<Commit>, RpcError> {
        Ok(self.services.store.commit_at(height).await?)
    }

    /// The set of the height being decided, or the last one known.
    pub(crate) async fn current_set(&self) -> Result<Option<Arc<EpochSet>>, RpcError> {
        let epoch = self.services.view.borrow().epoch;
        let store = &self.services.store;
        match store.set(epoch).await? {
            Some(set) => Ok(Some(set)),
            None => Ok(store.last_set().await?),
        }
    }

    /// The highest height that honest nodes certainly have: the last batch on the settlement
    /// chain, what this node has, and what nodes of more than a third of the weight claim. One
    /// liar can therefore not make the others believe that they are behind.
    pub(crate) fn known_height(&self, set: Option<&EpochSet>) -> Height {
        let latest = self.heads().latest;
        let l1 = self.services.l1.borrow();
        let posted = l1.tip.map_or(Height(0), |tip| tip.end_height);
        let claimed = set.map_or(Height(0), |set| {
            let peers = self.services.peers.borrow();
            let ids: BTreeMap<NodeId, u32> =
                l1.validators.iter().map(|info| (info.node_id, info.id)).collect();
            let weight_of = |node: &NodeId| {
                let id = ids.get(node)?;
                set.committee.members().iter().find(|member| member.id == *id)
            };
            let mut claims: Vec<(Height, u64)> = peers
                .iter()
                .filter(|(node, _)| **node != self.services.info.node_id)
                .filter_map(|(node, hello)| Some((hello.height, weight_of(node)?.weight)))
                .collect();
            claims.sort_unstable_by(|a, b| b.cmp(a));
            let third = set.committee.total_weight() / 3;
            let mut weight = 0u64;
            claims
                .into_iter()
                .find(|(_, one)| {
                    weight = weight.saturating_add(*one);
                    weight > third
                })
                .map_or(Height(0), |(height, _)| height)
        });
        latest.max(posted).max(claimed)
    }

    /// Name of the node that proposes now: its own word for itself, or its signer's address.
    pub(crate) fn proposer_name(&self) -> Option<String> {
        let proposer = self.services.view.borrow().proposer?;
        if Some(proposer) == self.services.info.signer {
            return Some(self.services.info.name.clone());
        }
        let node = self.services.l1.borrow().validator_of(proposer).map(|info| info.node_id);
        let peers = self.services.peers.borrow();
        let name = node.and_then(|node| peers.get(&node)?.plain_name().map(str::to_owned));
        Some(name.unwrap_or_else(|| proposer.to_string()))
    }
}

/// Decodes the Ethereum header of a block.
pub(crate) fn eth_header(mut execution: &[u8]) -> Result<EthHeader, RpcError> {
    EthHeader::decode(&mut execution).map_err(|error| {
        tracing::error!(%error, "a stored execution header cannot be decoded");
        RpcError::Internal("a stored block cannot be decoded")
    })
}
