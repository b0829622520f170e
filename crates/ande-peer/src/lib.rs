//! Authenticated node-to-node HTTP
