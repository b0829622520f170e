//! Brings a local cluster up: settlement chain, contracts, validators, nodes, load balancer
