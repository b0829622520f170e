//! Processes that end, stand still or run dry.

use alloy::{primitives::U256, providers::Provider as _};
use ande_testkit::{Monitoring, TestCluster};
use eyre::{ContextCompat as _, Result};

use super::{paged, plan, quiet};

#[tokio::test]
async fn missing_nodes_funds_and_settlement_wake_somebody_for_themselves_alone() -> Result<()> {
    TestCluster::start(plan())
        .await?
        .observed(async |cluster| {
            let Some(monitoring) = Monitoring::start(cluster).await? else { return Ok(()) };
            quiet(cluster, &monitoring).await?;

            cluster.kill(3).await?;
            paged(cluster, &monitoring, "AndeNodeDown").await?;
            cluster.kill(2).await?;
            paged(cluster, &monitoring, "AndeQuorumLost").await?;
            cluster.restart(2)?;
            cluster.restart(3)?;
            quiet(cluster, &monitoring).await?;

            let node = cluster.cluster().nodes()[1].address();
            let set = async |wei: U256| -> Result<()> {
                let l1 = cluster.l1()?;
                Ok(l1.raw_request("anvil_setBalance".into(), (node, wei)).await?)
            };
            set(U256::from(10).pow(U256::from(16))).await?;
            paged(cluster, &monitoring, "AndeSignerBalanceLow").await?;
            set(U256::from(10).pow(U256::from(20))).await?;
            quiet(cluster, &monitoring).await?;

            cluster.processes().anvil().process().wrap_err("no settlement chain")?.pause()?;
            paged(cluster, &monitoring, "AndeSettlementDown").await?;
            cluster.processes().anvil().process().wrap_err("no settlement chain")?.resume()?;
            quiet(cluster, &monitoring).await
        })
        .await
}
