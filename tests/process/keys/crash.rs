//! A crash between the intent and the signature.

use quintet_components::storage::SigningRecord;

use super::support::{
    MemoryRecord, Place, already_signed, public_key, raw_signature, request, sign,
};

/// A record as it is when the process ends while the key signs.
fn crashed_while_signing(place: &Place) -> MemoryRecord {
    let record = MemoryRecord::default();
    let guard = place.open(record.clone()).expect("a new record");
    let mark = &place.options.mark;
    let mut seen = None;
    let disk = std::sync::Mutex::new(&mut seen);
    guard.sign_all(&[(public_key(), request(5, 1))], |_| {
        **disk.lock().expect("one thread") = Some((record.backup(), std::fs::read(mark)));
        raw_signature(&request(5, 1))
    });
    drop(guard);
    let (record, mark_then) = seen.expect("the key was asked");
    std::fs::write(mark, mark_then.expect("a guard has a mark")).expect("it is writable");
    record
}

#[test]
fn the_intent_is_on_record_before_the_key_signs() {
    let place = Place::new("intent");
    let record = crashed_while_signing(&place);
    let entry = record.find(&public_key(), 5).expect("it works").expect("it is there");
    assert_eq!((entry.message, entry.signature), (request(5, 1).message, None));
}

#[test]
fn after_a_crash_only_the_same_message_is_signed_and_the_signature_is_the_same() {
    let place = Place::new("crash");
    let record = crashed_while_signing(&place);
    let guard = place.open(record.clone()).expect("nothing is missing");
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)));
    assert_eq!(sign(&guard, 5, 1), raw_signature(&request(5, 1)));
    drop(guard);
    let entry = record.find(&public_key(), 5).expect("it works").expect("it is there");
    assert_eq!(entry.signature, raw_signature(&request(5, 1)).ok(), "now it is on record too");
}

#[test]
fn a_crash_before_the_first_mark_is_no_loss() {
    let place = Place::new("first-mark");
    let record = MemoryRecord::default();
    drop(place.open(record.clone()).expect("a new record"));
    std::fs::remove_file(&place.options.mark).expect("it was written");
    let guard = place.open(record).expect("nothing was signed");
    sign(&guard, 0, 1).expect("nothing was signed");
}
