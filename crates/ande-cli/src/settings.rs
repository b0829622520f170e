//! The configuration of a node, as it would use it.

use ande_node::config::{self, Overrides, Setting};
use clap::Subcommand;
use eyre::Result;
use serde_json::{Value, json};

use crate::{
    deployment::ConfigFile,
    output::{Output, table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Every value with the layer that set it: default, file or environment
    ///
    /// Of endpoints only scheme, host and port are shown: the rest may be a secret.
    #[command(after_help = "Example:\n  ande config show --config node.toml")]
    Show(ConfigFile),
    /// Say everything that is wrong with the values; `ande doctor` looks at the world too
    #[command(after_help = "Example:\n  ande config check --config node.toml")]
    Check(ConfigFile),
}

impl ConfigCommand {
    pub(crate) fn run(self, output: Output) -> Result<()> {
        match self {
            Self::Show(file) => output.show(&config::explain(&file.path)?, |all| lines(all)),
            Self::Check(file) => {
                config::load(&file.path, &Overrides::default())?;
                let answer = json!({ "usable": true });
                output.show(&answer, |_| "the configuration is usable\n".to_owned())
            }
        }
    }
}

fn lines(settings: &[Setting]) -> String {
    let row = |setting: &Setting| {
        let value = match &setting.value {
            Value::Null => "-".to_owned(),
            value => value.to_string(),
        };
        vec![setting.key.clone(), setting.origin.to_owned(), value]
    };
    table(&["KEY", "FROM", "VALUE"], &settings.iter().map(row).collect::<Vec<_>>())
}
