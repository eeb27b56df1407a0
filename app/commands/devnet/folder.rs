//! The folder of a devnet: `network/` as launchers have it, `nodes/` for the nodes' data, `logs/`.

use std::{
    fmt::Display,
    fs::{self, File, TryLockError},
    io::Write,
    net::IpAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use quintet::{
    client::check_genesis_time,
    network_dir::{CreatedNetwork, NetworkPlan, PlannedNode, create},
};
use quintet_components::preset::SignaturePreset;

use super::{
    Failure,
    ports::{self, HeldPorts},
    signals::Signals,
};
use crate::{
    cli::DevnetArgs,
    commands::{capacity, progress::ProgressLine},
    output::say,
};

/// Says that a folder is a devnet's, and that one runs there.
const LOCK: &str = "devnet.lock";
const NETWORK: &str = "network";
const NODES: &str = "nodes";
const LOGS: &str = "logs";

/// A network that is ready to be started.
pub(super) struct Devnet {
    pub(super) folder: PathBuf,
    pub(super) ip: IpAddr,
    pub(super) nodes: Vec<PlannedNode>,
    /// Unix time of slot 0 in seconds.
    pub(super) genesis_time: u64,
    pub(super) preset: SignaturePreset,
    /// The nodes' ports until the nodes take them.
    pub(super) held: Mutex<Vec<HeldPorts>>,
    _lock: File,
}

impl Devnet {
    pub(super) fn network(&self) -> PathBuf {
        self.folder.join(NETWORK)
    }

    pub(super) fn data(&self, node: &str) -> PathBuf {
        self.folder.join(NODES).join(node)
    }

    pub(super) fn log(&self, node: &str) -> PathBuf {
        self.folder.join(LOGS).join(format!("{node}.log"))
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.folder.join(LOGS)
    }
}

/// Makes the folder: keys first, so that the nodes' clocks start when everything is there.
pub(super) fn make(arguments: &DevnetArgs, signals: &Signals) -> Result<Devnet, Failure> {
    let validators = u64::from(arguments.nodes) * u64::from(arguments.validators_per_node);
    let proof_system =
        capacity::check_named(validators, arguments.keys.xmss, &arguments.proof_system)?;
    let folder = std::path::absolute(&arguments.data_dir)?;
    let lock = claim(&folder)?;
    if let Some(path) = &arguments.report {
        check_report(path)?;
    }
    let ports = ports::find(arguments.nodes, arguments.ip)
        .map_err(|error| format!("no free ports on loopback: {error}"))?;
    let keys = &arguments.keys;
    let cache = keys.cache();
    let mut plan = NetworkPlan {
        nodes: arguments.nodes,
        validators,
        genesis_time: 0,
        committees: arguments.committees,
        preset: keys.xmss,
        proof_system: proof_system.to_owned(),
        active_epoch: keys.active_epoch(),
        ip: ports.ip,
        quic_base_port: ports.bases.quic,
        metrics_base_port: ports.bases.metrics,
        api_base_port: ports.bases.api,
        seed: Some(keys.seed.unwrap_or(0)),
        cache: cache.clone(),
        threads: keys.threads,
        force: true,
    };
    plan.nodes()?;
    let delay = arguments.genesis_delay.unwrap_or(start_seconds(arguments));
    let begin = || unix_seconds().saturating_add(delay);
    check_genesis_time(begin(), unix_seconds().saturating_mul(1000))?;
    say!(
        "keys of {} validators ({}), for 2^{} slots{}",
        plan.validators,
        plan.preset,
        plan.active_epoch,
        cache.map_or_else(String::new, |cache| format!(
            "; they are made once and kept in {}",
            cache.display()
        )),
    )?;
    let line = ProgressLine::new();
    let CreatedNetwork { nodes } = create(
        &folder.join(NETWORK),
        &mut plan,
        begin,
        Some(&|progress| line.show(progress)),
        Some(signals.asked()),
    )?;
    Ok(Devnet {
        folder,
        ip: ports.ip,
        nodes,
        genesis_time: plan.genesis_time,
        preset: plan.preset,
        held: Mutex::new(ports.held),
        _lock: lock,
    })
}

/// Checks before the run that its report can be written. The report may be in the devnet's folder, so
/// this comes after that was made.
fn check_report(path: &Path) -> Result<(), Failure> {
    let wrong = |reason: &dyn Display| format!("--report {}: {reason}", path.display()).into();
    let there = path.metadata();
    if let Ok(there) = &there
        && (there.is_dir() || there.file_type().is_fifo())
    {
        return Err(wrong(&"it is a folder or a pipe, and a file is needed here"));
    }
    let open = || File::options().append(true).create(true).open(path);
    let mut file = open().map_err(|error| wrong(&error))?;
    match there {
        // A device may refuse what is written, though it can be opened.
        Ok(there) if !there.is_file() => file.write_all(b"\n").map_err(|error| wrong(&error)),
        Ok(_) => Ok(()),
        // Also the file that a link leads to.
        Err(_) => path.canonicalize().and_then(fs::remove_file).map_err(|error| wrong(&error)),
    }
}

/// Seconds that the nodes need to load their keys and find each other, generously.
fn start_seconds(arguments: &DevnetArgs) -> u64 {
    let validators = u64::from(arguments.nodes) * u64::from(arguments.validators_per_node);
    3 + u64::from(arguments.nodes / 4) + validators / 16
}

/// Makes the folder a devnet's and empties it; refuses one that is somebody else's.
fn claim(folder: &Path) -> Result<File, Failure> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(wrong)?;
    let lock = folder.join(LOCK);
    if !lock.exists() && fs::read_dir(folder).map_err(wrong)?.next().is_some() {
        return Err(format!(
            "{} is not empty and no devnet's folder: --data-dir names another one",
            folder.display()
        )
        .into());
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock)
        .map_err(|error| format!("{}: {error}", lock.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(format!(
                "another devnet runs in {}: --data-dir names another folder",
                folder.display()
            )
            .into());
        }
        Err(TryLockError::Error(error)) => return Err(wrong(error).into()),
    }
    for part in [NETWORK, NODES, LOGS].map(|part| folder.join(part)) {
        if part.exists() {
            fs::remove_dir_all(&part).map_err(|error| format!("{}: {error}", part.display()))?;
        }
    }
    fs::create_dir_all(folder.join(LOGS)).map_err(wrong)?;
    Ok(file)
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_folder_or_a_devnets_is_taken() {
        let folder =
            std::env::temp_dir().join(format!("quintet-devnet-claim-{}", std::process::id()));
        fs::create_dir_all(folder.join("network")).expect("it is writable");
        fs::write(folder.join("network/precious"), "1").expect("it is writable");
        let error = claim(&folder).expect_err("somebody's").to_string();
        assert!(error.contains("--data-dir"), "{error}");
        assert!(folder.join("network/precious").exists());

        fs::remove_dir_all(folder.join("network")).expect("it is there");
        let held = claim(&folder).expect("it is empty");
        let error = claim(&folder).expect_err("in use").to_string();
        assert!(error.contains("another devnet runs"), "{error}");
        fs::create_dir_all(folder.join("nodes/quintet_0")).expect("it is writable");
        drop(held);
        let _held = claim(&folder).expect("the devnet has ended");
        assert!(!folder.join("nodes").exists());
        fs::remove_dir_all(folder).expect("it is there");
    }

    #[test]
    fn a_place_that_takes_no_report_is_found_before_the_run() {
        let folder = std::env::temp_dir().join(format!("quintet-report-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("writable");
        let error = check_report(Path::new("/dev/full")).expect_err("it takes nothing").to_string();
        assert!(error.contains("/dev/full") && error.contains("No space"), "{error}");
        check_report(Path::new("/dev/null")).expect("it takes everything");
        check_report(&folder).expect_err("a folder");
        let link = folder.join("link");
        std::os::unix::fs::symlink("target", &link).expect("writable");
        for path in [&folder.join("report"), &link] {
            check_report(path).expect("it can be written");
            assert!(path.metadata().is_err(), "nothing is left of the trial");
        }
        fs::remove_dir_all(folder).expect("it is there");
    }
}
