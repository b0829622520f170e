//! Keys from elsewhere.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use alloy::primitives::Address;
use ande_primitives::{NodeId, NodeKey, ValidatorKey};
use clap::Args;
use eyre::{Context as _, Result, bail, ensure};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{keys::Kind, output::Output, secret::Password};

/// Most bytes that are read from standard input; PEM takes 120.
const MAX_INPUT: u64 = 4096;
/// Standard input, as a file.
const STDIN: &str = "-";

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    ande keys import --keystore wallet.json --password-file password --out keys/validator.key\n  \
    ande keys import --file keys/validator.key --to-keystore --out wallet.json\n  \
    ande keys import --kind node --file node.pem --out keys/node.key\n  \
    openssl genpkey -algorithm ed25519 | ande keys import --kind node --file - --out keys/node.key")]
pub(crate) struct ImportArgs {
    /// What it is
    #[arg(long, value_enum, default_value = "validator")]
    kind: Kind,
    #[command(flatten)]
    source: Source,
    /// File to write, with mode 0600; an existing one is never replaced
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Write a keystore, as wallets read it, instead of the file that a node reads
    #[arg(long)]
    to_keystore: bool,
    #[command(flatten)]
    password: Password,
}

/// Where the key is. Never a key itself: a command line is seen by everybody on the machine.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// File with 64 hexadecimal digits, or of a node with PKCS#8 PEM; `-` is standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Keystore of a wallet (Web3 Secret Storage, version 3)
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
    /// Name of an environment variable with 64 hexadecimal digits
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

/// Public parts of a key that was written.
#[derive(Debug, Serialize)]
pub(crate) struct Written {
    pub(crate) file: PathBuf,
    /// `hex`, `pkcs8` or `keystore`.
    pub(crate) form: &'static str,
    /// Address of a secp256k1 key.
    pub(crate) validator: Option<Address>,
    /// Id of an ed25519 key.
    pub(crate) node: Option<NodeId>,
}

impl ImportArgs {
    pub(crate) fn run(self, output: Output) -> Result<()> {
        output.show(&self.import()?, Written::lines)
    }

    fn import(&self) -> Result<Written> {
        let (file, out) = (self.out.clone(), &self.out);
        match self.kind {
            Kind::Validator => {
                let key = self.validator()?;
                let form = if self.to_keystore { "keystore" } else { "hex" };
                match self.to_keystore {
                    true => self.password.seal(out, &key)?,
                    false => ande_node::write_validator_key(out, &key)?,
                }
                Ok(Written { file, form, validator: Some(key.address()), node: None })
            }
            Kind::Node => {
                let key = self.node()?;
                ande_node::write_node_key(out, &key)?;
                Ok(Written { file, form: "pkcs8", validator: None, node: Some(key.id()) })
            }
        }
    }

    fn validator(&self) -> Result<ValidatorKey> {
        if let Some(keystore) = &self.source.keystore {
            ensure!(!self.to_keystore, "{} is a keystore already", keystore.display());
            return self.password.open(keystore);
        }
        let (text, origin) = self.source.text()?;
        Ok(ande_node::parse_validator_key(&text, &origin)?)
    }

    fn node(&self) -> Result<NodeKey> {
        if self.source.keystore.is_some() || self.to_keystore {
            bail!("keystores are for secp256k1 keys; a node key is 64 hexadecimal digits or PEM");
        }
        let (text, origin) = self.source.text()?;
        Ok(ande_node::parse_node_key(&text, &origin)?)
    }
}

impl Source {
    /// The key as text, and what to call the place in an error.
    fn text(&self) -> Result<(Zeroizing<String>, PathBuf)> {
        if let Some(name) = &self.env {
            let text = std::env::var(name).wrap_err_with(|| format!("variable {name}"))?;
            return Ok((Zeroizing::new(text), format!("variable {name}").into()));
        }
        match self.file.as_deref() {
            Some(file) if file != Path::new(STDIN) => {
                Ok((ande_node::read_secret(file)?, file.into()))
            }
            _ => {
                let mut text = Zeroizing::new(String::new());
                let mut input = std::io::stdin().lock().take(MAX_INPUT);
                input.read_to_string(&mut text).wrap_err("standard input")?;
                Ok((text, "standard input".into()))
            }
        }
    }
}

impl Written {
    pub(crate) fn lines(&self) -> String {
        let validator = self.validator.map(|it| format!("validator  {it}  "));
        let node = self.node.map(|it| format!("node       {it}  "));
        let public: String = [validator, node].into_iter().flatten().collect();
        format!("{public}{}\n", self.file.display())
    }
}
