//! Refuses networks with more validators than the proof system can finalize with.

use quintet_components::preset::SignaturePreset;
use quintet_prover::{ProofSystem, ProofSystems};
use quintet_systems::verification::scheme_of;

/// Checks that a block can justify a registry of this size with this proof system.
///
/// # Errors
/// There are more validators. The error says how many there may be, and which systems have room for
/// all.
pub fn check_capacity(
    validators: u64,
    preset: SignaturePreset,
    proofs: &dyn ProofSystem,
) -> Result<(), String> {
    let holds = |system: &dyn ProofSystem| system.max_validators() as u64 >= validators;
    if holds(proofs) {
        return Ok(());
    }
    let embedded = ProofSystems::embedded();
    let others: Vec<&str> = embedded
        .names()
        .filter(|name| {
            let system = embedded.by_name(name, scheme_of(preset));
            system.is_ok_and(|system| holds(&*system))
        })
        .collect();
    let remedy = if others.is_empty() {
        "a proof system with shorter proofs".to_owned()
    } else {
        format!("the proof system {}", others.join(" or "))
    };
    Err(format!(
        "{validators} validators are too many for the proof system {} with signatures of preset \
         {preset}: a block's proof has no room for two thirds of them, so that nothing would be \
         justified. Use at most {} validators, or {remedy}",
        proofs.name(),
        proofs.max_validators(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_as_large_as_two_thirds_of_it_fit_into_a_block() {
        let preset = SignaturePreset::Production;
        let proofs =
            quintet_prover::by_name("multisig", scheme_of(preset)).expect("it is embedded");
        assert_eq!(check_capacity(307, preset, &*proofs), Ok(()));
        let error =
            check_capacity(308, preset, &*proofs).expect_err("two thirds are 206 and the proposer");
        for part in ["308 validators", "multisig", "production", "at most 307 validators, or"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
