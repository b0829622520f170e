//! `/status`: everything an operator asks first. Names of earlier systems are kept.

use std::time::{SystemTime, UNIX_EPOCH};

use ande_consensus::{EnginePhase, View};
use ande_execution::ClientHealth;
use ande_l1::ForcedBacklog;
use ande_primitives::{EpochSet, Term};
use ande_store::{BatchRow, BatchState};
use serde_json::{Value, json};

use crate::{context::Context, health::Readiness, views::state_name};

/// Recent batches that are counted by state.
const COUNTED_BATCHES: u64 = 100;
/// Recent batches that are shown.
const SHOWN_BATCHES: u64 = 5;

pub(crate) async fn status(context: &Context) -> Value {
    let readiness = Readiness::of(context).await;
    let set = context.current_set().await.ok().flatten();
    let batches = batches(context).await;
    let services = &context.services;
    let info = &services.info;
    let heads = context.heads();
    let pool = services.ingress.status();
    let view = services.view.borrow().clone();
    let proposer = context.proposer_name();
    let rules = set.as_ref().map(|set| set.rules);
    let window = rules.map(|rules| rules.window_of(view.height));
    let term = window.map(|window| Term::new(window, view.skip));
    let proposer_id = view
        .proposer
        .and_then(|signer| set.as_ref()?.committee.get(signer))
        .map(|member| member.id);
    let tolerance = set.as_ref().map(|set| set.committee.fault_tolerance(set.quorum));
    let peers = peers(context, &view.peers);
    let blocks = context.recent.read(&services.store, heads.latest).await.unwrap_or_default();
    let rotation = rules.zip(window).map(|(rules, window)| {
        let blocks = (rules.window_start(window).0 + u64::from(rules.rotation_interval()))
            .saturating_sub(view.height.0);
        json!({ "blocks": blocks, "millis": blocks.saturating_mul(millis(info.block_time)) })
    });
    json!({
        "time_ms": now_ms(),
        "service": {
            "name": "ande-node",
            "version": info.version,
            "git_sha": info.git_sha,
        },
        "node": {
            "name": info.name,
            "node_id": info.node_id,
            "signer": info.signer,
        },
        "mode": info.mode,
        "executor": info.executor,
        "execution_client": execution_client(context),
        "uptime_ms": millis(context.started.elapsed()),
        "ready": readiness.ready,
        "draining": readiness.checks.draining,
        "checks": readiness.checks,
        "warnings": readiness.warnings,
        "fault_tolerance": tolerance,
        "chain": {
            "l2_chain_id": info.l2_chain_id,
            "genesis_hash": context.genesis_hash,
            "block_time_ms": millis(info.block_time),
            "heartbeat_ms": millis(info.heartbeat),
            "latest": heads.latest,
            "safe": heads.safe,
            "finalized": heads.finalized,
            "lag_blocks": readiness.lag_blocks,
        },
        "leader": {
            "mode": info.mode,
            "is_leader": view.is_proposer,
            "leader": proposer,
            "elected_leader_pubkey": view.proposer,
            "leader_pubkey": view.proposer,
            "leader_id": proposer_id,
            "term_id": term,
            "epoch_idx": view.epoch,
        },
        "consensus": {
            "phase": phase(&view.phase),
            "halted": match &view.phase { EnginePhase::Halted(reason) => Some(reason), _ => None },
            "height": view.height,
            "round": view.round,
            "round_ms": view.round_since.map(|since| millis(since.elapsed())),
            "proposer_wait_ms": millis(view.proposer_wait),
            "proposal": view.proposal,
            "epoch": view.epoch,
            "window": window,
            "skip": view.skip,
            "proposer": view.proposer,
            "is_proposer": view.is_proposer,
            "is_validator": view.is_validator,
            "validators": set.as_ref().map(|set| set.committee.size()),
            "total_weight": set.as_ref().map(|set| set.committee.total_weight()),
            "quorum": set.as_ref().map(|set| set.quorum),
            "rules": rules,
            "rotation": rotation,
            "timeouts": view.timeouts,
            "peers": view.peers.len(),
        },
        "queue": {
            "depth": pool.pending + pool.queued,
            "capacity": info.pool_capacity,
            "pending": pool.pending,
            "queued": pool.queued,
            "bytes": pool.bytes,
        },
        "validators": set.as_ref().map(|set| members(context, set, &view)),
        "blocks": blocks,
        "batches": batches.recent,
        "forced": forced(context).await,
        "batcher": batches.batcher,
        "posting": batches.posting,
        "settlement": batches.settlement,
        "l1": l1(context),
        "peers": peers,
    })
}

/// The external execution client; null without one.
fn execution_client(context: &Context) -> Value {
    let Some(client) = &context.services.client else { return Value::Null };
    let client = client.borrow();
    let (health, error) = match &client.health {
        ClientHealth::Starting => ("starting", None),
        ClientHealth::Up => ("up", None),
        ClientHealth::Down(error) => ("down", Some(error)),
        ClientHealth::Disagrees(error) => ("disagrees", Some(error)),
    };
    json!({
        "health": health,
        "error": error,
        "head": client.head,
        "blocks_fed": client.fed,
        "failures": client.failures,
    })
}

#[derive(Default)]
struct Batches {
    recent: Value,
    batcher: Value,
    posting: Value,
    settlement: Value,
}

async fn batches(context: &Context) -> Batches {
    let services = &context.services;
    let store = &services.store;
    let Ok(last) = store.last_batch().await else { return Batches::default() };
    let last_index = last.as_ref().map_or(0, |row| row.header.batch_index);
    let from = |count: u64| last_index.saturating_sub(count - 1).max(1);
    let counts = store.batch_counts(from(COUNTED_BATCHES)).await.unwrap_or_default();
    let [created, submitted, included, finalised, failed] = counts;
    let rows = store.batches(from(SHOWN_BATCHES), SHOWN_BATCHES as usize).await;
    let rows = rows.unwrap_or_default();
    let (tip, final_tip) = {
        let l1 = services.l1.borrow();
        (l1.tip, l1.final_tip)
    };
    let posted = tip.map_or(0, |tip| tip.index);
    let is_out = |state| !matches!(state, BatchState::Created | BatchState::Failed);
    let submitted_hash =
        rows.iter().rev().find(|row| is_out(row.state)).map(|row| row.header.content_hash());
    let accepted_hash = tip.filter(|tip| tip.index > 0).map(|tip| tip.hash);
    Batches {
        recent: rows.iter().rev().map(batch).collect(),
        batcher: json!({
            "enabled": services.info.batcher_enabled,
            "last_batch_number": last.as_ref().map(|row| row.header.batch_index),
            "last_batch_hash": last.as_ref().map(|row| row.header.content_hash()),
            "last_post_time": tip.map(|tip| tip.accepted_at),
        }),
        posting: json!({
            "pending": last_index.saturating_sub(posted),
            "posted": posted,
            "confirmed": final_tip.map_or(0, |tip| tip.index),
            "failed": failed,
        }),
        settlement: json!({
            "last_submitted_batch_hash": submitted_hash.or(accepted_hash),
            "last_state": last.as_ref().map(|row| state_name(row.state)),
            "last_error": last.as_ref().and_then(|row| row.error.clone()),
            "lifecycle": {
                "created": created,
                "submitted": submitted,
                "included": included,
                "finalised": finalised,
                "failed": failed,
            },
        }),
    }
}

/// A batch in a line.
fn batch(row: &BatchRow) -> Value {
    json!({
        "index": row.header.batch_index,
        "start_height": row.header.start_height,
        "end_height": row.header.end_height,
        "state": state_name(row.state),
        "attempt": row.attempt,
        "signers": row.qc.as_ref().map(|qc| qc.bitmap.count_ones()),
        "l1_block": row.l1_block,
        "l1_tx": row.l1_tx,
        "created_at_ms": row.created_at_ms,
        "error": row.error,
    })
}

async fn forced(context: &Context) -> Value {
    let tail = context.services.l1.borrow().forced.tail;
    let Ok(backlog) = ForcedBacklog::read(tail, &context.services.store).await else {
        return Value::Null;
    };
    json!({ "waiting": backlog.waiting, "oldest_time": backlog.oldest })
}

/// The committee of the height being decided, with what is known of its nodes.
fn members(context: &Context, set: &EpochSet, view: &View) -> Value {
    let info = &context.services.info;
    let l1 = context.services.l1.borrow();
    let hellos = context.services.peers.borrow();
    let latest = context.heads().latest;
    set.committee
        .members()
        .iter()
        .map(|member| {
            let validator = l1.endpoint_of(member);
            let is_self = Some(member.signer) == info.signer;
            let hello = validator.and_then(|validator| hellos.get(&validator.node_id));
            let name = hello.and_then(|hello| hello.plain_name());
            json!({
                "id": member.id,
                "signer": member.signer,
                "weight": member.weight,
                "name": if is_self { Some(info.name.as_str()) } else { name },
                "endpoint": validator.map(|validator| &validator.rpc_endpoint),
                "status": validator.map(|validator| validator.status),
                "is_self": is_self,
                "is_proposer": Some(member.signer) == view.proposer,
                "connected": is_self
                    || validator.is_some_and(|it| view.peers.contains(&it.node_id)),
                "height": if is_self { Some(latest) } else { hello.map(|hello| hello.height) },
            })
        })
        .collect()
}

fn l1(context: &Context) -> Value {
    let info = &context.services.info;
    let l1 = context.services.l1.borrow();
    json!({
        "chain_id": info.l1_chain_id,
        "consensus": info.consensus,
        "coordinator": info.coordinator,
        "up": l1.is_up(),
        "age_ms": l1.age().map(millis),
        "error": l1.error,
        "endpoints": l1.endpoints,
        "latest": l1.latest,
        "final": l1.final_block,
        "era": l1.era,
        "launched": l1.launched,
        "last_frozen_epoch": l1.last_frozen_epoch,
        "tip": l1.tip,
        "final_tip": l1.final_tip,
        "registered_validators": l1.validators.len(),
    })
}

fn peers(context: &Context, connected: &[ande_primitives::NodeId]) -> Value {
    let l1 = context.services.l1.borrow();
    let hellos = context.services.peers.borrow();
    l1.validators
        .iter()
        .filter(|validator| validator.node_id != context.services.info.node_id)
        .map(|validator| {
            let hello = hellos.get(&validator.node_id);
            json!({
                "id": validator.id,
                "node_id": validator.node_id,
                "signer": validator.signer,
                "status": validator.status,
                "endpoint": validator.rpc_endpoint,
                "name": hello.and_then(|hello| hello.plain_name()),
                "version": hello.map(|hello| &hello.version),
                "height": hello.map(|hello| hello.height),
                "p2p_address": hello.map(|hello| &hello.p2p_address),
                "connected": connected.contains(&validator.node_id),
            })
        })
        .collect()
}

const fn phase(phase: &EnginePhase) -> &'static str {
    match phase {
        EnginePhase::Starting => "starting",
        EnginePhase::WaitingForSet => "waiting_for_set",
        EnginePhase::Idle => "idle",
        EnginePhase::Deciding => "deciding",
        EnginePhase::Halted(_) => "halted",
    }
}

fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
