//! Prover processes: serving as one, and trying one.

use std::{
    error::Error,
    io,
    process::{ExitCode, exit},
    sync::Arc,
};

use leansig::{KeyGenOptions, scheme::SecretKey};
use quintet::prover::{
    Exec, ExecLimits, ProofSystem, ProofSystems, Workers, check::Signers, check::check, serve,
};
use quintet_components::preset::SignaturePreset;
use quintet_systems::verification::scheme_of;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    cli::ProverCommand,
    output::{self, say},
};

/// Runs a command of prover processes.
pub(crate) fn run(command: &ProverCommand) -> ExitCode {
    let outcome = match command {
        ProverCommand::Serve { system, threads } => serve_system(system, *threads),
        ProverCommand::Check { command, xmss, signatures } => {
            try_prover(command, *xmss, usize::from(*signatures))
        }
    };
    outcome.unwrap_or_else(|error| output::failure("", &*error))
}

fn serve_system(name: &str, threads: Option<u16>) -> Result<ExitCode, Box<dyn Error>> {
    let systems = ProofSystems::embedded();
    if !systems.names().any(|known| known == name) {
        let known: Vec<_> = systems.names().collect();
        return Err(
            format!("unknown proof system {name:?}; known are: {}", known.join(", ")).into()
        );
    }
    if let Some(threads) = threads {
        Workers::new(usize::from(threads))?.share();
    }
    let make = |scheme| -> Arc<dyn ProofSystem> {
        systems.by_name(name, scheme).expect("it was found among those there are")
    };
    serve(make, io::stdin().lock(), io::stdout())?;
    // Whoever asked is gone: what is being proved is of no use.
    exit(0)
}

fn try_prover(
    command: &str,
    preset: SignaturePreset,
    signatures: usize,
) -> Result<ExitCode, Box<dyn Error>> {
    let scheme = scheme_of(preset);
    let system = Exec::start(command, scheme, ExecLimits::default())?;
    say!("{}: {:?} is a prover of version 1 of the protocol", system.name(), command)?;
    let mut keys = Vec::new();
    // As many keys as tell a wrong order; more signatures repeat them.
    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let options = KeyGenOptions::default();
        keys.push(SecretKey::generate(scheme, &mut rng, 0, 16, &options)?);
    }
    let public_keys = keys.iter().cycle().take(signatures).map(|key| key.public_key().to_vec());
    let sign = |signer: usize, slot: u32, message: &[u8; 32]| {
        let signature = keys[signer % keys.len()].sign(slot, message);
        signature.expect("the keys have the slot").to_vec()
    };
    let signers = Signers { public_keys: public_keys.collect(), sign: &sign };
    let mut failed = 0;
    for (what, outcome) in check(&system, &signers) {
        match outcome {
            Ok(()) => say!("ok      {what}")?,
            Err(reason) => {
                failed += 1;
                say!("FAILED  {what}: {reason}")?;
            }
        }
    }
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("{failed} of a prover's duties are not kept").into())
}
