//! The signing history as a file.

use quintet_components::{
    containers::{PublicKey, Root},
    duties::{Role, SignError},
};
use quintet_plugins::keys::{
    GuardOptions, HistoryError, ImportSummary, KeyHistory, SignedSlot, SigningGuard, SigningHistory,
};

use super::support::{
    GENESIS, MemoryRecord, Place, already_signed, message, public_key, raw_signature, request, sign,
};

fn history(keys: Vec<KeyHistory>) -> SigningHistory {
    SigningHistory { genesis: GENESIS, keys }
}

fn entry(slot: u64, text: u8) -> SignedSlot {
    SignedSlot { slot, message: message(text) }
}

fn key_history(floor: u64, entries: &[(u64, u8)]) -> KeyHistory {
    let entries = entries.iter().map(|(slot, text)| entry(*slot, *text)).collect();
    KeyHistory { public_key: public_key(), floor, entries }
}

#[test]
fn a_validator_moves_to_another_machine() {
    let (old, new) = (Place::new("history-old"), Place::new("history-new"));
    let guard = old.open(MemoryRecord::default()).expect("a new record");
    for slot in 3..6 {
        sign(&guard, slot, 1).expect("new");
    }
    let path = old.folder().join("history.json");
    guard.export().expect("it is readable").write(&path).expect("the folder is writable");

    let record = MemoryRecord::default();
    let guard = new.open(record.clone()).expect("a new record");
    let history = SigningHistory::read(&path).expect("as written");
    let summary = guard.import(&history).expect("the same network");
    assert_eq!(summary, ImportSummary { added: 3, ..Default::default() });
    assert_eq!(sign(&guard, 4, 2), Err(already_signed(4)));
    assert_eq!(sign(&guard, 4, 1), raw_signature(&request(4, 1)));
    assert_eq!(guard.export().expect("it is readable"), history);
    // What was imported survives like what was signed.
    let left = new.crash(guard, &record);
    let guard = new.open(left).expect("nothing is missing");
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)));
}

#[test]
fn an_import_merges_and_never_lowers() {
    let place = Place::new("merge");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    sign(&guard, 12, 1).expect("new");
    let first = history(vec![key_history(10, &[(8, 1), (11, 1), (12, 1)])]);
    let summary = guard.import(&first).expect("the same network");
    assert_eq!(summary, ImportSummary { added: 2, known: 1, floors: 1, conflicts: 0 });
    sign(&guard, 8, 1).expect("it is on record, before the floor");
    let too_old = SignError::TooOld { index: 0, role: Role::Attester, slot: 9, floor: 10 };
    assert_eq!(sign(&guard, 9, 1), Err(too_old.clone()));

    let second = history(vec![key_history(2, &[(12, 2)])]);
    let summary = guard.import(&second).expect("the same network");
    assert_eq!(summary, ImportSummary { conflicts: 1, ..Default::default() });
    assert_eq!(sign(&guard, 9, 1), Err(too_old), "the floor stays");
    sign(&guard, 12, 1).expect("the record's message stays");
    assert_eq!(sign(&guard, 12, 2), Err(already_signed(12)));
}

#[test]
fn another_networks_history_is_refused() {
    let place = Place::new("other-genesis");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    let other = SigningHistory { genesis: Root::ZERO, keys: Vec::new() };
    assert!(matches!(guard.import(&other), Err(HistoryError::OtherGenesis { .. })));
}

#[test]
fn a_key_that_cannot_be_is_refused() {
    let place = Place::new("reserved");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    let mut key = key_history(1, &[]);
    key.public_key = PublicKey::repeat_byte(0xff);
    let error = guard.import(&history(vec![key])).expect_err("it would hide the header");
    assert!(error.to_string().contains("keys[0].public_key"), "{error}");
}

#[test]
fn malformed_histories_are_refused_with_the_place() {
    let good = history(vec![key_history(1, &[(3, 1), (4, 1)])]).to_json().expect("it has a form");
    assert_eq!(SigningHistory::from_json(&good).expect("it is good").keys.len(), 1);
    let key =
        good[good.find("    {").expect("a key")..good.rfind("\n  ]").expect("its end")].to_owned();
    let cases = [
        (good.replace("quintet-signing-history", "other"), "format"),
        (good.replace("\"version\": 1", "\"version\": 2"), "version"),
        (good.replace("\"slot\": 4", "\"slot\": 3"), "keys[0].entries[1].slot"),
        (good.replace("\"slot\": 4", "\"slot\": 4294967296"), "keys[0].entries[1].slot"),
        (good.replace("\"floor\": 1", "\"floor\": 18446744073709551615"), "keys[0].floor"),
        (good.replace(&key, &format!("{key},\n{key}")), "keys[1].public_key"),
        (good.replace("\"slot\": 4", "\"slot\": -4"), "line 15"),
        (good.replace("\"slot\": 4", "\"slot\": 4, \"signature\": 1"), "line 15"),
        (good.replace("\"floor\"", "\"ceiling\""), "line 8"),
        (good[..good.len() / 2].to_owned(), "line"),
        ("[]".to_owned(), "line 1"),
        (String::new(), "line 1"),
    ];
    for (text, place) in cases {
        assert_ne!(text, good, "{place}");
        let error = SigningHistory::from_json(&text).expect_err(place).to_string();
        assert!(error.contains(place), "{place}: {error}");
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    let place = Place::new("history-missing");
    let path = place.folder().join("none.json");
    let error = SigningHistory::read(&path).expect_err("there is none");
    assert!(error.to_string().contains("none.json"), "{error}");
}

#[test]
fn more_entries_than_a_chunk_are_imported_and_exported() {
    let place = Place::new("history-long");
    let entries: Vec<_> = (0..2500).map(|slot| (slot, 1)).collect();
    let record = MemoryRecord::default();
    let options = GuardOptions { ..place.options.clone() };
    let guard =
        SigningGuard::open(std::sync::Arc::new(record.clone()), &options).expect("a new record");
    let long = history(vec![key_history(0, &entries)]);
    assert_eq!(guard.import(&long).expect("the same network").added, 2500);
    assert_eq!(guard.export().expect("it is readable"), long);
    drop(guard);
    let guard = place.open(record).expect("the same record");
    assert_eq!(sign(&guard, 2499, 2), Err(already_signed(2499)));
    // What is too much goes with the next signature.
    sign(&guard, 2500, 1).expect("new");
    let kept = guard.export().expect("it is readable").keys.remove(0);
    assert!(kept.entries.len() < 257 && kept.floor == kept.entries[0].slot, "{}", kept.floor);
}
