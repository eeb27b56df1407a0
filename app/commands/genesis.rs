//! Writing a new network's folder.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use quintet::{
    client::check_genesis_time,
    network_dir::{NetworkPlan, create},
};

use super::{capacity, progress::ProgressLine};
use crate::{
    cli::GenesisArgs,
    output::{self, say},
};

/// Writes the folder.
pub(crate) fn run(arguments: &GenesisArgs) -> ExitCode {
    let keys = &arguments.keys;
    let mut plan = NetworkPlan {
        nodes: arguments.nodes,
        validators: arguments
            .validators
            .unwrap_or(arguments.validators_per_node.saturating_mul(arguments.nodes.into())),
        genesis_time: arguments.genesis_time.unwrap_or(0),
        committees: arguments.committees,
        preset: keys.xmss,
        proof_system: arguments.proof_system.clone(),
        active_epoch: keys.active_epoch(),
        ip: arguments.ip,
        quic_base_port: arguments.base_port,
        metrics_base_port: arguments.metrics_base_port,
        api_base_port: arguments.api_base_port,
        seed: keys.seed,
        cache: keys.cache(),
        threads: keys.threads,
        force: arguments.force,
    };
    match capacity::check_named(plan.validators, plan.preset, &plan.proof_system) {
        Ok(name) => plan.proof_system = name.to_owned(),
        Err(error) => {
            return output::failure("no network: ", &*Box::<dyn std::error::Error>::from(error));
        }
    }
    let begin = || match arguments.genesis_time {
        Some(time) => time,
        None => unix_time().as_secs().saturating_add(arguments.genesis_delay),
    };
    // Before making keys, which may take long.
    let now_ms = u64::try_from(unix_time().as_millis()).unwrap_or(u64::MAX);
    if let Err(error) = check_genesis_time(begin(), now_ms) {
        return output::failure("no network: ", &*Box::<dyn std::error::Error>::from(error));
    }
    if keys.seed.is_some() {
        tracing::warn!(
            "anyone who knows the seed knows these keys: use them for local networks only"
        );
    }
    let line = ProgressLine::new();
    let progress = |progress| line.show(progress);
    match create(&arguments.out, &mut plan, begin, Some(&progress), None) {
        Ok(network) => {
            let said = say!(
                "{}: {} nodes, {} validators ({}), genesis at {}",
                arguments.out.display(),
                network.nodes.len(),
                plan.validators,
                plan.preset,
                plan.genesis_time
            );
            said.map_or_else(|error| output::failure("", &error), |()| ExitCode::SUCCESS)
        }
        Err(error) => output::failure("no network: ", &error),
    }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
