//! Hex, as used for keys in JSON and YAML.

use zeroize::Zeroizing;

/// Bytes from hex digits of either case, with or without `0x`, with white space around them.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let text = text.trim();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    // The size is exact: a buffer that grows would leave copies of secrets behind.
    let mut bytes = Zeroizing::new(vec![0; digits.len() / 2]);
    const_hex::decode_to_slice(digits, &mut bytes).ok()?;
    Some(bytes)
}

/// Appends bytes as hex digits.
pub(crate) fn append(out: &mut String, bytes: &[u8]) {
    // They may be a secret's.
    let mut digits = Zeroizing::new(vec![0; 2 * bytes.len()]);
    let digits = const_hex::encode_to_str(bytes, &mut digits).expect("two digits a byte");
    out.push_str(digits);
}
