//! Two processes with one directory.

use quintet_plugins::keys::{GuardError, GuardOptions, SigningGuard};

use super::support::{MemoryRecord, Place};

fn refused(outcome: Result<SigningGuard, GuardError>) {
    let error = outcome.map(drop).expect_err("the lock is held");
    assert!(matches!(error, GuardError::Locked { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(".lock: another process"), "{text}");
    assert!(text.contains(&std::process::id().to_string()), "{text}");
}

#[test]
fn a_second_guard_of_a_data_directory_is_refused() {
    let place = Place::new("lock-data");
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    refused(place.open(record.clone()));
    drop(guard);
    place.open(record).expect("the first one has ended");
}

#[test]
fn a_second_guard_of_a_mark_is_refused_whatever_its_data_directory() {
    let place = Place::new("lock-mark");
    let _guard = place.open(MemoryRecord::default()).expect("a new record");
    let data_dir = place.folder().join("other-data");
    let options = GuardOptions { data_dir, ..place.options.clone() };
    refused(SigningGuard::open(std::sync::Arc::new(MemoryRecord::default()), &options));
}

#[test]
fn a_lock_that_a_dead_process_left_is_no_lock() {
    let place = Place::new("lock-stale");
    std::fs::create_dir_all(&place.options.data_dir).expect("the folder is writable");
    std::fs::write(place.options.data_dir.join("signing.lock"), "4711\n").expect("likewise");
    place.open(MemoryRecord::default()).expect("nobody holds it");
}
