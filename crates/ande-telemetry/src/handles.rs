//! Handle types: what a service holds to move one metric.

use std::{
    hash::Hash,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter, family::Family, gauge, histogram},
    registry::Registry,
};

use crate::MetricKind;

/// A set of labels with fixed names.
pub trait Labels:
    EncodeLabelSet + Clone + std::fmt::Debug + Hash + Eq + Send + Sync + 'static
{
    /// Names of the labels, in order.
    const NAMES: &'static [&'static str];
}

/// What the table needs of a handle.
pub(crate) trait Handle: Sized {
    const KIND: MetricKind;
    const LABELS: &'static [&'static str];
    fn new() -> Self;
    /// Registers under `name`, for counters with the `_total` that the export adds.
    fn register(&self, registry: &mut Registry, name: &'static str, help: &'static str);
}

/// A number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(gauge::Gauge<i64, AtomicI64>);

impl Gauge {
    /// Sets the value; numbers above `i64::MAX` are clamped.
    pub fn set(&self, value: u64) {
        self.0.set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Sets 1 or 0.
    pub fn set_flag(&self, on: bool) {
        self.0.set(i64::from(on));
    }

    /// Adds one.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.0.dec();
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.get()
    }
}

/// A fractional or very large number that goes up and down.
#[derive(Clone, Debug, Default)]
pub struct FloatGauge(gauge::Gauge<f64, AtomicU64>);

impl FloatGauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// A number that only grows while the process lives. Its table name ends in `_total`.
#[derive(Clone, Debug, Default)]
pub struct Counter(counter::Counter<u64, AtomicU64>);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.0.inc();
    }

    /// Adds `count`.
    pub fn inc_by(&self, count: u64) {
        self.0.inc_by(count);
    }

    /// Takes over the total of a source that counts by itself; never goes back.
    pub fn raise_to(&self, total: u64) {
        self.0.inner().fetch_max(total, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Durations in seconds.
#[derive(Clone, Debug)]
pub struct Histogram(histogram::Histogram);

impl Histogram {
    /// Upper bounds of the buckets in seconds: 1 ms to 30 s.
    const BUCKETS: [f64; 14] =
        [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

    /// Records one duration.
    pub fn observe(&self, duration: std::time::Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// One gauge per set of labels.
#[derive(Clone, Debug)]
pub struct GaugeFamily<L: Labels>(Family<L, gauge::Gauge<i64, AtomicI64>>);

impl<L: Labels> GaugeFamily<L> {
    /// Sets the gauge with these labels; numbers above `i64::MAX` are clamped.
    pub fn set(&self, labels: &L, value: u64) {
        self.0.get_or_create(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
    }

    /// Adds one to the gauge with these labels.
    pub fn inc(&self, labels: &L) {
        self.0.get_or_create(labels).inc();
    }

    /// Takes one away from the gauge with these labels.
    pub fn dec(&self, labels: &L) {
        self.0.get_or_create(labels).dec();
    }

    /// The present value for these labels.
    #[must_use]
    pub fn get(&self, labels: &L) -> i64 {
        self.0.get_or_create(labels).get()
    }
}

/// One counter per set of labels. Its table name ends in `_total`.
#[derive(Clone, Debug)]
pub struct CounterFamily<L: Labels>(Family<L, counter::Counter<u64, AtomicU64>>);

impl<L: Labels> CounterFamily<L> {
    /// Adds one to the counter with these labels.
    pub fn inc(&self, labels: &L) {
        self.0.get_or_create(labels).inc();
    }

    /// Adds `count` to the counter with these labels.
    pub fn inc_by(&self, labels: &L, count: u64) {
        self.0.get_or_create(labels).inc_by(count);
    }

    /// The present value for these labels.
    #[must_use]
    pub fn get(&self, labels: &L) -> u64 {
        self.0.get_or_create(labels).get()
    }
}

fn without_total(name: &'static str) -> &'static str {
    name.strip_suffix("_total").unwrap_or(name)
}

macro_rules! handle {
    ($type:ty, $kind:ident, $labels:expr, $new:expr, $name:expr $(, $bound:ident)?) => {
        impl $(<$bound: Labels>)? Handle for $type {
            const KIND: MetricKind = MetricKind::$kind;
            const LABELS: &'static [&'static str] = $labels;
            fn new() -> Self {
                $new
            }
            fn register(&self, registry: &mut Registry, name: &'static str, help: &'static str) {
                let rename: fn(&'static str) -> &'static str = $name;
                registry.register(rename(name), help, self.0.clone());
            }
        }
    };
}

handle!(Gauge, Gauge, &[], Self::default(), |name| name);
handle!(FloatGauge, Gauge, &[], Self::default(), |name| name);
handle!(Counter, Counter, &[], Self::default(), without_total);
handle!(
    Histogram,
    Histogram,
    &[],
    Self(histogram::Histogram::new(Self::BUCKETS.into_iter())),
    |name| name
);
handle!(GaugeFamily<L>, Gauge, L::NAMES, Self(Family::default()), |name| name, L);
handle!(CounterFamily<L>, Counter, L::NAMES, Self(Family::default()), without_total, L);
