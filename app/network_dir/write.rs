//! The files, as launchers expect to find them.

use std::fmt::Write;

use alloy_primitives::hex;
use quintet_components::preset::SignaturePreset;
use quintet_plugins::keys::MadeKeys;

use super::{
    DEFAULT_PROOF_SYSTEM,
    create::{NetworkPlan, PlannedNode},
};

/// `config.yaml`.
pub(super) fn config(plan: &NetworkPlan, keys: &[MadeKeys]) -> String {
    // The default is left out: other clients do not know this key.
    let proof_system = match plan.proof_system.as_str() {
        DEFAULT_PROOF_SYSTEM => String::new(),
        name => format!("PROOF_SYSTEM: {name}\n"),
    };
    let mut text = format!(
        "# Genesis Settings\nGENESIS_TIME: {}\n\n# Chain Settings\nATTESTATION_COMMITTEE_COUNT: \
         {}\n{}\n# Key Settings\nACTIVE_EPOCH: {}\n\n# Validator Settings\nVALIDATOR_COUNT: {}\n\n\
         # Genesis Validator Pubkeys\nGENESIS_VALIDATORS:",
        plan.genesis_time,
        plan.committees,
        proof_system,
        plan.active_epoch,
        keys.len()
    );
    text += if keys.is_empty() { " []\n" } else { "\n" };
    for keys in keys {
        push(
            &mut text,
            format_args!(
                "  - attestation_pubkey: \"{}\"\n    proposal_pubkey: \"{}\"\n",
                hex::encode(keys.attester),
                hex::encode(keys.proposer)
            ),
        );
    }
    text
}

/// `validators.yaml`.
pub(super) fn validators(nodes: &[PlannedNode]) -> String {
    let mut text = String::new();
    for node in nodes {
        if node.validators.is_empty() {
            push(&mut text, format_args!("{}: []\n", node.name));
            continue;
        }
        push(&mut text, format_args!("{}:\n", node.name));
        for index in &node.validators {
            push(&mut text, format_args!("  - {index}\n"));
        }
    }
    text
}

/// `annotated_validators.yaml`.
pub(super) fn annotated_validators(nodes: &[PlannedNode], keys: &[MadeKeys]) -> String {
    let mut text = String::new();
    for node in nodes {
        if node.validators.is_empty() {
            push(&mut text, format_args!("{}: []\n", node.name));
            continue;
        }
        push(&mut text, format_args!("{}:\n", node.name));
        for keys in keys.iter().filter(|keys| node.validators.contains(&keys.index)) {
            for (key, file) in
                [(keys.attester, &keys.attester_file), (keys.proposer, &keys.proposer_file)]
            {
                push(
                    &mut text,
                    format_args!(
                        "  - index: {}\n    pubkey_hex: \"{}\"\n    privkey_file: {file}\n",
                        keys.index,
                        hex::encode(key)
                    ),
                );
            }
        }
    }
    text
}

/// `nodes.yaml`.
pub(super) fn nodes(records: &[String]) -> String {
    let mut text = String::new();
    for record in records {
        push(&mut text, format_args!("- {record}\n"));
    }
    if text.is_empty() { "[]\n".to_owned() } else { text }
}

/// `validator-config.yaml`.
pub(super) fn validator_config(plan: &NetworkPlan, nodes: &[PlannedNode]) -> String {
    let mut text = format!(
        "shuffle: roundrobin\ndeployment_mode: local\nconfig:\n  activeEpoch: {}\n  keyType: \
         \"hash-sig\"\n  attestation_committee_count: {}\nvalidators:\n",
        plan.active_epoch, plan.committees
    );
    for node in nodes {
        push(
            &mut text,
            format_args!(
                "  - name: \"{}\"\n    privkey: \"{}\"\n    enrFields:\n      ip: \"{}\"\n      quic: \
             {}\n    metricsPort: {}\n    apiPort: {}\n    isAggregator: {}\n    count: {}\n",
                node.name,
                node.key.to_hex(),
                plan.ip,
                node.quic_port,
                node.metrics_port,
                node.api_port,
                node.is_aggregator,
                node.validators.len()
            ),
        );
    }
    text
}

/// `validator-keys-manifest.yaml`.
pub fn manifest(preset: SignaturePreset, active_epoch: u32, keys: &[MadeKeys]) -> String {
    let mut text = format!(
        "# Hash-Signature Validator Keys Manifest\n\nkey_scheme: \
         SchemeAbortingTargetSumLifetime{}Dim{}Base8\nhash_function: Poseidon1\nencoding: \
         AbortingTargetSum\nlifetime: {}\nlog_num_active_epochs: {active_epoch}\n\
         num_active_epochs: {}\nnum_validators: {}\n\nvalidators:",
        preset.log_lifetime(),
        preset.dimension(),
        1_u64 << preset.log_lifetime(),
        1_u64 << active_epoch,
        keys.len()
    );
    text += if keys.is_empty() { " []\n" } else { "\n" };
    for keys in keys {
        push(
            &mut text,
            format_args!(
                "  - index: {}\n    attester_key_pubkey_hex: \"0x{}\"\n    \
             attester_key_privkey_file: {}\n    proposer_key_pubkey_hex: \"0x{}\"\n    \
             proposer_key_privkey_file: {}\n",
                keys.index,
                hex::encode(keys.attester),
                keys.attester_file,
                hex::encode(keys.proposer),
                keys.proposer_file
            ),
        );
    }
    text
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    text.write_fmt(part).expect("a string takes everything");
}
