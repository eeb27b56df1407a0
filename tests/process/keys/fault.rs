//! A record that fails: no signature leaves, and signing goes on when the fault goes away.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quintet_components::duties::SignError;
use quintet_plugins::keys::{GuardError, HistoryLoss, SigningCounts, SigningGuard};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::support::{
    FaultyRecord, MemoryRecord, Place, already_signed, public_key, raw_signature, request, sign,
};

fn faulty(place: &Place) -> (Arc<FaultyRecord>, SigningGuard) {
    let record = Arc::new(FaultyRecord::default());
    let guard = SigningGuard::open(record.clone(), &place.options).expect("a new record");
    (record, guard)
}

#[test]
fn nothing_is_signed_that_is_not_on_record() {
    let place = Place::new("fault");
    let (record, guard) = faulty(&place);
    record.fail_writes.store(true, Ordering::SeqCst);
    let asked = AtomicUsize::new(0);
    let made = guard.sign_all(&[(public_key(), request(5, 1))], |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        raw_signature(&request(5, 1))
    });
    assert!(matches!(&made[0], Err(SignError::Record(reason)) if reason.contains("no space")));
    assert_eq!(asked.load(Ordering::SeqCst), 0, "the key was not asked");

    record.fail_writes.store(false, Ordering::SeqCst);
    sign(&guard, 5, 1).expect("the fault has gone");
    let expected = SigningCounts { signed: 1, unrecorded: 1, ..Default::default() };
    assert_eq!(guard.counts(), expected);
}

#[test]
fn nothing_is_signed_when_the_record_cannot_be_read() {
    let place = Place::new("fault-read");
    let (record, guard) = faulty(&place);
    record.fail_finds.store(true, Ordering::SeqCst);
    assert!(matches!(sign(&guard, 5, 1), Err(SignError::Record(_))));
    record.fail_finds.store(false, Ordering::SeqCst);
    sign(&guard, 5, 1).expect("the fault has gone");
}

#[test]
fn a_write_that_failed_may_have_happened() {
    let place = Place::new("fault-late");
    let (record, guard) = faulty(&place);
    record.fail_writes.store(true, Ordering::SeqCst);
    record.write_before_failing.store(true, Ordering::SeqCst);
    assert!(matches!(sign(&guard, 5, 1), Err(SignError::Record(_))));
    let backup = record.disk.backup();
    record.fail_writes.store(false, Ordering::SeqCst);
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)));
    sign(&guard, 5, 1).expect("the message that is on record");
    place.crash(guard, &record.disk);
    // That signature is one batch more, although its entry was there before.
    let error = place.open(backup).map(drop).expect_err("an older record");
    assert!(
        matches!(error, GuardError::HistoryLoss { loss: HistoryLoss::RecordBehind { .. }, .. }),
        "{error}"
    );
}

#[test]
fn nothing_is_signed_while_the_mark_cannot_be_written() {
    let place = Place::new("fault-mark");
    let (_record, guard) = faulty(&place);
    // The file has gone, and is not made anew.
    let away = place.folder().join("away");
    std::fs::rename(&place.options.mark, &away).expect("the folder is writable");
    for _ in 0..2 {
        let refused = sign(&guard, 5, 1);
        assert!(matches!(&refused, Err(SignError::Record(_))), "{refused:?}");
    }
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)), "the intent is on record");
    assert!(!place.options.mark.exists());
    std::fs::rename(&away, &place.options.mark).expect("the folder is writable");
    sign(&guard, 5, 1).expect("the fault has gone");
}

#[test]
fn a_batch_with_a_refused_request_signs_the_others() {
    let place = Place::new("fault-batch");
    let (_record, guard) = faulty(&place);
    sign(&guard, 5, 1).expect("new");
    let requests = [request(5, 2), request(6, 1), request(5, 1)];
    let asked = requests.map(|request| (public_key(), request));
    let made = guard.sign_all(&asked, |at| raw_signature(&requests[at]));
    let expected =
        [Err(already_signed(5)), raw_signature(&requests[1]), raw_signature(&requests[2])];
    assert_eq!(made, expected);
}

#[test]
fn signing_goes_on_when_the_process_may_open_no_more_files() {
    // The limit would be that of all tests of this process.
    if std::env::var_os(NO_FILES).is_none() {
        let own = std::env::current_exe().expect("tests are a program");
        let name = "keys::fault::signing_goes_on_when_the_process_may_open_no_more_files";
        let mut command = std::process::Command::new(own);
        let output = command.args(["--exact", name]).env(NO_FILES, "1").output();
        let output = output.expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let place = Place::new("no-files");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    let limit = getrlimit(Resource::Nofile);
    let none = Rlimit { current: Some(0), maximum: limit.maximum };
    setrlimit(Resource::Nofile, none).expect("it may be lowered");
    assert!(std::fs::File::open("/dev/null").is_err(), "no more files");
    for slot in 5..9 {
        sign(&guard, slot, 1).expect("the mark is open");
    }
    setrlimit(Resource::Nofile, limit).expect("it may be raised again");
}

/// Set in the process that may open no files.
const NO_FILES: &str = "QUINTET_TEST_NO_FILES";
