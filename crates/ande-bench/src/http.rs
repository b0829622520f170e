//! The cheapest HTTP client that a JSON-RPC server understands: the load generator shares the
//! machine with what it measures.

use std::net::SocketAddr;

use eyre::{Result, bail, eyre};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const MAX_ANSWER: usize = 8 << 20;

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, request: Vec::new(), answer: Vec::new() })
    }

    /// Posts a body and gives the body of the answer.
    ///
    /// # Errors
    /// A closed connection or an answer that is not HTTP with a length.
    pub(crate) async fn post(&mut self, body: &[u8]) -> Result<&[u8]> {
        self.request.clear();
        self.request.extend_from_slice(
            b"POST / HTTP/1.1\r\nhost: l2\r\ncontent-type: application/json\r\ncontent-length: ",
        );
        self.request.extend_from_slice(body.len().to_string().as_bytes());
        self.request.extend_from_slice(b"\r\n\r\n");
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server closed the connection");
            }
            let Some(head) = find(&self.answer, b"\r\n\r\n") else { continue };
            let length = content_length(&self.answer[..head])?;
            let end = head + 4 + length;
            while self.answer.len() < end {
                if self.stream.read_buf(&mut self.answer).await? == 0 {
                    bail!("the server closed the connection in the middle of an answer");
                }
            }
            return Ok(&self.answer[head + 4..end]);
        }
    }
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .ok_or_else(|| eyre!("an answer without a length: {head}"))?
        .1
        .trim()
        .parse()?;
    if length > MAX_ANSWER {
        bail!("an answer of {length} bytes");
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn answers_are_read_across_packets_on_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            for _ in 0..2 {
                let mut request = Vec::new();
                while !request.ends_with(b"[1]") {
                    stream.read_buf(&mut request).await.unwrap();
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-").await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(b"Length: 4\r\n\r\ntr").await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
                stream.write_all(b"ue").await.unwrap();
            }
        });
        let mut connection = Connection::open(address).await.unwrap();
        assert_eq!(connection.post(b"[1]").await.unwrap(), b"true");
        assert_eq!(connection.post(b"[1]").await.unwrap(), b"true");
        server.await.unwrap();
        assert!(connection.post(b"[1]").await.is_err());
    }

    #[test]
    fn an_answer_without_length_is_an_error() {
        assert!(content_length(b"HTTP/1.1 200 OK\r\nx: y").is_err());
        assert!(content_length(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999").is_err());
    }
}
