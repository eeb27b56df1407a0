//! The validators' keys, and the record of what they signed.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use quintet_components::{
    clock::SlotClock,
    duties::Signing,
    storage::{ChainIdentity, SigningRecord},
};
use quintet_plugins::{
    keys::{
        AcceptHistoryLoss, GuardError, GuardOptions, KeyManager, LoadOptions, LoadProgress,
        LoadedKeys, SigningGuard, load_keys, mark_folder, mark_path,
    },
    network::DEFAULT_FORK_DIGEST,
    storage::{Retention, RocksDbConfig, Store},
    text::make_folder,
};
use quintet_systems::verification::scheme_of;
use tree_hash::TreeHash;

use super::{Client, ClientError, Network, OpenStore, Settings};

impl Client {
    /// Opens the node's record of signatures, and no more of the node: to export it, or to import
    /// another one. The record is locked until the guard is dropped.
    ///
    /// # Errors
    /// [`ClientError`]; a node that runs has the lock.
    pub fn signing_guard(self) -> Result<SigningGuard, ClientError> {
        let settings = self.settings;
        let network = match self.network {
            Some(network) => network,
            None => Network::read(&settings)?,
        };
        if settings.node_id.is_none() && network.keys.is_empty() {
            // The mark's file name contains the node's name.
            let reason =
                "a name is needed (--node-id): the record of signatures is that of one node";
            return Err(ClientError::Network(reason.into()));
        }
        let store = open_store(&settings, &network, self.open_store)?;
        Ok(SigningGuard::open(store, &guard_options(&settings, &network)?)?)
    }
}

/// Loads the keys of the node's validators; `None` if it has none.
pub(super) fn keys(
    network: &Network,
    progress: Option<&(dyn Fn(LoadProgress) + Sync)>,
) -> Result<Option<LoadedKeys>, ClientError> {
    if network.keys.is_empty() {
        return Ok(None);
    }
    let folder = network.keys_dir.as_deref().ok_or_else(|| {
        ClientError::Network(
            "the node has validators and no keys: --hash-sig-keys-dir names their folder".into(),
        )
    })?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
    let options = LoadOptions {
        scheme: scheme_of(network.preset),
        folder,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        slot: SlotClock::new(network.genesis_time()).current_slot(now_ms),
        progress,
    };
    Ok(Some(load_keys(&network.keys, &network.genesis.validators, &options)?))
}

/// Opens the record of the signatures of these keys.
pub(super) fn signing(
    settings: &Settings,
    network: &Network,
    (keys, record): (LoadedKeys, Arc<dyn SigningRecord>),
) -> Result<Signing, ClientError> {
    let guard = SigningGuard::open(record, &guard_options(settings, network)?)?;
    Ok(Signing(Arc::new(KeyManager::new(keys, guard))))
}

/// The folders of the guard's record and mark.
///
/// # Errors
/// There is no place for the mark beside the data directory.
fn guard_options(settings: &Settings, network: &Network) -> Result<GuardOptions, GuardError> {
    let data_dir = settings.data_folder();
    let accept_history_loss = if settings.accept_signing_history_loss {
        AcceptHistoryLoss::Yes
    } else {
        AcceptHistoryLoss::No
    };
    // Beside the data directory, so that restoring a copy of that does not restore the mark.
    let folder = match &settings.signing_mark_dir {
        Some(folder) => folder.clone(),
        None => mark_folder(&data_dir)?,
    };
    let genesis = network.genesis.tree_hash_root();
    let node = settings.node_id.as_deref().unwrap_or("node");
    Ok(GuardOptions {
        mark: mark_path(&folder, node, &genesis),
        data_dir,
        genesis,
        accept_history_loss,
    })
}

/// The client's store, or the node's database, made where there is none.
pub(super) fn open_store(
    settings: &Settings,
    network: &Network,
    own: Option<OpenStore>,
) -> Result<Arc<Store>, ClientError> {
    let data_dir = settings.data_folder();
    make_folder(&data_dir).map_err(|source| ClientError::Io { path: data_dir.clone(), source })?;
    let name = settings.fork_digest.as_deref().unwrap_or(DEFAULT_FORK_DIGEST);
    let identity = ChainIdentity::of(&network.genesis, name, network.preset);
    let store = match own {
        Some(open) => open(&identity)?,
        None => {
            let retention =
                if settings.archive { Retention::archive() } else { Retention::default() };
            let config = RocksDbConfig { path: data_dir.join("chain"), retention };
            Store::open(&config, &identity)?
        }
    };
    Ok(Arc::new(store))
}
