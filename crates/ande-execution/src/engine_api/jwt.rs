//! The tokens that the Engine API is protected with: HS256 over the time of issue.

use alloy_primitives::hex;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::EngineError;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// The secret that an execution client shares with its node.
#[derive(Clone)]
pub struct JwtSecret(Zeroizing<[u8; 32]>);

impl JwtSecret {
    /// Reads what clients keep in their secret file: 32 bytes in hexadecimal, with or without `0x`.
    ///
    /// # Errors
    /// [`EngineError::Secret`] for anything else; the text is not repeated.
    pub fn from_hex(text: &str) -> Result<Self, EngineError> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut()).map_err(|_| EngineError::Secret)?;
        Ok(Self(bytes))
    }

    /// A token issued at a time, in seconds since the Unix epoch. Clients take it for 60 s.
    #[must_use]
    pub fn token(&self, issued_at: u64) -> String {
        let claims = format!(r#"{{"iat":{issued_at}}}"#);
        let mut token =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
        // HMAC fills up a short key with zeros.
        let mut key = Zeroizing::new([0; 64]);
        key[..32].copy_from_slice(self.0.as_ref());
        let mut mac = Hmac::<Sha256>::new((&*key).into());
        mac.update(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(mac.finalize().into_bytes(), &mut token);
        token
    }
}

impl std::fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JwtSecret(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_those_of_other_implementations() {
        let secret = JwtSecret::from_hex(&"2a".repeat(32));
        // From Node's crypto module: createHmac("sha256", Buffer.alloc(32, 0x2a)).
        assert_eq!(secret.unwrap().token(1_700_000_000), EXPECTED);
    }

    const EXPECTED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDB9.LvhhlXtl49YoT9SdC6MskURuayyz8P3S8gXUZC8EBvg";

    #[test]
    fn only_32_bytes_of_hex_are_a_secret_and_nothing_shows_it() {
        let text = "2a".repeat(32);
        for good in [text.clone(), format!("0x{text}"), format!(" {text}\n")] {
            let secret = JwtSecret::from_hex(&good).unwrap();
            assert!(!format!("{secret:?}").contains("2a"));
        }
        for bad in ["", "0x", "2a", &text[1..], &format!("{text}00"), &"zz".repeat(32)] {
            assert_eq!(JwtSecret::from_hex(bad).unwrap_err(), EngineError::Secret);
        }
    }
}
