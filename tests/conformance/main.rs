//! leanSpec's vectors, each file a named test, run by the same world and functions as a node.
//!
//! The folders are `LEANSPEC_VECTORS`, or `../shared/leanspec-vectors` beside the checkout, and for
//! vectors with real signatures and proofs `LEANSPEC_VECTORS_REAL`, or
//! `../shared/leanspec-vectors-real`. Without one of them the suite says so and runs the other; in CI
//! that is a failure.

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
mod key_set;
mod networking_codec;
mod proofs;
mod slot_clock;
mod ssz_types_of_vectors;
mod state_transition;
mod strictness;
mod sync;
mod vectors;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Runs one case of a vector file.
type Run = fn(&Value) -> Result<(), Failed>;

/// The categories that this suite runs. All of a case has to be read.
const CATEGORIES: [(&str, Run); 13] = [
    ("api_endpoint", api_endpoint::run),
    ("fork_choice", fork_choice::run),
    ("gossipsub_handler", gossipsub::run),
    ("justifiability", justifiability::run),
    ("networking_codec", networking_codec::run),
    ("reaggregation", proofs::reaggregation),
    ("slot_clock", slot_clock::run),
    ("ssz", ssz_types_of_vectors::run),
    ("state_transition", state_transition::run),
    ("sync", sync::run),
    ("verify_multi_message_proofs", proofs::multi_message),
    ("verify_signatures", proofs::block),
    ("verify_single_message_proofs", proofs::single_message),
];

/// The categories that also go through the HTTP test driver, where their names begin with `driver`.
const DRIVEN: [(&str, Run); 3] = [
    ("fork_choice", driver::fork_choice),
    ("state_transition", driver::state_transition),
    ("verify_signatures", driver::verify_signatures),
];

/// Folders that another suite runs: leansig's.
const ELSEWHERE: [&str; 1] = ["poseidon_permutation"];

/// The place of vectors: the prefix of their tests' names, the variable that names the folder, and
/// the folder beside the checkout.
const SOURCES: [(&str, &str, &str); 2] = [
    ("", "LEANSPEC_VECTORS", "leanspec-vectors"),
    ("real::", "LEANSPEC_VECTORS_REAL", "leanspec-vectors-real"),
];

/// The folder that a variable names, or the one beside the checkout.
fn shared(variable: &str, name: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(name),
        PathBuf::from,
    )
}

/// Every folder of vectors is somebody's.
fn every_category_is_run(folder: &Path) -> Result<(), Failed> {
    let own = CATEGORIES.iter().map(|(category, _)| *category);
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

/// The tests of a folder.
fn trials(source: &str, folder: &Path) -> Vec<Trial> {
    let all = folder.to_owned();
    let mut trials = vec![Trial::test(format!("{source}every_category_is_run"), move || {
        every_category_is_run(&all)
    })];
    for (category, run) in CATEGORIES {
        let files = vectors::files(&folder.join(category));
        if !files.is_empty() {
            let (name, files) = (format!("{source}unknown_fields_fail::{category}"), files.clone());
            trials.push(Trial::test(name, move || strictness::check(category, &files, run)));
        }
        for file in files {
            let name = format!("{source}{}", vectors::name(folder, &file));
            let run_whole = move |case: &Value| vectors::run_whole(category, case, run);
            trials.push(Trial::test(name, move || vectors::run_file(&file, run_whole)));
        }
    }
    for (category, run) in DRIVEN {
        for file in vectors::files(&folder.join(category)) {
            let name = format!("driver::{source}{}", vectors::name(folder, &file));
            trials.push(Trial::test(name, move || vectors::run_file(&file, run)));
        }
    }
    trials
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut all = Vec::new();
    for (source, variable, beside) in SOURCES {
        let folder = shared(variable, beside);
        if folder.is_dir() {
            all.extend(trials(source, &folder));
            continue;
        }
        let message = format!("no vectors in {}: set {variable}", folder.display());
        if std::env::var_os("CI").is_some() {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
        eprintln!("{message}; skipped");
    }
    libtest_mimic::run(&arguments, all).exit_code()
}
