//! Exports and imports the record of signatures, to take keys to another machine.

use quintet::client::{Client, Settings};
use quintet_plugins::keys::{HistoryError, SigningGuard, SigningHistory};

use super::node::{Failure, client_settings, named};
use crate::{
    cli::{HistoryArgs, NodeArgs},
    output::say,
};

/// Writes what the node's record has to a file.
pub(super) fn export(arguments: &HistoryArgs, force: bool) -> Result<(), Failure> {
    let file = &arguments.file;
    if file.exists() && !file.is_file() {
        let text = "it is a folder, a pipe or a device, and a file is needed here";
        return Err(format!("{}: {text}", file.display()).into());
    }
    if file.exists() && !force {
        let text = "exists: choose another name, or replace it with --force";
        return Err(format!("{} {text}", file.display()).into());
    }
    let settings = settings(arguments)?;
    let data_folder = settings.data_folder();
    if !data_folder.join("chain").exists() {
        // Otherwise an empty record would be made, whose history says that nothing was signed.
        return Err(format!(
            "{}: there is no node's data; name its folder with --data-dir",
            data_folder.display()
        )
        .into());
    }
    let history = guard(settings)?.export()?;
    history.write(file)?;
    let entries: usize = history.keys.iter().map(|key| key.entries.len()).sum();
    say!(
        "{}: {entries} signatures of {} keys. Import it where the keys go before a node starts \
         there, and never start this one again",
        file.display(),
        history.keys.len()
    )?;
    Ok(())
}

/// Adds what a file has to the node's record.
pub(super) fn import(arguments: &HistoryArgs, accept_loss: bool) -> Result<(), Failure> {
    let file = &arguments.file;
    let place = |error: HistoryError| format!("{}: {error}", file.display());
    let history = match SigningHistory::read(file) {
        Err(HistoryError::Io { path, source }) => {
            return Err(format!("{}: {source}", path.display()).into());
        }
        read => read.map_err(place)?,
    };
    let settings = Settings { accept_signing_history_loss: accept_loss, ..settings(arguments)? };
    let summary = guard(settings)?.import(&history).map_err(place)?;
    say!(
        "{}: {} signatures added, {} known before, {} floors raised",
        file.display(),
        summary.added,
        summary.known,
        summary.floors
    )?;
    if summary.conflicts > 0 {
        return Err(format!(
            "{} signatures contradict the record: those keys have signed twice for a slot and \
             must not be used any more. The log says which",
            summary.conflicts
        )
        .into());
    }
    Ok(())
}

/// As the node itself would have them.
fn settings(arguments: &HistoryArgs) -> Result<Settings, Failure> {
    let HistoryArgs {
        file: _,
        network_dir,
        genesis,
        data_dir,
        node_id,
        hash_sig_keys_dir,
        signing_mark_dir,
        fork_digest,
        xmss,
    } = arguments.clone();
    client_settings(&NodeArgs {
        network_dir,
        genesis,
        data_dir,
        node_id,
        hash_sig_keys_dir,
        signing_mark_dir,
        fork_digest,
        xmss,
        // Nothing is asked of them here.
        bootnodes: Some(Vec::new()),
        ..NodeArgs::default()
    })
}

/// The node's guard; it is locked, so that no node runs meanwhile.
fn guard(settings: Settings) -> Result<SigningGuard, Failure> {
    Client::from_settings(settings).signing_guard().map_err(named)
}
