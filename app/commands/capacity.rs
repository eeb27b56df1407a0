//! Limits the validators of a new network.

use quintet::{
    client::check_capacity,
    network_dir::DEFAULT_PROOF_SYSTEM,
    prover::{ProofSystems, by_name},
};
use quintet_components::preset::SignaturePreset;
use quintet_systems::verification::scheme_of;

/// As [`check_capacity`], for the embedded proof system of this name or that of `exec:COMMAND`. Returns
/// the name that the network's files have for it: they name embedded systems only.
pub(crate) fn check_named(
    validators: u64,
    preset: SignaturePreset,
    name: &str,
) -> Result<&'static str, String> {
    let proofs = by_name(name, scheme_of(preset)).map_err(|error| error.to_string())?;
    check_capacity(validators, preset, &*proofs)?;
    let known = ProofSystems::embedded().names().any(|known| known == proofs.name());
    Ok(if known { proofs.name() } else { DEFAULT_PROOF_SYSTEM })
}
