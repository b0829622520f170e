//! HTTP and WebSocket surface of a node
