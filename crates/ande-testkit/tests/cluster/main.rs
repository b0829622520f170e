//! Clusters of real processes. Each test has the machine for itself.

mod celestia;
mod client;
mod crashes;
mod damage;
mod devnet;
mod documents;
mod drain;
mod endpoints;
mod eras;
mod forced;
mod hostile;
mod membership;
mod monitoring;
mod outage;
mod overload;
mod page;
mod posting;
mod proposer;
mod rebuild;
mod restarts;
mod slashing;
mod snapshot;
mod spread;
mod tools;
mod watch;
