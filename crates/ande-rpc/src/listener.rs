//! The accept loop: bounded connections, slow heads cut off, graceful end.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ande_telemetry::Gauge;
use axum::{Router, body::Body, http::Request};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

/// Pause after a failed accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all listeners of one kind share.
#[derive(Clone)]
pub(crate) struct Acceptor {
    pub(crate) app: Router,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) open: Option<Gauge>,
    pub(crate) head_timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) shutdown: CancellationToken,
    pub(crate) connections: TaskTracker,
}

impl Acceptor {
    /// Accepts until the shutdown.
    pub(crate) async fn run(self, listener: TcpListener) {
        loop {
            let stream = tokio::select! {
                () = self.shutdown.cancelled() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    }
                },
            };
            let Ok(slot) = self.slots.clone().try_acquire_owned() else {
                tracing::debug!("connection refused: too many are open");
                continue;
            };
            // Answers are small and complete; waiting for more to send costs 40 ms.
            let _ = stream.set_nodelay(true);
            let connection = Connection::new(stream, slot, self.open.clone());
            self.connections.spawn(self.clone().serve(connection));
        }
    }

    async fn serve(self, connection: Connection) {
        let app = self.app.map_request(|request: Request<_>| request.map(Body::new));
        let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.head_timeout);
        let serving = builder.serve_connection_with_upgrades(
            TokioIo::new(connection),
            TowerToHyperService::new(app),
        );
        let mut serving = std::pin::pin!(serving);
        let finished = tokio::select! {
            result = serving.as_mut() => Some(result),
            () = self.shutdown.cancelled() => None,
        };
        let result = match finished {
            Some(result) => result,
            None => {
                serving.as_mut().graceful_shutdown();
                match tokio::time::timeout(self.grace, serving).await {
                    Ok(result) => result,
                    Err(_) => Err("not finished in time".into()),
                }
            }
        };
        if let Err(error) = result {
            tracing::trace!(%error, "a connection ended with an error");
        }
    }
}

/// A connection that counts as open until it is dropped, also after an upgrade.
struct Connection {
    stream: TcpStream,
    open: Option<Gauge>,
    _slot: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, slot: OwnedSemaphorePermit, open: Option<Gauge>) -> Self {
        if let Some(open) = &open {
            open.inc();
        }
        Self { stream, open, _slot: slot }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.dec();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
