//! The command's arguments as a client's settings.

use quintet::client::Settings;
use quintet_plugins::http::AdminToken;

use super::Failure;
use crate::cli::NodeArgs;

/// The variable with the token itself: as a flag, whoever lists processes would see it.
const ADMIN_TOKEN: &str = "QUINTET_ADMIN_TOKEN";

/// The settings that the arguments and the environment give.
///
/// # Errors
/// `QUINTET_ADMIN_TOKEN` is no token.
pub(crate) fn client_settings(arguments: &NodeArgs) -> Result<Settings, Failure> {
    let arguments = arguments.clone();
    Ok(Settings {
        network_dir: arguments.network_dir,
        genesis: arguments.genesis,
        validators: arguments.validators,
        validator_config: arguments.validator_config,
        bootnodes: arguments.bootnodes,
        hash_sig_keys_dir: arguments.hash_sig_keys_dir,
        data_dir: arguments.data_dir,
        archive: arguments.archive.unwrap_or(false),
        signing_mark_dir: arguments.signing_mark_dir,
        node_id: arguments.node_id,
        node_key: arguments.node_key,
        quic_port: arguments.gossipsub_port,
        listen_address: arguments.listen_address,
        http_address: arguments.http_address,
        api_port: arguments.api_port,
        metrics_port: arguments.metrics_port,
        admin_token: admin_token()?,
        admin_token_file: arguments.admin_token_file,
        cors_origins: arguments.cors_origins.unwrap_or_default(),
        checkpoint_sync_urls: arguments.checkpoint_sync_url.unwrap_or_default(),
        is_aggregator: arguments.is_aggregator,
        attestation_committee_count: arguments.attestation_committee_count,
        aggregate_subnet_ids: arguments.aggregate_subnet_ids.unwrap_or_default(),
        fork_digest: arguments.fork_digest,
        preset: arguments.xmss,
        proof_system: arguments.proof_system,
        prover_permits: arguments.prover_permits,
        prover_threads: arguments.prover_threads,
        prover_memory_mib: arguments.prover_memory_mib,
        accept_signing_history_loss: arguments.accept_signing_history_loss,
    })
}

/// The token of the environment. One that is set and empty counts as unset.
fn admin_token() -> Result<Option<AdminToken>, Failure> {
    let Some(text) = std::env::var_os(ADMIN_TOKEN).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    // Invalid text contains characters that no token has.
    let token = AdminToken::new(&text.to_string_lossy());
    Ok(Some(token.map_err(|error| format!("{ADMIN_TOKEN}: {error}"))?))
}
