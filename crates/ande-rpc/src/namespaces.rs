//! Which methods a listener serves.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// The part of a method's name before the underscore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Namespace {
    /// Ethereum's methods.
    Eth,
    /// Network of the node.
    Net,
    /// Client version and hashing.
    Web3,
    /// What Ethereum's methods cannot say.
    Ande,
    /// Content of the transaction pool.
    Txpool,
    /// Traces and raw data. Expensive: a single call may run a whole block again.
    Debug,
    /// The node's own peers and identity.
    Admin,
}

impl Namespace {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Eth, Self::Net, Self::Web3, Self::Ande, Self::Txpool, Self::Debug, Self::Admin];

    /// Name as in methods and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eth => "eth",
            Self::Net => "net",
            Self::Web3 => "web3",
            Self::Ande => "ande",
            Self::Txpool => "txpool",
            Self::Debug => "debug",
            Self::Admin => "admin",
        }
    }

    /// Namespace of a method; none for `rpc_modules`, which every listener serves.
    pub(crate) fn of(method: &str) -> Option<Self> {
        method.split_once('_').and_then(|(name, _)| name.parse().ok())
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no namespace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of eth, net, web3, ande, txpool, debug, admin")]
pub struct UnknownNamespace(pub String);

impl FromStr for Namespace {
    type Err = UnknownNamespace;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|namespace| namespace.name() == name)
            .ok_or_else(|| UnknownNamespace(name.to_owned()))
    }
}

/// What the listeners serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RpcApis {
    /// Namespaces of the public listeners.
    pub public: BTreeSet<Namespace>,
    /// Namespaces of the ops listener.
    pub ops: BTreeSet<Namespace>,
    /// Whether clients may watch transactions come in (`newPendingTransactions`).
    pub pending_transactions: bool,
}

impl Default for RpcApis {
    fn default() -> Self {
        Self {
            public: [
                Namespace::Eth,
                Namespace::Net,
                Namespace::Web3,
                Namespace::Ande,
                Namespace::Txpool,
            ]
            .into(),
            ops: Namespace::ALL.into(),
            pending_transactions: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for namespace in Namespace::ALL {
            assert_eq!(namespace.to_string().parse(), Ok(namespace));
            assert_eq!(Namespace::of(&format!("{namespace}_any_thing")), Some(namespace));
        }
        assert!("Eth".parse::<Namespace>().is_err());
        assert_eq!(Namespace::of("rpc_modules"), None);
        assert_eq!(Namespace::of("eth"), None);
        assert!(!RpcApis::default().public.contains(&Namespace::Debug));
        assert!(RpcApis::default().ops.contains(&Namespace::Debug));
    }
}
