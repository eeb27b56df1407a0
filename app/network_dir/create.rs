//! Making a network's folder.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use alloy_primitives::keccak256;
use quintet_components::{containers::ValidatorIndex, preset::SignaturePreset};
use quintet_plugins::{
    keys::{MakeKeysError, MakeOptions, MakeProgress, make_keys},
    network::MAX_COMMITTEES,
};
use quintet_prover::ProofSystems;
use quintet_systems::verification::scheme_of;

use super::{
    ANNOTATED_VALIDATORS, CONFIG, KEY_MANIFEST, KEYS, NODES, NetworkFiles, NodeKey,
    VALIDATOR_CONFIG, VALIDATORS, write, yaml::NetworkFileError,
};

/// A network to make.
#[derive(Clone, Debug)]
pub struct NetworkPlan {
    /// Nodes, called `quintet_0` and up.
    pub nodes: u16,
    /// Validators, dealt to the nodes one by one.
    pub validators: u64,
    /// Unix time of slot 0 in seconds.
    pub genesis_time: u64,
    /// Committees of attestations. As many nodes, from the first on, aggregate.
    pub committees: u64,
    /// The signature preset.
    pub preset: SignaturePreset,
    /// The proof system of the network's blocks: a name of
    /// [`ProofSystems`](quintet_prover::ProofSystems).
    pub proof_system: String,
    /// Base-2 logarithm of the slots that keys are made for.
    pub active_epoch: u32,
    /// The address of every node.
    pub ip: IpAddr,
    /// The first node's QUIC port; the others follow.
    pub quic_base_port: u16,
    /// The first node's metrics port.
    pub metrics_base_port: u16,
    /// The first node's API port.
    pub api_base_port: u16,
    /// The seed of all keys, for local networks only. Random keys without it.
    pub seed: Option<u64>,
    /// The folder that keeps validators' keys of a seed, to be used again.
    pub cache: Option<PathBuf>,
    /// Threads that make keys; all cores for zero.
    pub threads: usize,
    /// If true, the files of another network may be replaced.
    pub force: bool,
}

/// A node of the plan.
#[derive(Clone, Debug)]
pub struct PlannedNode {
    /// Its name.
    pub name: String,
    /// Its identity.
    pub key: NodeKey,
    /// Its QUIC port.
    pub quic_port: u16,
    /// The port of its metrics.
    pub metrics_port: u16,
    /// The port of its API.
    pub api_port: u16,
    /// True if it aggregates.
    pub is_aggregator: bool,
    /// Its validators, ascending.
    pub validators: Vec<ValidatorIndex>,
}

/// The created network.
#[derive(Clone, Debug)]
pub struct CreatedNetwork {
    /// The nodes.
    pub nodes: Vec<PlannedNode>,
}

/// The reason a network was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// There is one already.
    #[error(
        "{} exists: choose another folder, or replace the network there, keys included, with \
         --force",
        path.display()
    )]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
    /// The plan cannot be.
    #[error("{0}")]
    Plan(String),
    /// Keys could not be made.
    #[error(transparent)]
    Keys(#[from] MakeKeysError),
    /// The written files contradict each other.
    #[error("the written files cannot be used: {0}")]
    Written(#[from] NetworkFileError),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
}

impl NetworkPlan {
    /// The nodes, with identities and ports.
    ///
    /// # Errors
    /// Ports run out, or there are too many or few nodes, validators or committees.
    pub fn nodes(&self) -> Result<Vec<PlannedNode>, CreateError> {
        let wrong = |reason: String| Err(CreateError::Plan(reason));
        if self.nodes == 0 {
            return wrong("a network needs a node".into());
        }
        if self.validators > 4096 {
            return wrong(format!("{} validators: a network has at most 4096", self.validators));
        }
        let known = ProofSystems::embedded().by_name(&self.proof_system, scheme_of(self.preset));
        if let Err(error) = known {
            return wrong(error.to_string());
        }
        let lifetime = self.preset.log_lifetime();
        if usize::try_from(self.active_epoch).is_ok_and(|log| log > lifetime) {
            return wrong(format!(
                "keys of preset {} are for at most 2^{lifetime} slots, not 2^{}",
                self.preset, self.active_epoch
            ));
        }
        if self.ip.is_unspecified() || self.ip.is_multicast() || is_broadcast(self.ip) {
            return wrong(format!(
                "{}: nodes would dial this address, and no machine has it; name the address at \
                 which the nodes are reached, for example 127.0.0.1",
                self.ip
            ));
        }
        if self.committees == 0 {
            return wrong("a network needs a committee of attestations".into());
        }
        if self.committees > u64::from(self.nodes) {
            return wrong(format!(
                "{} committees need as many aggregators, and there are {} nodes",
                self.committees, self.nodes
            ));
        }
        if self.committees > MAX_COMMITTEES {
            return wrong(format!(
                "{} committees: a network has at most {MAX_COMMITTEES}",
                self.committees
            ));
        }
        (0..self.nodes).map(|at| self.node(at)).collect()
    }

    fn node(&self, at: u16) -> Result<PlannedNode, CreateError> {
        let port = |base: u16| {
            base.checked_add(at).ok_or_else(|| {
                CreateError::Plan(format!("no port for node {at}: {base} is too high a start"))
            })
        };
        Ok(PlannedNode {
            name: format!("quintet_{at}"),
            key: self.node_key(at)?,
            quic_port: port(self.quic_base_port)?,
            metrics_port: port(self.metrics_base_port)?,
            api_port: port(self.api_base_port)?,
            is_aggregator: u64::from(at) < self.committees,
            validators: (u64::from(at)..self.validators).step_by(self.nodes.into()).collect(),
        })
    }

    fn node_key(&self, at: u16) -> Result<NodeKey, CreateError> {
        let bytes = match self.seed {
            Some(seed) => keccak256(format!("quintet node key {seed} {at}")).0,
            None => rand::random(),
        };
        NodeKey::new(bytes).map_err(|error| CreateError::Plan(error.to_string()))
    }
}

fn is_broadcast(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(ip) if ip.is_broadcast())
}

/// Makes the folder: keys first, and what makes it a network last. `genesis_time` is asked once
/// the keys are there, and noted in the plan.
///
/// # Errors
/// [`CreateError`].
pub fn create(
    folder: &Path,
    plan: &mut NetworkPlan,
    genesis_time: impl FnOnce() -> u64,
    progress: Option<&(dyn Fn(MakeProgress) + Sync)>,
    cancel: Option<&AtomicBool>,
) -> Result<CreatedNetwork, CreateError> {
    let nodes = plan.nodes()?;
    let records: Vec<_> = nodes
        .iter()
        .map(|node| {
            let record = node.key.record(plan.ip, node.quic_port);
            record.map(|record| record.to_string()).map_err(|error| error.to_string())
        })
        .collect::<Result<_, String>>()
        .map_err(CreateError::Plan)?;
    let files = [CONFIG, VALIDATORS, ANNOTATED_VALIDATORS, VALIDATOR_CONFIG, NODES, KEYS];
    let files = files.map(|name| folder.join(name));
    let there = files.iter().find(|path| path.symlink_metadata().is_ok());
    if let Some(path) = there.filter(|_| !plan.force) {
        return Err(CreateError::Exists { path: path.clone() });
    }
    let is_new = there.is_none();
    let made = write_all(folder, plan, &nodes, &records, genesis_time, (progress, cancel));
    if made.is_err() && is_new {
        // An incomplete network would block the next attempt. If it cannot be removed, that attempt
        // reports it.
        for path in &files {
            let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir_all(path));
        }
    }
    made.map(|()| CreatedNetwork { nodes })
}

type Work<'a> = (Option<&'a (dyn Fn(MakeProgress) + Sync)>, Option<&'a AtomicBool>);

fn write_all(
    folder: &Path,
    plan: &mut NetworkPlan,
    nodes: &[PlannedNode],
    records: &[String],
    genesis_time: impl FnOnce() -> u64,
    (progress, cancel): Work<'_>,
) -> Result<(), CreateError> {
    let key_folder = folder.join(KEYS);
    let options = MakeOptions {
        scheme: scheme_of(plan.preset),
        first_slot: 0,
        slots: 1 << plan.active_epoch,
        seed: plan.seed,
        cache: plan.cache.as_deref(),
        threads: plan.threads,
        progress,
        cancel,
    };
    let keys = make_keys(&key_folder, 0..plan.validators, &options)?;
    plan.genesis_time = genesis_time();
    let manifest = write::manifest(plan.preset, plan.active_epoch, &keys);
    write_file(&key_folder.join(KEY_MANIFEST), &manifest, false)?;
    for node in nodes {
        write_file(&folder.join(format!("{}.key", node.name)), &node.key.to_hex(), true)?;
    }
    // It has the nodes' secret keys.
    write_file(&folder.join(VALIDATOR_CONFIG), &write::validator_config(plan, nodes), true)?;
    let texts = [
        (NODES, write::nodes(records)),
        (VALIDATORS, write::validators(nodes)),
        (ANNOTATED_VALIDATORS, write::annotated_validators(nodes, &keys)),
        (CONFIG, write::config(plan, &keys)),
    ];
    for (name, text) in texts {
        write_file(&folder.join(name), &text, false)?;
    }
    // Read back as every node reads it.
    NetworkFiles::read(folder)?;
    Ok(())
}

/// Replaces a file that anyone may read.
///
/// # Errors
/// [`CreateError::Io`].
pub fn write_public_file(path: &Path, text: &str) -> Result<(), CreateError> {
    write_file(path, text, false)
}

/// Replaces a file; one with a secret is readable by its owner only.
fn write_file(path: &Path, text: &str, secret: bool) -> Result<(), CreateError> {
    use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt};

    let write = || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = if secret { 0o600 } else { 0o644 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes()).inspect_err(|_| {
            // Half a file is worse than none. If this fails too, the reported error is enough.
            let _ = std::fs::remove_file(path);
        })
    };
    write().map_err(|source| CreateError::Io { path: path.to_owned(), source })
}
