//! JSON-RPC over WebSocket, spoken by hand.

use std::{net::SocketAddr, time::Duration};

use ande_rpc::RpcLimits;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    fixture::{Node, transfer},
    http::until,
};

/// A client that knows text and close frames.
struct Socket(TcpStream);

impl Socket {
    /// Opens a session; returns the head of the answer with it.
    async fn open(address: SocketAddr) -> (Self, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
                       sec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (Self(stream), String::from_utf8(head).unwrap())
    }

    async fn send(&mut self, text: &str) {
        let mut frame = vec![0x81];
        match text.len() {
            short @ 0..126 => frame.push(0x80 | short as u8),
            medium @ 126..65536 => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(medium as u16).to_be_bytes());
            }
            long => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend_from_slice(&mask);
        frame.extend(text.bytes().enumerate().map(|(index, byte)| byte ^ mask[index % 4]));
        self.0.write_all(&frame).await.unwrap();
    }

    /// The next frame: opcode and payload.
    async fn frame(&mut self) -> std::io::Result<(u8, Vec<u8>)> {
        let opcode = self.0.read_u8().await? & 0x0f;
        let length = match self.0.read_u8().await? {
            126 => u64::from(self.0.read_u16().await?),
            127 => self.0.read_u64().await?,
            short => u64::from(short),
        };
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await?;
        Ok((opcode, payload))
    }

    async fn call(&mut self, method: &str, params: Value) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": params});
        self.send(&call.to_string()).await;
        self.answer().await
    }

    /// The next text frame; pings need no answer for as long as a test lasts.
    async fn answer(&mut self) -> Value {
        loop {
            match self.frame().await.unwrap() {
                (1, payload) => return serde_json::from_slice(&payload).unwrap(),
                (9, _) => {}
                (opcode, payload) => panic!("frame {opcode}: {payload:?}"),
            }
        }
    }
}

#[tokio::test]
async fn both_ports_speak_both_protocols() {
    let mut node = Node::start().await;
    node.block(vec![transfer(11, 0)]).await;
    for address in [node.rpc, node.ws] {
        let (mut socket, head) = Socket::open(address).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("x-ande-node: node-1") && head.contains("x-ande-proposer: node-1"));
        assert_eq!(socket.call("eth_chainId", json!([])).await["result"], "0x181e");
        let block = socket.call("eth_getBlockByNumber", json!(["latest", true])).await;
        assert_eq!(block["result"]["number"], "0x1");
        let sent = socket.call("eth_sendRawTransaction", json!([transfer(12, 0)])).await;
        assert!(sent["result"].is_string(), "{sent}");
        assert_eq!(socket.call("eth_nothing", json!([])).await["error"]["code"], -32601);
        socket.send("nonsense").await;
        assert_eq!(socket.answer().await["error"]["code"], -32700);
        socket.send("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_blockNumber\"},5]").await;
        assert_eq!(socket.answer().await[0]["result"], "0x1");
        let http = crate::fixture::get(address, "/healthz").await;
        assert_eq!(http.status(), 200);
    }
}

#[tokio::test]
async fn sessions_count_as_connections_and_end_with_the_node() {
    let mut node = Node::start_with(RpcLimits { connections: 2, ..RpcLimits::default() }).await;
    let (mut socket, _) = Socket::open(node.ws).await;
    socket.call("eth_chainId", json!([])).await;
    assert_eq!(node.metrics.rpc_connections.get(), 1);
    node.stop.cancel();
    let (opcode, _) = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            match socket.frame().await {
                Ok((8, payload)) => return (8, payload),
                Ok(_) => {}
                Err(error) => panic!("closed without a close frame: {error}"),
            }
        }
    })
    .await
    .unwrap();
    assert_eq!(opcode, 8);
    drop(socket);
    tokio::time::timeout(Duration::from_secs(30), &mut node.public)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let metrics = node.metrics.clone();
    until(move || metrics.rpc_connections.get() == 0).await;
}

#[tokio::test]
async fn oversized_messages_are_refused() {
    let node = Node::start_with(RpcLimits { body_bytes: 1000, ..RpcLimits::default() }).await;
    let (mut socket, _) = Socket::open(node.ws).await;
    socket.send(&" ".repeat(1001)).await;
    assert_eq!(socket.answer().await["error"]["code"], -32007);
    assert_eq!(socket.call("eth_chainId", json!([])).await["result"], "0x181e");
    assert_eq!(node.get("/healthz").await.status(), 200);
}
