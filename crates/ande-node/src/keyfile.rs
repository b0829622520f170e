//! Key files: made so that only their owner can read them, refused when others could have.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use ande_execution::JwtSecret;
use ande_primitives::{KeyError, NodeKey, ValidatorKey};
use ed25519_dalek::pkcs8::{
    DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes, spki::der::pem::LineEnding,
};
use eth_keystore::KeystoreError;
use rand::RngCore as _;
use zeroize::Zeroizing;

use crate::keystore::is_keystore;

/// Directories whose files are secrets mounted by a supervisor that controls access itself.
const SECRET_MOUNT: &str = "/run/secrets";

/// A key file that cannot be used; the process exits with 77.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// Not readable by us.
    #[error("key file {path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not writable by us, or there already: a key is never replaced.
    #[error("key file {path} cannot be made")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Readable by others.
    #[error("key file {path} has mode {mode:03o}: others can read it; run: chmod 600 {path}")]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not a key.
    #[error("{path}: {expected}")]
    Format {
        /// The file, or what else it was read from.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A number that is no key.
    #[error("{path} holds no key")]
    Key {
        /// The file, or what else it was read from.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A keystore that does not open.
    #[error("keystore {path} does not open: it is damaged or has another password")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeystoreError,
    },
}

/// Reads a secp256k1 key: 64 hexadecimal digits.
///
/// # Errors
/// [`KeyFileError`] with what to do about it.
pub fn read_validator_key(path: &Path) -> Result<ValidatorKey, KeyFileError> {
    parse_validator_key(&read_secret(path)?, path)
}

/// [`read_validator_key`] of a text that was read from `origin`.
///
/// # Errors
/// [`KeyFileError`] with what to do about it.
pub fn parse_validator_key(text: &str, origin: &Path) -> Result<ValidatorKey, KeyFileError> {
    let expected = if is_keystore(text) {
        "this is a keystore; expected a secp256k1 private key as 64 hexadecimal digits"
    } else {
        "expected a secp256k1 private key as 64 hexadecimal digits"
    };
    let bytes =
        hex_key(text).ok_or_else(|| KeyFileError::Format { path: origin.into(), expected })?;
    ValidatorKey::from_bytes(&bytes)
        .map_err(|source| KeyFileError::Key { path: origin.into(), source })
}

/// Reads an ed25519 key: 64 hexadecimal digits of seed, or PKCS#8 PEM as OpenSSL writes it.
///
/// # Errors
/// [`KeyFileError`] with what to do about it.
pub fn read_node_key(path: &Path) -> Result<NodeKey, KeyFileError> {
    parse_node_key(&read_secret(path)?, path)
}

/// [`read_node_key`] of a text that was read from `origin`.
///
/// # Errors
/// [`KeyFileError`] with what to do about it.
pub fn parse_node_key(text: &str, origin: &Path) -> Result<NodeKey, KeyFileError> {
    if text.trim_start().starts_with("-----BEGIN") {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(text.trim());
        if let Ok(key) = key {
            return Ok(NodeKey::from_seed(&Zeroizing::new(key.to_bytes())));
        }
    } else if let Some(seed) = hex_key(text) {
        return Ok(NodeKey::from_seed(&seed));
    }
    Err(KeyFileError::Format {
        path: origin.into(),
        expected: "expected an ed25519 private key as 64 hexadecimal digits or PKCS#8 PEM",
    })
}

/// Reads the secret that an execution client shares: 64 hexadecimal digits.
///
/// # Errors
/// [`KeyFileError`] with what to do about it.
pub(crate) fn read_jwt_secret(path: &Path) -> Result<JwtSecret, KeyFileError> {
    JwtSecret::from_hex(&read_secret(path)?).map_err(|_| KeyFileError::Format {
        path: path.into(),
        expected: "expected the execution client's JWT secret as 64 hexadecimal digits",
    })
}

/// Reads the token of a Celestia node: printable characters without spaces.
///
/// # Errors
/// [`KeyFileError`] with what to do about it.
pub(crate) fn read_token(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let text = read_secret(path)?;
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let expected =
            "expected the token of the Celestia node, as `celestia light auth` prints it";
        return Err(KeyFileError::Format { path: path.into(), expected });
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// Reads a password: all of a file but the end of its last line.
///
/// # Errors
/// [`KeyFileError`] with what to do about it.
pub fn read_password(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let mut text = read_secret(path)?;
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    Ok(text)
}

/// A new secp256k1 key.
#[must_use]
pub fn random_validator_key() -> ValidatorKey {
    loop {
        // All numbers of this size but one in 2^128 are keys.
        if let Ok(key) = ValidatorKey::from_bytes(&random()) {
            return key;
        }
    }
}

/// Makes a secp256k1 key and its file of 64 hexadecimal digits.
///
/// # Errors
/// [`KeyFileError::Write`], also when the file exists.
pub fn create_validator_key(path: &Path) -> Result<ValidatorKey, KeyFileError> {
    let key = random_validator_key();
    write_validator_key(path, &key)?;
    Ok(key)
}

/// Writes a secp256k1 key into a new file of 64 hexadecimal digits.
///
/// # Errors
/// [`KeyFileError::Write`], also when the file exists.
pub fn write_validator_key(path: &Path, key: &ValidatorKey) -> Result<(), KeyFileError> {
    let secret = Zeroizing::new(<[u8; 32]>::from(key.signing_key().to_bytes()));
    let digits = Zeroizing::new(hex::encode(*secret));
    write_secret(path, &Zeroizing::new(format!("{}\n", *digits)))
}

/// Makes an ed25519 key and its file, PKCS#8 PEM as every OpenSSL reads it.
///
/// # Errors
/// [`KeyFileError::Write`], also when the file exists.
pub fn create_node_key(path: &Path) -> Result<NodeKey, KeyFileError> {
    let key = NodeKey::from_seed(&random());
    write_node_key(path, &key)?;
    Ok(key)
}

/// Writes an ed25519 key into a new file, PKCS#8 PEM as every OpenSSL reads it.
///
/// # Errors
/// [`KeyFileError::Write`], also when the file exists.
pub fn write_node_key(path: &Path, key: &NodeKey) -> Result<(), KeyFileError> {
    // Without the public key: OpenSSL before 3.2 does not read the form that has it.
    let pem = KeypairBytes { secret_key: *key.seed(), public_key: None }
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|_| KeyFileError::Format { path: path.into(), expected: "cannot be encoded" })?;
    write_secret(path, &pem)
}

/// Makes a password of 32 hexadecimal digits and its file.
///
/// # Errors
/// [`KeyFileError::Write`], also when the file exists.
pub fn create_password(path: &Path) -> Result<(), KeyFileError> {
    let digits = Zeroizing::new(hex::encode(&random()[..16]));
    write_secret(path, &digits)
}

fn random() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    rand::rng().fill_bytes(bytes.as_mut_slice());
    bytes
}

/// Writes a new file with mode 0600.
///
/// # Errors
/// [`KeyFileError::Write`], also when the file exists.
pub fn write_secret(path: &Path, text: &str) -> Result<(), KeyFileError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|source| KeyFileError::Write { path: path.into(), source })
}

/// Reads a file that nobody else can read.
///
/// # Errors
/// [`KeyFileError::Read`] and [`KeyFileError::Permissions`].
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |source| KeyFileError::Read { path: path.into(), source };
    check_permissions(path).map_err(failed)??;
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(failed)
}

#[cfg(unix)]
fn check_permissions(path: &Path) -> std::io::Result<Result<(), KeyFileError>> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(path)?.permissions().mode() & 0o777;
    let mounted = path.starts_with(SECRET_MOUNT)
        || std::env::var_os("CREDENTIALS_DIRECTORY").is_some_and(|dir| path.starts_with(dir));
    if mode & 0o077 != 0 && !mounted {
        return Ok(Err(KeyFileError::Permissions { path: path.into(), mode }));
    }
    Ok(Ok(()))
}

fn hex_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut bytes = Zeroizing::new([0u8; 32]);
    hex::decode_to_slice(digits, bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn key_file(content: &str, mode: u32) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (dir, path)
    }

    #[test]
    fn hex_keys_are_read_with_and_without_prefix() {
        let digits = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        for content in [digits.to_owned(), format!("0x{digits}\n")] {
            let (_dir, path) = key_file(&content, 0o600);
            let key = read_validator_key(&path).unwrap();
            assert_eq!(key.address().to_string(), "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
            assert!(read_node_key(&path).is_ok());
        }
    }

    #[test]
    fn openssl_pem_is_a_node_key() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                   -----END PRIVATE KEY-----\n";
        let (_dir, path) = key_file(pem, 0o600);
        assert_eq!(
            read_node_key(&path).unwrap().id().to_string(),
            "0xd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
        );
    }

    #[test]
    fn a_file_readable_by_others_is_refused_with_the_remedy() {
        let (_dir, path) = key_file(&"11".repeat(32), 0o644);
        let error = read_validator_key(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
        assert!(matches!(read_jwt_secret(&path), Err(KeyFileError::Permissions { .. })));
    }

    #[test]
    fn a_token_is_one_word() {
        let (_dir, path) = key_file("eyJhbGciOi.secret\n", 0o600);
        assert_eq!(read_token(&path).unwrap().as_str(), "eyJhbGciOi.secret");
        for content in ["", "\n", "two words", "two\nlines"] {
            let (_dir, path) = key_file(content, 0o600);
            let error = read_token(&path).unwrap_err().to_string();
            assert!(error.contains("token of the Celestia node"), "{error}");
        }
        let (_dir, path) = key_file("token", 0o640);
        assert!(matches!(read_token(&path), Err(KeyFileError::Permissions { .. })));
    }

    #[test]
    fn made_keys_are_read_and_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (validator, node) = (dir.path().join("validator.key"), dir.path().join("node.key"));
        let address = create_validator_key(&validator).unwrap().address();
        let id = create_node_key(&node).unwrap().id();
        let before = std::fs::read(&validator).unwrap();
        assert!(matches!(create_validator_key(&validator), Err(KeyFileError::Write { .. })));
        assert!(matches!(create_node_key(&node), Err(KeyFileError::Write { .. })));
        assert_eq!(std::fs::read(&validator).unwrap(), before);
        assert_eq!(read_validator_key(&validator).unwrap().address(), address);
        assert_eq!(read_node_key(&node).unwrap().id(), id);
        for file in [validator, node] {
            assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for content in ["", "zz", &"00".repeat(32), &"11".repeat(31), &"ff".repeat(32)] {
            let (_dir, path) = key_file(content, 0o600);
            assert!(read_validator_key(&path).is_err(), "{content}");
        }
        for content in ["", "zz", &"11".repeat(31)] {
            let (_dir, path) = key_file(content, 0o600);
            let error = read_jwt_secret(&path).unwrap_err().to_string();
            assert!(error.contains("64 hexadecimal digits"), "{error}");
        }
    }
}
