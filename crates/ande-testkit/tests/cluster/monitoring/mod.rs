//! Prometheus and Alertmanager over a live cluster.

mod machines;
mod ordering;
mod panels;
mod processes;
mod small_disk;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ande_devnet::wait_until;
use ande_testkit::{Monitoring, Plan, TestCluster};
use eyre::{Result, WrapErr as _, ensure};

/// Everything that says so fires in less than a minute; a busy machine may take longer.
const PAGED: Duration = Duration::from_secs(180);
/// What an alert hides may outlive it by one look of Prometheus.
const QUIET: Duration = Duration::from_secs(240);
/// What a fault leads to comes after it: nothing else may fire so long.
const AFTERWARDS: Duration = Duration::from_secs(15);

/// One long epoch: nobody is jailed, and without the settlement chain blocks go on. Batches may be
/// late on a busy machine.
fn plan() -> Plan {
    Plan {
        load_balancer: true,
        windows_per_epoch: 1_000,
        batch_interval: Duration::from_secs(3),
        takeover: Duration::from_secs(3),
        ..Plan::default()
    }
}

/// Waits until nobody is woken for anything.
async fn quiet(cluster: &TestCluster, monitoring: &Monitoring) -> Result<()> {
    let since = Instant::now();
    let mut out = BTreeSet::new();
    wait_until("no page is out", QUIET, async || {
        out = monitoring.alerts("page").await?;
        Ok(out.is_empty().then_some(()))
    })
    .await
    .wrap_err_with(|| format!("they are {out:?}\n{}", monitoring.logs()))?;
    cluster.say(&format!("no page after {:.0} s", since.elapsed().as_secs_f64()));
    Ok(())
}

/// Waits until this page is out instead of those before, and says how long that took. No other may
/// come on the way or soon after.
async fn paged(cluster: &TestCluster, monitoring: &Monitoring, page: &str) -> Result<()> {
    alerted(cluster, monitoring, "page", page).await
}

/// As [`paged`] for an alert of any severity, beside which no page may be out.
async fn alerted(
    cluster: &TestCluster,
    monitoring: &Monitoring,
    severity: &str,
    name: &str,
) -> Result<()> {
    let since = Instant::now();
    let before = monitoring.alerts("page").await?;
    let others = async || -> Result<BTreeSet<String>> {
        let mut pages = monitoring.alerts("page").await?;
        pages.remove(name);
        let new: Vec<_> = pages.difference(&before).collect();
        ensure!(new.is_empty(), "{new:?} fired too");
        Ok(pages)
    };
    wait_until(&format!("{name} is out alone"), PAGED, async || {
        let alone = others().await?.is_empty();
        let out = monitoring.alerts(severity).await?.contains(name);
        Ok((alone && out).then_some(()))
    })
    .await
    .wrap_err_with(|| monitoring.logs())?;
    cluster.say(&format!("{severity} {name} after {:.0} s", since.elapsed().as_secs_f64()));
    let fired = Instant::now();
    wait_until("nothing else fires", PAGED, async || {
        ensure!(others().await?.is_empty(), "a page is back");
        Ok((fired.elapsed() >= AFTERWARDS).then_some(()))
    })
    .await
}
