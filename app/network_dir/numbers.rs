//! The numbers that the files of a network have to agree on.

use std::path::Path;

use quintet_components::constants::MAX_ATTESTATIONS_DATA;

use super::{NetworkFileError, NetworkFiles};

impl NetworkFiles {
    /// Checks the numbers of `config.yaml` and `validator-config.yaml`.
    pub(super) fn check_numbers(&self) -> Result<(), NetworkFileError> {
        let (path, genesis) = &self.genesis;
        let built = MAX_ATTESTATIONS_DATA as u64;
        if let Some(found) = genesis.max_attestations_data.filter(|found| *found != built) {
            let reason = format!(
                "MAX_ATTESTATIONS_DATA is {found}, and this build has {built}, which no file \
                 changes: nodes of the network would refuse each other's blocks"
            );
            return Err(NetworkFileError::content(path, reason));
        }
        let Some((other, config)) = &self.config else { return Ok(()) };
        same(
            (path, "ATTESTATION_COMMITTEE_COUNT", genesis.attestation_committee_count),
            (other, "config.attestation_committee_count", config.attestation_committee_count),
        )?;
        same(
            (path, "ACTIVE_EPOCH", genesis.active_epoch),
            (other, "config.activeEpoch", config.active_epoch),
        )
    }
}

/// Refuses two numbers that are both there and differ.
pub(super) fn same(
    (one, name, first): (&Path, &str, Option<u64>),
    (other, other_name, second): (&Path, &str, Option<u64>),
) -> Result<(), NetworkFileError> {
    match (first, second) {
        (Some(first), Some(second)) if first != second => Err(NetworkFileError::Contradiction {
            one: one.to_owned(),
            other: other.to_owned(),
            reason: format!("{name} is {first}, and {other_name} is {second}"),
        }),
        _ => Ok(()),
    }
}
