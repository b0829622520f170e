//! How many requests this machine can send and answer at all.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use ande_devnet::SignedTransaction;
use eyre::{Result, eyre};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinSet,
};

use crate::{drive::write_request, http::Connection};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 38\r\n\r\n\
                        {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x0\"}";

/// Transactions per second, one per request, that the load generator sends to a server that looks at
/// nothing: no node can take more on this machine.
///
/// # Errors
/// When the server cannot be started.
pub(crate) async fn request_rate(
    sample: &[SignedTransaction],
    connections: usize,
    time: Duration,
) -> Result<f64> {
    let length = {
        let mut body = Vec::new();
        write_request(&mut body, &sample[..1]);
        body.len()
    };
    let (ready, address) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    // A thread of its own, as a node is a process of its own.
    let server = std::thread::spawn(move || -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let _ = ready.send(listener.local_addr()?);
            tokio::select! {
                _ = stopped => Ok(()),
                served = serve(listener, length) => served,
            }
        })
    });
    let address = address.await?;
    let rate = rate(address, sample, connections, time).await;
    drop(stop);
    server.join().map_err(|_| eyre!("the server failed"))??;
    rate
}

async fn rate(
    address: SocketAddr,
    sample: &[SignedTransaction],
    connections: usize,
    time: Duration,
) -> Result<f64> {
    let mut clients = JoinSet::new();
    let start = Instant::now();
    for signed in sample.iter().cycle().take(connections) {
        let signed = signed.clone();
        clients.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let (mut body, mut count) = (Vec::new(), 0_u64);
            while start.elapsed() < time {
                write_request(&mut body, std::slice::from_ref(&signed));
                connection.post(&body).await?;
                count += 1;
            }
            Ok::<_, eyre::Report>(count)
        });
    }
    let mut total = 0;
    while let Some(count) = clients.join_next().await {
        total += count??;
    }
    Ok(total as f64 / start.elapsed().as_secs_f64())
}

async fn serve(listener: TcpListener, length: usize) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(answer(stream, length));
    }
}

/// Answers whatever has come after as many bytes as one request has.
async fn answer(mut stream: TcpStream, length: usize) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        bytes.clear();
        while bytes.len() < length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        stream.write_all(ANSWER).await?;
    }
}

#[cfg(test)]
mod tests {
    use alloy::signers::local::PrivateKeySigner;

    use super::*;
    use crate::signed::{Sender, Work, sign_all};

    #[tokio::test]
    async fn requests_are_counted() {
        let mut senders = vec![Sender { key: PrivateKeySigner::random(), nonce: 0 }];
        let sample = sign_all(&mut senders, 6174, Work::Transfer, 2, 0).unwrap();
        let rate = request_rate(&sample, 4, Duration::from_millis(50)).await.unwrap();
        assert!(rate > 0.0);
    }
}
