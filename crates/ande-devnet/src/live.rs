//! The live view: one block of lines that is redrawn on a terminal, single lines elsewhere.

use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use ande_contracts::AndeSequencerCoordinator::BatchTip;
use futures::future::join_all;

use crate::{cluster::Cluster, load::LoadCounts, observe::Observation};

/// Where people are told what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Standard output.
    Output,
    /// Standard error: standard output belongs to a program.
    Error,
}

impl Voice {
    /// Prints a line.
    pub fn line(self, text: &str) {
        match self {
            Self::Output => println!("{text}"),
            Self::Error => eprintln!("{text}"),
        }
    }
}

/// Shows the state of a cluster.
#[derive(Debug)]
pub(crate) struct LiveView {
    http: reqwest::Client,
    voice: Voice,
    terminal: bool,
    drawn_lines: usize,
    started: Instant,
    last_line: String,
    last_load: Option<(Instant, LoadCounts)>,
}

/// One look at a cluster.
struct Look {
    nodes: Vec<Option<Observation>>,
    tip: Option<BatchTip>,
}

impl LiveView {
    /// A view that draws where it is a terminal.
    pub(crate) fn new(voice: Voice) -> Self {
        Self {
            http: reqwest::Client::new(),
            voice,
            terminal: voice == Voice::Output && std::io::stdout().is_terminal(),
            drawn_lines: 0,
            started: Instant::now(),
            last_line: String::new(),
            last_load: None,
        }
    }

    /// Time between two looks.
    pub(crate) const fn interval(&self) -> Duration {
        if self.terminal { Duration::from_millis(500) } else { Duration::from_secs(2) }
    }

    /// Prints a line that stays.
    pub(crate) fn say(&mut self, line: &str) {
        self.erase();
        self.voice.line(line);
    }

    /// Looks at the cluster and draws.
    pub(crate) async fn refresh(&mut self, cluster: &Cluster, load: Option<LoadCounts>) {
        let look = self.look(cluster).await;
        let rate = load.map(|now| self.load_text(now));
        if self.terminal {
            self.draw(&block(cluster, &look, rate.as_deref(), self.started.elapsed()));
        } else {
            let line = line(cluster, &look, rate.as_deref());
            if line != self.last_line {
                let seconds = self.started.elapsed().as_secs_f64();
                self.voice.line(&format!("{seconds:>6.1}s  {line}"));
                self.last_line = line;
            }
        }
    }

    async fn look(&self, cluster: &Cluster) -> Look {
        let urls: Vec<String> = cluster.nodes().iter().map(|node| node.ops_url()).collect();
        let nodes = join_all(urls.iter().map(|url| Observation::fetch(&self.http, url)))
            .await
            .into_iter()
            .map(Result::ok)
            .collect();
        Look { nodes, tip: cluster.tip().await.ok() }
    }

    fn load_text(&mut self, now: LoadCounts) -> String {
        let at = Instant::now();
        let rate = self.last_load.map_or(0.0, |(then, before)| {
            let seconds = at.duration_since(then).as_secs_f64().max(0.001);
            (now.acknowledged - before.acknowledged) as f64 / seconds
        });
        self.last_load = Some((at, now));
        format!("{rate:.0} tx/s acknowledged, {} in all, {} refused", now.acknowledged, now.refused)
    }

    fn draw(&mut self, text: &str) {
        self.erase();
        print!("{text}");
        // A terminal that cannot be written to shows nothing; the cluster goes on.
        let _ = std::io::stdout().flush();
        self.drawn_lines = text.lines().count();
    }

    fn erase(&mut self) {
        if self.terminal && self.drawn_lines > 0 {
            print!("\x1b[{}A\x1b[J", self.drawn_lines);
            self.drawn_lines = 0;
        }
    }
}

impl Look {
    fn height(&self) -> u64 {
        self.nodes.iter().flatten().map(Observation::height).max().unwrap_or(0)
    }

    /// What the node with the highest block says.
    fn best(&self) -> Option<&Observation> {
        self.nodes.iter().flatten().max_by_key(|node| node.height())
    }

    fn proposer(&self, cluster: &Cluster) -> String {
        let Some(id) = self.best().and_then(Observation::proposer) else { return "-".into() };
        cluster
            .nodes()
            .iter()
            .find(|node| u64::from(node.id()) == id)
            .map_or_else(|| format!("validator {id}"), |node| node.name().to_owned())
    }

    fn skip(&self) -> String {
        self.best().and_then(Observation::skip).map_or_else(|| "-".into(), |skip| skip.to_string())
    }

    fn batches(&self) -> String {
        self.tip.as_ref().map_or_else(
            || "settlement chain does not answer".into(),
            |tip| {
                format!(
                    "{} on L1, to height {} ({} behind)",
                    tip.batchIndex,
                    tip.endHeight,
                    self.height().saturating_sub(tip.endHeight)
                )
            },
        )
    }
}

fn line(cluster: &Cluster, look: &Look, load: Option<&str>) -> String {
    let height = look.height();
    let peers: Vec<String> = look
        .nodes
        .iter()
        .map(|node| node.as_ref().map_or_else(|| "-".into(), |node| node.peers().to_string()))
        .collect();
    let mut text = format!(
        "height {height}  proposer {}  window {}  skip {}  peers {}  batches {}",
        look.proposer(cluster),
        height / u64::from(cluster.deployment().rotation.max(1)),
        look.skip(),
        peers.join("/"),
        look.batches(),
    );
    if let Some(trouble) = look.best().and_then(Observation::trouble) {
        let _ = write!(text, "  [{trouble}]");
    }
    if let Some(load) = load {
        let _ = write!(text, "  load {load}");
    }
    text
}

fn block(cluster: &Cluster, look: &Look, load: Option<&str>, uptime: Duration) -> String {
    let height = look.height();
    let rotation = u64::from(cluster.deployment().rotation.max(1));
    let mut text = format!(
        "\n height {height}   window {} ({}/{rotation})   proposer {}   skip {}   up {} s\n",
        height / rotation,
        height % rotation + 1,
        look.proposer(cluster),
        look.skip(),
        uptime.as_secs(),
    );
    let _ = writeln!(text, " batches {}", look.batches());
    if let Some(load) = load {
        let _ = writeln!(text, " load {load}");
    }
    let proposer = look.best().and_then(Observation::proposer);
    for (node, observed) in cluster.nodes().iter().zip(&look.nodes) {
        let mark = if Some(u64::from(node.id())) == proposer { "*" } else { " " };
        let state = observed.as_ref().map_or_else(
            || "no answer".into(),
            |seen| {
                format!(
                    "height {}  peers {}  pool {}{}",
                    seen.height(),
                    seen.peers(),
                    seen.pooled(),
                    seen.trouble().map_or_else(String::new, |why| format!("  {why}")),
                )
            },
        );
        let pid = node.pid().map_or_else(|| "-".into(), |pid| pid.to_string());
        let _ =
            writeln!(text, " {mark} {:<8} {}  pid {pid:<8} {state}", node.name(), node.address());
    }
    text
}
