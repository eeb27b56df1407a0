//! The TOML file of settings.

use std::path::Path;

use quintet_plugins::text::read_text;

use super::Failure;
use crate::cli::NodeArgs;

/// The largest settings file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Puts the settings of the file that is named, if any, where there are none yet.
pub(crate) fn add_settings_file(settings: &mut NodeArgs) -> Result<(), Failure> {
    if let Some(path) = &settings.config {
        let file = read(path)?;
        *settings = std::mem::take(settings).or(file);
    }
    Ok(())
}

fn read(path: &Path) -> Result<NodeArgs, Failure> {
    let named = |reason: String| format!("{}: {reason}", path.display());
    let text = read_text(path, MAX_FILE_BYTES).map_err(|error| named(error.to_string()))?;
    parse(&text).map_err(|reason| named(reason).into())
}

fn parse(text: &str) -> Result<NodeArgs, String> {
    // The error shows the line.
    let settings = toml::from_str(text).map_err(|error| error.to_string())?;
    let table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    // An empty path would mean the working directory, and an empty name no node.
    match table.iter().find(|(_, value)| value.as_str().is_some_and(str::is_empty)) {
        Some((key, _)) => Err(format!("{key} is empty: give it a value, or leave the line out")),
        None => Ok(settings),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        logging::LogFormat,
    };

    fn flags(flags: &[&str]) -> NodeArgs {
        let line = ["quintet", "node"].iter().chain(flags);
        match Cli::try_parse_from(line).expect("the flags are good").command {
            Command::Node(settings) => *settings,
            _ => unreachable!("the command is node"),
        }
    }

    #[test]
    fn every_flag_is_a_key_of_the_file() {
        let text = r#"
            network-dir = "net"
            genesis = "config.yaml"
            validators = "annotated_validators.yaml"
            bootnodes = ["a", "b"]
            validator-config = "validator-config.yaml"
            hash-sig-keys-dir = "keys"
            data-dir = "data"
            node-id = "quintet_0"
            node-key = "quintet_0.key"
            gossipsub-port = 9001
            listen-address = "127.0.0.1"
            http-address = "::1"
            api-port = 5051
            metrics-port = 8081
            checkpoint-sync-url = "http://one, http://two"
            is-aggregator = true
            attestation-committee-count = 2
            aggregate-subnet-ids = [0, 1]
            fork-digest = "devnet0"
            xmss = "short"
            proof-system = "multisig"
            prover-permits = 1
            prover-threads = 2
            prover-memory-mib = 64
            archive = true
            signing-mark-dir = "marks"
            admin-token-file = "token"
            cors-origins = "*"
            log-level = "debug"
            log-format = "json"
        "#;
        let read = parse(text).expect("it is good");
        assert_eq!(read.bootnodes, Some(vec!["a".to_owned(), "b".to_owned()]));
        let urls = ["http://one", "http://two"].map(str::to_owned);
        assert_eq!(read.checkpoint_sync_url, Some(urls.to_vec()));
        assert_eq!(read.aggregate_subnet_ids, Some(vec![0, 1]));
        assert_eq!((read.api_port, read.is_aggregator), (Some(5051), Some(true)));
        assert_eq!(read.log_format, Some(LogFormat::Json));
        // A flag that is missing above fails here.
        let mut command = <Cli as clap::CommandFactory>::command();
        let node = command.find_subcommand_mut("node").expect("there is one");
        let keys: toml::Table = toml::from_str(text).expect("it is TOML");
        let not_in_files = [
            "config",
            "accept-signing-history-loss",
            "end-with-parent",
            "clock-offset-file",
            "help",
        ];
        for flag in node.get_arguments().filter_map(clap::Arg::get_long) {
            assert!(keys.contains_key(flag) || not_in_files.contains(&flag), "{flag}");
        }
        for setting in node.get_arguments() {
            let Some(flag) = setting.get_long().filter(|flag| keys.contains_key(*flag)) else {
                continue;
            };
            let variable = format!("QUINTET_{}", flag.replace('-', "_").to_uppercase());
            assert_eq!(setting.get_env().and_then(|name| name.to_str()), Some(&*variable));
        }
    }

    #[test]
    fn lists_may_be_one_value_or_text() {
        let subnets = |text| parse(text).map(|settings| settings.aggregate_subnet_ids);
        assert_eq!(subnets("aggregate-subnet-ids = 3"), Ok(Some(vec![3])));
        assert_eq!(subnets("aggregate-subnet-ids = '3, 4'"), Ok(Some(vec![3, 4])));
        let error = subnets("\naggregate-subnet-ids = '3,x'").expect_err("no number").to_string();
        assert!(error.contains("line 2") && error.contains("\"x\""), "{error}");
    }

    #[test]
    fn a_key_that_is_not_known_is_named_with_its_line() {
        let error = parse("api-port = 1\n\napi-prot = 2\n").expect_err("unknown");
        assert!(error.contains("line 3") && error.contains("unknown field `api-prot`"), "{error}");
        for bad in ["api-port = 70000", "xmss = 'full'", "is-aggregator = 'x'", "log-format = 'x'"]
        {
            let error = parse(bad).expect_err(bad);
            assert!(error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn an_empty_value_is_refused_by_its_name() {
        for key in ["node-id", "data-dir", "fork-digest", "checkpoint-sync-url"] {
            let error = parse(&format!("api-port = 1\n{key} = ''")).expect_err(key);
            assert!(error.contains(key) && error.contains("empty"), "{error}");
        }
    }

    #[test]
    fn a_flag_counts_before_the_file() {
        let file = parse("api-port = 1\nmetrics-port = 2\nis-aggregator = true").expect("good");
        let both = flags(&["--api-port", "3", "--is-aggregator=false"]).or(file);
        assert_eq!((both.api_port, both.metrics_port), (Some(3), Some(2)));
        assert_eq!(both.is_aggregator, Some(false));
    }

    #[test]
    fn flags_with_lists_are_repeated_or_have_commas() {
        let read = flags(&[
            "--checkpoint-sync-url",
            "http://one,http://two",
            "--checkpoint-sync-url=http://three",
            "--aggregate-subnet-ids",
            "0,2",
            "--is-aggregator",
        ]);
        let urls = ["http://one", "http://two", "http://three"].map(str::to_owned);
        assert_eq!(read.checkpoint_sync_url, Some(urls.to_vec()));
        assert_eq!(read.aggregate_subnet_ids, Some(vec![0, 2]));
        assert_eq!(read.is_aggregator, Some(true));
    }
}
