//! Blocks on their way to the disk.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use alloy_primitives::{B256, Bytes};
use ande_failpoint::reach_blocking;
use parking_lot::{Condvar, Mutex};

use super::{
    BlockMeta, StateError, StateOptions,
    codec::{ChangedKeys, Table, history_key, put_account, put_block, put_slot, slot_key},
    delta::AccountDelta,
    disk::{Batch, Disk, DiskView, HEAD, OLDEST, OLDEST_RECEIPTS, missing},
};

/// A block to write.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) meta: BlockMeta,
    pub(super) deltas: Vec<AccountDelta>,
    pub(super) codes: BTreeMap<B256, Bytes>,
    pub(super) receipts: Bytes,
}

/// The blocks that are not durable yet, in order.
#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    /// Something in [`State`] is different.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    jobs: VecDeque<Arc<Job>>,
    /// Newest durable block.
    durable: u64,
    failed: Option<String>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize, durable: u64) -> Self {
        let state = State { jobs: VecDeque::new(), durable, failed: None, closed: false };
        Self { capacity: capacity.max(1), state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn durable(&self) -> u64 {
        self.state.lock().durable
    }

    /// The genesis is durable.
    pub(super) fn start_at(&self, number: u64) {
        self.state.lock().durable = number;
    }

    /// Waits until one more block may be put.
    pub(super) fn wait_for_room(&self) -> Result<(), StateError> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| {
            state.failed.is_none() && state.jobs.len() >= self.capacity
        });
        state.check()
    }

    /// Puts a block for which there is room.
    pub(super) fn put(&self, job: Job) {
        self.state.lock().jobs.push_back(Arc::new(job));
        self.changed.notify_all();
    }

    /// Waits until this block is durable.
    pub(super) fn wait_for(&self, number: u64) -> Result<(), StateError> {
        let mut state = self.state.lock();
        self.changed
            .wait_while(&mut state, |state| state.failed.is_none() && state.durable < number);
        if state.durable >= number { Ok(()) } else { state.check() }
    }

    /// The first block that is not durable for which `find` has an answer.
    pub(super) fn find<T>(&self, find: impl FnMut(&Arc<Job>) -> Option<T>) -> Option<T> {
        self.state.lock().jobs.iter().find_map(find)
    }

    /// No more blocks come; the writer ends when all are written.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// The blocks to write next; none after [`Queue::close`]. They stay in the queue.
    fn next(&self) -> Option<Vec<Arc<Job>>> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.jobs.is_empty() && !state.closed);
        (!state.jobs.is_empty()).then(|| state.jobs.iter().cloned().collect())
    }

    fn done(&self, jobs: &[Arc<Job>]) {
        let mut state = self.state.lock();
        state.jobs.drain(..jobs.len());
        if let Some(last) = jobs.last() {
            state.durable = last.meta.number;
        }
        self.changed.notify_all();
    }

    fn fail(&self, error: String) {
        self.state.lock().failed.get_or_insert(error);
        self.changed.notify_all();
    }

    /// Writes what comes until the queue is closed or a write fails; a queue that failed stays so.
    pub(super) fn serve(&self, mut write: impl FnMut(&[Arc<Job>]) -> Result<(), StateError>) {
        /// Even a panic must not leave others waiting.
        struct Fuse<'a>(&'a Queue);
        impl Drop for Fuse<'_> {
            fn drop(&mut self) {
                self.0.fail("the writing thread ended".to_owned());
            }
        }
        let _fuse = Fuse(self);
        while let Some(jobs) = self.next() {
            match write(&jobs) {
                Ok(()) => self.done(&jobs),
                Err(error) => {
                    let first = jobs.first().map(|job| job.meta.number);
                    tracing::error!(?first, %error, "the state cannot be written");
                    return self.fail(error.to_string());
                }
            }
        }
    }
}

impl State {
    fn check(&self) -> Result<(), StateError> {
        match &self.failed {
            Some(error) => Err(StateError::Failed(error.clone())),
            None => Ok(()),
        }
    }
}

/// Writes blocks, one batch each, and makes them durable.
pub(super) fn write_blocks(
    disk: &Disk,
    jobs: &[Arc<Job>],
    options: &StateOptions,
) -> Result<(), StateError> {
    for job in jobs {
        reach_blocking("state-before-write");
        let mut batch = disk.batch();
        put_state(&mut batch, job);
        put_history(&mut batch, job);
        prune(disk, &mut batch, job.meta.number, options)?;
        reach_blocking("state-before-commit");
        batch.commit()?;
    }
    reach_blocking("state-before-sync");
    disk.sync()?;
    reach_blocking("state-after-sync");
    Ok(())
}

/// The accounts, slots and code after the block, its receipts and the block as the new head.
pub(super) fn put_state(batch: &mut Batch<'_>, job: &Job) {
    for AccountDelta { key, before, after, slots, .. } in &job.deltas {
        match after {
            Some(_) if before == after => {}
            Some(account) => batch.put(Table::Accounts, key.as_slice(), put_account(Some(account))),
            None => batch.remove(Table::Accounts, key.as_slice()),
        }
        for slot in slots {
            let key = slot_key(key, &slot.key);
            if slot.after.is_zero() {
                batch.remove(Table::Storage, &key);
            } else {
                batch.put(Table::Storage, &key, put_slot(slot.after));
            }
        }
    }
    for (hash, code) in &job.codes {
        batch.put(Table::Code, hash.as_slice(), code.to_vec());
    }
    let number = job.meta.number.to_be_bytes();
    batch.put(Table::Receipts, &number, job.receipts.to_vec());
    batch.put(Table::Blocks, &number, put_block(&job.meta));
    batch.put(Table::Meta, HEAD, put_block(&job.meta));
}

/// What the block replaced.
fn put_history(batch: &mut Batch<'_>, job: &Job) {
    let number = job.meta.number;
    for AccountDelta { key, before, after, slots, .. } in &job.deltas {
        if before != after {
            let key = history_key(key.as_slice(), number);
            batch.put(Table::AccountHistory, &key, put_account(before.as_ref()));
        }
        for slot in slots {
            let key = history_key(&slot_key(key, &slot.key), number);
            batch.put(Table::StorageHistory, &key, put_slot(slot.before));
        }
    }
    let changed = ChangedKeys::of(&job.deltas).put();
    batch.put(Table::Changes, &number.to_be_bytes(), changed);
}

/// Blocks whose history or receipts are removed with one new block: more than one, so that a
/// shortened history gets there, and few, so that no block takes long.
const PRUNED_AT_ONCE: u64 = 4;

/// Removes what is older than the options keep, with the block that makes it so.
fn prune(
    disk: &Disk,
    batch: &mut Batch<'_>,
    number: u64,
    options: &StateOptions,
) -> Result<(), StateError> {
    let view = disk.snapshot();
    let oldest = view.oldest()?;
    // The keys of this block itself are not on disk yet.
    let wanted = number.saturating_sub(options.history_blocks).min(number.saturating_sub(1));
    let new = wanted.min(oldest.saturating_add(PRUNED_AT_ONCE));
    let oldest_receipts = view.oldest_receipts()?;
    let wanted = options.receipt_blocks.map_or(0, |kept| number.saturating_sub(kept));
    let new_receipts = wanted.min(oldest_receipts.saturating_add(PRUNED_AT_ONCE));
    if new <= oldest && new_receipts <= oldest_receipts {
        return Ok(());
    }
    reach_blocking("state-before-prune");
    if new > oldest {
        prune_history(&view, batch, oldest, new)?;
    }
    if new_receipts > oldest_receipts {
        for block in oldest_receipts..new_receipts {
            batch.remove(Table::Receipts, &block.to_be_bytes());
        }
        batch.put(Table::Meta, OLDEST_RECEIPTS, new_receipts.to_be_bytes().to_vec());
    }
    reach_blocking("state-after-prune");
    Ok(())
}

/// Removes what only states from `oldest` to before `new` need.
fn prune_history(
    view: &DiskView<'_>,
    batch: &mut Batch<'_>,
    oldest: u64,
    new: u64,
) -> Result<(), StateError> {
    // The state after block `new` needs what later blocks replaced, not what it replaced itself.
    for block in oldest + 1..=new {
        let key = block.to_be_bytes();
        let changed = view.read(Table::Changes, &key, ChangedKeys::get)?;
        let changed = changed.ok_or_else(|| missing(Table::Changes, &key))?;
        for account in &changed.accounts {
            batch.remove(Table::AccountHistory, &history_key(account.as_slice(), block));
        }
        for (account, slot) in &changed.slots {
            batch.remove(Table::StorageHistory, &history_key(&slot_key(account, slot), block));
        }
        batch.remove(Table::Changes, &key);
    }
    batch.put(Table::Meta, OLDEST, new.to_be_bytes().to_vec());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU64, Ordering},
        thread,
    };

    use super::*;

    fn job(number: u64) -> Job {
        let (hash, state_root) = (B256::ZERO, B256::ZERO);
        let meta = BlockMeta { number, hash, state_root, timestamp: 0 };
        Job { meta, deltas: Vec::new(), codes: BTreeMap::new(), receipts: Bytes::new() }
    }

    fn failure() -> StateError {
        StateError::Disk { doing: "write a block", cause: Arc::new(fjall::Error::Poisoned) }
    }

    #[test]
    fn a_failed_write_stops_everything_for_good() {
        let queue = Queue::new(2, 0);
        thread::scope(|scope| {
            scope.spawn(|| {
                queue.serve(|jobs| match jobs {
                    [first, ..] if first.meta.number >= 3 => Err(failure()),
                    _ => Ok(()),
                });
            });
            for number in 1..=2 {
                queue.wait_for_room().unwrap();
                queue.put(job(number));
                queue.wait_for(number).unwrap();
            }
            queue.wait_for_room().unwrap();
            queue.put(job(3));
            // Woken by the failure, not by a block.
            let error = queue.wait_for(3).unwrap_err().to_string();
            assert!(error.contains("write a block: FjallError: Poisoned"), "{error}");
        });
        assert!(matches!(queue.wait_for_room(), Err(StateError::Failed(_))));
        queue.wait_for(2).unwrap();
        assert_eq!(queue.durable(), 2);
        // What was applied can still be read.
        assert!(queue.find(|job| (job.meta.number == 3).then_some(())).is_some());
    }

    #[test]
    fn a_writer_that_panics_leaves_nobody_waiting() {
        let queue = Arc::new(Queue::new(1, 0));
        let served = Arc::clone(&queue);
        let writer = thread::spawn(move || served.serve(|_| panic!("on purpose")));
        queue.put(job(1));
        assert!(matches!(queue.wait_for(1), Err(StateError::Failed(_))));
        assert!(matches!(queue.wait_for_room(), Err(StateError::Failed(_))));
        assert!(writer.join().is_err());
    }

    #[test]
    fn a_slow_disk_holds_up_who_applies() {
        let queue = Queue::new(3, 0);
        let written = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                queue.serve(|jobs| {
                    assert!(jobs.len() <= 3);
                    thread::yield_now();
                    written.fetch_add(jobs.len() as u64, Ordering::SeqCst);
                    Ok(())
                });
            });
            for number in 1..=500 {
                queue.wait_for_room().unwrap();
                // At most three wait, this one included.
                assert!(written.load(Ordering::SeqCst) + 3 >= number);
                queue.put(job(number));
            }
            // What is in the queue is written before the end.
            queue.close();
        });
        assert_eq!(written.load(Ordering::SeqCst), 500);
        assert_eq!(queue.durable(), 500);
    }
}
