//! The same request gets the same signature; another message for the slot is refused.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use leansig::scheme::Scheme;
use quintet_components::duties::{Role, SignRequest};
use quintet_plugins::keys::SigningCounts;

use super::support::{
    FaultyRecord, KEYS, MemoryRecord, Place, already_signed, key, message, public_key,
    raw_signature, request, sign,
};

#[test]
fn signing_is_deterministic_for_key_slot_and_message() {
    let (first, second) = (key(1), key(1));
    for slot in [0, 7, 31] {
        let signature = first.sign(slot, &message(3).0).expect("prepared");
        assert_eq!(signature, second.sign(slot, &message(3).0).expect("prepared"));
        assert_ne!(signature, first.sign(slot, &message(4).0).expect("prepared"));
    }
    // Also after the key was written and read, and after its window has moved.
    let bytes = first.to_bytes();
    let mut moved =
        leansig::scheme::SecretKey::from_bytes(Scheme::Lifetime8, &bytes).expect("as written");
    let before = moved.sign(20, &message(3).0).expect("prepared");
    let next = moved.prepare_next(&leansig::KeyGenOptions::default()).expect("not damaged");
    moved.advance_with(next.expect("there are 64 slots")).expect("the next one");
    assert_eq!(moved.sign(20, &message(3).0).expect("prepared"), before);
}

#[test]
fn the_same_request_returns_the_recorded_signature() {
    let place = Place::new("repeat");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    let signature = sign(&guard, 5, 1).expect("new");
    let made = AtomicUsize::new(0);
    for _ in 0..2 {
        let again = guard.sign_all(&[(public_key(), request(5, 1))], |_| {
            made.fetch_add(1, Ordering::SeqCst);
            raw_signature(&request(5, 1))
        });
        assert_eq!(again, [Ok(signature.clone())]);
    }
    assert_eq!(made.load(Ordering::SeqCst), 0, "the key was not asked");
    assert_eq!(guard.counts(), SigningCounts { signed: 1, repeated: 2, ..Default::default() });
}

#[test]
fn another_message_is_refused_and_counted() {
    let place = Place::new("refusal");
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    sign(&guard, 5, 1).expect("new");
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)));
    sign(&guard, 6, 2).expect("another slot");
    assert_eq!(guard.counts(), SigningCounts { signed: 2, refused: 1, ..Default::default() });
    drop(guard);
    let guard = place.open(record).expect("the same record");
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)), "also after a restart");
}

#[test]
fn keys_are_apart() {
    let place = Place::new("keys-apart");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    sign(&guard, 5, 1).expect("new");
    let proposer = KEYS[0][1].public_key().into();
    let request = SignRequest { index: 0, role: Role::Proposer, slot: 5, message: message(2) };
    let made = guard.sign_all(&[(proposer, request)], |_| raw_signature(&request));
    assert!(made[0].is_ok(), "{made:?}");
}

#[test]
fn many_keys_in_one_slot_share_one_write() {
    let place = Place::new("batch");
    let record = Arc::new(FaultyRecord::default());
    let guard = quintet_plugins::keys::SigningGuard::open(record.clone(), &place.options)
        .expect("a new record");
    let before = record.writes.load(Ordering::SeqCst);
    let requests: Vec<_> = (0..40)
        .map(|index| {
            let mut key = public_key();
            key[0] = u8::try_from(index).expect("few");
            (key, SignRequest { index, ..request(5, 1) })
        })
        .collect();
    let made = guard.sign_all(&requests, |_| raw_signature(&request(5, 1)));
    assert!(made.iter().all(Result::is_ok));
    assert_eq!(record.writes.load(Ordering::SeqCst) - before, 1);
}

#[test]
fn a_batch_that_contradicts_itself_signs_the_first_message() {
    let place = Place::new("contradiction");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    let requests = [request(5, 1), request(5, 2), request(5, 1)];
    let asked = requests.map(|request| (public_key(), request));
    let made = guard.sign_all(&asked, |at| raw_signature(&requests[at]));
    let signature = raw_signature(&requests[0]);
    assert_eq!(made, [signature.clone(), Err(already_signed(5)), signature]);
}
