//! The settings of a node: flags, environment variables and the settings file.

use std::{fmt::Display, net::IpAddr, path::PathBuf, str::FromStr};

use clap::{
    Args,
    builder::{BoolishValueParser, NonEmptyStringValueParser},
};
use quintet_components::preset::SignaturePreset;
use serde::{Deserialize, Deserializer, de::Error};

use crate::logging::LogFormat;

/// The node and its network. Every setting is a flag, an environment variable, and a key of the
/// file that `--config` names; the first of these that is there counts. Files of the network that
/// are not named are looked for in its folder.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NodeArgs {
    /// A TOML file of settings, each under its flag's name: `api-port = 5052`.
    #[arg(long, env = "QUINTET_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// The network's folder, as `quintet genesis` and other generators write it.
    #[arg(long, env = "QUINTET_NETWORK_DIR", value_name = "DIR")]
    pub(crate) network_dir: Option<PathBuf>,
    /// The genesis: `config.yaml`.
    #[arg(long, env = "QUINTET_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,
    /// The validators of each node: `annotated_validators.yaml`.
    #[arg(long, env = "QUINTET_VALIDATORS", value_name = "FILE")]
    pub(crate) validators: Option<PathBuf>,
    /// Nodes to connect to: a file like `nodes.yaml`, or records and multiaddrs, repeated or with
    /// commas between; `none` for no bootnodes.
    #[arg(long, env = "QUINTET_BOOTNODES", value_delimiter = ',')]
    #[serde(deserialize_with = "one_or_more", default)]
    pub(crate) bootnodes: Option<Vec<String>>,
    /// Ports and keys of the nodes: `validator-config.yaml`.
    #[arg(long, env = "QUINTET_VALIDATOR_CONFIG", value_name = "FILE")]
    pub(crate) validator_config: Option<PathBuf>,
    /// The folder of the validators' keys.
    #[arg(long, env = "QUINTET_HASH_SIG_KEYS_DIR", value_name = "DIR")]
    pub(crate) hash_sig_keys_dir: Option<PathBuf>,
    /// The folder of the chain and of the record of signatures; `quintet-data` by default.
    #[arg(long, env = "QUINTET_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Keep the whole chain and its states, not only the last 3600 slots before the finalized one.
    #[arg(
        long,
        env = "QUINTET_ARCHIVE",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    pub(crate) archive: Option<bool>,
    /// The folder of the record's mark; beside the data folder by default. It must outlive the
    /// node, so another disk is best.
    #[arg(long, env = "QUINTET_SIGNING_MARK_DIR", value_name = "DIR")]
    pub(crate) signing_mark_dir: Option<PathBuf>,
    /// The node's name in the network's files; without it the node has no validators.
    #[arg(
        long,
        env = "QUINTET_NODE_ID",
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub(crate) node_id: Option<String>,
    /// The file of the node's secp256k1 key; a new identity at every start without any.
    #[arg(long, env = "QUINTET_NODE_KEY", value_name = "FILE")]
    pub(crate) node_key: Option<PathBuf>,
    /// The UDP port to listen on for QUIC; the one of `validator-config.yaml`, or 9000.
    #[arg(long, env = "QUINTET_GOSSIPSUB_PORT", value_name = "PORT")]
    pub(crate) gossipsub_port: Option<u16>,
    /// The address to listen on for QUIC; every IPv4 address, but loopback for a node whose record
    /// says so.
    #[arg(long, env = "QUINTET_LISTEN_ADDRESS", value_name = "IP")]
    pub(crate) listen_address: Option<IpAddr>,
    /// The address to serve the API and the metrics on; 127.0.0.1 by default.
    #[arg(long, env = "QUINTET_HTTP_ADDRESS", value_name = "IP")]
    pub(crate) http_address: Option<IpAddr>,
    /// The API's port; the one of `validator-config.yaml`, or 5052. 0 takes a free one.
    #[arg(long, env = "QUINTET_API_PORT", value_name = "PORT")]
    pub(crate) api_port: Option<u16>,
    /// The metrics' port; the one of `validator-config.yaml`, or 5054. The API's port serves both.
    #[arg(long, env = "QUINTET_METRICS_PORT", value_name = "PORT")]
    pub(crate) metrics_port: Option<u16>,
    /// The file of the token that requests to the admin API have to bring; needed when HTTP is
    /// served beyond loopback. `QUINTET_ADMIN_TOKEN` is the token itself.
    #[arg(long, env = "QUINTET_ADMIN_TOKEN_FILE", value_name = "FILE")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Origins whose pages may read the API's answers, repeated or with commas between; `*` for
    /// all. None by default.
    #[arg(long, env = "QUINTET_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    #[serde(deserialize_with = "one_or_more", default)]
    pub(crate) cors_origins: Option<Vec<String>>,
    /// Nodes to ask for the finalized state when the data folder is empty or an hour old: base URLs
    /// or full paths, repeated or with commas between.
    #[arg(long, env = "QUINTET_CHECKPOINT_SYNC_URL", value_delimiter = ',', value_name = "URL")]
    #[serde(deserialize_with = "one_or_more", default)]
    pub(crate) checkpoint_sync_url: Option<Vec<String>>,
    /// Aggregate signatures, or not, whatever `validator-config.yaml` says.
    #[arg(
        long,
        env = "QUINTET_IS_AGGREGATOR",
        num_args = 0..=1,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    pub(crate) is_aggregator: Option<bool>,
    /// Committees of attestations; those of `config.yaml` by default.
    #[arg(long, env = "QUINTET_ATTESTATION_COMMITTEE_COUNT", value_name = "N")]
    pub(crate) attestation_committee_count: Option<u64>,
    /// Subnets that an aggregator serves besides those of its validators, repeated or with commas
    /// between; all for an aggregator without validators by default.
    #[arg(long, env = "QUINTET_AGGREGATE_SUBNET_IDS", value_delimiter = ',', value_name = "IDS")]
    #[serde(deserialize_with = "one_or_more", default)]
    pub(crate) aggregate_subnet_ids: Option<Vec<u64>>,
    /// The text that names the network in its topics; `12345678` by default.
    #[arg(
        long,
        env = "QUINTET_FORK_DIGEST",
        value_parser = fork_digest,
        value_name = "TEXT"
    )]
    #[serde(deserialize_with = "digest_from_text", default)]
    pub(crate) fork_digest: Option<String>,
    /// The signature preset; the one of the keys' manifest, or `production`.
    #[arg(long, env = "QUINTET_XMSS", value_name = "PRESET")]
    #[serde(deserialize_with = "from_text", default)]
    pub(crate) xmss: Option<SignaturePreset>,
    /// The proof system of the network's blocks; the one of `config.yaml`, or `multisig`.
    #[arg(
        long,
        env = "QUINTET_PROOF_SYSTEM",
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub(crate) proof_system: Option<String>,
    /// Proofs that are made at once; one fewer than there are cores by default.
    #[arg(
        long,
        env = "QUINTET_PROVER_PERMITS",
        value_parser = clap::value_parser!(u16).range(1..),
        value_name = "N"
    )]
    #[serde(deserialize_with = "not_zero", default)]
    pub(crate) prover_permits: Option<u16>,
    /// Threads that all proofs share; a core less than there are by default. They stand back behind
    /// the node's other threads.
    #[arg(
        long,
        env = "QUINTET_PROVER_THREADS",
        value_parser = clap::value_parser!(u16).range(1..=1024),
        value_name = "N"
    )]
    #[serde(deserialize_with = "not_zero", default)]
    pub(crate) prover_threads: Option<u16>,
    /// Memory in MiB that proofs may take together; by default 256, or what a proof over the
    /// signatures of all validators takes.
    #[arg(
        long,
        env = "QUINTET_PROVER_MEMORY_MIB",
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "MIB"
    )]
    #[serde(deserialize_with = "not_zero", default)]
    pub(crate) prover_memory_mib: Option<u32>,
    /// Start although the record of signatures is older than its mark, or gone: the node signs for
    /// no slot up to the last one that is known. For one start, so a flag only.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) accept_signing_history_loss: bool,
    /// End when this process, which started the node, ends.
    #[arg(long, hide = true, value_name = "PID")]
    #[serde(skip)]
    pub(crate) end_with_parent: Option<i32>,
    /// A file of milliseconds that are added to the system's clock, read again and again: to try
    /// what a clock that steps does.
    #[arg(long, hide = true, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) clock_offset_file: Option<PathBuf>,
    /// As the flag that all commands have.
    #[arg(skip)]
    pub(crate) log_level: Option<String>,
    /// As the flag that all commands have.
    #[arg(skip)]
    pub(crate) log_format: Option<LogFormat>,
}

/// The longest text that names a network: the usual one has 8 bytes.
const MAX_DIGEST_BYTES: usize = 64;

/// Takes each setting that is there from the first, the others from the second.
macro_rules! first_of {
    ($first:expr, $second:expr, [$($setting:ident),* $(,)?], $kept:ident) => {{
        let (first, second) = ($first, $second);
        NodeArgs { $($setting: first.$setting.or(second.$setting),)* $kept: first.$kept }
    }};
}

impl NodeArgs {
    /// These settings, and those of the file where there is none.
    pub(crate) fn or(self, file: Self) -> Self {
        first_of!(
            self,
            file,
            [
                config,
                network_dir,
                genesis,
                validators,
                bootnodes,
                validator_config,
                hash_sig_keys_dir,
                data_dir,
                archive,
                signing_mark_dir,
                node_id,
                node_key,
                gossipsub_port,
                listen_address,
                http_address,
                api_port,
                metrics_port,
                admin_token_file,
                cors_origins,
                checkpoint_sync_url,
                is_aggregator,
                attestation_committee_count,
                aggregate_subnet_ids,
                fork_digest,
                xmss,
                proof_system,
                prover_permits,
                prover_threads,
                prover_memory_mib,
                end_with_parent,
                clock_offset_file,
                log_level,
                log_format,
            ],
            accept_signing_history_loss
        )
    }
}

/// A list, or a single value, or text with commas between values.
fn one_or_more<'de, D, T>(deserializer: D) -> Result<Option<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display> + Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a value, a list of values, or text with commas between values")]
    enum Form<T> {
        List(Vec<T>),
        Text(String),
        One(T),
    }

    let parse = |part: &str| {
        part.trim().parse().map_err(|error| D::Error::custom(format!("{part:?}: {error}")))
    };
    match Form::deserialize(deserializer)? {
        Form::List(list) => Ok(Some(list)),
        Form::One(one) => Ok(Some(vec![one])),
        Form::Text(text) => text.split(',').map(parse).collect::<Result<_, _>>().map(Some),
    }
}

/// The text that names the network in its topics.
pub(super) fn fork_digest(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it is empty".into());
    }
    if text.len() > MAX_DIGEST_BYTES {
        let bytes = text.len();
        return Err(format!("it has {bytes} bytes, and topics have room for {MAX_DIGEST_BYTES}"));
    }
    match text.chars().find(|letter| !letter.is_ascii_graphic() || *letter == '/') {
        Some(wrong) => Err(format!("it has {wrong:?}, which topics cannot have")),
        None => Ok(text.to_owned()),
    }
}

fn digest_from_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    // Empty texts are refused later, with their keys.
    if text.is_empty() {
        return Ok(Some(text));
    }
    fork_digest(&text).map(Some).map_err(D::Error::custom)
}

/// A number of things of which one is needed at least.
fn not_zero<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default + PartialEq,
{
    let number = T::deserialize(deserializer)?;
    if number == T::default() {
        return Err(D::Error::custom("it is 0, and 1 is the least"));
    }
    Ok(Some(number))
}

/// Parses a value from text.
fn from_text<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_digest_is_short_and_plain() {
        for good in ["12345678", "0x12345678", "devnet5", "a.b:c"] {
            assert_eq!(fork_digest(good), Ok(good.to_owned()));
        }
        let long = "1".repeat(65);
        for bad in ["", "a/b", "a b", "1234\n5678", "\u{e4}", &long] {
            assert!(fork_digest(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_needed_is_not_zero_in_the_file_either() {
        let read = |text: &str| toml::from_str::<NodeArgs>(text).map_err(|error| error.to_string());
        for key in ["prover-permits", "prover-threads", "prover-memory-mib"] {
            let error = read(&format!("{key} = 0")).map(drop).expect_err("nothing would be proven");
            assert!(error.contains("1 is the least"), "{error}");
        }
        let read = read("prover-permits = 2\nprover-memory-mib = 64").expect("enough");
        assert_eq!((read.prover_permits, read.prover_memory_mib), (Some(2), Some(64)));
        assert!(toml::from_str::<NodeArgs>("fork-digest = 'a/b'").is_err());
    }
}
