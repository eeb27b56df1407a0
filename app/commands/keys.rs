//! Making keys, and looking at them.

use std::{
    collections::BTreeMap,
    error::Error,
    path::{Path, PathBuf},
    process::ExitCode,
};

use leansig::keys::{KeyKind, Role as FileRole, find_file, read_public_key};
use quintet::network_dir::{
    self, Bootnodes, DEFAULT_PROOF_SYSTEM, KeyManifest, NetworkFileError, NetworkFiles, existing,
    manifest, write_public_file,
};
use quintet_components::{containers::PublicKey, preset::SignaturePreset};
use quintet_plugins::{
    keys::{KeyContent, KeyFiles, LoadOptions, MakeOptions, inspect_file, load_keys, make_keys},
    network::Bootnode,
};
use quintet_systems::verification::scheme_of;

use super::{history, progress::ProgressLine};
use crate::{
    cli::{GenerateArgs, KeysCommand},
    output::{self, OutputError, say, tell},
};

type Outcome = Result<(), Box<dyn Error>>;

/// Runs a command on keys.
pub(crate) fn run(command: &KeysCommand) -> ExitCode {
    let outcome = match command {
        KeysCommand::Export { history, force } => history::export(history, *force),
        KeysCommand::Import { history, accept_signing_history_loss } => {
            history::import(history, *accept_signing_history_loss)
        }
        KeysCommand::Generate(arguments) => generate(arguments),
        KeysCommand::Inspect { paths } => inspect(paths),
        KeysCommand::Verify { network_dir, node, xmss, threads } => {
            verify(network_dir, node.as_deref(), *xmss, *threads)
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => output::failure("", &*error),
    }
}

fn generate(arguments: &GenerateArgs) -> Outcome {
    let GenerateArgs { out, validators, first_slot, force, keys } = arguments;
    let list = out.join(network_dir::KEY_MANIFEST);
    if existing(list.clone())?.is_some() && !force {
        return Err(format!(
            "{} exists: choose another folder, or replace the keys there with --force",
            list.display()
        )
        .into());
    }
    let (line, cache) = (ProgressLine::new(), keys.cache());
    let progress = |progress| line.show(progress);
    let options = MakeOptions {
        scheme: scheme_of(keys.xmss),
        first_slot: *first_slot,
        slots: 1 << keys.active_epoch(),
        seed: keys.seed,
        cache: cache.as_deref(),
        threads: keys.threads,
        progress: Some(&progress),
        cancel: None,
    };
    let made = make_keys(out, 0..*validators, &options)?;
    write_public_file(&list, &manifest(keys.xmss, keys.active_epoch(), &made))?;
    say!("{}: keys of {validators} validators ({})", out.display(), keys.xmss)?;
    Ok(())
}

fn inspect(paths: &[PathBuf]) -> Outcome {
    let mut bad = 0;
    for path in paths {
        for file in files(path)? {
            match inspect_file(&file) {
                Ok(contents) => {
                    contents.iter().try_for_each(|content| print(&file, content))?;
                }
                Err(error) => {
                    bad += 1;
                    tell!("{error}");
                }
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(format!("{bad} files hold no key").into()) }
}

/// A file, or the key files of a folder in order.
fn files(path: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = path.read_dir().map_err(|error| format!("{}: {error}", path.display()))?;
    let mut files =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| {
        file.extension().is_some_and(|extension| extension == "ssz" || extension == "json")
    });
    if files.is_empty() {
        let text = "the folder has no key files (.ssz or .json); name a folder that has them";
        return Err(format!("{}: {text}", path.display()).into());
    }
    files.sort();
    Ok(files)
}

fn print(file: &Path, content: &KeyContent) -> Result<(), OutputError> {
    match content {
        KeyContent::Public(key) => say!("{}: public key {key}", file.display()),
        KeyContent::Secret { role, preset, public_key, lifetime, prepared, memory_bytes } => {
            let role = role.map_or_else(String::new, |role| format!(" ({})", role.name()));
            say!(
                "{}: secret key{role} of preset {preset}\n  public key {public_key}\n  signs for \
                 slots {} to {}, prepared for {} to {}\n  takes {} KiB of memory",
                file.display(),
                lifetime.start,
                lifetime.end - 1,
                prepared.start,
                prepared.end - 1,
                memory_bytes.div_ceil(1024)
            )
        }
    }
}

fn verify(
    folder: &Path,
    node: Option<&str>,
    asked: Option<SignaturePreset>,
    threads: usize,
) -> Outcome {
    let network = NetworkFiles::read(folder)?;
    let registry = network.genesis.1.registry()?;
    let keys = folder.join(network_dir::KEYS);
    let preset = asked.map_or_else(|| KeyManifest::preset_of(&keys), Ok)?;
    check_rest(folder, &network, preset)?;
    let files = match node {
        Some(node) => network.own(node)?.1,
        None => all_key_files(&network, registry.len() as u64)?,
    };
    if let Some(node) = node.filter(|_| files.is_empty()) {
        say!("{node} has no validators")?;
        return Ok(());
    }
    let options =
        LoadOptions { scheme: scheme_of(preset), folder: &keys, threads, slot: 0, progress: None };
    load_keys(&files, &registry, &options)?;
    for files in &files {
        let Some(validator) = registry.get(files.index) else { continue };
        let expected = [
            (FileRole::Attestation, validator.attestation_public_key),
            (FileRole::Proposal, validator.proposal_public_key),
        ];
        for (role, expected) in expected {
            let Some(path) = find_file(&keys, files.index, role, KeyKind::Public) else { continue };
            let found = PublicKey::from(read_public_key(&path, Some(role))?);
            if found != expected {
                return Err(format!(
                    "{}: not the public key of validator {} in config.yaml: write it again from \
                     the secret key",
                    path.display(),
                    files.index
                )
                .into());
            }
        }
    }
    check_manifest(&keys, &network)?;
    say!("{}: the keys of {} validators are good", keys.display(), files.len())?;
    Ok(())
}

/// The key files of every validator: those that the nodes' rows name, or those with usual names.
fn all_key_files(network: &NetworkFiles, count: u64) -> Result<Vec<KeyFiles>, NetworkFileError> {
    let usual = |index| KeyFiles { index, attester: None, proposer: None };
    let mut files: BTreeMap<_, _> = (0..count).map(|index| (index, usual(index))).collect();
    for name in network.annotated.iter().flat_map(|(_, annotated)| annotated.nodes.keys()) {
        files.extend(network.own(name)?.1.into_iter().map(|files| (files.index, files)));
    }
    Ok(files.into_values().collect())
}

/// Checks what a node reads of the folder besides keys and lists.
fn check_rest(folder: &Path, network: &NetworkFiles, preset: SignaturePreset) -> Outcome {
    let (path, genesis) = &network.genesis;
    let proofs = genesis.proof_system.as_deref().unwrap_or(DEFAULT_PROOF_SYSTEM);
    quintet::prover::by_name(proofs, scheme_of(preset))
        .map_err(|error| format!("{}: PROOF_SYSTEM: {error}", path.display()))?;
    let Some(path) = existing(folder.join(network_dir::NODES))? else { return Ok(()) };
    for node in Bootnodes::read(&path)?.0 {
        node.parse::<Bootnode>().map_err(|error| format!("{}: {node}: {error}", path.display()))?;
    }
    Ok(())
}

/// Compares the manifest, where there is one, with the genesis.
fn check_manifest(keys: &Path, network: &NetworkFiles) -> Outcome {
    let Some((path, manifest)) = KeyManifest::of_folder(keys)? else { return Ok(()) };
    network.check_manifest(&path, &manifest)?;
    let validators = &network.genesis.1.validators;
    for entry in manifest.validators {
        let keys = usize::try_from(entry.index).ok().and_then(|at| validators.get(at));
        let same = keys.is_some_and(|keys| {
            keys.attestation == entry.attester && keys.proposal == entry.proposer
        });
        if !same {
            return Err(format!(
                "{}: validator {} has other keys in config.yaml: the two belong to different \
                 networks",
                path.display(),
                entry.index
            )
            .into());
        }
    }
    Ok(())
}
