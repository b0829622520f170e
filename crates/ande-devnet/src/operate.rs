//! A local network until Ctrl-C.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use eyre::{Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cluster::Cluster,
    live::{LiveView, Voice},
    load::{LOAD_SENDERS, Load, LoadPlan},
    options::Options,
};

const RESTART_AFTER: Duration = Duration::from_secs(3);
/// Exit codes with which a node says that a restart cannot help: configuration and keys.
const HOPELESS: [i32; 2] = [78, 77];

/// Ctrl-C or SIGTERM.
struct Interrupts {
    int: Signal,
    term: Signal,
}

impl Interrupts {
    fn new() -> Result<Self> {
        Ok(Self { int: signal(SignalKind::interrupt())?, term: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}

/// Runs the network that `options` describe until it is interrupted or its time is over, and stops
/// it. What happens is told to people; with [`Voice::Error`] standard output gets nothing but
/// `devnet.json`, once the network is healthy.
///
/// # Errors
/// When the network does not start or does not stay healthy.
pub async fn operate(options: &Options, voice: Voice) -> Result<()> {
    let mut interrupts = Interrupts::new()?;
    let start = Instant::now();
    let say = |text: &str| voice.line(&format!("{:>6.1}s  {text}", start.elapsed().as_secs_f64()));
    let config = options.cluster()?;
    let mut cluster = tokio::select! {
        cluster = Cluster::start(config, &say) => cluster?,
        // Dropping the half-started cluster kills what it started.
        () = interrupts.next() => bail!("interrupted"),
    };
    let outcome = tokio::select! {
        outcome = watch(options, &mut cluster, voice, &say) => outcome,
        () = interrupts.next() => Ok(()),
    };
    if let Err(error) = &outcome {
        eprintln!("error: {error:#}");
    }
    voice.line("\nstopping (Ctrl-C again to kill)");
    let stopped = tokio::select! {
        stopped = cluster.stop() => stopped,
        () = interrupts.next() => Ok(()),
    };
    drop(cluster);
    voice.line("stopped; the chain continues with the same --dir");
    if outcome.is_err() {
        bail!("the network did not stay healthy");
    }
    stopped
}

async fn watch(
    options: &Options,
    cluster: &mut Cluster,
    voice: Voice,
    say: &dyn Fn(&str),
) -> Result<()> {
    cluster.wait_healthy(say).await?;
    let manifest = cluster.write_manifest()?;
    say(&format!("healthy; wrote {}", manifest.display()));
    match voice {
        Voice::Output => print!("{}", cluster.cheat_sheet()?),
        Voice::Error => println!("{}", std::fs::read_to_string(&manifest)?.trim_end()),
    }

    let load = match options.load {
        Some(per_second) => Some(Load::start(LoadPlan {
            wallets: cluster.wallets(LOAD_SENDERS).await?,
            endpoints: cluster.public_endpoints(),
            per_second,
            answer_limit: Duration::from_secs(3),
            give_up: Duration::from_secs(30),
        })?),
        None => None,
    };
    let until = options.exit_after.map(|after| Instant::now() + after);
    let mut view = LiveView::new(voice);
    let mut down: HashMap<usize, Instant> = HashMap::new();
    loop {
        view.refresh(cluster, load.as_ref().map(Load::counts)).await;
        restart_ended_nodes(cluster, &mut view, &mut down)?;
        if until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
        tokio::time::sleep(view.interval()).await;
    }
    if let Some(load) = load {
        let report = load.finish().await?;
        voice.line(&format!(
            "load: {} acknowledged, {} refused, {} unanswered",
            report.acknowledged.len(),
            report.refused.len(),
            report.unanswered.len()
        ));
    }
    Ok(())
}

/// Does what a service manager does: a node that ended is started again a little later.
fn restart_ended_nodes(
    cluster: &mut Cluster,
    view: &mut LiveView,
    down: &mut HashMap<usize, Instant>,
) -> Result<()> {
    for index in 0..cluster.nodes().len() {
        let node = cluster.node_mut(index)?;
        let name = node.name().to_owned();
        let Some(process) = node.process() else { continue };
        let Some(status) = process.try_wait() else { continue };
        if status.code().is_some_and(|code| HOPELESS.contains(&code)) {
            bail!("{name} ended with {status}:\n{}", process.log_tail(10));
        }
        let since = *down.entry(index).or_insert_with(|| {
            view.say(&format!("{name} ended with {status}; restart in {RESTART_AFTER:?}"));
            Instant::now()
        });
        if since.elapsed() >= RESTART_AFTER {
            cluster.start_node(index)?;
            down.remove(&index);
            cluster.write_manifest()?;
            view.say(&format!("{name} started again"));
        }
    }
    Ok(())
}
