//! The place of the mark does not depend on the spelling of the data directory.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use quintet_plugins::keys::{GuardError, GuardOptions, SigningGuard, mark_folder, mark_path};

use super::support::{GENESIS, MemoryRecord, Place, already_signed, sign};
use crate::folder::Folder;

/// The folder with its links followed: what a mark's folder is compared with.
fn canonical(folder: &Folder) -> PathBuf {
    folder.path().canonicalize().expect("it is there")
}

fn mark(folder: &Path) -> PathBuf {
    mark_path(folder, "node_0", &GENESIS)
}

/// The guard of a data directory with its mark beside it, as a node has it.
fn open(data_dir: &Path, record: &MemoryRecord) -> Result<SigningGuard, GuardError> {
    let options = GuardOptions {
        data_dir: data_dir.to_owned(),
        mark: mark(&mark_folder(data_dir)?),
        ..Place::new("options").options
    };
    SigningGuard::open(std::sync::Arc::new(record.clone()), &options)
}

fn refusal(outcome: Result<SigningGuard, GuardError>) -> String {
    outcome.map(drop).expect_err("it is refused").to_string()
}

#[test]
fn every_spelling_of_a_data_directory_has_one_mark() {
    let folder = Folder::new("spellings");
    let root = canonical(&folder);
    let data = root.join("data");
    fs::create_dir_all(data.join("below")).expect("writable");
    fs::create_dir(root.join("other")).expect("writable");
    symlink(&data, root.join("other/link")).expect("writable");
    let expected = root.join("data.signing");
    let text = data.to_str().expect("test paths are text");
    for spelling in [
        text.to_owned(),
        format!("{text}/"),
        format!("{text}//."),
        format!("{text}/below/.."),
        format!("{}/./other/../data", root.display()),
        format!("{}/other/link", root.display()),
        format!("{}/other/link/", root.display()),
        format!("{}/other/link/below/..", root.display()),
    ] {
        assert_eq!(mark_folder(Path::new(&spelling)).expect(&spelling), expected, "{spelling}");
    }
    // One that is not there yet has its place already, and is not made.
    let new = root.join("new");
    let spelling = format!("{}/other/../new/", root.display());
    assert_eq!(mark_folder(Path::new(&spelling)).expect("it is a path"), root.join("new.signing"));
    assert!(!new.exists());
    let error = mark_folder(Path::new("/")).expect_err("nothing is beside it").to_string();
    assert!(error.contains("--signing-mark-dir"), "{error}");
}

#[test]
fn an_older_copy_is_refused_whatever_spelling_names_it() {
    let folder = Folder::new("spelt-copy");
    let data = folder.join("data");
    fs::create_dir(&data).expect("writable");
    let link = folder.join("link");
    symlink("data", &link).expect("writable");
    let slash = PathBuf::from(format!("{}/", data.display()));
    let record = MemoryRecord::default();
    let spellings = [data, slash, link];
    for (spelling, slot) in spellings.iter().zip(5..) {
        let guard = open(spelling, &record).expect("the same directory");
        sign(&guard, slot, 1).expect("new");
    }
    let older = record.backup();
    let guard = open(&spellings[1], &record).expect("nothing is missing");
    sign(&guard, 20, 1).expect("new");
    drop(guard);
    for spelling in &spellings {
        let error = refusal(open(spelling, &older));
        assert!(error.contains("older than what was signed"), "{}: {error}", spelling.display());
        let guard = open(spelling, &record).expect("nothing is missing");
        assert_eq!(sign(&guard, 20, 2), Err(already_signed(20)));
    }
    let marks: Vec<_> = fs::read_dir(folder.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").file_name())
        .filter(|name| name.to_string_lossy().contains(".signing"))
        .collect();
    assert_eq!(marks, ["data.signing"]);
}

#[test]
fn a_mark_inside_the_data_directory_is_refused() {
    let folder = Folder::new("inside");
    let data = folder.join("data");
    fs::create_dir(&data).expect("writable");
    symlink("data", folder.join("link")).expect("writable");
    for inside in ["data", "data/marks", "link/marks", "data/../data/marks/deep", "link"] {
        let options = GuardOptions {
            data_dir: data.clone(),
            mark: mark(&folder.join(inside)),
            ..Place::new("options").options
        };
        let record = std::sync::Arc::new(MemoryRecord::default());
        let error = refusal(SigningGuard::open(record, &options));
        assert!(error.contains("inside the data directory"), "{inside}: {error}");
        assert!(error.contains("--signing-mark-dir"), "{error}");
    }
    assert_eq!(fs::read_dir(&data).expect("readable").count(), 0, "nothing was made");
}

#[test]
fn a_data_directory_that_moved_says_so_and_proposes_no_loss() {
    let folder = Folder::new("moved");
    let root = canonical(&folder);
    let (old, new) = (root.join("old"), root.join("new"));
    let record = MemoryRecord::default();
    let guard = open(&old, &record).expect("a new record");
    sign(&guard, 5, 1).expect("new");
    drop(guard);
    fs::rename(&old, &new).expect("it moves");

    let (was, now) = (mark(&root.join("old.signing")), mark(&root.join("new.signing")));
    let error = refusal(open(&new, &record));
    assert!(error.contains("has moved") && error.contains("Move that file"), "{error}");
    assert!(error.contains(&*was.to_string_lossy()), "{error}");
    assert!(error.contains(&*now.to_string_lossy()), "{error}");
    assert!(!error.contains("accept-signing-history-loss"), "{error}");

    // Where the file is away, too, it says where it was.
    let away = root.join("away");
    fs::rename(&was, &away).expect("it is there");
    let error = refusal(open(&new, &record));
    assert!(error.contains("is missing"), "{error}");
    assert!(!error.contains("accept-signing-history-loss"), "{error}");

    fs::rename(&away, &now).expect("the folder was made for its lock");
    let guard = open(&new, &record).expect("as it says");
    assert_eq!(sign(&guard, 5, 2), Err(already_signed(5)));
    drop(guard);
    open(&new, &record).expect("it remembers the new place");
}

#[test]
fn another_directory_in_the_place_of_one_says_that_it_moved() {
    let folder = Folder::new("swapped");
    let root = canonical(&folder);
    let (one, two) = (root.join("one"), root.join("two"));
    let records = [MemoryRecord::default(), MemoryRecord::default()];
    for (data, record) in [&one, &two].into_iter().zip(&records) {
        sign(&open(data, record).expect("a new record"), 5, 1).expect("new");
    }
    fs::remove_dir_all(&one).expect("it is there");
    fs::rename(&two, &one).expect("it moves");
    let error = refusal(open(&one, &records[1]));
    assert!(error.contains("has moved") && error.contains("two.signing"), "{error}");
}

#[test]
fn a_mark_of_an_earlier_release_is_found_where_the_spelling_led() {
    for (name, spelling, former) in [
        ("former-slash", "data/", "data/.signing"),
        ("former-dot", "data/.", "data/..signing"),
        ("former-link", "link", "link.signing"),
    ] {
        let folder = Folder::new(name);
        let root = canonical(&folder);
        let record = MemoryRecord::default();
        let guard = open(&root.join("data"), &record).expect("a new record");
        sign(&guard, 5, 1).expect("new");
        drop(guard);
        symlink("data", root.join("link")).expect("writable");
        // As it was before the directory remembered the place.
        fs::remove_file(root.join("data/signing-mark-place")).expect("it is there");
        let former = root.join(former);
        fs::create_dir(&former).expect("writable");
        fs::rename(mark(&root.join("data.signing")), mark(&former)).expect("it is there");
        let spelling = PathBuf::from(format!("{}/{spelling}", root.display()));
        let error = refusal(open(&spelling, &record));
        assert!(error.contains(&*mark(&former).to_string_lossy()), "{error}");
        assert!(!error.contains("accept-signing-history-loss"), "{error}");
    }
}
