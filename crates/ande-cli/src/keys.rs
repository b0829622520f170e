//! Key files.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use ande_primitives::NodeId;
use clap::Subcommand;
use eyre::{Context as _, Result, bail};
use serde::Serialize;

use crate::output::Output;

const VALIDATOR_KEY_FILE: &str = "validator.key";
const NODE_KEY_FILE: &str = "node.key";

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make the two keys of a validator, in files that only you can read
    ///
    /// `validator.key` (secp256k1, 64 hexadecimal digits) signs votes and settlement transactions;
    /// `node.key` (ed25519, PKCS#8 PEM as OpenSSL reads it) names the node. Existing files are never
    /// replaced.
    #[command(after_help = "Example:\n  ande keys new --dir keys")]
    New {
        /// Directory of the files; made when it is not there
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Show what a key file holds, without the secret
    #[command(after_help = "Example:\n  ande keys inspect keys/node.key")]
    Inspect {
        /// Key file
        file: PathBuf,
    },
}

/// Public parts of a pair of keys.
#[derive(Debug, Serialize)]
struct Made {
    validator: Address,
    validator_key: PathBuf,
    node: NodeId,
    node_key: PathBuf,
}

/// Public part of a key file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Inspected {
    /// Address of a validator key.
    Validator(Address),
    /// Id of a node key: what `registerValidator` calls `p2pPeerId`.
    Node(NodeId),
    /// 64 hexadecimal digits are either.
    Either { validator: Address, node: NodeId },
}

impl KeysCommand {
    pub(crate) fn run(self, output: Output) -> Result<()> {
        match self {
            Self::New { dir } => output.show(&make(&dir)?, |made| {
                format!(
                    "validator  {}  {}\nnode       {}  {}\n",
                    made.validator,
                    made.validator_key.display(),
                    made.node,
                    made.node_key.display()
                )
            }),
            Self::Inspect { file } => output.show(&inspect(&file)?, |found| match found {
                Inspected::Validator(address) => format!("validator  {address}\n"),
                Inspected::Node(id) => format!("node       {id}\n"),
                Inspected::Either { validator, node } => {
                    format!("validator  {validator}\nnode       {node}\n")
                }
            }),
        }
    }
}

fn make(dir: &Path) -> Result<Made> {
    let (validator_key, node_key) = (dir.join(VALIDATOR_KEY_FILE), dir.join(NODE_KEY_FILE));
    for file in [&validator_key, &node_key] {
        if file.exists() {
            bail!("{} exists; a key is never replaced", file.display());
        }
    }
    std::fs::create_dir_all(dir).wrap_err_with(|| format!("cannot make {}", dir.display()))?;
    let validator = ande_node::create_validator_key(&validator_key)?.address();
    let node = ande_node::create_node_key(&node_key)?.id();
    Ok(Made { validator, validator_key, node, node_key })
}

fn inspect(file: &Path) -> Result<Inspected> {
    let validator = ande_node::read_validator_key(file).map(|key| key.address());
    let node = ande_node::read_node_key(file).map(|key| key.id());
    match (validator, node) {
        (Ok(validator), Ok(node)) => Ok(Inspected::Either { validator, node }),
        (Ok(validator), Err(_)) => Ok(Inspected::Validator(validator)),
        (Err(_), Ok(node)) => Ok(Inspected::Node(node)),
        (Err(_), Err(error)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn made_keys_are_read_by_the_node_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("new/keys");
        let made = make(&dir).unwrap();
        let node = ande_node::read_node_key(&made.node_key).unwrap();
        assert_eq!(node.id(), made.node);
        let validator = ande_node::read_validator_key(&made.validator_key).unwrap();
        assert_eq!(validator.address(), made.validator);
        for file in [&made.node_key, &made.validator_key] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let before = std::fs::read(&made.node_key).unwrap();
        assert!(make(&dir).unwrap_err().to_string().contains("never replaced"));
        assert_eq!(std::fs::read(&made.node_key).unwrap(), before);
        assert!(matches!(inspect(&made.node_key).unwrap(), Inspected::Node(id) if id == made.node));
    }

    #[test]
    fn openssl_reads_the_node_key() {
        let dir = tempfile::tempdir().unwrap();
        let made = make(dir.path()).unwrap();
        let output = std::process::Command::new("openssl")
            .args(["pkey", "-noout", "-text", "-in"])
            .arg(&made.node_key)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let digits: String = text.split("pub:").nth(1).unwrap().split_whitespace().collect();
        assert_eq!(format!("0x{}", digits.replace(':', "")), made.node.to_string());
    }
}
