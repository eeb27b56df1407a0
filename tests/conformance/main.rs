//! leanSpec's vectors, each file a named test, run by the same world and functions as a node.
//!
//! The folder is `LEANSPEC_VECTORS`, or `../shared/leanspec-vectors` beside the checkout. Without
//! it the suite says so and runs nothing; in CI that is a failure.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../io/quic/raw.rs"]
mod raw;

mod api_endpoint;
mod driver;
mod fork_choice;
mod gossipsub;
mod justifiability;
mod networking_codec;
mod slot_clock;
mod ssz_types_of_vectors;
mod state_transition;
mod sync;
mod vectors;

use std::{path::Path, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// Runs one case of a vector file.
type Run = fn(&serde_json::Value) -> Result<(), Failed>;

/// The categories that this suite runs.
const CATEGORIES: [(&str, Run); 9] = [
    ("api_endpoint", api_endpoint::run),
    ("fork_choice", fork_choice::run),
    ("gossipsub_handler", gossipsub::run),
    ("justifiability", justifiability::run),
    ("networking_codec", networking_codec::run),
    ("slot_clock", slot_clock::run),
    ("ssz", ssz_types_of_vectors::run),
    ("state_transition", state_transition::run),
    ("sync", sync::run),
];

/// The categories that also go through the HTTP test driver, where their names begin with `driver`.
const DRIVEN: [(&str, Run); 3] = [
    ("fork_choice", driver::fork_choice),
    ("state_transition", driver::state_transition),
    ("verify_signatures", driver::verify_signatures),
];

/// Folders that another suite runs: leansig's.
const ELSEWHERE: [&str; 1] = ["poseidon_permutation"];

/// Every folder of vectors is somebody's.
fn every_category_is_run(folder: &Path) -> Result<(), Failed> {
    let own = CATEGORIES.iter().chain(&DRIVEN).map(|(category, _)| *category);
    let known: Vec<_> = own.chain(ELSEWHERE).collect();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.path().is_dir() && !known.iter().any(|known| name == **known) {
            return Err(format!("no suite runs the category {}", name.display()).into());
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = vectors::folder();
    if !folder.is_dir() {
        let message = format!("no vectors in {}: set LEANSPEC_VECTORS", folder.display());
        if std::env::var_os("CI").is_some() {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
        eprintln!("{message}; skipped");
    }
    let mut trials = Vec::new();
    if folder.is_dir() {
        let folder = folder.clone();
        trials.push(Trial::test("every_category_is_run", move || every_category_is_run(&folder)));
    }
    for (prefix, categories) in [("", &CATEGORIES[..]), ("driver::", &DRIVEN[..])] {
        for &(category, run) in categories {
            for file in vectors::files(&folder.join(category)) {
                let name = format!("{prefix}{}", vectors::name(&folder, &file));
                trials.push(Trial::test(name, move || vectors::run_file(&file, run)));
            }
        }
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
