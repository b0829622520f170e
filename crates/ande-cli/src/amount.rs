//! Amounts of the stake token, which has 18 decimals.

use alloy::primitives::{
    U256,
    utils::{ParseUnits, format_ether, parse_ether},
};
use eyre::{Result, bail};

/// `1000`, `0.5`: whole tokens. Returns token wei.
pub(crate) fn parse_tokens(text: &str) -> Result<U256> {
    if text.starts_with(['-', '+']) || text.is_empty() {
        bail!("{text:?} is no amount of tokens such as 1000 or 0.5");
    }
    match parse_ether(text) {
        Ok(amount) if !amount.is_zero() => Ok(amount),
        Ok(_) => bail!("the amount is zero"),
        Err(_) => bail!("{text:?} is no amount of tokens such as 1000 or 0.5"),
    }
}

/// Token wei as whole tokens, without trailing zeros.
pub(crate) fn format_tokens(amount: U256) -> String {
    let text = format_ether(ParseUnits::U256(amount).get_absolute());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_in_tokens() {
        let wei = |text: &str| parse_tokens(text).unwrap().to_string();
        assert_eq!(wei("1000"), "1000000000000000000000");
        assert_eq!(wei("0.5"), "500000000000000000");
        for text in ["1000", "0.5", "1.000000000000000001"] {
            assert_eq!(format_tokens(parse_tokens(text).unwrap()), text);
        }
        for text in ["", "0", "-1", "+1", "1e18", "ten", "0.0000000000000000001"] {
            assert!(parse_tokens(text).is_err(), "{text}");
        }
    }
}
