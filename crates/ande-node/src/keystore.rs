//! Keystores of wallets ("Web3 Secret Storage", version 3): a secp256k1 key under a password.

use std::path::Path;

use ande_primitives::ValidatorKey;
use eth_keystore::{EthKeystore, KdfparamsType};
use k256::elliptic_curve::rand_core::OsRng;
use zeroize::Zeroizing;

use crate::keyfile::{KeyFileError, read_secret, write_secret};

/// Largest keystore that is read; real ones take half a kilobyte.
const MAX_BYTES: usize = 16 << 10;
/// The only version there is.
const VERSION: u8 = 3;
/// Length of a derived key and of what it encrypts.
const KEY_BYTES: usize = 32;
/// Length of the cipher's start value.
const IV_BYTES: usize = 16;
/// Most memory that a keystore may ask for; geth's standard takes 256 MiB.
const MAX_SCRYPT_BYTES: u64 = 1 << 30;
/// Most passes that a keystore may ask for; wallets write 1 to 8 and 262,144.
const MAX_SCRYPT_PASSES: u32 = 16;
const MAX_PBKDF2_PASSES: u32 = 10_000_000;
/// Its name while it is made.
const DRAFT: &str = "draft";

/// Reads a secp256k1 key from a keystore as `cast wallet` and geth write it.
///
/// # Errors
/// [`KeyFileError`] with what to do about it, also for another password.
pub fn read_keystore(path: &Path, password: &str) -> Result<ValidatorKey, KeyFileError> {
    let text = read_secret(path)?;
    if let Err(expected) = check(&text) {
        return Err(KeyFileError::Format { path: path.into(), expected });
    }
    let failed = |source| KeyFileError::Keystore { path: path.into(), source };
    let bytes = Zeroizing::new(eth_keystore::decrypt_key(path, password).map_err(failed)?);
    let bytes: &[u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| {
        let expected = "expected a keystore with a key of 32 bytes";
        KeyFileError::Format { path: path.into(), expected }
    })?;
    ValidatorKey::from_bytes(bytes)
        .map_err(|source| KeyFileError::Key { path: path.into(), source })
}

/// Writes a key into a new keystore with mode 0600.
///
/// # Errors
/// [`KeyFileError::Write`], also when the file exists.
pub fn write_keystore(path: &Path, key: &ValidatorKey, password: &str) -> Result<(), KeyFileError> {
    let failed = |source| KeyFileError::Write { path: path.into(), source };
    // The library replaces files and lets others read them; what it writes is encrypted already.
    let dir = tempfile::tempdir().map_err(failed)?;
    let bytes = Zeroizing::new(<[u8; KEY_BYTES]>::from(key.signing_key().to_bytes()));
    eth_keystore::encrypt_key(&dir, &mut OsRng, bytes.as_slice(), password, Some(DRAFT))
        .map_err(|source| KeyFileError::Keystore { path: path.into(), source })?;
    let text = std::fs::read_to_string(dir.path().join(DRAFT)).map_err(failed)?;
    write_secret(path, &text)
}

/// Whether a text looks like a keystore rather than a bare key.
#[must_use]
pub fn is_keystore(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Refuses what the library would panic on, and what would take hours or all memory.
fn check(text: &str) -> Result<(), &'static str> {
    const EXPECTED: &str = "expected a Web3 keystore (JSON, version 3)";
    if text.len() > MAX_BYTES {
        return Err(EXPECTED);
    }
    let keystore: EthKeystore = serde_json::from_str(text).map_err(|_| EXPECTED)?;
    let crypto = &keystore.crypto;
    if keystore.version != VERSION || crypto.cipher != "aes-128-ctr" {
        return Err("expected a Web3 keystore of version 3 with the cipher aes-128-ctr");
    }
    if (crypto.ciphertext.len(), crypto.cipherparams.iv.len()) != (KEY_BYTES, IV_BYTES) {
        return Err("expected a keystore with a key of 32 bytes and a start value of 16");
    }
    let (length, is_bounded) = match &crypto.kdfparams {
        KdfparamsType::Pbkdf2 { c, dklen, prf, .. } => {
            (*dklen, prf == "hmac-sha256" && (1..=MAX_PBKDF2_PASSES).contains(c))
        }
        KdfparamsType::Scrypt { dklen, n, p, r, .. } => {
            let memory = 128u64.saturating_mul((*n).into()).saturating_mul((*r).into());
            // The library takes no others.
            let is_sound = n.is_power_of_two() && *n > 1 && n.ilog2() < r.saturating_mul(16);
            let passes = (1..=MAX_SCRYPT_PASSES).contains(p);
            (*dklen, is_sound && passes && memory <= MAX_SCRYPT_BYTES)
        }
    };
    if usize::from(length) != KEY_BYTES || !is_bounded {
        return Err("its key derivation is not one that wallets write");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A test vector of the format's definition.
    const PBKDF2: &str = r#"{"crypto":{"cipher":"aes-128-ctr",
        "cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
        "kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
        "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    /// With the derivation that geth writes.
    const SCRYPT: &str = r#"{"crypto":{"cipher":"aes-128-ctr",
        "cipherparams":{"iv":"83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
        "kdf":"scrypt","kdfparams":{"dklen":32,"n":262144,"p":1,"r":8,
        "salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
        "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    const KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    fn written(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.json");
        write_secret(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn the_vector_of_the_definition_is_read() {
        let (_dir, path) = written(PBKDF2);
        let key = read_keystore(&path, "testpassword").unwrap();
        assert_eq!(hex::encode(key.signing_key().to_bytes()), KEY);
        let error = read_keystore(&path, "testpassword ").unwrap_err();
        assert!(error.to_string().contains("another password"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_keystore(&path, "testpassword").unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_keystore_is_written_once_for_its_owner_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keystore.json");
        let key = ValidatorKey::from_bytes(&[7; 32]).unwrap();
        write_keystore(&path, &key, "päss word").unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_keystore(&path, "päss word").unwrap().address(), key.address());
        let before = std::fs::read(&path).unwrap();
        let again = write_keystore(&path, &key, "another");
        assert!(matches!(again, Err(KeyFileError::Write { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert!(is_keystore(&String::from_utf8(before).unwrap()));
    }

    #[test]
    fn hostile_keystores_are_refused_before_anything_is_derived() {
        let changes = [
            ("\"version\":3", "\"version\":4"),
            ("aes-128-ctr", "aes-256-ctr"),
            ("\"dklen\":32", "\"dklen\":8"),
            ("83dbcc02d8ccb40e466191a123791e0e", "83db"),
            ("d172bf743a674da9", ""),
            ("\"n\":262144", "\"n\":0"),
            ("\"n\":262144", "\"n\":262145"),
            ("\"n\":262144", "\"n\":2147483648"),
            ("\"p\":1", "\"p\":4294967295"),
            ("\"r\":8", "\"r\":0"),
            ("\"r\":8", "\"r\":1"),
            ("\"r\":8", "\"r\":4294967295"),
            ("\"mac\"", "\"cam\""),
        ];
        check(SCRYPT).unwrap();
        for (from, to) in changes {
            assert!(SCRYPT.contains(from), "{from}");
            let (_dir, path) = written(&SCRYPT.replace(from, to));
            let error = read_keystore(&path, "testpassword").unwrap_err();
            assert!(matches!(error, KeyFileError::Format { .. }), "{to}: {error}");
        }
        for (from, to) in [("\"c\":262144", "\"c\":0"), ("hmac-sha256", "hmac-md5")] {
            let (_dir, path) = written(&PBKDF2.replace(from, to));
            assert!(read_keystore(&path, "testpassword").is_err(), "{to}");
        }
        let long = format!("{}{}", PBKDF2, " ".repeat(MAX_BYTES));
        for text in ["", "{}", &"11".repeat(32), &long] {
            let (_dir, path) = written(text);
            assert!(read_keystore(&path, "").unwrap_err().to_string().contains("Web3 keystore"));
        }
    }
}
