//! Limits the validators of a new network.

use quintet::{client::check_capacity, prover::by_name};
use quintet_components::preset::SignaturePreset;
use quintet_systems::verification::scheme_of;

/// As [`check_capacity`], for the embedded proof system of this name.
pub(crate) fn check_named(
    validators: u64,
    preset: SignaturePreset,
    name: &str,
) -> Result<(), String> {
    let proofs = by_name(name, scheme_of(preset)).map_err(|error| error.to_string())?;
    check_capacity(validators, preset, &*proofs)
}
