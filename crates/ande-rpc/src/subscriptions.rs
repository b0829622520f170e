//! `eth_subscribe`: pushed to WebSocket clients that keep up.

use std::{fmt, sync::Arc, time::Duration};

use alloy::rpc::types::{
    Filter, SyncStatus,
    pubsub::{PubSubSyncStatus, SyncStatusMetadata},
};
use alloy_primitives::B256;
use ande_telemetry::{Metrics, SubscriptionEndLabels, TopicLabels};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{SubscriptionError, traits::IdProvider},
    types::{Params, SubscriptionId},
};
use serde::Serialize;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::{
    RpcError,
    args::{Args, invalid},
    blocks::eth_transaction,
    context::Context,
    eth, logs,
};

/// Pause between looks whether the node is still behind.
const SYNC_POLL: Duration = Duration::from_secs(1);

/// Names of the subscriptions.
const HEADS: &str = "newHeads";
const LOGS: &str = "logs";
const TRANSACTIONS: &str = "newPendingTransactions";
const SYNCING: &str = "syncing";

/// Subscription ids as geth gives them out: 16 random bytes as a quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{:#x}", rand::random::<u128>()).into())
    }
}

impl Context {
    /// Transactions as the pool takes them.
    pub(crate) fn arrivals(&self) -> Result<broadcast::Receiver<B256>, RpcError> {
        let allowed = self.services.apis.pending_transactions;
        let arrivals = allowed.then(|| self.services.ingress.arrivals()).flatten();
        arrivals.ok_or_else(|| {
            RpcError::NotServed("pending transactions are not shown by this node".into())
        })
    }
}

/// What a client wants to hear.
enum Topic {
    Heads,
    Logs(Box<Filter>),
    Transactions { arrivals: broadcast::Receiver<B256>, full: bool },
    Syncing,
}

impl Topic {
    const fn name(&self) -> &'static str {
        match self {
            Self::Heads => HEADS,
            Self::Logs(_) => LOGS,
            Self::Transactions { .. } => TRANSACTIONS,
            Self::Syncing => SYNCING,
        }
    }
}

fn topic(context: &Context, params: &Params<'_>) -> Result<Topic, RpcError> {
    let args = Args::parse(params, 2)?;
    let name: String = args.required(0)?;
    match name.as_str() {
        HEADS => Ok(Topic::Heads),
        LOGS if context.services.evm.is_some() => {
            let filter = match args.get(1) {
                Some(filter) => logs::parse(filter, 1)?,
                None => Filter::default(),
            };
            Ok(Topic::Logs(Box::new(filter)))
        }
        TRANSACTIONS => {
            let full = match args.get(1) {
                Some(full) => full.as_bool().ok_or_else(|| invalid(1, "not a boolean"))?,
                None => false,
            };
            Ok(Topic::Transactions { arrivals: context.arrivals()?, full })
        }
        SYNCING => Ok(Topic::Syncing),
        other => {
            let other: String = other.chars().take(100).collect();
            Err(RpcError::NotServed(format!("no {other:?} subscription in eth namespace")))
        }
    }
}

/// Why a subscription ended without the client's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// The client took no message for too long.
    TooSlow,
    /// The client took messages more slowly than they came.
    Lagging,
    Stopping,
    Failed,
}

impl Ended {
    const fn labels(self) -> SubscriptionEndLabels {
        SubscriptionEndLabels::new(match self {
            Self::TooSlow => "slow",
            Self::Lagging => "lagging",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
        })
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooSlow | Self::Lagging => "the subscription ended: the client is too slow",
            Self::Stopping => "the subscription ended: the node is stopping",
            Self::Failed => "the subscription ended: the node cannot read a block",
        })
    }
}

/// Serves one subscription until the client leaves, lags behind or the node stops.
pub(crate) async fn subscribe(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    context: Arc<Context>,
) -> Result<(), SubscriptionError> {
    let topic = match topic(&context, &params) {
        Ok(topic) => topic,
        Err(error) => {
            pending.reject(error).await;
            return Ok(());
        }
    };
    // Before the client hears that it is subscribed, so that it misses nothing after it.
    let blocks = context.feed.subscribe();
    let sink = pending.accept().await?;
    let client = Client::new(sink, &context, &topic);
    let ended = tokio::select! {
        () = client.sink.closed() => return Ok(()),
        ended = async {
            match topic {
                Topic::Heads => heads(&client, blocks).await,
                Topic::Logs(filter) => matching_logs(&client, blocks, &filter).await,
                Topic::Transactions { arrivals, full } => {
                    drop(blocks);
                    transactions(&client, &context, arrivals, full).await
                }
                Topic::Syncing => {
                    drop(blocks);
                    syncing(&client, &context).await
                }
            }
        } => ended,
    };
    context.services.metrics.rpc_subscriptions_ended.inc(&ended.labels());
    tracing::debug!(reason = %ended, "a subscription ended");
    Err(ended.to_string().into())
}

/// A subscribed client; counts as an open subscription until it is dropped.
struct Client {
    sink: SubscriptionSink,
    patience: Duration,
    metrics: Metrics,
    labels: TopicLabels,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.metrics.rpc_subscriptions.dec(&self.labels);
    }
}

impl Client {
    fn new(sink: SubscriptionSink, context: &Context, topic: &Topic) -> Self {
        let (labels, metrics) = (TopicLabels::new(topic.name()), context.services.metrics.clone());
        metrics.rpc_subscriptions.inc(&labels);
        Self { sink, patience: context.services.limits.slow_client, metrics, labels }
    }

    async fn tell(&self, message: &impl Serialize) -> Result<(), Ended> {
        let message = serde_json::value::to_raw_value(message).map_err(|error| {
            tracing::error!(%error, "a notification cannot be encoded");
            Ended::Failed
        })?;
        self.sink.send_timeout(message, self.patience).await.map_err(|_| Ended::TooSlow)?;
        self.metrics.rpc_notifications.inc(&self.labels);
        Ok(())
    }
}

const fn lost(error: &RecvError) -> Ended {
    match error {
        RecvError::Lagged(_) => Ended::Lagging,
        RecvError::Closed => Ended::Stopping,
    }
}

type Blocks = broadcast::Receiver<Arc<crate::feed::Fresh>>;

async fn heads(client: &Client, mut blocks: Blocks) -> Ended {
    loop {
        let block = match blocks.recv().await {
            Ok(block) => block,
            Err(error) => return lost(&error),
        };
        if let Err(ended) = client.tell(&block.sealed.rpc_header(None)).await {
            return ended;
        }
    }
}

async fn matching_logs(client: &Client, mut blocks: Blocks, filter: &Filter) -> Ended {
    loop {
        let block = match blocks.recv().await {
            Ok(block) => block,
            Err(error) => return lost(&error),
        };
        for log in block.logs(filter) {
            if let Err(ended) = client.tell(&log).await {
                return ended;
            }
        }
    }
}

async fn transactions(
    client: &Client,
    context: &Context,
    mut arrivals: broadcast::Receiver<B256>,
    full: bool,
) -> Ended {
    loop {
        let hash = match arrivals.recv().await {
            Ok(hash) => hash,
            Err(error) => return lost(&error),
        };
        let told = if full {
            let Some(raw) = context.services.ingress.pending(hash) else { continue };
            match eth_transaction(&raw, None, None) {
                Ok(transaction) => client.tell(&transaction).await,
                Err(_) => return Ended::Failed,
            }
        } else {
            client.tell(&hash).await
        };
        if let Err(ended) = told {
            return ended;
        }
    }
}

/// Tells the state at once and then every change.
async fn syncing(client: &Client, context: &Arc<Context>) -> Ended {
    let mut told = None;
    loop {
        let status = match eth::syncing(context.clone(), Args::default()).await {
            Ok(SyncStatus::None) => None,
            Ok(SyncStatus::Info(info)) => Some(info),
            Err(_) => return Ended::Failed,
        };
        if told != Some(status.is_some()) {
            told = Some(status.is_some());
            let message = status.map_or(PubSubSyncStatus::Simple(false), |info| {
                PubSubSyncStatus::Detailed(SyncStatusMetadata {
                    syncing: true,
                    starting_block: info.starting_block.saturating_to(),
                    current_block: info.current_block.saturating_to(),
                    highest_block: Some(info.highest_block.saturating_to()),
                })
            });
            if let Err(ended) = client.tell(&message).await {
                return ended;
            }
        }
        tokio::time::sleep(SYNC_POLL).await;
    }
}
