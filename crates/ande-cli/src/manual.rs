//! Manual pages.

use std::path::PathBuf;

use clap::{Args, Command};
use eyre::{Context as _, Result};

use crate::output::Output;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ande man | man -l -\n  \
    ande man --dir /usr/local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Write a page for every command into this directory; made when it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl ManArgs {
    pub(crate) fn run(self, command: Command, output: Output) -> Result<()> {
        let Some(dir) = self.dir else {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page)?;
            return output.text(&String::from_utf8_lossy(&page));
        };
        let failed = || format!("cannot write manual pages into {}", dir.display());
        std::fs::create_dir_all(&dir).wrap_err_with(failed)?;
        clap_mangen::generate_to(command, &dir).wrap_err_with(failed)
    }
}
