//! Prepared windows move on in the background.

use std::time::{Duration, Instant};

use leansig::{keys::write_secret_key, scheme::Scheme};
use quintet_components::{
    containers::Slot,
    duties::{Role, SignError, SignRequest, Signer},
};
use quintet_plugins::keys::{KeyFiles, KeyManager, LoadOptions, load_keys};

use super::support::{MemoryRecord, Place, key_for, message, registry};

/// A bottom tree of the test preset; a window has two.
const TREE: u64 = 16;

/// A manager of one validator whose keys sign for these slots, started at a slot.
fn manager(place: &Place, first: Slot, count: u64, slot: Slot) -> KeyManager {
    let keys = [[key_for(1, first, count), key_for(2, first, count)]];
    for (name, key) in ["attester", "proposer"].iter().zip(&keys[0]) {
        let path = place.folder().join(format!("validator_0_{name}_key_sk.ssz"));
        write_secret_key(&path, key).expect("the folder is writable");
    }
    let options = LoadOptions {
        scheme: Scheme::Lifetime8,
        folder: place.folder().path(),
        threads: 2,
        slot,
        progress: None,
    };
    let files = KeyFiles { index: 0, attester: None, proposer: None };
    let loaded = load_keys(&[files], &registry(&keys), &options).expect("the keys are good");
    KeyManager::new(loaded, place.open(MemoryRecord::default()).expect("a new record"))
}

fn request(slot: Slot) -> SignRequest {
    SignRequest { index: 0, role: Role::Attester, slot, message: message(1) }
}

fn sign(manager: &KeyManager, slot: Slot) -> Result<(), SignError> {
    manager.sign_all(&[request(slot)]).remove(0).map(drop)
}

/// Tells the slot until both keys are prepared up to a slot.
fn wait_until_prepared(manager: &KeyManager, slot: Slot, until: Slot) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while manager.status().prepared_until < until {
        assert!(Instant::now() < deadline, "{:?}", manager.status());
        manager.begin_slot(slot);
        std::thread::yield_now();
    }
}

#[test]
fn a_key_signs_through_its_whole_lifetime_without_waiting() {
    let place = Place::new("whole-life");
    let manager = manager(&place, 0, 128, 0);
    let memory = manager.status().memory_bytes;
    for slot in 0..128 {
        manager.begin_slot(slot);
        // The worker has half a window for what takes it a moment.
        if slot % TREE == TREE - 1 {
            wait_until_prepared(&manager, slot, (slot + 1 + TREE).min(128));
        }
        sign(&manager, slot).expect("prepared");
    }
    // It is counted after it shows.
    let deadline = Instant::now() + Duration::from_secs(30);
    while manager.status().advanced < 2 * 6 && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let status = manager.status();
    assert_eq!((status.waited, status.signing.signed), (0, 128));
    assert_eq!(status.advanced, 2 * 6, "two keys, each over all trees but the first two");
    assert!(status.memory_bytes <= memory, "{}: no more than a window", status.memory_bytes);
    let error = sign(&manager, 128).expect_err("the lifetime has ended").to_string();
    assert!(error.contains("ended at slot 128"), "{error}");
}

#[test]
fn the_window_moves_long_before_it_ends_and_not_at_once() {
    let place = Place::new("margin");
    let manager = manager(&place, 0, 128, 0);
    // The tree before is needed while duties of its last slots may come late.
    manager.begin_slot(TREE + 1);
    sign(&manager, TREE - 1).expect("still there");
    assert_eq!(manager.status().prepared_until, 2 * TREE);
    wait_until_prepared(&manager, TREE + 2, 3 * TREE);
    assert_eq!(manager.status().waited, 0);
    let error = sign(&manager, TREE - 2).expect_err("it has moved on").to_string();
    assert!(error.contains("moved on to slots 16 to 47"), "{error}");
    // What was signed before is on record.
    sign(&manager, TREE - 1).expect("recorded");
}

#[test]
fn a_window_goes_back_when_the_clock_is_set_back() {
    let place = Place::new("set-back");
    // An hour ahead at the start, and set right later.
    let manager = manager(&place, 0, 128, 100);
    sign(&manager, 100).expect("prepared");
    let error = sign(&manager, 3).expect_err("long past").to_string();
    assert!(error.contains("if the clock was set back"), "{error}");
    let deadline = Instant::now() + Duration::from_secs(30);
    while manager.status().prepared_until > 2 * TREE {
        assert!(Instant::now() < deadline, "{:?}", manager.status());
        manager.begin_slot(3);
        std::thread::yield_now();
    }
    // Both keys.
    while sign(&manager, 4).is_err() {
        assert!(Instant::now() < deadline, "{:?}", manager.status());
        manager.begin_slot(4);
    }
    let other = SignRequest { message: message(2), ..request(100) };
    assert!(manager.sign_all(&[other]).remove(0).is_err(), "the record stays");
}

#[test]
fn signing_past_a_window_waits_for_it_and_says_so() {
    let place = Place::new("waits");
    let manager = manager(&place, 0, 128, 0);
    sign(&manager, 100).expect("after waiting");
    assert_eq!(manager.status().waited, 1);
    assert_eq!(manager.status().signing.signed, 1);
}

#[test]
fn keys_are_loaded_ready_for_the_slot() {
    let place = Place::new("late-start");
    let manager = manager(&place, 32, 128, 100);
    let status = manager.status();
    assert_eq!((status.prepared_until, status.lifetime_until), (128, 160));
    sign(&manager, 100).expect("prepared");
    assert_eq!((manager.status().waited, manager.status().advanced), (0, 0));
}

#[test]
fn slots_outside_the_lifetime_are_refused_and_not_recorded() {
    let place = Place::new("outside");
    let manager = manager(&place, 32, 32, 0);
    let error = sign(&manager, 31).expect_err("too early").to_string();
    assert!(error.contains("begins at slot 32"), "{error}");
    assert!(sign(&manager, 64).is_err());
    assert!(sign(&manager, u64::MAX).is_err());
    let history = manager.guard().export().expect("it is readable");
    assert!(history.keys.is_empty(), "{history:?}");
    let unknown = SignRequest { index: 3, ..request(40) };
    let outcome = manager.sign_all(&[unknown, request(40)]);
    assert_eq!(outcome[0], Err(SignError::UnknownKey { index: 3, role: Role::Attester }));
    assert!(outcome[1].is_ok());
}

#[test]
fn a_signer_says_how_far_its_keys_reach_and_what_it_was_asked() {
    let place = Place::new("key-status");
    let manager = manager(&place, 0, 128, 0);
    assert_eq!(sign(&manager, 1), Ok(()));
    assert_eq!(sign(&manager, 1), Ok(()));
    let other = SignRequest { message: message(2), ..request(1) };
    assert!(manager.sign_all(&[other]).remove(0).is_err());
    let status = manager.key_status().expect("it has keys");
    assert_eq!(manager.validators(), [0]);
    assert_eq!((status.keys, status.prepared_until, status.window_slots), (2, 32, 32));
    assert_eq!((status.lifetime_until, status.lifetime_slots), (128, 128));
    assert_eq!((status.signed, status.repeated, status.conflicting), (1, 1, 1));
    assert!(status.memory_bytes > 0);
}
