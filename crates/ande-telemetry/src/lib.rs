//! Tracing set-up and the single table of metric names.
//!
//! [`METRICS`] is the only place where a metric is named: the handles in [`Metrics`], the export,
//! the reference document ([`metrics_markdown`]) and the checks of dashboards and alerts all come
//! from it. A metric stands in the table only when some service really moves it.

mod error;
mod export;
mod handles;
mod labels;
mod logging;
mod table;

pub use error::TelemetryError;
pub use export::{METRICS_CONTENT_TYPE, metrics_markdown, openmetrics_to_text};
pub use handles::{Counter, CounterFamily, FloatGauge, Gauge, GaugeFamily, Histogram, Labels};
pub use labels::{
    BatchStateLabels, BuildLabels, DaLabels, HeadLabels, MethodLabels, PeerLabels, PoolDropLabels,
    PoolRefusalLabels, SubscriptionEndLabels, TopicLabels, ValidatorStatusLabels,
};
pub use logging::{LogConfig, LogFormat, init_tracing};
pub use table::{METRICS, MetricKind, MetricSpec, MetricTable, Metrics};
