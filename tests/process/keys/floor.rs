//! Old slots are dropped from the record, and stay refused.

use std::sync::{Arc, atomic::Ordering};

use quintet_components::{
    duties::{Role, SignError},
    storage::SigningRecord,
};
use quintet_plugins::keys::{KEPT_SLOTS, SigningGuard};

use super::support::{FaultyRecord, MemoryRecord, Place, already_signed, public_key, sign};

const MANY: u64 = 2 * KEPT_SLOTS as u64 + 40;

fn recorded_slots(record: &impl SigningRecord) -> Vec<u64> {
    let entries = record.after(None, usize::MAX).expect("it works");
    let own = entries.into_iter().filter(|entry| entry.public_key == public_key());
    own.map(|entry| entry.slot).collect()
}

fn floor_of(outcome: Result<impl Sized, SignError>) -> u64 {
    match outcome.map(drop).expect_err("too old") {
        SignError::TooOld { floor, role: Role::Attester, .. } => floor,
        error => panic!("{error}"),
    }
}

#[test]
fn the_record_keeps_a_bounded_number_of_slots_and_refuses_what_it_dropped() {
    let place = Place::new("prune");
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    for slot in 0..MANY {
        sign(&guard, slot, 1).expect("new");
        assert!(recorded_slots(&record).len() <= 2 * KEPT_SLOTS);
    }
    let kept = recorded_slots(&record);
    assert!(kept.len() >= KEPT_SLOTS, "{}", kept.len());
    let first = kept[0];
    assert!(first > 0);
    assert_eq!(floor_of(sign(&guard, first - 1, 1)), first, "not even the same message");
    assert_eq!(sign(&guard, first, 2), Err(already_signed(first)));
    drop(guard);
    let guard = place.open(record).expect("the same record");
    assert_eq!(floor_of(sign(&guard, 0, 2)), first, "also after a restart");
    assert_eq!(guard.counts().too_old, 1);
}

#[test]
fn a_far_slot_does_not_shut_the_near_ones() {
    let place = Place::new("far");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    sign(&guard, 3, 1).expect("new");
    // The clock was wrong for a moment.
    sign(&guard, 1_000_000, 1).expect("new");
    sign(&guard, 4, 1).expect("slots are counted, not measured");
}

#[test]
fn where_dropping_fails_the_floor_holds_all_the_same() {
    let place = Place::new("prune-fails");
    let record = Arc::new(FaultyRecord::default());
    record.fail_prunes.store(true, Ordering::SeqCst);
    let guard = SigningGuard::open(record.clone(), &place.options).expect("a new record");
    for slot in 10..MANY + 10 {
        sign(&guard, slot, 1).expect("new");
    }
    assert!(floor_of(sign(&guard, 5, 2)) > 10);
    assert_eq!(sign(&guard, 10, 2), Err(already_signed(10)), "it is still on record");
    record.fail_prunes.store(false, Ordering::SeqCst);
    sign(&guard, MANY + 10, 1).expect("new");
    assert!(recorded_slots(&record.disk).len() <= 2 * KEPT_SLOTS);
}
