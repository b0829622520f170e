//! A Celestia node in this process: JSON-RPC over a chain that it makes up, a block for each
//! submission. Behind the cargo feature `test-support`; never part of a node.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{sync::Arc, time::Duration};

use celestia_types::{
    Blob, Commitment, ExtendedHeader, nmt::Namespace, test_utils::ExtendedHeaderGenerator,
};
use jsonrpsee::{
    RpcModule,
    core::RpcResult,
    server::{HttpRequest, Server, ServerConfig, ServerHandle},
    types::ErrorObjectOwned,
};
use parking_lot::Mutex;
use tower::ServiceBuilder;
use url::Url;

/// Height of the first block that it makes.
const FIRST: u64 = 100;
/// Longest wait for its port.
const LIMIT: Duration = Duration::from_secs(60);

/// What is wrong with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Submissions get into a block, and this is answered to them.
    LosesAnswer(String),
    /// Submissions get into no block, and this is answered to them.
    Refuses(String),
    /// Submissions get into no block and are never answered.
    Stalls,
    /// Blobs have a bit too many.
    OtherData,
    /// Blobs are 16 MiB long.
    Endless,
}

struct Chain {
    headers: ExtendedHeaderGenerator,
    head: ExtendedHeader,
    blobs: Vec<(u64, Blob)>,
    fault: Fault,
    submissions: usize,
    authorization: Option<String>,
}

impl Chain {
    fn include(&mut self, blobs: Vec<Blob>) -> u64 {
        self.head = self.headers.next_empty();
        let height = self.head.height();
        self.blobs.extend(blobs.into_iter().map(|blob| (height, blob)));
        height
    }
}

/// The node. It goes down when dropped.
pub struct LocalNode {
    chain: Arc<Mutex<Chain>>,
    port: u16,
    server: Option<ServerHandle>,
}

impl core::fmt::Debug for LocalNode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LocalNode").field("port", &self.port).finish_non_exhaustive()
    }
}

impl LocalNode {
    pub async fn start() -> Self {
        let mut headers = ExtendedHeaderGenerator::new_from_height(FIRST);
        let head = headers.next_empty();
        let chain = Chain {
            headers,
            head,
            blobs: Vec::new(),
            fault: Fault::None,
            submissions: 0,
            authorization: None,
        };
        let port = ande_ports::reserve().expect("a free port");
        let mut node = Self { chain: Arc::new(Mutex::new(chain)), port, server: None };
        node.up().await;
        node
    }

    #[must_use]
    pub fn url(&self) -> Url {
        format!("http://127.0.0.1:{}", self.port).parse().unwrap()
    }

    /// Listens again where it did, with the chain that it had.
    ///
    /// # Panics
    /// When its port stays taken.
    pub async fn up(&mut self) {
        let deadline = tokio::time::Instant::now() + LIMIT;
        let chain = Arc::clone(&self.chain);
        let server = loop {
            let seen = Arc::clone(&chain);
            let heard = ServiceBuilder::new().map_request(move |request: HttpRequest<_>| {
                let value = request.headers().get("authorization");
                let text = value.and_then(|value| value.to_str().ok()).map(str::to_owned);
                seen.lock().authorization = text;
                request
            });
            let address = ("127.0.0.1", self.port);
            let config = ServerConfig::builder().max_response_body_size(64 << 20).build();
            let server = Server::builder().set_config(config);
            match server.set_http_middleware(heard).build(address).await {
                Ok(server) => break server,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        self.server = Some(server.start(methods(chain)));
    }

    /// Closes its port and all connections.
    pub async fn down(&mut self) {
        let Some(server) = self.server.take() else { return };
        let _ = server.stop();
        server.stopped().await;
    }

    pub fn set(&self, fault: Fault) {
        self.chain.lock().fault = fault;
    }

    /// Makes blocks with nothing in them.
    pub fn advance(&self, blocks: u64) {
        for _ in 0..blocks {
            self.chain.lock().include(Vec::new());
        }
    }

    /// Loses all blobs, as a node that prunes does.
    pub fn forget(&self) {
        self.chain.lock().blobs.clear();
    }

    #[must_use]
    pub fn height(&self) -> u64 {
        self.chain.lock().head.height()
    }

    /// Heights and data of all blobs.
    #[must_use]
    pub fn blobs(&self) -> Vec<(u64, Vec<u8>)> {
        self.chain.lock().blobs.iter().map(|(height, blob)| (*height, blob.data.clone())).collect()
    }

    /// How often somebody submitted something.
    #[must_use]
    pub fn submissions(&self) -> usize {
        self.chain.lock().submissions
    }

    /// Header by which the last request asked for permission.
    #[must_use]
    pub fn authorization(&self) -> Option<String> {
        self.chain.lock().authorization.clone()
    }
}

fn methods(chain: Arc<Mutex<Chain>>) -> RpcModule<Mutex<Chain>> {
    let mut module = RpcModule::from_arc(chain);
    module
        .register_method("header.LocalHead", |_, chain, _| -> RpcResult<ExtendedHeader> {
            Ok(chain.lock().head.clone())
        })
        .unwrap();
    module
        .register_async_method("blob.Submit", |params, chain, _| async move {
            let (blobs, _): (Vec<Blob>, serde_json::Value) = params.parse()?;
            let fault = {
                let mut chain = chain.lock();
                chain.submissions += 1;
                chain.fault.clone()
            };
            match fault {
                Fault::Stalls => std::future::pending().await,
                Fault::Refuses(text) => Err(refusal(text)),
                Fault::LosesAnswer(text) => {
                    chain.lock().include(blobs);
                    Err(refusal(text))
                }
                Fault::None | Fault::OtherData | Fault::Endless => Ok(chain.lock().include(blobs)),
            }
        })
        .unwrap();
    module
        .register_method("blob.Get", |params, chain, _| -> RpcResult<Blob> {
            let (height, namespace, commitment): (u64, Namespace, Commitment) = params.parse()?;
            let chain = chain.lock();
            if height > chain.head.height() {
                return Err(refusal("header: given height is from the future"));
            }
            let named = |(at, blob): &&(u64, Blob)| {
                (*at, blob.namespace, blob.commitment) == (height, namespace, commitment)
            };
            let found = chain.blobs.iter().find(named);
            let (_, mut blob) = found.cloned().ok_or_else(|| refusal("blob: not found"))?;
            match chain.fault {
                Fault::OtherData => blob.data.push(0),
                Fault::Endless => blob.data.resize(16 << 20, 0),
                _ => {}
            }
            Ok(blob)
        })
        .unwrap();
    module
}

fn refusal(text: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(1, text.into(), None::<()>)
}
