//! Everything on one screen.

use std::fmt::Write as _;

use super::{
    ask::Asked,
    document::{NodeStatus, Phase},
    verdict::{Verdict, named, time},
};
use crate::output::{plain, table};

/// The chain, its nodes, and the verdict.
pub(super) fn screen(nodes: &[Asked], verdict: &Verdict) -> String {
    let answers = nodes.iter().filter_map(|asked| asked.answer.as_ref().ok());
    let best = answers.max_by_key(|node| (node.chain.latest, node.consensus.round));
    let mut text = best.map_or_else(String::new, chain);
    text.push_str(&rows(nodes, best));
    let _ = writeln!(text, "{}", verdict.reason);
    text
}

fn chain(best: &NodeStatus) -> String {
    let mut text = String::new();
    let (chain, consensus) = (&best.chain, &best.consensus);
    let _ = writeln!(
        text,
        "chain {}   height {}, {} old   safe {}   finalized {}",
        chain.l2_chain_id,
        chain.latest,
        time(best.block_age_ms()),
        chain.safe,
        chain.finalized
    );
    let proposer = best.validators().iter().find(|it| Some(it.signer) == consensus.proposer);
    let rotation = consensus.rotation.map_or_else(
        || "unknown".to_owned(),
        |left| format!("in {} blocks, {} under load", left.blocks, time(left.millis)),
    );
    let _ = writeln!(
        text,
        "proposer {}   rotation {rotation}   epoch {}, window {}, skip {}, round {}",
        proposer.map_or_else(|| "unknown".to_owned(), named),
        consensus.epoch,
        consensus.window.map_or_else(|| "-".to_owned(), |window| window.to_string()),
        consensus.skip,
        consensus.round,
    );
    let _ = writeln!(
        text,
        "validators {}, weight {}; {} may fail",
        best.validators().len(),
        consensus.total_weight.unwrap_or(0),
        best.fault_tolerance.unwrap_or(0)
    );
    let l1 = &best.l1;
    let read = match (l1.up, l1.age_ms) {
        (true, Some(age)) => format!("read {} ago", time(age)),
        _ => format!("does not answer: {}", plain(l1.error.as_deref().unwrap_or("not read yet"))),
    };
    let _ = writeln!(text, "settlement block {}, final {}, {read}", l1.latest, l1.final_block);
    let posting = best.posting.clone().unwrap_or_default();
    let last = l1.tip.as_ref().filter(|tip| tip.index > 0).map_or_else(
        || "no batch accepted yet".to_owned(),
        |tip| {
            let age = best.time_ms.saturating_sub(tip.accepted_at.saturating_mul(1_000));
            format!("last batch {} to height {}, {} ago", tip.index, tip.end_height, time(age))
        },
    );
    let _ = writeln!(
        text,
        "batches {} accepted, {} final, {} on their way; {last}",
        posting.posted, posting.confirmed, posting.pending
    );
    let forced = best.forced.clone().unwrap_or_default();
    let oldest = forced.oldest_time.map_or_else(String::new, |queued| {
        let age = best.time_ms.saturating_sub(queued.saturating_mul(1_000));
        format!(", the oldest for {}", time(age))
    });
    let _ = writeln!(text, "forced queue {} waiting{oldest}\n", forced.waiting);
    text
}

fn rows(nodes: &[Asked], best: Option<&NodeStatus>) -> String {
    let latest = best.map_or(0, |best| best.chain.latest);
    let head = ["", "NODE", "HEIGHT", "LAG", "ROUND", "PEERS", "POOL", "L1", "STATE"];
    let rows: Vec<Vec<String>> = nodes
        .iter()
        .map(|asked| match &asked.answer {
            Ok(node) => {
                let is_proposer = node.node.signer.is_some()
                    && best.is_some_and(|best| best.consensus.proposer == node.node.signer);
                vec![
                    if is_proposer { "*" } else { "" }.to_owned(),
                    plain(&node.node.name),
                    node.chain.latest.to_string(),
                    latest.saturating_sub(node.chain.latest).max(node.chain.lag_blocks).to_string(),
                    node.consensus.round.to_string(),
                    node.consensus.peers.to_string(),
                    node.queue.depth.to_string(),
                    node.l1.latest.to_string(),
                    state(node),
                ]
            }
            Err(error) => {
                let mut row = vec![String::new(), asked.url.clone()];
                row.extend(std::iter::repeat_n("-".to_owned(), 6));
                row.push(format!("does not answer: {error}"));
                row
            }
        })
        .collect();
    format!("{}\n", table(&head, &rows))
}

fn state(node: &NodeStatus) -> String {
    let phase = match node.consensus.phase {
        Phase::Starting => "starting",
        Phase::WaitingForSet => "waits for a set",
        Phase::Idle => "idle",
        Phase::Deciding => "deciding",
        Phase::Halted => "halted",
    };
    let mut text = phase.to_owned();
    if node.draining {
        text.push_str(", draining");
    } else if !node.ready {
        text.push_str(", not ready");
    }
    for warning in &node.warnings {
        let _ = write!(text, "; {}", plain(warning));
    }
    text
}
