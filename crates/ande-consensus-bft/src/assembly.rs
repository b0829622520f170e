//! Bounded assembly of blocks from streams of parts.

use std::collections::{BTreeMap, HashMap};

use ande_primitives::{Height, MAX_BLOCK_BYTES};
use bytes::Bytes;
use malachitebft_engine::util::streaming::{StreamContent, StreamMessage};
use malachitebft_sync::PeerId;

use crate::wire::{Init, MAX_CHUNKS, ProposalPart, StreamKey};

/// Open streams of one owner; the oldest gives way to a new one.
const STREAMS_PER_OWNER: usize = 4;
/// Heights above the current one whose parts are kept.
pub(crate) const HEIGHT_WINDOW: u64 = 10;
/// Bytes of all open streams; the owner with the most gives way.
const TOTAL_BYTES: usize = 96 << 20;

/// Why a part was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PartError {
    #[error("the stream id is malformed")]
    StreamId,
    #[error("the height is not in the window")]
    Height,
    #[error("the part contradicts its stream")]
    Contradiction,
    #[error("the stream has more bytes than a block or than it announced")]
    TooLong,
}

/// A complete stream. Nothing in it is verified yet.
#[derive(Clone, Debug)]
pub(crate) struct Assembled {
    pub init: Init,
    /// Bytes of the block.
    pub block: Vec<u8>,
}

/// Whose quota a stream counts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// A configured peer.
    Peer(PeerId),
    /// All others together.
    Strangers,
}

#[derive(Debug)]
struct Stream {
    owner: Owner,
    /// Order of arrival among all streams.
    order: u64,
    init: Option<Init>,
    chunks: BTreeMap<u64, Bytes>,
    fin: Option<u64>,
    bytes: usize,
}

impl Stream {
    const fn new(owner: Owner, order: u64) -> Self {
        Self { owner, order, init: None, chunks: BTreeMap::new(), fin: None, bytes: 0 }
    }

    fn accept(
        &mut self,
        key: &StreamKey,
        message: StreamMessage<ProposalPart>,
    ) -> Result<(), PartError> {
        let sequence = message.sequence;
        match message.content {
            StreamContent::Data(ProposalPart::Init(init)) => {
                let belongs = sequence == 0 && init.height == key.height && init.round == key.round;
                if !belongs || self.init.as_ref().is_some_and(|known| *known != init) {
                    return Err(PartError::Contradiction);
                }
                self.init = Some(init);
            }
            StreamContent::Data(ProposalPart::Data(bytes)) => {
                if sequence == 0 || sequence > MAX_CHUNKS {
                    return Err(PartError::Contradiction);
                }
                if let Some(known) = self.chunks.get(&sequence) {
                    return if *known == bytes { Ok(()) } else { Err(PartError::Contradiction) };
                }
                self.bytes += bytes.len();
                self.chunks.insert(sequence, bytes);
            }
            StreamContent::Fin => {
                let known = self.fin.is_some_and(|fin| fin != sequence);
                if known || sequence == 0 || sequence > MAX_CHUNKS + 1 {
                    return Err(PartError::Contradiction);
                }
                self.fin = Some(sequence);
            }
            StreamContent::Data(ProposalPart::Wake(_)) => return Err(PartError::Contradiction),
        }
        let announced = self.init.as_ref().map_or(MAX_BLOCK_BYTES, |init| init.length as usize);
        if self.bytes > announced { Err(PartError::TooLong) } else { Ok(()) }
    }

    fn is_complete(&self) -> bool {
        match (&self.init, self.fin) {
            (Some(init), Some(fin)) => {
                self.bytes == init.length as usize
                    && self.chunks.len() as u64 + 1 == fin
                    && self.chunks.keys().next_back().is_none_or(|last| *last < fin)
            }
            _ => false,
        }
    }

    fn finish(self) -> Option<Assembled> {
        let init = self.init?;
        let mut block = Vec::with_capacity(self.bytes);
        for chunk in self.chunks.values() {
            block.extend_from_slice(chunk);
        }
        Some(Assembled { init, block })
    }
}

/// The open streams of all publishers.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    streams: HashMap<(PeerId, StreamKey), Stream>,
    arrivals: u64,
    bytes: usize,
}

impl Assembler {
    /// Takes a part; returns the stream it completes.
    ///
    /// `current` is the lowest height that is still open. A stream that contradicts itself is
    /// dropped with all its parts.
    pub(crate) fn accept(
        &mut self,
        publisher: PeerId,
        owner: Owner,
        current: Height,
        message: StreamMessage<ProposalPart>,
    ) -> Result<Option<Assembled>, PartError> {
        let key =
            StreamKey::from_bytes(&message.stream_id.to_bytes()).ok_or(PartError::StreamId)?;
        let window = current.0..=current.0.saturating_add(HEIGHT_WINDOW);
        if !window.contains(&key.height.0) {
            return Err(PartError::Height);
        }
        let id = (publisher, key);
        if !self.streams.contains_key(&id) {
            self.make_room(owner);
            self.arrivals += 1;
            self.streams.insert(id, Stream::new(owner, self.arrivals));
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(None);
        };
        let before = stream.bytes;
        let accepted = stream.accept(&key, message);
        self.bytes += stream.bytes - before;
        if let Err(error) = accepted {
            self.remove(&id);
            return Err(error);
        }
        if stream.is_complete() {
            return Ok(self.remove(&id).and_then(Stream::finish));
        }
        while self.bytes > TOTAL_BYTES {
            self.evict_heaviest();
        }
        Ok(None)
    }

    /// Drops streams below a height.
    pub(crate) fn prune(&mut self, current: Height) {
        self.streams.retain(|(_, key), _| key.height >= current);
        self.bytes = self.streams.values().map(|stream| stream.bytes).sum();
    }

    fn remove(&mut self, id: &(PeerId, StreamKey)) -> Option<Stream> {
        let stream = self.streams.remove(id)?;
        self.bytes -= stream.bytes;
        Some(stream)
    }

    fn make_room(&mut self, owner: Owner) {
        let open = self.streams.values().filter(|stream| stream.owner == owner).count();
        if open >= STREAMS_PER_OWNER {
            self.evict_oldest(owner);
        }
    }

    fn evict_oldest(&mut self, owner: Owner) {
        let oldest = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.owner == owner)
            .min_by_key(|(_, stream)| stream.order)
            .map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.remove(&id);
        }
    }

    fn evict_heaviest(&mut self) {
        let mut usage: HashMap<Owner, usize> = HashMap::new();
        for stream in self.streams.values() {
            *usage.entry(stream.owner).or_default() += stream.bytes;
        }
        match usage.into_iter().max_by_key(|(_, bytes)| *bytes) {
            Some((heaviest, _)) => self.evict_oldest(heaviest),
            None => self.bytes = 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256};
    use ande_primitives::{NodeKey, Round, Signature};
    use malachitebft_engine::util::streaming::StreamId;

    use super::*;
    use crate::{address::peer_id, wire::CHUNK_BYTES};

    fn publisher(seed: u8) -> PeerId {
        peer_id(NodeKey::from_seed(&[seed; 32]).id()).unwrap()
    }

    fn key(height: u64, nonce: u32) -> StreamKey {
        StreamKey { height: Height(height), round: Round(0), nonce }
    }

    fn init(height: u64, length: usize) -> ProposalPart {
        ProposalPart::Init(Init {
            height: Height(height),
            round: Round(0),
            pol_round: None,
            proposer: Address::ZERO,
            block_hash: B256::repeat_byte(1),
            length: u32::try_from(length).unwrap(),
            signature: Signature::from_bytes([1; 65]),
        })
    }

    fn message(
        key: StreamKey,
        sequence: u64,
        content: StreamContent<ProposalPart>,
    ) -> StreamMessage<ProposalPart> {
        StreamMessage::new(StreamId::new(key.to_bytes()), sequence, content)
    }

    fn stream(key: StreamKey, block: &[u8]) -> Vec<StreamMessage<ProposalPart>> {
        let mut messages =
            vec![message(key, 0, StreamContent::Data(init(key.height.0, block.len())))];
        for chunk in block.chunks(CHUNK_BYTES) {
            let data = ProposalPart::Data(Bytes::copy_from_slice(chunk));
            messages.push(message(key, messages.len() as u64, StreamContent::Data(data)));
        }
        messages.push(message(key, messages.len() as u64, StreamContent::Fin));
        messages
    }

    fn block(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| u8::try_from(i % 251).unwrap()).collect()
    }

    fn accept(
        assembler: &mut Assembler,
        seed: u8,
        current: Height,
        message: StreamMessage<ProposalPart>,
    ) -> Result<Option<Assembled>, PartError> {
        let publisher = publisher(seed);
        assembler.accept(publisher, Owner::Peer(publisher), current, message)
    }

    #[test]
    fn streams_complete_in_any_order() {
        for bytes in [1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES + 7, MAX_BLOCK_BYTES] {
            let block = block(bytes);
            let mut messages = stream(key(5, 1), &block);
            messages.reverse();
            let mut assembler = Assembler::default();
            let mut done = None;
            for message in messages {
                assert!(done.is_none());
                done = accept(&mut assembler, 1, Height(5), message).unwrap();
            }
            assert_eq!(done.unwrap().block, block);
            assert_eq!(assembler.bytes, 0);
            assert!(assembler.streams.is_empty());
        }
    }

    #[test]
    fn streams_of_two_publishers_do_not_mix() {
        let (ours, theirs) = (block(CHUNK_BYTES + 1), vec![9; CHUNK_BYTES + 1]);
        let mut assembler = Assembler::default();
        let mut done = Vec::new();
        for (a, b) in stream(key(1, 1), &ours).into_iter().zip(stream(key(1, 1), &theirs)) {
            done.extend(accept(&mut assembler, 1, Height(1), a).unwrap());
            done.extend(accept(&mut assembler, 2, Height(1), b).unwrap());
        }
        assert_eq!(done.len(), 2);
        assert_eq!((&done[0].block, &done[1].block), (&ours, &theirs));
    }

    #[test]
    fn heights_outside_the_window_are_refused() {
        let mut assembler = Assembler::default();
        for (height, ok) in [(4, false), (5, true), (15, true), (16, false), (u64::MAX, false)] {
            let part = message(key(height, 1), 0, StreamContent::Data(init(height, 10)));
            let result = accept(&mut assembler, 1, Height(5), part);
            assert_eq!(result.is_ok(), ok, "{height}");
        }
    }

    #[test]
    fn contradictions_drop_the_stream() {
        let good = stream(key(1, 1), &block(10));
        let wrong = [
            message(key(1, 1), 1, StreamContent::Data(init(1, 10))),
            message(key(1, 1), 0, StreamContent::Data(init(2, 10))),
            message(key(1, 1), 0, StreamContent::Data(init(1, 11))),
            message(key(1, 1), 0, StreamContent::Data(ProposalPart::Data(vec![1].into()))),
            message(key(1, 1), 1, StreamContent::Data(ProposalPart::Data(vec![1; 11].into()))),
            message(key(1, 1), 33, StreamContent::Data(ProposalPart::Data(vec![1].into()))),
            message(key(1, 1), 0, StreamContent::Fin),
        ];
        for bad in wrong {
            let mut assembler = Assembler::default();
            accept(&mut assembler, 1, Height(1), good[0].clone()).unwrap();
            assert!(accept(&mut assembler, 1, Height(1), bad).is_err());
            assert!(assembler.streams.is_empty());
            assert_eq!(assembler.bytes, 0);
        }
    }

    #[test]
    fn a_stream_that_ends_early_never_completes() {
        let block = block(2 * CHUNK_BYTES);
        let mut messages = stream(key(1, 1), &block);
        messages.remove(1);
        let mut assembler = Assembler::default();
        for message in messages {
            assert!(accept(&mut assembler, 1, Height(1), message).unwrap().is_none());
        }
    }

    #[test]
    fn memory_is_bounded_per_publisher_and_in_all() {
        let mut assembler = Assembler::default();
        let full = vec![1u8; CHUNK_BYTES];
        for seed in 0..20 {
            for nonce in 0..10 {
                for sequence in 1..=MAX_CHUNKS {
                    let data = ProposalPart::Data(Bytes::copy_from_slice(&full));
                    let part = message(key(1, nonce), sequence, StreamContent::Data(data));
                    accept(&mut assembler, seed, Height(1), part).unwrap();
                    assert!(assembler.bytes <= TOTAL_BYTES);
                }
            }
            let open = assembler.streams.keys().filter(|(p, _)| *p == publisher(seed)).count();
            assert!(open <= STREAMS_PER_OWNER);
        }
        let held: usize = assembler.streams.values().map(|stream| stream.bytes).sum();
        assert_eq!(held, assembler.bytes);
        assembler.prune(Height(2));
        assert_eq!(assembler.bytes, 0);
    }

    #[test]
    fn strangers_share_one_quota() {
        let mut assembler = Assembler::default();
        for seed in 0..50 {
            let part = message(key(1, 1), 0, StreamContent::Data(init(1, 10)));
            assembler.accept(publisher(seed), Owner::Strangers, Height(1), part).unwrap();
        }
        assert_eq!(assembler.streams.len(), STREAMS_PER_OWNER);
    }
}
