//! Data directories that come from a backup, from elsewhere, or not at all.

use std::sync::Arc;

use quintet_components::{
    containers::Root,
    duties::{Role, SignError},
};
use quintet_plugins::keys::{GuardError, GuardOptions, HistoryLoss, SigningGuard};

use super::support::{MemoryRecord, Place, already_signed, sign};

fn loss(outcome: Result<SigningGuard, GuardError>) -> HistoryLoss {
    match outcome.map(drop).expect_err("something is missing") {
        error @ GuardError::HistoryLoss { .. } => {
            let text = error.to_string();
            assert!(text.contains("--accept-signing-history-loss"), "{text}");
            assert!(text.contains("signing-mark-node_0-09090909.json"), "{text}");
            let GuardError::HistoryLoss { loss, .. } = error else { unreachable!() };
            loss
        }
        error => panic!("{error}"),
    }
}

fn too_old(slot: u64, floor: u64) -> SignError {
    SignError::TooOld { index: 0, role: Role::Attester, slot, floor }
}

#[test]
fn an_older_data_directory_is_refused_and_accepted_only_on_request() {
    let place = Place::new("older");
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    sign(&guard, 5, 1).expect("new");
    let backup = record.backup();
    sign(&guard, 9, 1).expect("new");
    drop(guard);

    let found = loss(place.open(backup.clone()));
    assert!(matches!(found, HistoryLoss::RecordBehind { found: 1, expected: 3, .. }), "{found}");

    let guard = place.accept_loss(backup.clone()).expect("it was accepted");
    sign(&guard, 5, 1).expect("it is on record");
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)));
    assert_eq!(sign(&guard, 6, 1), Err(too_old(6, 10)));
    assert_eq!(sign(&guard, 9, 2), Err(too_old(9, 10)));
    sign(&guard, 10, 1).expect("nobody knows of a signature");
    drop(guard);

    // From now on this is the record, and the floor stays.
    let guard = place.open(backup).expect("it belongs to the mark");
    assert_eq!(sign(&guard, 9, 2), Err(too_old(9, 10)));
    drop(guard);
    assert!(matches!(loss(place.open(record)), HistoryLoss::OtherRecord { .. }));
}

#[test]
fn a_backup_from_within_a_slot_is_refused() {
    let place = Place::new("within-slot");
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    sign(&guard, 5, 1).expect("new");
    let backup = record.backup();
    // A lower slot: the highest one does not tell.
    sign(&guard, 4, 1).expect("new");
    drop(guard);
    assert!(matches!(loss(place.open(backup)), HistoryLoss::RecordBehind { .. }));
}

#[test]
fn a_lost_record_is_refused() {
    let place = Place::new("lost");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    sign(&guard, 5, 1).expect("new");
    drop(guard);
    let found = loss(place.open(MemoryRecord::default()));
    assert!(matches!(found, HistoryLoss::RecordMissing { highest: Some(5), .. }), "{found}");
    let guard = place.accept_loss(MemoryRecord::default()).expect("it was accepted");
    assert_eq!(sign(&guard, 5, 1), Err(too_old(5, 6)));
    sign(&guard, 6, 1).expect("nobody knows of a signature");
}

#[test]
fn another_nodes_record_is_refused() {
    let (place, other) = (Place::new("mine"), Place::new("theirs"));
    let theirs = MemoryRecord::default();
    drop(other.open(theirs.clone()).expect("a new record"));
    drop(place.open(MemoryRecord::default()).expect("a new record"));
    assert!(matches!(loss(place.open(theirs)), HistoryLoss::OtherRecord { .. }));
}

#[test]
fn a_lost_mark_is_refused() {
    let place = Place::new("lost-mark");
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    sign(&guard, 5, 1).expect("new");
    drop(guard);
    std::fs::remove_file(&place.options.mark).expect("it is there");
    assert!(matches!(loss(place.open(record.clone())), HistoryLoss::MarkMissing { .. }));
    let error = place.open(record.clone()).map(drop).expect_err("it is missing").to_string();
    assert!(error.contains("bring the mark back") && !error.contains("Restore"), "{error}");
    let guard = place.accept_loss(record).expect("it was accepted");
    assert_eq!(sign(&guard, 4, 1), Err(too_old(4, 6)));
}

#[test]
fn a_damaged_mark_and_another_networks_are_refused() {
    let place = Place::new("damaged-mark");
    let record = MemoryRecord::default();
    drop(place.open(record.clone()).expect("a new record"));
    let text = std::fs::read_to_string(&place.options.mark).expect("it was written");

    let genesis = Root::repeat_byte(0xab);
    let options = GuardOptions { genesis, ..place.options.clone() };
    let error = SigningGuard::open(Arc::new(record.clone()), &options).map(drop);
    let error = error.expect_err("another network");
    assert!(matches!(error, GuardError::OtherGenesis { .. }), "{error}");

    let newer = text.replace("\"version\":2", "\"version\":3");
    assert_ne!(newer, text);
    for damaged in [&text[..text.len() / 64], "", "[]", &newer] {
        std::fs::write(&place.options.mark, damaged).expect("it is writable");
        let error = place.open(record.clone()).map(drop).expect_err("damaged");
        assert!(matches!(error, GuardError::Mark { .. }), "{error}");
        assert!(error.to_string().contains("signing-mark-node_0"), "{error}");
    }
}

#[test]
fn a_mark_that_is_behind_its_record_is_raised() {
    let place = Place::new("mark-behind");
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    let early = std::fs::read(&place.options.mark).expect("it was written");
    sign(&guard, 5, 1).expect("new");
    let newest = record.backup();
    drop(guard);
    // The process ended after the record was written, and before the mark was.
    std::fs::write(&place.options.mark, early).expect("it is writable");
    drop(place.open(newest).expect("the record has everything"));
    assert!(matches!(
        loss(place.open(MemoryRecord::default())),
        HistoryLoss::RecordMissing { highest: Some(5), .. }
    ));
}
