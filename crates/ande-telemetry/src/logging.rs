//! Logs go to standard error; standard output belongs to the program.

use std::io::IsTerminal as _;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::TelemetryError;

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Filter directives, for example `info,ande_l1=debug`.
    pub filter: String,
    /// Shape of a line.
    pub format: LogFormat,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Installs the process-wide subscriber. Call once, before anything logs.
///
/// # Errors
/// A malformed filter, or a subscriber that is already installed.
pub fn init_tracing(config: &LogConfig) -> Result<(), TelemetryError> {
    let filter = parse_filter(&config.filter)?;
    let registry = tracing_subscriber::registry().with(filter);
    let installed = match config.format {
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal();
            registry.with(fmt::layer().with_writer(std::io::stderr).with_ansi(colour)).try_init()
        }
        LogFormat::Json => registry
            .with(fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .try_init(),
    };
    installed.map_err(|_| TelemetryError::AlreadySet)
}

fn parse_filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(filter).map_err(|error| TelemetryError::Filter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        assert!(parse_filter("info,ande_l1=debug").is_ok());
        let refused = parse_filter("info,ande_l1=loud");
        assert!(matches!(refused, Err(TelemetryError::Filter { .. })), "{refused:?}");
    }

    #[test]
    fn second_installation_is_refused() {
        let config = LogConfig::default();
        assert!(init_tracing(&config).is_ok());
        assert!(matches!(init_tracing(&config), Err(TelemetryError::AlreadySet)));
    }
}
