//! The accept loop: bounded connections, slow heads cut off, graceful end; and who answers what.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use ande_telemetry::Gauge;
use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{Service, ServiceExt as _};

use crate::{context, headers};

/// Pause after a failed accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Path of JSON-RPC.
const RPC_PATH: &str = "/";

/// Answers requests. JSON-RPC, which is nearly all of them, does not go through the router, whose
/// boxed services take a tenth of the time of a short call.
pub(crate) struct Front<R> {
    /// JSON-RPC over HTTP and WebSocket.
    pub(crate) rpc: R,
    /// All other paths.
    pub(crate) routes: Router,
    pub(crate) context: Arc<context::Context>,
}

impl<R> Front<R>
where
    R: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    async fn answer(&self, request: Request) -> Result<Response, Infallible> {
        let mut response = if request.uri().path() == RPC_PATH {
            self.rpc.clone().oneshot(request).await?
        } else {
            self.routes.clone().oneshot(request).await?
        };
        headers::add(&self.context, &mut response);
        Ok(response)
    }
}

/// What all listeners of one kind share.
pub(crate) struct Acceptor<R> {
    pub(crate) front: Front<R>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) open: Option<Gauge>,
    pub(crate) head_timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) shutdown: CancellationToken,
    pub(crate) connections: TaskTracker,
}

impl<R> Acceptor<R>
where
    R: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    R::Future: Send,
{
    /// Accepts until the shutdown.
    pub(crate) async fn run(self: Arc<Self>, listener: TcpListener) {
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

    async fn serve(self: Arc<Self>, connection: Connection<TcpStream>) {
        let acceptor = self.clone();
        let answer = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
            let acceptor = acceptor.clone();
            async move { acceptor.front.answer(request.map(Body::new)).await }
        });
        let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.head_timeout);
        let serving = builder.serve_connection_with_upgrades(TokioIo::new(connection), answer);
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
///
/// While the client takes no answers nothing more is read from it: over a WebSocket it could send
/// calls for ever, and every answer would wait in memory.
struct Connection<S> {
    stream: S,
    open: Option<Gauge>,
    _slot: OwnedSemaphorePermit,
    /// An answer waits for the client to take it.
    blocked: bool,
    /// Who wanted to read meanwhile.
    reader: Option<Waker>,
}

impl<S> Connection<S> {
    fn new(stream: S, slot: OwnedSemaphorePermit, open: Option<Gauge>) -> Self {
        if let Some(open) = &open {
            open.inc();
        }
        Self { stream, open, _slot: slot, blocked: false, reader: None }
    }

    /// Notes whether a write had to wait.
    fn wrote<T>(&mut self, written: Poll<T>) -> Poll<T> {
        self.blocked = written.is_pending();
        if !self.blocked
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
        written
    }
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.dec();
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.blocked {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
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
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_client_that_takes_no_answers_is_not_read_from() {
        let slots = Arc::new(Semaphore::new(1));
        let open = Gauge::default();
        let (mut client, server) = tokio::io::duplex(8);
        let slot = slots.clone().try_acquire_owned().unwrap();
        let connection = Connection::new(server, slot, Some(open.clone()));
        let (mut reading, mut writing) = tokio::io::split(connection);

        client.write_all(b"call").await.unwrap();
        let mut answers = Box::pin(writing.write_all(b"ten bytes!"));
        assert!(poll!(answers.as_mut()).is_pending(), "eight fit");
        let mut call = [0; 4];
        let mut read = Box::pin(reading.read_exact(&mut call));
        assert!(poll!(read.as_mut()).is_pending(), "the call waits with the answers");

        // The reader is woken by the end of the write, not by its own stream.
        let reader = async { read.await.map(|read| read == 4) };
        let taker = async {
            let mut answer = [0; 10];
            client.read_exact(&mut answer).await.map(|read| read == 10)
        };
        let (read, taken, wrote) = tokio::join!(reader, taker, answers);
        assert!(read.unwrap() && taken.unwrap());
        wrote.unwrap();
        assert_eq!(&call, b"call");

        drop((reading, writing));
        assert_eq!((open.get(), slots.available_permits()), (0, 1));
    }
}
