//! Prometheus and Alertmanager as `monitoring/` configures them, over a cluster of a test.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ande_devnet::{Launch, OnOrphan, Process, in_path, wait_until};
use ande_monitoring::{files, targets_file};
use eyre::{ContextCompat as _, Result, WrapErr as _, ensure};
use reqwest::Url;
use serde_json::Value;

use crate::TestCluster;

const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(10);

/// Both programs, watching a cluster.
#[derive(Debug)]
pub struct Monitoring {
    prometheus: Process,
    alertmanager: Process,
    /// Of Prometheus.
    url: String,
    /// Of Alertmanager.
    alerts: String,
    http: reqwest::Client,
}

impl Monitoring {
    /// Starts both with the files of `monitoring/`; the targets are those of the cluster. None where
    /// one of them, or HAProxy, is not installed.
    ///
    /// # Errors
    /// When one does not start.
    pub async fn start(cluster: &TestCluster) -> Result<Option<Self>> {
        let alertmanager = in_path("prometheus-alertmanager").or_else(|| in_path("alertmanager"));
        let (Some(prometheus), Some(alertmanager), Some(_)) =
            (in_path("prometheus"), alertmanager, cluster.cluster().lb_rpc())
        else {
            cluster.say("Prometheus, Alertmanager or HAProxy is not installed: left out");
            return Ok(None);
        };
        let dir = cluster.dir().join("monitoring");
        let (port, alerts) = (ande_ports::reserve()?, ande_ports::reserve()?);
        write(cluster, &dir, port, alerts)?;
        let spawn = |name: &str, program: PathBuf, args: Vec<String>| {
            Process::spawn(&Launch {
                name: name.into(),
                program,
                args: args.into_iter().map(Into::into).collect(),
                dir: dir.clone(),
                env: Vec::new(),
                log: dir.join(format!("{name}.log")),
                on_orphan: OnOrphan::Kill,
            })
        };
        let started = Self {
            alertmanager: spawn(
                "alertmanager",
                alertmanager,
                vec![
                    "--config.file=alertmanager.yml".into(),
                    "--storage.path=alertmanager".into(),
                    format!("--web.listen-address=127.0.0.1:{alerts}"),
                    "--cluster.listen-address=".into(),
                ],
            )?,
            prometheus: spawn(
                "prometheus",
                prometheus,
                vec![
                    "--config.file=prometheus.yml".into(),
                    "--storage.tsdb.path=prometheus".into(),
                    format!("--web.listen-address=127.0.0.1:{port}"),
                ],
            )?,
            url: format!("http://127.0.0.1:{port}"),
            alerts: format!("http://127.0.0.1:{alerts}"),
            http: reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?,
        };
        wait_until("Prometheus and Alertmanager are ready", START, async || {
            for url in [&started.url, &started.alerts] {
                let answer = started.http.get(format!("{url}/-/ready")).send().await;
                if !answer.is_ok_and(|answer| answer.status().is_success()) {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .await
        .wrap_err_with(|| started.logs())?;
        Ok(Some(started))
    }

    /// Of Prometheus.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends of both logs.
    #[must_use]
    pub fn logs(&self) -> String {
        format!("{}\n{}", self.prometheus.log_tail(10), self.alertmanager.log_tail(10))
    }

    /// Series that an expression finds now.
    ///
    /// # Errors
    /// When Prometheus refuses it.
    pub async fn query(&self, expr: &str) -> Result<Vec<Value>> {
        let url = format!("{}/api/v1/query", self.url);
        let url = Url::parse_with_params(&url, [("query", expr)])?;
        let answer = self.http.get(url).send().await?;
        let answer: Value = answer.json().await?;
        ensure!(answer["status"] == "success", "{expr}: {answer}");
        answer["data"]["result"].as_array().cloned().wrap_err("no result")
    }

    /// Names of the alerts of a severity that somebody is told of now: neither resolved nor hidden by
    /// another.
    ///
    /// # Errors
    /// When Alertmanager does not answer.
    pub async fn alerts(&self, severity: &str) -> Result<BTreeSet<String>> {
        let filter = format!("severity=\"{severity}\"");
        let url = Url::parse_with_params(
            &format!("{}/api/v2/alerts", self.alerts),
            [
                ("active", "true"),
                ("silenced", "false"),
                ("inhibited", "false"),
                ("filter", filter.as_str()),
            ],
        )?;
        let answer = self.http.get(url).send().await?;
        let alerts: Vec<Value> = answer.json().await?;
        let name = |alert: &Value| Some(alert["labels"]["alertname"].as_str()?.to_owned());
        Ok(alerts.iter().filter_map(name).collect())
    }
}

/// The files of `monitoring/` with targets of this cluster.
fn write(cluster: &TestCluster, dir: &Path, port: u16, alerts: u16) -> Result<()> {
    for (path, text) in files()? {
        let Some(path) = path.strip_prefix("monitoring/") else { continue };
        let file = dir.join(path);
        fs::create_dir_all(file.parent().wrap_err("no directory")?)?;
        fs::write(file, text)?;
    }
    let local = |port: u16| format!("127.0.0.1:{port}");
    let nodes: Vec<_> = (cluster.cluster().nodes().iter())
        .map(|node| (node.name().to_owned(), local(node.ports().ops)))
        .collect();
    let balancer = cluster.cluster().config().ports.lb_stats;
    for (name, targets) in [
        ("sequencer", nodes),
        ("haproxy", vec![("lb".to_owned(), local(balancer))]),
        ("prometheus", vec![("prometheus".to_owned(), local(port))]),
        ("alertmanager", vec![("alertmanager".to_owned(), local(alerts))]),
    ] {
        let file = dir.join("targets").join(format!("{name}.yml"));
        fs::write(file, targets_file("", &targets))?;
    }
    Ok(())
}
