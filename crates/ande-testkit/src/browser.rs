//! A browser without a window, driven over its debugging protocol.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ande_devnet::{Launch, OnOrphan, Process, browser_binary, wait_until};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use eyre::{Context as _, ContextCompat as _, Result, ensure};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// A browser on a busy machine starts late.
const START: Duration = Duration::from_secs(120);
/// Pause between looks at the page.
const POLL: Duration = Duration::from_millis(100);
/// What is shown of a browser that does not start.
const LOG_LINES: usize = 20;
/// The browser writes its port here.
const PORT_FILE: &str = "DevToolsActivePort";
/// Start of every PNG file.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// One tab, closed with its browser when it is dropped.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser that shows `url`.
    ///
    /// # Errors
    /// When no browser is installed or it does not start; with what it said.
    pub async fn open(url: &str) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("ande-browser-").tempdir()?;
        let process = Process::spawn(&launch(browser_binary()?, profile.path()))?;
        let socket = Self::attach(profile.path()).await;
        let socket = socket.wrap_err_with(|| process.log_tail(LOG_LINES))?;
        let mut browser = Self { process, socket, calls: 0, _profile: profile };
        browser.call("Page.navigate", json!({ "url": url })).await?;
        Ok(browser)
    }

    /// Id of the group that all processes of the browser are in.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.process.pid()
    }

    async fn attach(profile: &Path) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let tab = wait_until("the browser has a tab", START, async || {
            let Ok(port) = fs::read_to_string(profile.join(PORT_FILE)) else { return Ok(None) };
            let Some(port) = port.lines().next() else { return Ok(None) };
            let url = format!("http://127.0.0.1:{port}/json/list");
            let Ok(answer) = http.get(url).send().await else { return Ok(None) };
            let tabs: Vec<Value> = answer.json().await?;
            let tab = tabs.iter().find(|tab| tab["type"] == "page");
            Ok(tab.and_then(|tab| tab["webSocketDebuggerUrl"].as_str().map(str::to_owned)))
        })
        .await?;
        let large = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (socket, _) =
            tokio_tungstenite::connect_async_with_config(tab, Some(large), true).await?;
        Ok(socket)
    }

    /// Calls a method of the debugging protocol.
    async fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let id = self.calls;
        let call = json!({ "id": id, "method": method, "params": params });
        self.socket.send(Message::text(call.to_string())).await?;
        loop {
            let message = self.socket.next().await.wrap_err("the browser went away")??;
            let Message::Text(text) = message else { continue };
            let mut answer: Value = serde_json::from_str(&text)?;
            if answer["id"] != id {
                continue;
            }
            ensure!(answer["error"].is_null(), "{method}: {}", answer["error"]);
            return Ok(answer["result"].take());
        }
    }

    /// The value of an expression on the page.
    ///
    /// # Errors
    /// When it throws.
    pub async fn value(&mut self, expression: &str) -> Result<Value> {
        let params = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", params).await?;
        let thrown = &answer["exceptionDetails"];
        ensure!(thrown.is_null(), "{expression}: {thrown}");
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression on the page is true.
    ///
    /// # Errors
    /// After `limit`, with what the page shows.
    pub async fn wait(&mut self, what: &str, expression: &str, limit: Duration) -> Result<()> {
        let start = std::time::Instant::now();
        // The page may not be loaded yet: then names are unknown.
        let guarded =
            format!("(() => {{ try {{ return !!({expression}) }} catch {{ return false }} }})()");
        while self.value(&guarded).await? != true {
            if start.elapsed() > limit {
                let shown = self.value("document.body.innerText").await?;
                eyre::bail!("not after {limit:?}: {what}\n{}", shown.as_str().unwrap_or_default());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Writes what is seen as a PNG file.
    ///
    /// # Errors
    /// When it cannot be taken or written.
    pub async fn screenshot(&mut self, path: &Path) -> Result<()> {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", params).await?;
        let image = STANDARD.decode(answer["data"].as_str().wrap_err("no picture")?)?;
        ensure!(image.starts_with(PNG), "not a PNG picture");
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        Ok(fs::write(path, image)?)
    }
}

/// Without a window, a sandbox, or services of the machine and of others: it shows one page of ours.
fn launch(program: PathBuf, profile: &Path) -> Launch {
    let profile_flag = format!("--user-data-dir={}", profile.display());
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-breakpad",
        "--disable-background-networking",
        "--no-first-run",
        "--no-proxy-server",
        "--window-size=1200,1000",
        "--remote-debugging-port=0",
        &profile_flag,
        "about:blank",
    ];
    Launch {
        name: "browser".to_owned(),
        program,
        args: flags.map(Into::into).to_vec(),
        dir: profile.to_path_buf(),
        env: Vec::new(),
        log: profile.join("browser.log"),
        on_orphan: OnOrphan::Kill,
    }
}
