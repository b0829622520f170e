//! Passwords of keystores: from a file, the environment, or whoever sits at the terminal. Never from
//! the command line, which everybody on the machine sees.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use ande_primitives::ValidatorKey;
use clap::Args;
use console::Term;
use eyre::{Context as _, Result, bail, ensure};
use zeroize::Zeroizing;

/// Variable with a password.
const VARIABLE: &str = "ANDE_KEYSTORE_PASSWORD";

/// Where the password of a keystore comes from.
#[derive(Debug, Default, Args)]
pub(crate) struct Password {
    /// File with the password of the keystore, readable by you alone; without it the variable
    /// ANDE_KEYSTORE_PASSWORD is taken, and without that the terminal is asked
    #[arg(long, value_name = "FILE", env = "ANDE_PASSWORD_FILE", hide_env_values = true)]
    password_file: Option<PathBuf>,
}

impl Password {
    /// Reads the key in a keystore.
    ///
    /// # Errors
    /// No password, another one, or no keystore.
    pub(crate) fn open(&self, keystore: &Path) -> Result<ValidatorKey> {
        let password = match self.given()? {
            Some(password) => password,
            None => ask(&format!("Password of {}: ", keystore.display()))?,
        };
        Ok(ande_node::read_keystore(keystore, &password)?)
    }

    /// Writes a key into a new keystore.
    ///
    /// # Errors
    /// No password, or the file exists.
    pub(crate) fn seal(&self, keystore: &Path, key: &ValidatorKey) -> Result<()> {
        // Before anybody types.
        ensure!(!keystore.exists(), "{} exists; a key is never replaced", keystore.display());
        let password = match self.given()? {
            Some(password) => password,
            None => {
                let password = ask(&format!("New password of {}: ", keystore.display()))?;
                ensure!(ask("Again: ")? == password, "these were two passwords");
                password
            }
        };
        ensure!(!password.is_empty(), "an empty password protects nothing");
        Ok(ande_node::write_keystore(keystore, key, &password)?)
    }

    /// What file or environment say.
    fn given(&self) -> Result<Option<Zeroizing<String>>> {
        if let Some(file) = &self.password_file {
            return Ok(Some(ande_node::read_password(file)?));
        }
        match std::env::var(VARIABLE) {
            Ok(password) => Ok(Some(Zeroizing::new(password))),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(error) => Err(error).wrap_err(VARIABLE),
        }
    }
}

/// Asks the terminal without showing what is typed.
fn ask(question: &str) -> Result<Zeroizing<String>> {
    let terminal = Term::stderr();
    if !terminal.is_term() || !std::io::stdin().is_terminal() {
        bail!("no password: name a file with --password-file, or set {VARIABLE}");
    }
    terminal.write_str(question)?;
    Ok(Zeroizing::new(terminal.read_secure_line()?))
}
