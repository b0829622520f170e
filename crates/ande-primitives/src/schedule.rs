//! The proposer schedule: a pure function of the epoch's set, mirrored by `ScheduleLib.sol`.
//!
//! Normative text: the contract specification, section "Schedule". Integers only, all within 128
//! bits, and equal to the contract on the shared vectors.

use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::{Committee, Epoch, Height, Skip, Window};

/// How windows are dealt to the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum ScheduleMode {
    /// Each member in turn.
    RoundRobin = 0,
    /// Windows in proportion to weight, exact to one window per epoch.
    Weighted = 1,
}

impl TryFrom<u8> for ScheduleMode {
    type Error = RulesError;
    fn try_from(value: u8) -> Result<Self, Self::Error> {
        match value {
            0 => Ok(Self::RoundRobin),
            1 => Ok(Self::Weighted),
            other => Err(RulesError::Mode(other)),
        }
    }
}

impl Encodable for ScheduleMode {
    fn encode(&self, out: &mut dyn alloy_rlp::BufMut) {
        (*self as u8).encode(out);
    }
    fn length(&self) -> usize {
        (*self as u8).length()
    }
}

impl Decodable for ScheduleMode {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        Self::try_from(u8::decode(buf)?).map_err(|_| alloy_rlp::Error::Custom("schedule mode"))
    }
}

/// Schedule parameters of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", try_from = "RawRules")]
pub struct ScheduleRules {
    mode: ScheduleMode,
    rotation_interval: u32,
    windows_per_epoch: u32,
    timeout_blocks: u16,
}

/// Parameters that make no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Not a mode.
    #[error("unknown schedule mode {0}")]
    Mode(u8),
    /// A window without heights.
    #[error("the rotation interval must be at least 1 block")]
    RotationInterval,
    /// An epoch without windows.
    #[error("an epoch must have at least 1 window")]
    WindowsPerEpoch,
}

impl ScheduleRules {
    /// Checks and takes the parameters: heights per window, windows per epoch, and the proposer
    /// timeout in block times.
    ///
    /// # Errors
    /// [`RulesError`] when a count is zero.
    pub const fn new(
        mode: ScheduleMode,
        rotation_interval: u32,
        windows_per_epoch: u32,
        timeout_blocks: u16,
    ) -> Result<Self, RulesError> {
        if rotation_interval == 0 {
            return Err(RulesError::RotationInterval);
        }
        if windows_per_epoch == 0 {
            return Err(RulesError::WindowsPerEpoch);
        }
        Ok(Self { mode, rotation_interval, windows_per_epoch, timeout_blocks })
    }

    /// How windows are dealt.
    #[must_use]
    pub const fn mode(&self) -> ScheduleMode {
        self.mode
    }

    /// Heights per window.
    #[must_use]
    pub const fn rotation_interval(&self) -> u32 {
        self.rotation_interval
    }

    /// Windows per epoch.
    #[must_use]
    pub const fn windows_per_epoch(&self) -> u32 {
        self.windows_per_epoch
    }

    /// Block times after which a silent proposer is passed over.
    #[must_use]
    pub const fn timeout_blocks(&self) -> u16 {
        self.timeout_blocks
    }

    /// Heights per epoch.
    #[must_use]
    pub const fn epoch_length(&self) -> u64 {
        self.rotation_interval as u64 * self.windows_per_epoch as u64
    }

    /// Window of a height.
    #[must_use]
    pub const fn window_of(&self, height: Height) -> Window {
        Window(height.0 / self.rotation_interval as u64)
    }

    /// Epoch of a height.
    #[must_use]
    pub const fn epoch_of(&self, height: Height) -> Epoch {
        Epoch(height.0 / self.epoch_length())
    }

    /// First height of an epoch; the genesis height for epoch 0.
    #[must_use]
    pub const fn epoch_start(&self, epoch: Epoch) -> Height {
        Height(epoch.0.saturating_mul(self.epoch_length()))
    }

    /// First height of a window.
    #[must_use]
    pub const fn window_start(&self, window: Window) -> Height {
        Height(window.0.saturating_mul(self.rotation_interval as u64))
    }

    /// Skip count from which `round` 0 of `height` starts: the parent's, within its window.
    #[must_use]
    pub fn skip_base(&self, parent: Height, parent_skip: Skip, height: Height) -> Skip {
        if self.window_of(parent) == self.window_of(height) { parent_skip } else { Skip(0) }
    }

    /// Position in the committee of the proposer of `height` after `skip` passed-over proposers.
    #[must_use]
    pub fn proposer_index(
        &self,
        committee: &Committee,
        seed: B256,
        height: Height,
        skip: Skip,
    ) -> usize {
        let n = committee.size() as u128;
        let window = self.window_of(height).0;
        let w = u128::from(window % u64::from(self.windows_per_epoch));
        let first = match self.mode {
            ScheduleMode::RoundRobin => (hash128(seed, &[0]) % n + w) % n,
            ScheduleMode::Weighted => self.weighted_index(committee, seed, w) as u128,
        };
        let stride = skip_stride(seed, window, n);
        ((first + u128::from(skip.0) * stride) % n) as usize
    }

    fn weighted_index(&self, committee: &Committee, seed: B256, w: u128) -> usize {
        let windows = u128::from(self.windows_per_epoch);
        let total = u128::from(committee.total_weight());
        let offset_w = hash128(seed, &[0]) % windows;
        let offset_x = hash128(seed, &[2]) % total;
        let p = (window_step(windows) * w + offset_w) % windows;
        let x = (p * total / windows + offset_x) % total;
        let mut cumulative = 0u128;
        committee
            .members()
            .iter()
            .position(|member| {
                cumulative += u128::from(member.weight);
                cumulative > x
            })
            .unwrap_or(0)
    }
}

/// Rules as they arrive from outside, before [`ScheduleRules::new`] has judged them.
#[derive(RlpDecodable, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawRules {
    mode: ScheduleMode,
    rotation_interval: u32,
    windows_per_epoch: u32,
    timeout_blocks: u16,
}

impl TryFrom<RawRules> for ScheduleRules {
    type Error = RulesError;
    fn try_from(raw: RawRules) -> Result<Self, RulesError> {
        Self::new(raw.mode, raw.rotation_interval, raw.windows_per_epoch, raw.timeout_blocks)
    }
}

impl Decodable for ScheduleRules {
    fn decode(buf: &mut &[u8]) -> alloy_rlp::Result<Self> {
        RawRules::decode(buf)?.try_into().map_err(|_| alloy_rlp::Error::Custom("schedule rules"))
    }
}

/// Low 128 bits of `keccak256(abi.encode(seed, words...))`.
fn hash128(seed: B256, words: &[u64]) -> u128 {
    let mut data = Vec::with_capacity(32 * (1 + words.len()));
    data.extend_from_slice(seed.as_slice());
    for word in words {
        data.extend_from_slice(&U256::from(*word).to_be_bytes::<32>());
    }
    let hash = keccak256(data);
    let mut low = [0u8; 16];
    low.copy_from_slice(&hash[16..]);
    u128::from_be_bytes(low)
}

/// The integer coprime to `windows` nearest to `floor(windows * 89 / 144)`, the smaller on a tie:
/// about 1/phi of a turn, so that consecutive windows lie far apart on the weight line.
fn window_step(windows: u128) -> u128 {
    if windows <= 2 {
        return 1;
    }
    let target = windows * 89 / 144;
    (0..windows)
        .flat_map(|distance| [target.checked_sub(distance), target.checked_add(distance)])
        .flatten()
        .find(|step| *step >= 1 && *step < windows && gcd(*step, windows) == 1)
        .unwrap_or(1)
}

/// Step between successive replacements in a window: coprime to `n`, so `n` skips visit everyone.
fn skip_stride(seed: B256, window: u64, n: u128) -> u128 {
    if n <= 2 {
        return 1;
    }
    let start = 1 + hash128(seed, &[1, window]) % (n - 1);
    (start..n).chain(1..start).find(|step| gcd(*step, n) == 1).unwrap_or(1)
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}
