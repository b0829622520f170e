//! Clusters, faults and load for tests
