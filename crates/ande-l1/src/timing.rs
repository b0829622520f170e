//! Whether the configured times can work together.

use std::time::Duration;

use ande_primitives::ScheduleRules;

/// The times of a deployment that depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between blocks when there is work.
    pub block_time: Duration,
    /// Time between batches.
    pub batch_interval: Duration,
    /// Time between two settlement blocks.
    pub l1_block_time: Duration,
    /// Settlement blocks from the latest to the final one.
    pub l1_final_depth: u64,
    /// Pause between two looks at the settlement chain.
    pub poll_interval: Duration,
}

/// Times with which the chain would stop at every epoch boundary.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an epoch of {epoch_blocks} blocks lasts {epoch_ms} ms, but the set of the epoch after the next is final on the settlement chain only {need_ms} ms after an epoch began ({batch_ms} ms until its first batch, {post_ms} ms until that batch is in a settlement block, {final_ms} ms until that block is final); use more or longer windows per epoch, or a shorter batch interval"
)]
pub struct TimingError {
    /// Blocks per epoch.
    pub epoch_blocks: u64,
    /// Shortest duration of an epoch.
    pub epoch_ms: u64,
    /// Longest time until the first batch of an epoch is cut and certified.
    pub batch_ms: u64,
    /// Longest time until it is in a settlement block.
    pub post_ms: u64,
    /// Longest time until that block is final and read.
    pub final_ms: u64,
    /// Sum of the three.
    pub need_ms: u64,
}

/// The set of epoch `e + 2` is frozen by the first batch of epoch `e` and needed when epoch `e + 1`
/// ends. The check asks for half of that, so that one lost batch does not stop the chain.
///
/// # Errors
/// [`TimingError`] with the numbers.
pub fn check_timing(rules: &ScheduleRules, timing: &Timing) -> Result<(), TimingError> {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let epoch_blocks = rules.epoch_length();
    let epoch_ms = epoch_blocks.saturating_mul(ms(timing.block_time));
    let batch_ms = ms(timing.batch_interval).saturating_add(ms(timing.block_time));
    // One settlement block may just have been missed.
    let post_ms = ms(timing.l1_block_time).saturating_mul(2);
    let final_ms = ms(timing.l1_block_time)
        .saturating_mul(timing.l1_final_depth)
        .saturating_add(ms(timing.poll_interval));
    let need_ms = batch_ms.saturating_add(post_ms).saturating_add(final_ms);
    if epoch_ms > need_ms {
        return Ok(());
    }
    Err(TimingError { epoch_blocks, epoch_ms, batch_ms, post_ms, final_ms, need_ms })
}

#[cfg(test)]
mod tests {
    use ande_primitives::ScheduleMode;

    use super::*;

    #[test]
    fn an_epoch_must_outlast_batch_and_finality() {
        let timing = Timing {
            block_time: Duration::from_secs(2),
            batch_interval: Duration::from_secs(10),
            l1_block_time: Duration::from_secs(12),
            l1_final_depth: 64,
            poll_interval: Duration::from_secs(1),
        };
        let long = ScheduleRules::new(ScheduleMode::RoundRobin, 100, 6, 10).unwrap();
        assert_eq!(check_timing(&long, &timing), Ok(()));
        let short = ScheduleRules::new(ScheduleMode::RoundRobin, 10, 6, 10).unwrap();
        let error = check_timing(&short, &timing).unwrap_err();
        assert_eq!((error.epoch_ms, error.need_ms), (120_000, 12_000 + 24_000 + 769_000));
        assert!(error.to_string().contains("lasts 120000 ms"), "{error}");
        assert!(error.to_string().contains("805000 ms after"), "{error}");
    }
}
