//! Whether the chain stands, and why: who is missing, which round, which timer.

use std::{collections::BTreeMap, fmt::Write as _};

use alloy::primitives::Address;
use ande_primitives::QuorumFraction;
use serde::Serialize;

use super::{
    ask::Asked,
    document::{NodeStatus, Phase, Validator},
};
use crate::output::plain;

/// Clocks of healthy nodes that were asked at one time differ less.
pub(crate) const CLOCK_SKEW_MS: u64 = 5_000;

/// The reason that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    /// Blocks come, or there is nothing to order.
    NotStalled,
    /// No node answers.
    NoAnswer,
    /// The settlement chain cannot be read and the next set is needed.
    SettlementDown,
    /// The next set is not final.
    WaitingForSet,
    /// Engines refuse to go on.
    Halted,
    /// Execution clients give no verdicts.
    ExecutionClientDown,
    /// Too little weight takes part.
    QuorumMissing,
    /// The proposer of the round is missing.
    ProposerDown,
    /// Clocks differ.
    ClockSkew,
    /// Something else.
    Unknown,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) stalled: bool,
    pub(crate) cause: Cause,
    /// Highest height that is certified.
    pub(crate) height: u64,
    /// Round being decided.
    pub(crate) round: u32,
    /// Validators that do not take part, by id.
    pub(crate) missing: BTreeMap<u32, String>,
    /// One line.
    pub(crate) reason: String,
}

/// Judges what nodes said at one moment. Blocks may be `patience_ms` later than they are due.
pub(crate) fn judge(nodes: &[Asked], patience_ms: u64) -> Verdict {
    let answers: Vec<&NodeStatus> =
        nodes.iter().filter_map(|asked| asked.answer.as_ref().ok()).collect();
    let Some(best) = answers.iter().copied().max_by_key(|node| progress(node)) else {
        return no_answer(nodes);
    };
    let latest = answers.iter().map(|node| node.chain.latest).max().unwrap_or(0);
    let due = if best.queue.pending > 0 {
        best.chain.block_time_ms
    } else {
        best.chain.heartbeat_ms.max(best.chain.block_time_ms)
    };
    let age = answers.iter().map(|node| node.block_age_ms()).min().unwrap_or(0);
    let stalled =
        age > due.saturating_add(patience_ms) || best.consensus.phase == Phase::WaitingForSet;
    // The fastest node of a healthy chain is a block ahead now and then.
    let near = if stalled { 0 } else { 1 };
    let missing = missing(nodes, &answers, best, near);
    let facts = Facts { nodes, answers: &answers, best, missing };
    let (cause, reason) = if stalled {
        facts.cause(latest, age)
    } else {
        (Cause::NotStalled, facts.fine(latest, age))
    };
    Verdict {
        stalled,
        cause,
        height: latest,
        round: best.consensus.round,
        missing: facts.missing.iter().map(|it| (it.validator.id, it.why.clone())).collect(),
        reason,
    }
}

const fn progress(node: &NodeStatus) -> (u64, u32) {
    (node.consensus.height, node.consensus.round)
}

fn no_answer(nodes: &[Asked]) -> Verdict {
    let mut reason = format!("none of {} nodes answers", nodes.len());
    for asked in nodes {
        if let Err(error) = &asked.answer {
            let _ = write!(reason, "; {}: {error}", asked.url);
        }
    }
    Verdict {
        stalled: true,
        cause: Cause::NoAnswer,
        height: 0,
        round: 0,
        missing: BTreeMap::new(),
        reason,
    }
}

/// A member of the committee that does not take part.
struct Missing<'a> {
    validator: &'a Validator,
    kind: Cause,
    why: String,
}

struct Facts<'a> {
    nodes: &'a [Asked],
    answers: &'a [&'a NodeStatus],
    /// The node that is furthest.
    best: &'a NodeStatus,
    missing: Vec<Missing<'a>>,
}

/// Who does not take part, as far as can be known: a validator that was asked tells itself; of
/// the others those that answer tell whether they are connected.
fn missing<'a>(
    nodes: &[Asked],
    answers: &[&NodeStatus],
    best: &'a NodeStatus,
    near: u64,
) -> Vec<Missing<'a>> {
    let failed: Vec<&Asked> = nodes.iter().filter(|asked| asked.answer.is_err()).collect();
    let endpoint_of = |asked: &Asked, validator: &Validator| {
        validator.endpoint.as_deref().is_some_and(|endpoint| {
            endpoint.trim_end_matches('/') == asked.url.trim_end_matches('/')
        })
    };
    let unnamed = failed
        .iter()
        .any(|asked| !best.validators().iter().any(|validator| endpoint_of(asked, validator)));
    let mut missing = Vec::new();
    for validator in best.validators() {
        let mut add = |kind, why| missing.push(Missing { validator, kind, why });
        let own = answers.iter().find(|node| node.node.signer == Some(validator.signer));
        if let Some(own) = own {
            match own.silent() {
                Some(why) if own.consensus.halted.is_some() => add(Cause::Halted, plain(&why)),
                Some(why) => add(Cause::ExecutionClientDown, plain(&why)),
                None if own.consensus.height.saturating_add(near) < best.consensus.height => add(
                    Cause::QuorumMissing,
                    format!("is behind at height {}", own.consensus.height),
                ),
                None => {}
            }
            continue;
        }
        let asked = failed.iter().find(|asked| endpoint_of(asked, validator));
        let connected = answers
            .iter()
            .flat_map(|node| node.validators())
            .any(|seen| seen.signer == validator.signer && seen.connected);
        match asked {
            Some(Asked { answer: Err(error), .. }) => {
                add(Cause::QuorumMissing, format!("does not answer ({error})"));
            }
            _ if !connected => add(Cause::QuorumMissing, "is not connected".to_owned()),
            _ if unnamed => add(Cause::QuorumMissing, "does not answer".to_owned()),
            _ => {}
        }
    }
    missing
}

impl Facts<'_> {
    /// Why there are no blocks.
    fn cause(&self, latest: u64, age_ms: u64) -> (Cause, String) {
        let best = self.best;
        let consensus = &best.consensus;
        let since = format!("no block after {latest} for {}", time(age_ms));
        if consensus.phase == Phase::WaitingForSet || best.validators.is_none() {
            return self.waiting_for_set(&since);
        }
        let at = format!("{since}: height {}, round {}", consensus.height, consensus.round);
        let quorum = consensus.quorum.unwrap_or(QuorumFraction::TWO_THIRDS);
        let total = best.validators().iter().map(|it| it.weight).fold(0, u64::saturating_add);
        let gone = self.missing.iter().map(|it| it.validator.weight).fold(0, u64::saturating_add);
        let there = total.saturating_sub(gone);
        if !quorum.is_reached(there, total) {
            let all = |kind| self.missing.iter().all(|it| it.kind == kind);
            let (cause, name) = if all(Cause::Halted) {
                (Cause::Halted, "halted")
            } else if all(Cause::ExecutionClientDown) {
                (Cause::ExecutionClientDown, "execution clients down")
            } else {
                (Cause::QuorumMissing, "quorum missing")
            };
            let reason = format!(
                "{name}: {at}; {}; weight {there} of {total} takes part, more than {}/{} is \
                 needed; {}",
                self.who(),
                quorum.num,
                quorum.den,
                self.timer()
            );
            return (cause, reason);
        }
        let proposer = consensus.proposer;
        if let Some(gone) = self.missing.iter().find(|it| Some(it.validator.signer) == proposer) {
            let reason = format!(
                "proposer down: {at}; {} {}; {}; then the next in the schedule proposes",
                named(gone.validator),
                gone.why,
                self.timer()
            );
            return (Cause::ProposerDown, reason);
        }
        if let Some(skew) = self.clock_skew() {
            return (Cause::ClockSkew, format!("clocks differ: {at}; {skew}; {}", self.timer()));
        }
        let mut reason = format!("unknown: {at}; a quorum answers; {}", self.timer());
        for warning in &best.warnings {
            let _ = write!(reason, "; {}", plain(warning));
        }
        (Cause::Unknown, reason)
    }

    fn waiting_for_set(&self, since: &str) -> (Cause, String) {
        let best = self.best;
        let needed = best.consensus.epoch.saturating_add(u64::from(best.validators.is_some()));
        let l1 = &best.l1;
        let frozen = l1.last_frozen_epoch.map_or("none".to_owned(), |epoch| epoch.to_string());
        let wait = format!(
            "{since}: waits without a timer for the set of epoch {needed}, frozen and final is \
             {frozen}"
        );
        if l1.up {
            let (latest, last) = (l1.latest, l1.final_block);
            let reason = format!(
                "waiting for set: {wait}; the settlement chain is at block {latest}, final {last}"
            );
            return (Cause::WaitingForSet, reason);
        }
        (Cause::SettlementDown, format!("settlement chain down: {wait}; {}", self.l1_trouble()))
    }

    fn l1_trouble(&self) -> String {
        let l1 = &self.best.l1;
        let age =
            l1.age_ms.map_or("never read".to_owned(), |age| format!("read {} ago", time(age)));
        let error = l1.error.as_deref().unwrap_or("no answer yet");
        format!("it was {age}: {}", plain(error))
    }

    /// That there are blocks, and what is wrong nevertheless.
    fn fine(&self, latest: u64, age_ms: u64) -> String {
        let best = self.best;
        let mut text = format!("not stalled: block {latest} is {} old", time(age_ms));
        if best.consensus.phase == Phase::Idle {
            let _ = write!(text, ", nothing to order");
        }
        if !self.missing.is_empty() {
            let _ = write!(text, "; but {}", self.who());
        }
        if !best.l1.up {
            let _ =
                write!(text, "; but the settlement chain does not answer: {}", self.l1_trouble());
        }
        if let Some(skew) = self.clock_skew() {
            let _ = write!(text, "; but clocks differ: {skew}");
        }
        text
    }

    fn who(&self) -> String {
        let each = |it: &Missing<'_>| format!("{} {}", named(it.validator), it.why);
        self.missing.iter().map(each).collect::<Vec<_>>().join(", ")
    }

    /// The timer that runs.
    fn timer(&self) -> String {
        let best = self.best;
        let consensus = &best.consensus;
        let Some(elapsed) = consensus.round_ms else {
            return "no round has started".to_owned();
        };
        let same = self.answers.iter().filter(|node| progress(node) == progress(best));
        let wait = consensus.proposer_wait_ms;
        let voting = "votes have no timer before more than two thirds of the weight voted";
        if same.clone().any(|node| node.consensus.proposal) {
            return format!("the proposal came, {voting}; the round is {} old", time(elapsed));
        }
        let proposer = self.validator(consensus.proposer);
        if elapsed > wait {
            let ago = time(elapsed - wait);
            return format!(
                "the propose timer of {} for {proposer} ran out {ago} ago, {voting}",
                time(wait)
            );
        }
        format!("propose timer of {}, {} gone, waits for {proposer}", time(wait), time(elapsed))
    }

    fn validator(&self, signer: Option<Address>) -> String {
        let known = self.best.validators().iter().find(|it| Some(it.signer) == signer);
        known.map_or_else(|| "an unknown proposer".to_owned(), named)
    }

    /// Who is far from the middle of all clocks.
    fn clock_skew(&self) -> Option<String> {
        let mut times: Vec<u64> = self.answers.iter().map(|node| node.time_ms).collect();
        times.sort_unstable();
        let middle = *times.get(times.len().saturating_sub(1) / 2)?;
        let wrong = self.nodes.iter().filter_map(|asked| {
            let node = asked.answer.as_ref().ok()?;
            let off = node.time_ms.abs_diff(middle);
            let way = if node.time_ms > middle { "ahead" } else { "behind" };
            (off > CLOCK_SKEW_MS)
                .then(|| format!("{} is {} {way}", plain(&node.node.name), time(off)))
        });
        let wrong = wrong.collect::<Vec<_>>();
        (!wrong.is_empty()).then(|| wrong.join(", "))
    }
}

/// `validator 2 (node-2)`.
pub(super) fn named(validator: &Validator) -> String {
    match &validator.name {
        Some(name) => format!("validator {} ({})", validator.id, plain(name)),
        None => format!("validator {}", validator.id),
    }
}

/// `0.4 s`, `12 s`, `3 min`.
pub(super) fn time(millis: u64) -> String {
    match millis {
        0..10_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        10_000..600_000 => format!("{} s", millis / 1_000),
        _ => format!("{} min", millis / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const PATIENCE: u64 = 10_000;

    fn signer(id: u8) -> Address {
        Address::repeat_byte(id)
    }

    /// A healthy node `me` of four in round 2 of height 101, 60 s after block 100.
    fn node(me: u8) -> Value {
        let validators: Vec<Value> = (1..=4u8)
            .map(|id| {
                json!({
                    "id": id, "signer": signer(id), "weight": 1000, "name": format!("node-{id}"),
                    "endpoint": format!("http://node-{id}:8545"), "connected": true,
                })
            })
            .collect();
        json!({
            "time_ms": 1_060_000, "uptime_ms": 500_000, "ready": true, "draining": false,
            "warnings": [], "fault_tolerance": 1,
            "node": { "name": format!("node-{me}"), "signer": signer(me) },
            "chain": {
                "l2_chain_id": 6174, "block_time_ms": 2_000, "heartbeat_ms": 10_000,
                "latest": 100, "safe": 90, "finalized": 80, "lag_blocks": 0,
            },
            "consensus": {
                "phase": "deciding", "halted": null, "height": 101, "round": 2,
                "round_ms": 1_500, "proposer_wait_ms": 6_000, "proposal": false, "epoch": 1,
                "proposer": signer(2), "quorum": { "num": 2, "den": 3 }, "total_weight": 4000,
                "window": 10, "skip": 2, "rotation": { "blocks": 9, "millis": 18_000 }, "peers": 3,
            },
            "validators": validators,
            "blocks": [{ "timestamp_ms": 1_000_000 }],
            "queue": { "pending": 3, "depth": 3 },
            "l1": {
                "up": true, "age_ms": 200, "error": null, "latest": 50, "final": 45,
                "last_frozen_epoch": 2, "tip": null,
            },
            "execution_client": null,
        })
    }

    fn answered(document: Value) -> Asked {
        let answer = serde_json::from_value(document.clone()).unwrap();
        let url = format!("http://{}:8545/", document["node"]["name"].as_str().unwrap());
        Asked { url, answer: Ok(answer), document: Some(document) }
    }

    fn silent(id: u8) -> Asked {
        let answer = Err("connection refused".to_owned());
        Asked { url: format!("http://node-{id}:8545/"), answer, document: None }
    }

    /// Four nodes, changed.
    fn nodes(change: impl Fn(u8, &mut Value)) -> Vec<Asked> {
        (1..=4u8)
            .map(|id| {
                let mut document = node(id);
                change(id, &mut document);
                answered(document)
            })
            .collect()
    }

    #[track_caller]
    fn expect(nodes: &[Asked], cause: Cause, words: &[&str]) {
        let verdict = judge(nodes, PATIENCE);
        assert_eq!(verdict.cause, cause, "{}", verdict.reason);
        assert_eq!(verdict.stalled, cause != Cause::NotStalled);
        for word in words {
            assert!(verdict.reason.contains(word), "{word:?} in {}", verdict.reason);
        }
        assert!(!verdict.reason.contains('\n'), "one line");
    }

    #[test]
    fn nobody_answers() {
        expect(
            &[silent(1), silent(2)],
            Cause::NoAnswer,
            &["none of 2 nodes", "node-2", "connection refused"],
        );
        expect(&[], Cause::NoAnswer, &[]);
    }

    #[test]
    fn two_of_four_are_down() {
        let mut all = nodes(|_, _| {});
        all[1] = silent(2);
        all[2] = silent(3);
        expect(
            &all,
            Cause::QuorumMissing,
            &[
                "validator 2 (node-2) does not answer (connection refused)",
                "validator 3",
                "weight 2000 of 4000",
                "more than 2/3",
                "height 101, round 2",
                "propose timer of 6.0 s, 1.5 s gone, waits for validator 2 (node-2)",
            ],
        );
        assert_eq!(judge(&all, PATIENCE).missing.keys().copied().collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn a_timer_that_ran_out_is_said_to_have() {
        let mut all = nodes(|_, document| document["consensus"]["round_ms"] = json!(20_000));
        all[1] = silent(2);
        all[2] = silent(3);
        let words =
            ["propose timer of 6.0 s for validator 2 (node-2) ran out 14 s ago", "no timer"];
        expect(&all, Cause::QuorumMissing, &words);
    }

    #[test]
    fn without_other_endpoints_connections_tell_who_is_missing() {
        let mut one = node(1);
        one["validators"][2]["connected"] = json!(false);
        one["validators"][3]["connected"] = json!(false);
        one["consensus"]["proposal"] = json!(true);
        expect(
            &[answered(one)],
            Cause::QuorumMissing,
            &["validator 3 (node-3) is not connected", "votes have no timer", "1.5 s old"],
        );
    }

    #[test]
    fn a_frozen_node_is_still_connected_but_does_not_answer() {
        let mut all = nodes(|_, _| {});
        for id in [1, 2] {
            all[id] = Asked {
                url: format!("http://10.0.0.{id}:9090/"),
                answer: Err("timeout".into()),
                document: None,
            };
        }
        expect(&all, Cause::QuorumMissing, &["validator 2 (node-2) does not answer"]);
    }

    #[test]
    fn the_proposer_is_down() {
        let mut all = nodes(|_, _| {});
        all[1] = silent(2);
        expect(
            &all,
            Cause::ProposerDown,
            &["validator 2 (node-2) does not answer", "round 2", "propose timer of 6.0 s"],
        );
    }

    #[test]
    fn the_settlement_chain_is_down_when_the_next_set_is_due() {
        let waits = |document: &mut Value| {
            document["consensus"]["phase"] = json!("waiting_for_set");
            document["consensus"]["round_ms"] = Value::Null;
        };
        let down = nodes(|_, document| {
            waits(document);
            document["l1"]["up"] = json!(false);
            document["l1"]["age_ms"] = json!(95_000);
            document["l1"]["error"] = json!("connection refused\u{1b}[2J");
        });
        expect(
            &down,
            Cause::SettlementDown,
            &["set of epoch 2", "read 95 s ago: connection refused\u{fffd}[2J", "without a timer"],
        );
        let late = nodes(|_, document| waits(document));
        expect(&late, Cause::WaitingForSet, &["set of epoch 2", "block 50, final 45"]);
        let fresh = nodes(|_, document| document["validators"] = Value::Null);
        expect(&fresh, Cause::WaitingForSet, &["set of epoch 1"]);
    }

    #[test]
    fn engines_are_halted() {
        let all = nodes(|id, document| {
            if id > 2 {
                document["consensus"]["phase"] = json!("halted");
                document["consensus"]["halted"] = json!("the log is damaged");
            }
        });
        expect(
            &all,
            Cause::Halted,
            &["validator 3 (node-3) is halted: the log is damaged", "validator 4"],
        );
    }

    #[test]
    fn execution_clients_are_down() {
        let all = nodes(|id, document| {
            if id > 2 {
                document["execution_client"] = json!({ "health": "down", "error": "refused" });
            }
        });
        expect(&all, Cause::ExecutionClientDown, &["validator 3 (node-3) has no execution client"]);
        // One down and one gone is not only the clients.
        let mut mixed = all;
        mixed[3] = silent(4);
        expect(&mixed, Cause::QuorumMissing, &["has no execution client", "does not answer"]);
    }

    #[test]
    fn clocks_differ() {
        let all = nodes(|id, document| {
            if id == 3 {
                document["time_ms"] = json!(1_100_000);
            }
        });
        expect(&all, Cause::ClockSkew, &["node-3 is 40 s ahead"]);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let all = nodes(|_, document| document["warnings"] = json!(["a quorum is missing"]));
        expect(&all, Cause::Unknown, &["a quorum answers", "a quorum is missing"]);
    }

    #[test]
    fn blocks_come() {
        let fresh =
            |_, document: &mut Value| document["blocks"][0]["timestamp_ms"] = json!(1_059_000);
        expect(&nodes(fresh), Cause::NotStalled, &["block 100 is 1.0 s old"]);
        // Nothing is in the pool: a block is due at the heartbeat only.
        let idle = nodes(|_, document| {
            document["blocks"][0]["timestamp_ms"] = json!(1_042_000);
            document["queue"]["pending"] = json!(0);
            document["consensus"]["phase"] = json!("idle");
        });
        expect(&idle, Cause::NotStalled, &["nothing to order"]);
        let mut troubled = nodes(|id, document| {
            fresh(id, document);
            document["l1"]["up"] = json!(false);
        });
        troubled[3] = silent(4);
        expect(
            &troubled,
            Cause::NotStalled,
            &["but validator 4 (node-4) does not answer", "but the settlement chain does not"],
        );
    }

    #[test]
    fn a_block_behind_is_not_behind() {
        let at = |height: u64| {
            nodes(move |id, document| {
                document["blocks"][0]["timestamp_ms"] = json!(1_059_000);
                document["consensus"]["height"] = json!(if id == 1 { height } else { 101 });
            })
        };
        assert_eq!(judge(&at(100), PATIENCE).missing.len(), 0);
        expect(&at(99), Cause::NotStalled, &["validator 1 (node-1) is behind at height 99"]);
    }

    #[test]
    fn a_document_of_anything_is_judged() {
        for document in [json!({}), json!({ "validators": [] }), json!({ "consensus": {} })] {
            let answer = serde_json::from_value(document).unwrap();
            let asked = Asked { url: "http://a/".into(), answer: Ok(answer), document: None };
            let _ = judge(&[asked], PATIENCE);
        }
    }

    #[test]
    fn times_are_short() {
        assert_eq!(
            [time(0), time(1_550), time(59_999), time(600_000)],
            ["0.0 s", "1.5 s", "59 s", "10 min"]
        );
    }
}
