//! The validators' keys, and the record of what they signed.

use std::{
    io::IsTerminal,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use quintet_components::{
    clock::SlotClock,
    containers::{Root, State},
    duties::Signing,
    storage::SigningRecord,
};
use quintet_plugins::keys::{
    AcceptHistoryLoss, GuardError, GuardOptions, KeyManager, LoadOptions, LoadProgress,
    MakeProgress, SigningGuard, load_keys, mark_folder, mark_path,
};
use quintet_systems::verification::scheme_of;

use super::{Failure, files::Files};
use crate::{cli::NodeArgs, commands::progress::ProgressLine};

/// Loads the keys of the node's validators and opens the record of their signatures.
pub(super) fn signing(
    settings: &NodeArgs,
    files: &Files,
    data_dir: &Path,
    (genesis, genesis_root): (&State, Root),
    record: Arc<dyn SigningRecord>,
) -> Result<Signing, Failure> {
    let folder = files
        .keys_dir
        .clone()
        .ok_or("the node has validators and no keys: --hash-sig-keys-dir names their folder")?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // Elsewhere it would be lines between those of the log.
    let line = std::io::stderr().is_terminal().then(ProgressLine::new);
    let progress = |LoadProgress { done, total }| {
        // Reading a file is one step.
        let of = |count| u64::try_from(count).unwrap_or(u64::MAX);
        let (keys_done, keys) = (of(done), of(total));
        if let Some(line) = &line {
            line.show(MakeProgress { keys_done, keys, cached: 0, slots_done: 0, slots: 1 });
        }
    };
    let options = LoadOptions {
        scheme: scheme_of(files.preset),
        folder: &folder,
        threads,
        slot: SlotClock::new(files.genesis.genesis_time).current_slot(now_ms),
        progress: Some(&progress),
    };
    let loaded = load_keys(&files.keys, &genesis.validators, &options)?;
    let guard = SigningGuard::open(record, &guard_options(settings, data_dir, genesis_root)?)?;
    Ok(Signing(Arc::new(KeyManager::new(loaded, guard))))
}

/// Where the guard keeps its record and its mark.
///
/// # Errors
/// There is no place for the mark beside the data directory.
pub(crate) fn guard_options(
    settings: &NodeArgs,
    data_dir: &Path,
    genesis: Root,
) -> Result<GuardOptions, GuardError> {
    let accept_history_loss = if settings.accept_signing_history_loss {
        AcceptHistoryLoss::Yes
    } else {
        AcceptHistoryLoss::No
    };
    // Beside the data directory: a copy of that which is put back does not bring the mark.
    let folder = match &settings.signing_mark_dir {
        Some(folder) => folder.clone(),
        None => mark_folder(data_dir)?,
    };
    let node = settings.node_id.as_deref().unwrap_or("node");
    Ok(GuardOptions {
        data_dir: data_dir.to_owned(),
        mark: mark_path(&folder, node, &genesis),
        genesis,
        accept_history_loss,
    })
}
