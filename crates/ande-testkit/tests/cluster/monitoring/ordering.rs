//! Batches that nobody takes, proposers that are late, a validator that contradicts itself.

use std::{convert::Infallible, time::Duration};

use alloy::{eips::BlockId, providers::Provider as _};
use ande_devnet::wait_until;
use ande_testkit::{Monitoring, TestCluster};
use eyre::{ContextCompat as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::{alerted, paged, plan, quiet};

const OFFENDER: usize = 2;
/// Of a settlement block that no batch fits into.
const TOO_LITTLE_GAS: u64 = 100_000;
/// Until a late proposer is passed over.
const PASSED_OVER: Duration = Duration::from_secs(60);

#[tokio::test]
async fn batch_lag_churn_and_equivocation_wake_somebody_for_themselves_alone() -> Result<()> {
    TestCluster::start(plan())
        .await?
        .observed(async |cluster| {
            let Some(monitoring) = Monitoring::start(cluster).await? else { return Ok(()) };
            let load = cluster.load(10).await?;
            quiet(cluster, &monitoring).await?;

            let l1 = cluster.l1()?;
            let gas = l1.get_block(BlockId::latest()).await?.wrap_err("no block")?.header.gas_limit;
            let limit = async |gas: u64| -> Result<()> {
                let gas = (format!("{gas:#x}"),);
                let _: bool = l1.raw_request("evm_setBlockGasLimit".into(), gas).await?;
                Ok(())
            };
            limit(TOO_LITTLE_GAS).await?;
            paged(cluster, &monitoring, "AndeBatchLag").await?;
            limit(gas).await?;
            quiet(cluster, &monitoring).await?;

            let ticket = alerted(cluster, &monitoring, "ticket", "AndeRoundChurn");
            tokio::select! {
                told = ticket => told?,
                never = churn(cluster) => match never? {},
            }

            cluster.kill(OFFENDER).await?;
            let fault = [("ANDE_FAILPOINT".to_owned(), "sign-twice:corrupt".to_owned())];
            cluster.processes().start_node_with(OFFENDER, &fault)?;
            paged(cluster, &monitoring, "AndeEquivocation").await?;
            load.finish().await.map(|_| ())
        })
        .await
}

/// Freezes whoever proposes until it is passed over, again and again.
async fn churn(cluster: &TestCluster) -> Result<Infallible> {
    loop {
        let victim = cluster.proposer().await?;
        let witness = (victim + 1) % cluster.size();
        let passed_over = async || -> Result<Option<u64>> {
            Ok(cluster.observe(witness).await?.count("/consensus/timeouts"))
        };
        let before = passed_over().await?;
        let _frozen =
            Frozen::new(cluster.cluster().nodes()[victim].pid().wrap_err("not started")?)?;
        wait_until("the frozen proposer is passed over", PASSED_OVER, async || {
            let now = passed_over().await?;
            Ok((now.is_some() && now != before).then_some(()))
        })
        .await?;
    }
}

/// A process that stands still for as long as this lives.
struct Frozen(Pid);

impl Frozen {
    fn new(pid: u32) -> Result<Self> {
        let pid = Pid::from_raw(pid.try_into()?).wrap_err("no process")?;
        kill_process(pid, Signal::STOP)?;
        Ok(Self(pid))
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It ended, which the test notices otherwise.
        let _ = kill_process(self.0, Signal::CONT);
    }
}
