//! Where batches end: a pure function of the chain, so that every validator cuts the same batches.
//!
//! Content that depended on who posts, or when, could not survive a crash: validators sign one
//! content per batch number, so two posters with different contents would lock the committee.

use alloy_rlp::Encodable as _;
use ande_batch::MAX_BATCH_BLOCKS;
use ande_primitives::{Commit, EpochSet, MAX_FORCED_PER_BATCH};

/// Bytes of batch data besides blocks and signatures, generously: body, compression frame.
const FIXED_BYTES: usize = 1024;
/// Bytes of one signature of the certificate.
const SIGNATURE_BYTES: usize = 90;

/// What decides where batches end. Equal on all validators of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutRules {
    /// Milliseconds of block time after the last block of the previous batch.
    pub interval_ms: u64,
    /// Most bytes of data. Blocks are counted uncompressed, because the compressed size depends on
    /// the certificate, of which every node may hold another one.
    pub max_data_bytes: usize,
}

impl CutRules {
    /// Bytes of blocks that fit into one batch of this epoch.
    #[must_use]
    pub fn block_bytes(&self, set: &EpochSet) -> usize {
        let fixed = FIXED_BYTES + set.committee.size() * SIGNATURE_BYTES;
        self.max_data_bytes.saturating_sub(fixed)
    }

    /// How many of `commits` form the next batch; none while it is not complete. `previous_ms` is
    /// the timestamp of the last block of the previous batch, none before the first batch, and
    /// `forced` the number of forced transactions consumed up to it.
    ///
    /// A batch is complete at the end of its epoch, when its last block is `interval_ms` after the
    /// previous batch, or when the next block does not fit any more: by its bytes, or because the
    /// contract takes in so many forced transactions at a time.
    #[must_use]
    pub fn cut(
        &self,
        previous_ms: Option<u64>,
        forced: u64,
        commits: &[Commit],
        set: &EpochSet,
    ) -> Option<usize> {
        let since = previous_ms.or_else(|| Some(commits.first()?.block.header.timestamp_ms))?;
        let limit = self.block_bytes(set);
        let mut bytes = 0usize;
        for (index, commit) in commits.iter().enumerate() {
            let header = &commit.block.header;
            bytes = bytes.saturating_add(commit.block.length());
            // A block that is too large alone makes a batch of its own.
            let taken = header.forced_up_to.saturating_sub(forced);
            if index > 0 && (bytes > limit || taken > MAX_FORCED_PER_BATCH) {
                return Some(index);
            }
            let ends_epoch = !set.contains(header.height.next());
            let is_due = header.timestamp_ms.saturating_sub(since) >= self.interval_ms;
            if ends_epoch || is_due || index + 1 == MAX_BATCH_BLOCKS {
                return Some(index + 1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes};
    use ande_batch::MAX_BLOB_DATA_BYTES;
    use ande_primitives::{
        Block, Certificate, Committee, Epoch, Era, Header, Height, Member, QuorumFraction, Round,
        ScheduleMode, ScheduleRules, Skip,
    };

    use super::*;

    fn set() -> EpochSet {
        let member = Member { signer: Address::repeat_byte(1), weight: 1, id: 1 };
        EpochSet {
            era: Era(0),
            epoch: Epoch(0),
            set_id: 1,
            seed: B256::ZERO,
            rules: ScheduleRules::new(ScheduleMode::RoundRobin, 10, 2, 10).unwrap(),
            quorum: QuorumFraction::TWO_THIRDS,
            committee: Committee::new(vec![member]).unwrap(),
            l1_block: 0,
        }
    }

    fn commit(height: u64, timestamp_ms: u64, bytes: usize) -> Commit {
        let header = Header {
            l2_chain_id: 1,
            era: Era(0),
            epoch: Epoch(height / 20),
            height: Height(height),
            skip: Skip(0),
            parent_hash: B256::ZERO,
            proposer: Address::ZERO,
            timestamp_ms,
            forced_up_to: 0,
            forced_acc: B256::ZERO,
            execution_hash: B256::ZERO,
        };
        let block =
            Block { header, execution: Bytes::new(), transactions: vec![vec![1; bytes].into()] };
        let certificate = Certificate {
            era: Era(0),
            epoch: Epoch(height / 20),
            height: Height(height),
            round: Round(0),
            block_hash: B256::ZERO,
            signatures: Vec::new(),
        };
        Commit { block, certificate }
    }

    const RULES: CutRules = CutRules { interval_ms: 3_000, max_data_bytes: 10_000 };

    #[test]
    fn time_size_and_epoch_complete_a_batch() {
        let set = set();
        let at = |height: u64, ms: u64| commit(height, ms, 50);
        // By time after the previous batch.
        let blocks = [at(5, 2_000), at(6, 3_000), at(7, 4_500), at(8, 9_000)];
        assert_eq!(RULES.cut(Some(1_000), 0, &blocks, &set), Some(3));
        assert_eq!(RULES.cut(Some(1_000), 0, &blocks[..2], &set), None);
        // The first batch counts from its first block.
        assert_eq!(RULES.cut(None, 0, &blocks, &set), Some(4));
        assert_eq!(RULES.cut(None, 0, &[], &set), None);
        // By the end of the epoch, height 19.
        assert_eq!(RULES.cut(Some(0), 0, &[at(18, 1), at(19, 2), at(20, 3)], &set), Some(2));
        // By size: the block that does not fit is not part of it.
        let large = [commit(5, 1, 4_000), commit(6, 2, 4_000), commit(7, 3, 4_000)];
        assert_eq!(RULES.cut(Some(0), 0, &large, &set), Some(2));
        assert_eq!(RULES.cut(Some(0), 0, &large[..2], &set), None);
        // A block that is too large alone is a batch of its own.
        let huge = [commit(5, 1, 40_000), commit(6, 2, 10)];
        assert_eq!(RULES.cut(Some(0), 0, &huge, &set), Some(1));
        assert_eq!(RULES.cut(Some(0), 0, &huge[..1], &set), None);
    }

    #[test]
    fn a_batch_full_of_forced_transactions_is_complete() {
        let set = set();
        let at = |height: u64, forced_up_to: u64| {
            let mut commit = commit(height, height, 50);
            commit.block.header.forced_up_to = forced_up_to;
            commit
        };
        let blocks = [at(5, 10), at(6, 42), at(7, 43), at(8, 43)];
        assert_eq!(RULES.cut(Some(0), 10, &blocks, &set), Some(2));
        assert_eq!(RULES.cut(Some(0), 11, &blocks, &set), None);
        // Each block has at most as many as a batch takes in.
        assert_eq!(RULES.cut(Some(0), 42, &blocks[2..], &set), None);
        assert_eq!(RULES.cut(Some(0), 9, &blocks, &set), Some(1));
    }

    #[test]
    fn a_backlog_fills_the_blobs() {
        // Blocks of seconds long gone that no compression makes smaller: each but the last batch of
        // an epoch is full to a block.
        let rules = CutRules { interval_ms: u64::MAX, max_data_bytes: MAX_BLOB_DATA_BYTES };
        let mut set = set();
        set.rules = ScheduleRules::new(ScheduleMode::RoundRobin, 10_000, 2, 10).unwrap();
        let blocks: Vec<_> =
            (1..2_000).map(|h| commit(h, h, 1_000 + (h as usize * 37) % 2_000)).collect();
        let (mut rest, mut batches) = (&blocks[..], 0);
        while let Some(count) = rules.cut(Some(0), 0, rest, &set) {
            let bytes: usize = rest[..count].iter().map(|commit| commit.block.length()).sum();
            assert!(
                bytes <= MAX_BLOB_DATA_BYTES && bytes * 100 >= MAX_BLOB_DATA_BYTES * 99,
                "{bytes}"
            );
            rest = &rest[count..];
            batches += 1;
        }
        assert!(batches >= 3, "{batches}");
    }

    #[test]
    fn more_blocks_never_change_a_cut() {
        let set = set();
        let blocks: Vec<_> =
            (1..19).map(|h| commit(h, h * 700, (h as usize * 977) % 5_000)).collect();
        for start in 0..blocks.len() {
            let known = RULES.cut(Some(0), 0, &blocks[start..], &set);
            for end in start..=blocks.len() {
                let cut = RULES.cut(Some(0), 0, &blocks[start..end], &set);
                assert!(cut.is_none() || cut == known, "from {start} to {end}: {cut:?} {known:?}");
            }
        }
    }
}
