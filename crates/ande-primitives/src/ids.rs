//! Counted things, one type each, so that a height is never passed where an epoch is meant.

use alloy_rlp::{RlpDecodableWrapper, RlpEncodableWrapper};
use serde::{Deserialize, Serialize};

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize,
            Deserialize, RlpEncodableWrapper, RlpDecodableWrapper,
        )]
        #[serde(transparent)]
        pub struct $name(pub $int);

        impl $name {
            /// The next value; saturates at the type's maximum, which no chain reaches.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$int> for $name {
            fn from(value: $int) -> Self {
                Self(value)
            }
        }
    };
}

counter!(
    /// Position in the L2 chain. Genesis is 0, the first certified block is 1.
    Height(u64)
);
counter!(
    /// Span of heights with one committee: `height / (rotation_interval * windows_per_epoch)`.
    Epoch(u64)
);
counter!(
    /// `rotation_interval` consecutive heights of one scheduled proposer: `height / rotation_interval`.
    Window(u64)
);
counter!(
    /// How many scheduled proposers were passed over in a window.
    Skip(u32)
);
counter!(
    /// Attempt at one height (Tendermint round).
    Round(u32)
);
counter!(
    /// Fork counter inside every signed message; grows when a halt or an escape orphans blocks.
    Era(u32)
);
counter!(
    /// Fencing number of L1 writes: `window << 16 | skip`. Only grows.
    Term(u64)
);

impl Term {
    /// The term of a block in `window` after `skip` passed-over proposers. Skips beyond 16 bits
    /// saturate within their window, windows beyond 48 bits give the last term of all, so that a
    /// term never goes back.
    #[must_use]
    pub const fn new(window: Window, skip: Skip) -> Self {
        if window.0 > u64::MAX >> 16 {
            return Self(u64::MAX);
        }
        let low = if skip.0 > 0xffff { 0xffff } else { skip.0 as u64 };
        Self((window.0 << 16) | low)
    }

    /// The window part.
    #[must_use]
    pub const fn window(self) -> Window {
        Window(self.0 >> 16)
    }

    /// The skip part.
    #[must_use]
    pub const fn skip(self) -> Skip {
        Skip((self.0 & 0xffff) as u32)
    }
}

impl Height {
    /// The height before this one, none for genesis.
    #[must_use]
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(height) => Some(Self(height)),
            None => None,
        }
    }
}
