//! Key files.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, Bytes};
use ande_node::KeyFileError;
use ande_primitives::{NodeId, ValidatorKey};
use clap::{Args, Subcommand, ValueEnum};
use eyre::{Context as _, Result, bail, ensure};
use serde::Serialize;

use crate::{
    import::{ImportArgs, Written},
    output::Output,
    secret::Password,
};

const VALIDATOR_KEY_FILE: &str = "validator.key";
const NODE_KEY_FILE: &str = "node.key";

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make the two keys of a validator, in files that only you can read
    ///
    /// `validator.key` (secp256k1, 64 hexadecimal digits) signs votes and settlement transactions;
    /// `node.key` (ed25519, PKCS#8 PEM as OpenSSL reads it) names the node. Existing files are never
    /// replaced. With --keystore it makes one secp256k1 key under a password instead: an owner that
    /// `ande validator --keystore` and wallets can use. Nodes do not read keystores.
    #[command(after_help = "Examples:\n  \
        ande keys new --dir keys\n  \
        ande keys new --keystore owner.json --password-file password")]
    New {
        #[command(flatten)]
        place: NewPlace,
        #[command(flatten)]
        password: Password,
    },
    /// Take a key from a file, a keystore, standard input or the environment into a new file
    ///
    /// A validator key is written as 64 hexadecimal digits or as a keystore, a node key as PKCS#8
    /// PEM.
    Import(ImportArgs),
    /// Show what a key file or keystore holds, without the secret
    ///
    /// 64 hexadecimal digits can be either key: both are shown unless --kind says which is meant.
    #[command(after_help = "Examples:\n  \
        ande keys inspect keys/node.key\n  \
        ande keys inspect keys/validator.key --kind validator --json")]
    Inspect {
        /// Key file or keystore
        file: PathBuf,
        /// What it must be
        #[arg(long, value_enum)]
        kind: Option<Kind>,
        #[command(flatten)]
        password: Password,
    },
}

/// Where new keys go.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct NewPlace {
    /// Directory of the two files; made when it is not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Keystore of one key
    #[arg(long, value_name = "FILE")]
    keystore: Option<PathBuf>,
}

/// Kind of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// secp256k1: votes, and transactions to the contracts
    Validator,
    /// ed25519: identity of a node
    Node,
}

/// Public parts of a pair of keys.
#[derive(Debug, Serialize)]
struct Made {
    validator: Address,
    validator_key: PathBuf,
    node: NodeId,
    node_key: PathBuf,
}

/// Public parts of a key file.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Inspected {
    file: PathBuf,
    /// `hex`, `pkcs8` or `keystore`.
    form: &'static str,
    /// As a secp256k1 key; none if it cannot be one.
    validator: Option<ValidatorPublic>,
    /// As an ed25519 key; none if it cannot be one. 64 hexadecimal digits are either.
    node: Option<NodePublic>,
}

/// What the contract and the others see of a validator key.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ValidatorPublic {
    /// The signer, and the owner where it registered.
    address: Address,
    /// Compressed point.
    public_key: Bytes,
}

/// What the contract and the others see of a node key.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct NodePublic {
    /// What `registerValidator` calls `p2pPeerId`: the public key itself.
    id: NodeId,
}

impl KeysCommand {
    pub(crate) fn run(self, output: Output) -> Result<()> {
        match self {
            Self::New { place: NewPlace { keystore: Some(file), .. }, password } => {
                let key = ande_node::random_validator_key();
                password.seal(&file, &key)?;
                let validator = Some(key.address());
                let written = Written { file, form: "keystore", validator, node: None };
                output.show(&written, Written::lines)
            }
            Self::New { place, .. } => {
                output.show(&make(&place.dir.unwrap_or_default())?, Made::lines)
            }
            Self::Import(args) => args.run(output),
            Self::Inspect { file, kind, password } => {
                output.show(&inspect(&file, kind, &password)?, Inspected::lines)
            }
        }
    }
}

impl Made {
    fn lines(&self) -> String {
        format!(
            "validator  {}  {}\nnode       {}  {}\n",
            self.validator,
            self.validator_key.display(),
            self.node,
            self.node_key.display()
        )
    }
}

impl ValidatorPublic {
    fn of(key: &ValidatorKey) -> Self {
        let point = key.signing_key().verifying_key().to_encoded_point(true);
        Self { address: key.address(), public_key: Bytes::copy_from_slice(point.as_bytes()) }
    }
}

impl Inspected {
    fn lines(&self) -> String {
        let mut text = format!("form        {}\n", self.form);
        if let Some(key) = &self.validator {
            text.push_str(&format!("validator   {}\n", key.address));
            text.push_str(&format!("public key  {}\n", key.public_key));
        }
        if let Some(key) = &self.node {
            text.push_str(&format!("node        {}\n", key.id));
        }
        text
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

/// Reads a key as the node would: also what others could read is refused.
fn inspect(file: &Path, kind: Option<Kind>, password: &Password) -> Result<Inspected> {
    let text = ande_node::read_secret(file)?;
    if ande_node::is_keystore(&text) {
        ensure!(kind != Some(Kind::Node), "{} is a keystore, not a node key", file.display());
        let validator = Some(ValidatorPublic::of(&password.open(file)?));
        return Ok(Inspected { file: file.into(), form: "keystore", validator, node: None });
    }
    let validator =
        || ande_node::parse_validator_key(&text, file).map(|key| ValidatorPublic::of(&key));
    let node = || ande_node::parse_node_key(&text, file).map(|key| NodePublic { id: key.id() });
    let (as_validator, as_node) = (validator(), node());
    let is_hex = !matches!(as_validator, Err(KeyFileError::Format { .. }));
    let (validator, node) = match (kind, as_validator, as_node) {
        (Some(Kind::Validator), validator, _) => (Some(validator?), None),
        (Some(Kind::Node), _, node) => (None, Some(node?)),
        (None, Err(KeyFileError::Format { path, .. }), Err(KeyFileError::Format { .. })) => bail!(
            "{} holds neither 64 hexadecimal digits nor an ed25519 key in PKCS#8 PEM",
            path.display()
        ),
        (None, Err(error), Err(_)) => return Err(error.into()),
        (None, validator, node) => (validator.ok(), node.ok()),
    };
    let form = if is_hex { "hex" } else { "pkcs8" };
    Ok(Inspected { file: file.to_path_buf(), form, validator, node })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use alloy::signers::k256::ecdsa::VerifyingKey;

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
    }

    #[test]
    fn both_kinds_are_inspected() {
        let dir = tempfile::tempdir().unwrap();
        let made = make(dir.path()).unwrap();
        let node = inspect(&made.node_key, None, &Password::default()).unwrap();
        assert_eq!((node.form, &node.validator), ("pkcs8", &None));
        assert_eq!(node.node.as_ref().unwrap().id, made.node);
        assert_eq!(inspect(&made.node_key, Some(Kind::Node), &Password::default()).unwrap(), node);
        assert!(inspect(&made.node_key, Some(Kind::Validator), &Password::default()).is_err());

        let digits = inspect(&made.validator_key, None, &Password::default()).unwrap();
        assert_eq!(digits.form, "hex");
        assert_ne!(digits.node.unwrap().id, made.node, "the same digits as an ed25519 seed");
        let validator =
            inspect(&made.validator_key, Some(Kind::Validator), &Password::default()).unwrap();
        assert_eq!(validator.validator, digits.validator);
        let public = validator.validator.as_ref().unwrap();
        assert_eq!(public.address, made.validator);
        let point = VerifyingKey::from_sec1_bytes(&public.public_key).unwrap();
        assert_eq!(
            (public.public_key.len(), Address::from_public_key(&point)),
            (33, made.validator)
        );
        let secret = std::fs::read_to_string(&made.validator_key).unwrap();
        assert!(!validator.lines().contains(secret.trim()), "a secret is shown");
        assert!(validator.lines().contains(&made.validator.to_string()));

        let other = dir.path().join("other");
        ande_node::write_secret(&other, "no key").unwrap();
        assert!(
            inspect(&other, None, &Password::default())
                .unwrap_err()
                .to_string()
                .contains("neither")
        );
        for file in [&made.node_key, &made.validator_key] {
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
            let error = inspect(file, None, &Password::default()).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        assert!(inspect(&dir.path().join("nowhere"), None, &Password::default()).is_err());
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
