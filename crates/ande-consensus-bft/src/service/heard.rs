//! What is heard of other validators between heights and at the start of one.

use std::sync::Arc;

use ande_primitives::{EpochSet, Height};
use malachitebft_core_types::SignedMessage;
use malachitebft_sync::PeerId;
use tracing::debug;

use super::{Service, Shared};
use crate::{
    actors::Observed,
    address::node_id,
    context::{Ctx, Proposal, Vote},
    wire::ProposalPart,
};

/// Unchecked messages of the next height that are kept until it can be checked.
const MAX_HINTS: usize = 64;

impl Service {
    pub(super) fn on_connection(&mut self, peer: &PeerId, connected: bool) {
        if !connected {
            self.state.tips.remove(peer);
        }
        let Some(node) = node_id(peer) else {
            return;
        };
        self.shared.view.send_modify(|view| {
            view.peers.retain(|known| *known != node);
            if connected {
                view.peers.push(node);
            }
        });
        let count = self.shared.view.borrow().peers.len();
        self.state.connected.send_replace(count);
    }

    pub(super) fn on_status(&mut self, peer: &PeerId, tip: Height) {
        self.state.tips.insert(*peer, tip);
        self.check_tips();
    }

    /// More than a third of the connected peers are past the next height: not all of them lie.
    pub(super) fn check_tips(&mut self) {
        let Some(next) = self.state.upcoming.as_ref().map(|next| next.start.height) else {
            return;
        };
        let ahead = self.state.tips.values().filter(|tip| **tip >= next).count();
        if ahead > self.state.tips.len() / 3 {
            self.hear(next);
        }
    }

    fn hear(&self, height: Height) {
        self.state.heard.send_if_modified(|heard| {
            let new = height > *heard;
            *heard = height.max(*heard);
            new
        });
    }

    pub(super) fn on_heard_vote(&mut self, vote: SignedMessage<Ctx, Vote>) {
        let shared = &self.shared;
        let late = self.state.late_votes.vote(&shared.domain, &shared.scopes, &vote);
        self.report_evidence(late);
        let height = vote.message.height.into();
        self.hint(height, Observed::Vote(vote));
    }

    pub(super) fn on_heard_proposal(&mut self, proposal: SignedMessage<Ctx, Proposal>) {
        let shared = &self.shared;
        let late = self.state.late_votes.proposal(&shared.domain, &shared.scopes, &proposal);
        self.report_evidence(late);
        self.note_proposal(&proposal);
        let height = proposal.message.height.into();
        self.hint(height, Observed::Proposal(proposal));
    }

    pub(super) fn on_heard_part(&mut self, publisher: &PeerId, part: ProposalPart) {
        let height = match &part {
            ProposalPart::Init(init) => init.height,
            ProposalPart::Wake(wake) => wake.height,
            ProposalPart::Data(_) => return,
        };
        self.hint(height, Observed::Part(*publisher, part));
    }

    /// Checks a message of the next height, now or when its set is known.
    fn hint(&mut self, height: Height, message: Observed) {
        if height < self.state.lowest() || height <= *self.state.heard.borrow() {
            return;
        }
        match self.open_set() {
            Some(_) => self.check_hint(message),
            None => {
                if self.state.hints.len() == MAX_HINTS {
                    self.state.hints.pop_front();
                }
                self.state.hints.push_back(message);
            }
        }
    }

    /// The height that waits or runs, and its set.
    fn open_set(&self) -> Option<(Height, Arc<EpochSet>)> {
        let running = self.state.running.as_ref().filter(|running| !running.decided);
        let upcoming = self.state.upcoming.as_ref().map(|next| &next.start);
        let start = upcoming.or_else(|| running.map(|running| &running.start))?;
        Some((start.height, start.set.clone()))
    }

    /// Notes that a height is alive if a member of its committee has signed the message.
    pub(super) fn check_hint(&mut self, message: Observed) {
        let Some((height, set)) = self.open_set() else {
            return;
        };
        if height > *self.state.heard.borrow() && is_of_member(&self.shared, &set, height, &message)
        {
            debug!(height = height.0, "another validator is at this height");
            self.hear(height);
        }
    }

    /// Whether a publisher is one of the configured peers.
    pub(super) fn is_peer(&self, publisher: &PeerId) -> bool {
        node_id(publisher)
            .is_some_and(|node| self.peers.borrow().iter().any(|peer| peer.node_id == node))
    }
}

fn is_of_member(shared: &Shared, set: &EpochSet, next: Height, message: &Observed) -> bool {
    let is_member = |address| set.committee.get(address).is_some();
    match message {
        Observed::Vote(vote) => {
            let signer = vote.message.signer.0;
            Height::from(vote.message.height) == next
                && is_member(signer)
                && shared.verifier.is_vote_by(&vote.message, &vote.signature, signer)
        }
        Observed::Proposal(proposal) => {
            let signer = proposal.message.proposer.0;
            Height::from(proposal.message.height) == next
                && is_member(signer)
                && shared.verifier.is_proposal_by(&proposal.message, &proposal.signature, signer)
        }
        Observed::Part(_, ProposalPart::Init(init)) => {
            init.height == next && init.streamer(&shared.domain).is_ok_and(is_member)
        }
        Observed::Part(_, ProposalPart::Wake(wake)) => {
            wake.height == next && wake.caller(&shared.domain).is_ok_and(is_member)
        }
        _ => false,
    }
}
