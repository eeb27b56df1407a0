//! Bytes and texts that are not keys or signatures are refused with an error.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use leansig::keys::{KeyError, parse_public_key, parse_secret_key};
use leansig::scheme::{Scheme, SecretKey, VerifyError, WireError};
use leansig::serialization::Serializable;
use leansig::signature::SignatureSchemeSecretKey;
use leansig::signature::generalized_xmss::instantiations_aborting::lifetime_2_to_the_8::{
    PubKeyAbortingTargetSumLifetime8Dim46Base8 as PublicKey8,
    SecretKeyAbortingTargetSumLifetime8Dim46Base8 as SecretKey8,
    SigAbortingTargetSumLifetime8Dim46Base8 as Signature8,
};
use leansig::tree::{HashTreeLayer, HashTreeOpening};
use leansig::{KeyGenError, KeyGenOptions};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;
use ssz::Decode;

const P: u32 = 0x7f00_0001;

static KEY: LazyLock<SecretKey> = LazyLock::new(|| {
    let mut rng = StdRng::seed_from_u64(1);
    SecretKey::generate(Scheme::Lifetime8, &mut rng, 16, 64, &KeyGenOptions::default()).unwrap()
});

static SIGNATURE: LazyLock<Vec<u8>> = LazyLock::new(|| KEY.sign(20, &[1; 32]).unwrap());

fn verify(signature: &[u8]) -> Result<(), VerifyError> {
    Scheme::Lifetime8.verify(&KEY.public_key(), 20, &[1; 32], signature)
}

/// Passes bytes to everything that decodes.
fn decode_everything(bytes: &[u8]) {
    let _ = PublicKey8::from_bytes(bytes);
    let _ = Signature8::from_bytes(bytes);
    let _ = SecretKey8::from_bytes(bytes);
    let _ = HashTreeLayer::from_ssz_bytes(bytes);
    let _ = HashTreeOpening::from_ssz_bytes(bytes);
    let _ = serde_json::from_slice::<PublicKey8>(bytes);
    let _ = serde_json::from_slice::<Signature8>(bytes);
    let _ = serde_json::from_slice::<SecretKey8>(bytes);
    for scheme in [Scheme::Lifetime8, Scheme::Lifetime18, Scheme::Lifetime32] {
        let _ = scheme.verify(bytes, 0, &[0; 32], bytes);
        let _ = scheme.verify(&KEY.public_key(), 0, &[0; 32], bytes);
        let _ = SecretKey::from_bytes(scheme, bytes);
        let _ = parse_secret_key(scheme, bytes, None);
    }
    let _ = parse_public_key(bytes, None);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        decode_everything(&bytes);
    }

    #[test]
    fn random_texts_never_panic(text in "[\\{\\}\\[\\]\":,0-9a-fx _]{0,200}") {
        decode_everything(text.as_bytes());
    }

    #[test]
    fn random_signatures_of_the_right_shape_are_refused(values in prop::collection::vec(0..P, 106)) {
        let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        for at in [0..4, 32..36, 36..40] {
            bytes[at.clone()].copy_from_slice(&SIGNATURE[at]);
        }
        prop_assert!(Signature8::from_bytes(&bytes).is_ok());
        prop_assert!(verify(&bytes).is_err());
    }

    /// Damaged keys are either refused, or decode to a key that signs without panicking.
    #[test]
    fn damaged_secret_keys_never_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        early in any::<bool>(),
    ) {
        let mut bytes = KEY.to_bytes().to_vec();
        for (index, value) in damage {
            // The first bytes are the numbers and offsets on which everything else depends.
            let at = if early { 32 + index.index(120) } else { index.index(bytes.len()) };
            bytes[at] = value;
        }
        if let Ok(mut key) = SecretKey::from_bytes(Scheme::Lifetime8, &bytes) {
            prop_assert_eq!(&key.to_bytes()[..], &bytes[..], "each key has one encoding");
            for epoch in [0, 20, 47, 48, u32::MAX] {
                let _ = key.sign(epoch, &[1; 32]);
            }
            if let Ok(Some(next)) = key.prepare_next(&KeyGenOptions::default()) {
                let _ = key.advance_with(next);
            }
        }
        decode_everything(&bytes);
    }
}

#[test]
fn every_truncation_and_extension_is_refused() {
    let public_key = KEY.public_key();
    for len in (0..public_key.len()).chain([53, 100]) {
        let mut bytes = public_key.to_vec();
        bytes.resize(len, 0);
        assert!(PublicKey8::from_bytes(&bytes).is_err(), "{len} bytes");
    }
    for len in (0..SIGNATURE.len()).chain([425, 456, 4240]) {
        let mut bytes = SIGNATURE.clone();
        bytes.resize(len, 0);
        let expected = WireError::Length { expected: 424, found: len };
        assert_eq!(verify(&bytes), Err(VerifyError::Signature(expected)));
        assert!(Signature8::from_bytes(&bytes).is_err(), "{len} bytes");
    }
    let secret_key = KEY.to_bytes();
    for len in (0..secret_key.len()).chain([secret_key.len() + 1, secret_key.len() + 32]) {
        let mut bytes = secret_key.to_vec();
        bytes.resize(len, 0);
        assert!(SecretKey::from_bytes(Scheme::Lifetime8, &bytes).is_err(), "{len} bytes");
    }
}

#[test]
fn elements_that_are_not_below_p_are_refused() {
    for value in [P, P + 1, u32::MAX] {
        // Randomness, path, chain values.
        for at in [4, 40, 392] {
            let mut bytes = SIGNATURE.clone();
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let expected = Err(VerifyError::Signature(WireError::NotCanonical { value }));
            assert_eq!(verify(&bytes), expected);
        }
        for at in [0, 48] {
            let mut public_key = KEY.public_key();
            public_key[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let verdict = Scheme::Lifetime8.verify(&public_key, 20, &[1; 32], &SIGNATURE);
            assert_eq!(verdict, Err(VerifyError::PublicKey(WireError::NotCanonical { value })));
        }
        let mut secret_key = KEY.to_bytes();
        let end = secret_key.len();
        secret_key[end - 4..].copy_from_slice(&value.to_le_bytes());
        let error = SecretKey::from_bytes(Scheme::Lifetime8, &secret_key).unwrap_err();
        assert_eq!(error, WireError::NotCanonical { value });
    }
}

/// A value that is equal modulo p would be a second encoding of the same signature.
#[test]
fn a_signature_has_one_encoding() {
    for at in (4..32).chain(40..424).step_by(4) {
        let mut bytes = SIGNATURE.clone();
        let value = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        bytes[at..at + 4].copy_from_slice(&(value + P).to_le_bytes());
        assert!(verify(&bytes).is_err(), "element at {at}");
    }
}

#[test]
fn lists_of_other_lengths_are_refused() {
    // One sibling more and one chain value fewer, with the offset for that.
    let mut bytes = SIGNATURE.clone();
    bytes[32..36].copy_from_slice(&(296u32 + 32).to_le_bytes());
    let expected = WireError::Offset { expected: 296, found: 328 };
    assert_eq!(verify(&bytes), Err(VerifyError::Signature(expected)));
    for at in [0, 36] {
        let mut bytes = SIGNATURE.clone();
        bytes[at] += 4;
        let verdict = verify(&bytes);
        assert!(
            matches!(verdict, Err(VerifyError::Signature(WireError::Offset { .. }))),
            "{verdict:?}"
        );
    }

    let typed = Signature8::from_bytes(&SIGNATURE).unwrap();
    let mut json = serde_json::to_value(&typed).unwrap();
    json["hashes"].as_array_mut().unwrap().pop();
    assert!(serde_json::from_value::<Signature8>(json).is_err());
    let mut json = serde_json::to_value(&typed).unwrap();
    json["path"]["co_path"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!([0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(serde_json::from_value::<Signature8>(json).is_err());
}

#[test]
fn contradictory_secret_keys_are_refused() {
    let change = |at: usize, value: u64| {
        let mut bytes = KEY.to_bytes();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        SecretKey::from_bytes(Scheme::Lifetime8, &bytes).expect_err("a contradiction")
    };
    // The activation, its length, and the window.
    for (at, value) in [
        (52, 15),
        (52, 0),
        (52, u64::MAX),
        (60, 0),
        (60, 16),
        (60, u64::MAX),
        (72, 0),
        (72, 2),
        (72, u64::MAX),
    ] {
        let error = change(at, value);
        assert!(matches!(error, WireError::Inconsistent(_)), "{value} at {at}: {error}");
    }
    // The root of a bottom tree, which is its last node.
    let mut bytes = KEY.to_bytes();
    let end = bytes.len();
    bytes[end - 32] ^= 1;
    let error = SecretKey::from_bytes(Scheme::Lifetime8, &bytes).unwrap_err();
    assert_eq!(error, WireError::Inconsistent("a bottom tree does not belong to the top tree"));
}

#[test]
fn a_damaged_seed_shows_when_the_window_advances() {
    let mut bytes = KEY.to_bytes();
    bytes[0] ^= 1;
    let mut key = SecretKey8::from_bytes(&bytes).unwrap();
    let error = key.prepare_next(&KeyGenOptions::default()).map(drop).unwrap_err();
    assert_eq!(error, KeyGenError::Damaged);
    key.advance_preparation();
    assert_eq!(key.get_prepared_interval(), KEY.prepared());
}

#[test]
fn a_key_of_another_scheme_is_named() {
    let bytes = KEY.to_bytes();
    for (scheme, expected) in [(Scheme::Lifetime18, 18), (Scheme::Lifetime32, 32)] {
        let error = SecretKey::from_bytes(scheme, &bytes).unwrap_err();
        assert_eq!(error, WireError::OtherScheme { expected, found: 8 });
        assert_eq!(
            error.to_string(),
            format!("expected a key of lifetime 2^{expected}, found one of lifetime 2^8")
        );
        let json = serde_json::to_vec(&SecretKey8::from_bytes(&bytes).unwrap()).unwrap();
        let error = parse_secret_key(scheme, &json, None).unwrap_err();
        assert_eq!(error, KeyError::Wire(WireError::OtherScheme { expected, found: 8 }));
    }
}
