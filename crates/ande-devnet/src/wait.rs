//! Waiting on observed state.

use std::time::{Duration, Instant};

use eyre::{Result, bail};

const POLL: Duration = Duration::from_millis(50);

/// Asks `probe` until it gives a value.
///
/// # Errors
/// The probe's error at once, or after `limit` an error that names `what` was waited for.
pub async fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = probe().await? {
            return Ok(value);
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} in vain until {what}");
        }
        tokio::time::sleep(POLL).await;
    }
}
