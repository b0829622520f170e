//! The status page in a browser.

use std::{path::PathBuf, time::Duration};

use ande_devnet::wait_until;
use ande_testkit::{Browser, Plan, TestCluster};
use eyre::{ContextCompat as _, Result, ensure};

/// Limit of what a busy machine does late.
const BUSY: Duration = Duration::from_secs(120);

/// Where a picture goes: `ANDE_SCREENSHOTS`, else the directory of cargo for files of tests.
fn picture(name: &str) -> PathBuf {
    let dir = std::env::var_os("ANDE_SCREENSHOTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    dir.join(format!("status-page-{name}.png"))
}

#[tokio::test]
async fn the_status_page_shows_what_happens() -> Result<()> {
    // Windows that are long enough to be seen.
    let plan = Plan { rotation: 20, ..Plan::default() };
    TestCluster::start(plan)
        .await?
        .observed(async |cluster| {
            let url = cluster.cluster().nodes()[0].ops_url();
            let mut browser = Browser::open(&url).await?;
            let idle =
                "document.body.dataset.state === 'good' && node('state').textContent === 'idle'";
            browser.wait("the chain is idle", idle, BUSY).await?;
            let rows = "document.querySelectorAll('#validators tr').length === 4 \
                        && document.querySelectorAll('#validators tr.down').length === 0 \
                        && document.querySelectorAll('#validators tr.proposer').length === 1 \
                        && document.querySelectorAll('#blocks tr').length > 0 \
                        && document.querySelectorAll('#batches tr').length > 0";
            browser.wait("validators, blocks and batches are shown", rows, BUSY).await?;
            let signers = "document.querySelector('#blocks tr td:last-child').textContent";
            let shown = browser.value(signers).await?;
            ensure!(shown.as_str().is_some_and(|text| text.contains("node-")), "{shown}");
            browser.screenshot(&picture("idle")).await?;

            // Load makes blocks, and the countdown runs to the next proposer.
            let before = browser.value("node('proposer').textContent").await?;
            let before = before.as_str().wrap_err("no proposer")?.to_owned();
            cluster.say(&format!("proposer {before}"));
            let load = cluster.load(20).await?;
            let next = format!("node('proposer').textContent !== {before:?}");
            browser.wait("the proposer changes", &next, BUSY).await?;
            browser.screenshot(&picture("rotation")).await?;
            load.finish().await?;

            cluster.kill(3).await?;
            let down = cluster.cluster().nodes()[3].id();
            let gone = format!(
                "document.querySelectorAll('#validators tr.down').length === 1 \
                 && document.querySelector('#validators tr.down').dataset.key === '{down}'"
            );
            browser.wait("the dead node is marked", &gone, BUSY).await?;
            browser.screenshot(&picture("node-down")).await?;

            // Texts that validators chose stay texts, and the policy keeps scripts out.
            ensure!(browser.value(HOSTILE).await? == true, "a text became an element");
            ensure!(browser.value(INJECTED).await? == "blocked", "the policy lets a script in");
            ensure!(browser.value("window.pwned === undefined").await? == true, "a script ran");

            // The page of a node that is gone does not pretend.
            cluster.kill(0).await?;
            let silent = "document.body.dataset.state === 'bad' \
                          && node('state').textContent.startsWith('no answer')";
            browser.wait("the page says that its node is gone", silent, BUSY).await?;

            let group = browser.group();
            ensure!(!processes(group)?.is_empty(), "the browser has no process");
            drop(browser);
            wait_until("no process of the browser is left", BUSY, async || {
                Ok(processes(group)?.is_empty().then_some(()))
            })
            .await
        })
        .await
}

/// Processes of a group that run.
fn processes(group: u32) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // Those that end meanwhile have no file any more.
        let Ok(stat) = std::fs::read_to_string(entry?.path().join("stat")) else { continue };
        // After the name in parentheses: state, parent, group.
        let Some((_, fields)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = fields.split(' ').collect();
        if fields.get(2) == Some(&group.to_string().as_str()) && fields[0] != "Z" {
            found.push(stat);
        }
    }
    Ok(found)
}

/// Shows a document in which every text is an attack; whether all of them stayed texts. In one go,
/// because the page asks its node again every second.
const HOSTILE: &str = "(() => {
    const evil = '<img src=x onerror=window.pwned=1><script>window.pwned=1</script>';
    const any = { name: evil, status: evil, endpoint: evil, signer: evil, proposer: evil,
        state: evil, error: evil, signers: [evil], id: evil, height: evil, phase: evil };
    show({ time_ms: 1, mode: evil, service: { version: evil }, node: { name: evil }, ready: true,
        warnings: [evil], chain: { latest: evil, l2_chain_id: evil }, consensus: any, l1: any,
        validators: [any], blocks: [any], batches: [any] });
    return document.querySelectorAll('#validators tr').length === 1
        && document.images.length === 0 && document.scripts.length === 1
        && document.body.textContent.includes('<img src=x onerror=');
})()";

/// Adds a script and a handler as an attacker would who found a way to make elements.
const INJECTED: &str = "(() => {
    const script = document.createElement('script');
    script.textContent = 'window.pwned = 1';
    document.head.append(script);
    script.remove();
    document.body.setAttribute('onclick', 'window.pwned = 2');
    document.body.click();
    return window.pwned === undefined ? 'blocked' : 'ran';
})()";
