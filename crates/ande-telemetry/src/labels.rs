//! Label sets. Values come from closed sets, so that no caller can blow up the number of series.

use prometheus_client::encoding::EncodeLabelSet;

use crate::Labels;

macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: &'static str,)+
        }
        impl $name {
            /// From the values, in the order of the fields.
            #[must_use]
            pub const fn new($($field: &'static str),+) -> Self {
                Self { $($field),+ }
            }
        }
        impl Labels for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($field)),+];
        }
    };
}

labels!(
    /// Which head of the chain.
    HeadLabels {
        /// `latest`, `safe` or `finalized`.
        head
    }
);
labels!(
    /// What was built.
    BuildLabels {
        /// Version of the software.
        version,
        /// Source revision, `unknown` when built outside a repository.
        git_sha
    }
);
labels!(
    /// A JSON-RPC method.
    MethodLabels {
        /// A name that this node serves; `other` for everything else.
        method
    }
);
labels!(
    /// What a subscription tells.
    TopicLabels {
        /// `newHeads`, `logs`, `newPendingTransactions` or `syncing`.
        topic
    }
);
labels!(
    /// A subscription that the node ended.
    SubscriptionEndLabels {
        /// `slow`: the client takes no message; `lagging`: it takes them more slowly than they
        /// come; `stopping` and `failed`: the node's own doing.
        reason
    }
);
labels!(
    /// A request of another node.
    PeerLabels {
        /// Route under `/peer/v1/`; `other` for everything else.
        route,
        /// `ok`, `refused` or `failed`.
        outcome
    }
);
labels!(
    /// Life of a batch.
    BatchStateLabels {
        /// `created`, `submitted`, `included`, `finalized` or `failed`.
        state
    }
);
labels!(
    /// Data of a batch.
    DaLabels {
        /// Where it goes: `calldata`, `blobs` or `celestia`.
        place
    }
);
labels!(
    /// A transaction that the pool refused.
    PoolRefusalLabels {
        /// The rule, from a fixed list: `nonce`, `funds`, `full` and so on.
        reason
    }
);
labels!(
    /// A transaction that left the pool other than by a block.
    PoolDropLabels {
        /// `evicted`, `replaced`, `expired`, `impossible` or `unfit`.
        reason
    }
);
labels!(
    /// A registered validator.
    ValidatorStatusLabels {
        /// `active`, `jailed`, `exiting`, `tombstoned` or `exited`.
        status
    }
);
