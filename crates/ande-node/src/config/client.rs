//! The part of the configuration about an external execution client.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ande_execution::{BlockBuilder, check_engine_block_time};
use url::Url;

use super::{
    checked::Checker,
    raw::{BuilderKind, ExecutorKind, RawEngine},
};

/// An external execution client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Its Engine API.
    pub url: Url,
    /// File with the secret that it shares.
    pub jwt_secret: PathBuf,
    /// Longest wait for one answer.
    pub request_timeout: Duration,
    /// Longest wait for the verdict on one block.
    pub verdict_timeout: Duration,
    /// Longest wait for it when the node starts.
    pub start_timeout: Duration,
    /// Who builds the blocks that this node proposes.
    pub builder: BlockBuilder,
    /// Longest wait for a block that the client builds.
    pub build_timeout: Duration,
}

/// What an execution client needs of the rest of the configuration.
pub(super) struct Pace {
    pub(super) executor: ExecutorKind,
    pub(super) block_time_ms: u64,
    pub(super) propose_timeout_ms: u64,
}

impl Checker {
    pub(super) fn client(
        &mut self,
        raw: RawEngine,
        pace: &Pace,
        base: &Path,
    ) -> Option<ClientConfig> {
        if pace.executor == ExecutorKind::None {
            self.problem("[engine] has no meaning with executor \"none\"".into());
        }
        if let Err(error) = check_engine_block_time(Duration::from_millis(pace.block_time_ms)) {
            self.problem(format!("chain.block_time_ms with [engine]: {error}"));
        }
        let verdict_ms = raw.verdict_timeout_ms.unwrap_or(pace.block_time_ms);
        if verdict_ms >= pace.propose_timeout_ms {
            self.problem(format!(
                "engine.verdict_timeout_ms = {verdict_ms} must be below \
                 consensus.propose_timeout_ms = {}: a later verdict comes after its round",
                pace.propose_timeout_ms
            ));
        }
        let (builder, build_timeout) = self.builder(&raw, pace, verdict_ms);
        let url = self.required("engine.url", raw.url);
        let jwt_secret = base.join(self.required("engine.jwt_secret", raw.jwt_secret));
        let request_timeout =
            self.millis("engine.request_timeout_ms", raw.request_timeout_ms, 100, 120_000);
        let verdict_timeout = self.millis("engine.verdict_timeout_ms", verdict_ms, 100, 120_000);
        let start_timeout =
            self.millis("engine.start_timeout_ms", raw.start_timeout_ms, 100, 86_400_000);
        if url.is_empty() {
            return None;
        }
        Some(ClientConfig {
            url: self.url("engine.url", &url, "http://127.0.0.1:8551")?,
            jwt_secret,
            request_timeout,
            verdict_timeout,
            start_timeout,
            builder,
            build_timeout,
        })
    }

    fn builder(
        &mut self,
        raw: &RawEngine,
        pace: &Pace,
        verdict_ms: u64,
    ) -> (BlockBuilder, Duration) {
        let kind = raw.builder;
        for (key, is_set, needs, has_meaning) in [
            (
                "build_timeout_ms",
                raw.build_timeout_ms.is_some(),
                "\"eth\", \"testing\" or \"evolve\"",
                kind != BuilderKind::Embedded,
            ),
            ("build_fill_ms", raw.build_fill_ms.is_some(), "\"eth\"", kind == BuilderKind::Eth),
            ("builder_url", raw.builder_url.is_some(), "\"testing\"", kind == BuilderKind::Testing),
        ] {
            if is_set && !has_meaning {
                self.problem(format!("engine.{key} needs engine.builder = {needs}"));
            }
        }
        if kind == BuilderKind::Embedded {
            return (BlockBuilder::Embedded, Duration::ZERO);
        }
        let build_ms = raw.build_timeout_ms.unwrap_or(pace.block_time_ms / 2);
        let build_timeout = self.millis("engine.build_timeout_ms", build_ms, 50, 120_000);
        if build_ms.saturating_add(verdict_ms) >= pace.propose_timeout_ms {
            self.problem(format!(
                "engine.build_timeout_ms = {build_ms} and engine.verdict_timeout_ms = \
                 {verdict_ms} must together be below consensus.propose_timeout_ms = {}: a block \
                 of the client is judged before it is proposed",
                pace.propose_timeout_ms
            ));
        }
        let builder = match kind {
            BuilderKind::Embedded => BlockBuilder::Embedded,
            BuilderKind::Eth => {
                let fill_ms = raw.build_fill_ms.unwrap_or(build_ms / 4);
                if fill_ms >= build_ms {
                    self.problem(format!(
                        "engine.build_fill_ms = {fill_ms} must be below engine.build_timeout_ms = \
                         {build_ms}: the block is asked for after it"
                    ));
                }
                BlockBuilder::Eth { fill: Duration::from_millis(fill_ms) }
            }
            BuilderKind::Testing => BlockBuilder::Testing {
                url: raw
                    .builder_url
                    .as_ref()
                    .and_then(|url| self.url("engine.builder_url", url, "http://127.0.0.1:8545")),
            },
            BuilderKind::Evolve => BlockBuilder::Evolve,
        };
        (builder, build_timeout)
    }

    pub(super) fn url(&mut self, key: &str, text: &str, example: &str) -> Option<Url> {
        match Url::parse(text) {
            Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.has_host() => {
                Some(parsed)
            }
            Ok(_) | Err(_) => {
                self.problem(format!("{key} = \"{text}\" is not an http(s) URL such as {example}"));
                None
            }
        }
    }
}
