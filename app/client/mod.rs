//! A client: from a network's folder, from settings or by hand, to a Bevy app that runs.
//!
//! ```no_run
//! use quintet::{Client, plugins::SlotLogPlugin};
//!
//! let exit = Client::from_network_dir("network")
//!     .node_id("quintet_0")
//!     .data_dir("data")
//!     .plugins(|group| group.disable::<SlotLogPlugin>())
//!     .run()?;
//! # Ok::<(), quintet::ClientError>(())
//! ```
//!
//! The command `quintet node` is made of this. A client signs with the keys of its validators
//! through the durable guard: a signature is on the disk before it leaves the process.

mod anchor;
mod build;
mod capacity;
mod connect;
mod error;
mod genesis_time;
mod network;
mod settings;
mod signals;
mod signing;

use std::path::PathBuf;

use bevy_app::{App, AppExit, PluginGroupBuilder};
use quintet_components::storage::ChainIdentity;
use quintet_plugins::{NodeConfig, StopHandle, WallClock, keys::LoadProgress, storage::Store};
use quintet_prover::ProofSystems;

pub use self::{
    capacity::check_capacity,
    error::ClientError,
    genesis_time::check as check_genesis_time,
    network::{Network, preset_of},
    settings::Settings,
    signals::Signals,
};

type Configure = Box<dyn FnOnce(&mut NodeConfig) + Send>;
type EditPlugins = Box<dyn FnOnce(PluginGroupBuilder) -> PluginGroupBuilder + Send>;
type OpenStore = Box<dyn FnOnce(&ChainIdentity) -> Result<Store, ClientError> + Send>;
type ShowKeys = Box<dyn Fn(LoadProgress) + Send + Sync>;

/// A client that is put together. [`run`](Self::run) runs it; [`build`](Self::build) gives the app.
#[must_use = "a client does nothing until it is run"]
pub struct Client {
    network: Option<Network>,
    settings: Settings,
    proofs: ProofSystems,
    clock: WallClock,
    configure: Vec<Configure>,
    edit: Vec<EditPlugins>,
    open_store: Option<OpenStore>,
    show_keys: Option<ShowKeys>,
}

impl Client {
    /// A client of the network whose folder this is. The files are read when the client is built.
    pub fn from_network_dir(folder: impl Into<PathBuf>) -> Self {
        Self::from_settings(Settings { network_dir: Some(folder.into()), ..Settings::default() })
    }

    /// A client with these settings.
    pub fn from_settings(settings: Settings) -> Self {
        Self {
            network: None,
            settings,
            proofs: ProofSystems::embedded(),
            clock: WallClock::default(),
            configure: Vec::new(),
            edit: Vec::new(),
            open_store: None,
            show_keys: None,
        }
    }

    /// A client of a network that no file describes.
    pub fn from_network(network: Network) -> Self {
        Self { network: Some(network), ..Self::from_settings(Settings::default()) }
    }

    /// The node's name in the network's files. Its validators are the client's.
    pub fn node_id(self, name: impl Into<String>) -> Self {
        self.settings(|settings| settings.node_id = Some(name.into()))
    }

    /// The folder of the chain and of the record of signatures.
    pub fn data_dir(self, folder: impl Into<PathBuf>) -> Self {
        self.settings(|settings| settings.data_dir = Some(folder.into()))
    }

    /// Changes the settings.
    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Changes the proof systems to choose from. `PROOF_SYSTEM` in `config.yaml`, or
    /// [`Settings::proof_system`], names the one that is used.
    pub fn proof_systems(mut self, change: impl FnOnce(&mut ProofSystems)) -> Self {
        change(&mut self.proofs);
        self
    }

    /// Takes the time from this clock.
    pub fn clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// Keeps the chain, and the record of signatures, in the store that this opens, and not in
    /// `RocksDB`. A client with keys needs one that is durable.
    pub fn store(
        mut self,
        open: impl FnOnce(&ChainIdentity) -> Result<Store, ClientError> + Send + 'static,
    ) -> Self {
        self.open_store = Some(Box::new(open));
        self
    }

    /// Changes the configuration after it was made of settings and files, and before the plugins
    /// are made of it.
    pub fn configure(mut self, change: impl FnOnce(&mut NodeConfig) + Send + 'static) -> Self {
        self.configure.push(Box::new(change));
        self
    }

    /// Edits the plugins: adds, replaces, disables.
    pub fn plugins(
        mut self,
        edit: impl FnOnce(PluginGroupBuilder) -> PluginGroupBuilder + Send + 'static,
    ) -> Self {
        self.edit.push(Box::new(edit));
        self
    }

    /// Calls this, from several threads, for each validator's key that is loaded.
    pub fn on_key_loaded(mut self, show: impl Fn(LoadProgress) + Send + Sync + 'static) -> Self {
        self.show_keys = Some(Box::new(show));
        self
    }

    /// Runs the client until SIGINT, SIGTERM or SIGHUP stops it, or until it cannot go on. For
    /// signal handlers of your own use [`build`](Self::build), `App::run` and [`StopHandle`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn run(self) -> Result<AppExit, ClientError> {
        let signals = Signals::listen(|| {}).map_err(ClientError::Signals)?;
        let mut app = self.build()?;
        signals.stop(app.world().resource::<StopHandle>().clone());
        Ok(app.run())
    }

    /// The app, with every plugin built. `App::run` runs it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn build(self) -> Result<App, ClientError> {
        build::build(self)
    }
}
