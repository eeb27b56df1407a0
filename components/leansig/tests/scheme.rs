//! Signatures of a key verify, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use leansig::scheme::{EncodedItem, Scheme, SecretKey, VerifyError};
use leansig::serialization::Serializable;
use leansig::signature::generalized_xmss::instantiations_aborting::lifetime_2_to_the_18::SIGAbortingTargetSumLifetime18Dim46Base8 as Scheme18;
use leansig::signature::{SignatureScheme, SignatureSchemeSecretKey, SigningError};
use leansig::{KeyGenError, KeyGenOptions, Progress};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Two keys of the small preset. It has only four chains, so one message in 4,096 has the same
/// codeword as another one. Tests of refusals therefore cannot use it.
static KEYS: LazyLock<[SecretKey; 2]> =
    LazyLock::new(|| [1, 2].map(|seed| key(Scheme::Lifetime8, seed, 32, 32)));

/// Two keys at full strength with the smallest number of epochs: from 512 to 1,535.
static STRONG: LazyLock<[SecretKey; 2]> =
    LazyLock::new(|| [3, 4].map(|seed| key(Scheme::Lifetime18, seed, 700, 1)));

fn key(scheme: Scheme, seed: u64, first: u64, count: u64) -> SecretKey {
    let mut rng = StdRng::seed_from_u64(seed);
    let options = KeyGenOptions::default();
    SecretKey::generate(scheme, &mut rng, first, count, &options).expect("within the lifetime")
}

proptest! {
    #[test]
    fn signatures_verify(small in 32u32..64, large in 512u32..1536, message: [u8; 32]) {
        for (key, epoch) in [(&KEYS[0], small), (&STRONG[0], large)] {
            let signature = key.sign(epoch, &message).unwrap();
            prop_assert_eq!(signature.len(), key.scheme().signature_len());
            let verdict = key.scheme().verify(&key.public_key(), epoch, &message, &signature);
            prop_assert_eq!(verdict, Ok(()));
            prop_assert_eq!(key.sign(epoch, &message).unwrap(), signature, "it is deterministic");
        }
    }

    #[test]
    fn a_flipped_bit_is_refused(epoch in 512u32..1536, message: [u8; 32], bit: prop::sample::Index) {
        let key = &STRONG[0];
        let mut signature = key.sign(epoch, &message).unwrap();
        let bit = bit.index(signature.len() * 8);
        signature[bit / 8] ^= 1 << (bit % 8);
        let verdict = Scheme::Lifetime18.verify(&key.public_key(), epoch, &message, &signature);
        prop_assert!(verdict.is_err(), "bit {} of the signature", bit);
    }

    #[test]
    fn a_flipped_bit_of_the_key_is_refused(epoch in 512u32..1536, message: [u8; 32], bit in 0usize..52 * 8) {
        let key = &STRONG[0];
        let signature = key.sign(epoch, &message).unwrap();
        let mut public_key = key.public_key();
        public_key[bit / 8] ^= 1 << (bit % 8);
        let verdict = Scheme::Lifetime18.verify(&public_key, epoch, &message, &signature);
        prop_assert!(verdict.is_err(), "bit {} of the public key", bit);
    }

    #[test]
    fn another_epoch_message_or_key_is_refused(
        epoch in 512u32..1536,
        other_epoch: u32,
        message: [u8; 32],
        other_message: [u8; 32],
    ) {
        let [key, other_key] = &*STRONG;
        let signature = key.sign(epoch, &message).unwrap();
        let verify = |key: &SecretKey, epoch, message| {
            Scheme::Lifetime18.verify(&key.public_key(), epoch, message, &signature)
        };
        for other_epoch in [other_epoch, other_epoch % (1 << 18), epoch ^ 1] {
            if other_epoch != epoch {
                prop_assert!(verify(key, other_epoch, &message).is_err());
            }
        }
        if other_message != message {
            prop_assert!(verify(key, epoch, &other_message).is_err());
        }
        prop_assert!(verify(other_key, epoch, &message).is_err());
    }

    #[test]
    fn a_batch_gives_the_verdicts_of_its_items(
        choices in prop::collection::vec((32u32..64, any::<[u8; 32]>(), 0u8..6), 0..40),
    ) {
        let [key, other_key] = &*KEYS;
        let (public_key, other_public_key) = (key.public_key(), other_key.public_key());
        let signatures: Vec<_> =
            choices.iter().map(|(epoch, message, _)| key.sign(*epoch, message).unwrap()).collect();
        let items: Vec<EncodedItem<'_>> = choices
            .iter()
            .zip(&signatures)
            .map(|((epoch, message, fault), signature)| match fault {
                0 => (other_public_key.as_slice(), *epoch, message, signature.as_slice()),
                1 => (public_key.as_slice(), *epoch ^ 1, message, signature.as_slice()),
                2 => (public_key.as_slice(), *epoch + 256, message, signature.as_slice()),
                3 => (public_key.as_slice(), *epoch, message, &signature[1..]),
                _ => (public_key.as_slice(), *epoch, message, signature.as_slice()),
            })
            .collect();
        let verdicts = Scheme::Lifetime8.verify_batch(&items);
        prop_assert_eq!(verdicts.len(), items.len());
        for ((item, verdict), (_, _, fault)) in items.iter().zip(verdicts).zip(&choices) {
            prop_assert_eq!(verdict.is_ok(), *fault > 3);
            prop_assert_eq!(verdict, Scheme::Lifetime8.verify(item.0, item.1, item.2, item.3));
        }
    }
}

#[test]
fn full_strength_signatures_verify_and_flipped_bits_are_refused() {
    let key = &STRONG[0];
    assert_eq!(key.activation(), 512..1536);
    let scheme = Scheme::Lifetime18;
    assert_eq!(scheme.signature_len(), 2088);
    let public_key = key.public_key();
    for epoch in [512, 1023, 1024, 1535] {
        let message = [u8::try_from(epoch % 251).unwrap(); 32];
        let signature = key.sign(epoch, &message).unwrap();
        assert_eq!(scheme.verify(&public_key, epoch, &message, &signature), Ok(()));
        for bit in (0..signature.len() * 8).step_by(331) {
            let mut wrong = signature.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(scheme.verify(&public_key, epoch, &message, &wrong).is_err(), "bit {bit}");
        }
    }
}

#[test]
fn verdicts_say_why() {
    let key = &KEYS[0];
    let (scheme, public_key, message) = (Scheme::Lifetime8, key.public_key(), [5; 32]);
    let signature = key.sign(40, &message).unwrap();
    let verify = |public_key: &[u8], epoch, message, signature: &[u8]| {
        scheme.verify(public_key, epoch, message, signature).unwrap_err()
    };
    let epoch = verify(&public_key, 256, &message, &signature);
    assert_eq!(epoch, VerifyError::Epoch { epoch: 256, lifetime: 256 });
    let short = verify(&public_key[1..], 40, &message, &signature);
    assert!(matches!(short, VerifyError::PublicKey(_)), "{short}");
    let short = verify(&public_key, 40, &message, &signature[1..]);
    assert!(matches!(short, VerifyError::Signature(_)), "{short}");
    assert_eq!(verify(&public_key, 40, &[6; 32], &signature), VerifyError::NotACodeword);
    let mut wrong = signature.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(verify(&public_key, 40, &message, &wrong), VerifyError::Root);
}

#[test]
fn a_key_signs_its_window_and_says_why_not_more() {
    let mut key = key(Scheme::Lifetime8, 4, 32, 64);
    assert_eq!((key.activation(), key.prepared()), (32..96, 32..64));
    let message = [1; 32];
    assert_eq!(
        key.sign(31, &message),
        Err(SigningError::EpochNotActive { epoch: 31, activation: 32..96 })
    );
    assert_eq!(
        key.sign(96, &message),
        Err(SigningError::EpochNotActive { epoch: 96, activation: 32..96 })
    );
    assert_eq!(
        key.sign(64, &message),
        Err(SigningError::EpochNotPrepared { epoch: 64, prepared: 32..64 })
    );

    let options = KeyGenOptions::default();
    for prepared in [48..80, 64..96] {
        let next = key.prepare_next(&options).unwrap().expect("the activation goes on");
        key.advance_with(next).expect("it is the next tree");
        assert_eq!(key.prepared(), prepared);
        for epoch in key.prepared() {
            let epoch = u32::try_from(epoch).unwrap();
            let signature = key.sign(epoch, &message).unwrap();
            let verdict = Scheme::Lifetime8.verify(&key.public_key(), epoch, &message, &signature);
            assert_eq!(verdict, Ok(()), "epoch {epoch}");
        }
    }
    assert!(key.prepare_next(&options).unwrap().is_none(), "the activation is used up");
    assert_eq!(
        key.sign(63, &message),
        Err(SigningError::EpochNotPrepared { epoch: 63, prepared: 64..96 })
    );
}

#[test]
fn a_tree_of_another_key_or_place_is_given_back() {
    let options = KeyGenOptions::default();
    let mut first = key(Scheme::Lifetime8, 4, 0, 64);
    let second = key(Scheme::Lifetime8, 5, 0, 64);
    let foreign = second.prepare_next(&options).unwrap().unwrap();
    assert!(first.advance_with(foreign).is_err());
    let (next, again) = [(); 2].map(|()| first.prepare_next(&options).unwrap().unwrap()).into();
    first.advance_with(next).expect("it is the next tree");
    assert!(first.advance_with(again).is_err(), "the window has moved on");
    assert_eq!(first.prepared(), 16..48);
}

#[test]
fn activations_are_widened_to_bottom_trees_within_the_lifetime() {
    let activation = |first, count| key(Scheme::Lifetime8, 6, first, count).activation();
    assert_eq!(activation(0, 0), 0..32);
    assert_eq!(activation(3, 40), 0..48);
    assert_eq!(activation(16, 32), 16..48);
    assert_eq!(activation(250, 6), 224..256);
    assert_eq!(activation(0, 256), 0..256);
}

#[test]
fn epochs_past_the_lifetime_are_an_error() {
    let mut rng = StdRng::seed_from_u64(7);
    for (first, count) in [(0, 257), (256, 1), (u64::MAX, 2), (1, u64::MAX)] {
        let options = KeyGenOptions::default();
        let error = SecretKey::generate(Scheme::Lifetime8, &mut rng, first, count, &options)
            .expect_err("there are 256 epochs");
        let expected = KeyGenError::Activation {
            activation_epoch: first,
            num_active_epochs: count,
            lifetime: 256,
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn progress_is_reported_up_to_the_end() {
    let most = AtomicU64::new(0);
    let report = |progress: Progress| {
        assert_eq!(progress.total, 1024);
        most.fetch_max(progress.done, Ordering::Relaxed);
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let options =
        KeyGenOptions { progress: Some(&report), pool: Some(&pool), ..KeyGenOptions::default() };
    let mut rng = StdRng::seed_from_u64(8);
    let (public_key, secret_key) = Scheme18::try_key_gen(&mut rng, 0, 1024, &options).unwrap();
    assert_eq!(most.into_inner(), 1024);
    assert_eq!(Scheme18::get_public_key(&secret_key), public_key);
}

#[test]
fn key_generation_stops_when_cancelled() {
    let cancel = AtomicBool::new(false);
    let stop = |_| cancel.store(true, Ordering::Relaxed);
    let options =
        KeyGenOptions { progress: Some(&stop), cancel: Some(&cancel), ..KeyGenOptions::default() };
    let mut rng = StdRng::seed_from_u64(9);
    // Ten times as many epochs as the test has time for, if it is not cancelled.
    let result = SecretKey::generate(Scheme::Lifetime32, &mut rng, 0, 1 << 17, &options);
    assert_eq!(result.map(drop), Err(KeyGenError::Cancelled));

    let key = key(Scheme::Lifetime8, 4, 0, 64);
    assert_eq!(key.prepare_next(&options).map(drop), Err(KeyGenError::Cancelled));
}

#[test]
fn the_pool_and_the_number_of_threads_do_not_change_the_key() {
    let keys = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let options = KeyGenOptions { pool: Some(&pool), ..KeyGenOptions::default() };
        let mut rng = StdRng::seed_from_u64(10);
        SecretKey::generate(Scheme::Lifetime8, &mut rng, 16, 100, &options).unwrap().to_bytes()
    });
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn typed_and_run_time_schemes_agree() {
    let key = &STRONG[0];
    let bytes = key.to_bytes();
    let mut typed = <Scheme18 as SignatureScheme>::SecretKey::from_bytes(&bytes).unwrap();
    assert_eq!(typed.get_activation_interval(), key.activation());
    let public_key = Scheme18::get_public_key(&typed);
    assert_eq!(public_key.to_bytes(), key.public_key());
    let (epoch, message) = (600, [9; 32]);
    let signature = Scheme18::sign(&typed, epoch, &message).unwrap();
    assert_eq!(signature.to_bytes(), key.sign(epoch, &message).unwrap());
    assert!(Scheme18::verify(&public_key, epoch, &message, &signature));
    assert!(!Scheme18::verify(&public_key, epoch + 1, &message, &signature));
    let verdicts = Scheme18::verify_batch(&[
        (&public_key, epoch, &message, &signature),
        (&public_key, epoch, &[0; 32], &signature),
    ]);
    assert_eq!(verdicts, [Ok(()), Err(VerifyError::NotACodeword)]);
    typed.advance_preparation();
    assert_eq!(typed.get_prepared_interval(), 512..1536, "there is no further tree");
}
