//! The validators' keys, and the record of what they signed.

use std::{
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
    AcceptHistoryLoss, GuardOptions, KeyManager, LoadOptions, SigningGuard, load_keys, mark_path,
};
use quintet_systems::verification::scheme_of;

use super::{Failure, files::Files};
use crate::cli::NodeArgs;

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
    let options = LoadOptions {
        scheme: scheme_of(files.preset),
        folder: &folder,
        threads,
        slot: SlotClock::new(files.genesis.genesis_time).current_slot(now_ms),
        progress: None,
    };
    let loaded = load_keys(&files.keys, &genesis.validators, &options)?;
    let node = settings.node_id.as_deref().unwrap_or("node");
    let accept = if settings.accept_signing_history_loss {
        AcceptHistoryLoss::Yes
    } else {
        AcceptHistoryLoss::No
    };
    let guard = SigningGuard::open(
        record,
        &GuardOptions {
            data_dir: data_dir.to_owned(),
            mark: mark_path(&folder, node, &genesis_root),
            genesis: genesis_root,
            accept_history_loss: accept,
        },
    )?;
    Ok(Signing(Arc::new(KeyManager::new(loaded, guard))))
}
