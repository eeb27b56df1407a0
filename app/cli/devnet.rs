//! The devnet.

use std::{net::Ipv4Addr, path::PathBuf, str::FromStr};

use clap::{Args, builder::NonEmptyStringValueParser};
use quintet::network_dir::DEFAULT_PROOF_SYSTEM;

use super::keys::KeyArgs;

/// Options for a devnet.
#[derive(Debug, Args)]
pub(crate) struct DevnetArgs {
    /// The number of nodes. As many as there are committees aggregate, from the first on.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) nodes: u16,
    /// The number of validators of each node.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) validators_per_node: u16,
    /// Committees of attestations.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) committees: u64,
    /// The proof system of the network's blocks.
    #[arg(
        long,
        env = "QUINTET_PROOF_SYSTEM",
        default_value = DEFAULT_PROOF_SYSTEM,
        value_parser = NonEmptyStringValueParser::new(),
        value_name = "NAME"
    )]
    pub(crate) proof_system: String,
    /// Threads that the proofs of a node share; a core less than there are by default.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024), value_name = "N")]
    pub(crate) prover_threads: Option<u16>,
    /// Stop after this many slots, with exit code 0 only if every node finalized within 4 slots of
    /// the end. Without it the network runs until it is interrupted.
    #[arg(long)]
    pub(crate) slots: Option<u64>,
    /// Freeze a node from the start of a slot, for so many slots: `1@20+6`. May be repeated.
    #[arg(long, value_name = "NODE@SLOT+COUNT")]
    pub(crate) pause: Vec<Pause>,
    /// The folder for the network's files, the nodes' data and their logs; a devnet that ran there
    /// before is replaced.
    #[arg(long, env = "QUINTET_DEVNET_DIR", default_value = "quintet-devnet", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// The address of all nodes, in 127.0.0.0/8; one with free ports by default.
    #[arg(long, value_parser = loopback)]
    pub(crate) ip: Option<Ipv4Addr>,
    /// Slot 0 is so many seconds after the keys are there; as many as the nodes need by default.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) genesis_delay: Option<u64>,
    /// The nodes' filter for the log; `info` by default, and more for a report.
    #[arg(long, value_name = "FILTER")]
    pub(crate) node_log_level: Option<String>,
    /// Write what the run was like as a table of Markdown: finality, missed slots, sessions, memory,
    /// processor time, blocks.
    #[arg(long, value_name = "FILE", requires = "slots")]
    pub(crate) report: Option<PathBuf>,
    /// Options for making keys. The seed is 0 by default, so that keys are made once.
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
}

fn loopback(text: &str) -> Result<Ipv4Addr, String> {
    let ip: Ipv4Addr = text.parse().map_err(|_| "expected an IPv4 address".to_owned())?;
    if ip.is_loopback() { Ok(ip) } else { Err("expected an address in 127.0.0.0/8".to_owned()) }
}

/// Slots in which a node's process is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause {
    /// The node, counted from 0.
    pub(crate) node: u16,
    /// The first slot.
    pub(crate) slot: u64,
    /// The number of slots.
    pub(crate) count: u64,
}

impl Pause {
    /// Returns true if the node is stopped in the slot.
    pub(crate) fn covers(&self, node: u16, slot: u64) -> bool {
        self.node == node && slot.checked_sub(self.slot).is_some_and(|since| since < self.count)
    }
}

impl FromStr for Pause {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (node, slots) = text.split_once('@')?;
            let (slot, count) = slots.split_once('+')?;
            let node = node.strip_prefix("quintet_").unwrap_or(node);
            Some(Self {
                node: node.parse().ok()?,
                slot: slot.parse().ok()?,
                count: count.parse().ok()?,
            })
        };
        parse().ok_or_else(|| "expected NODE@SLOT+COUNT, for example 1@20+6".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_node_a_slot_and_a_count() {
        let pause = Pause { node: 1, slot: 20, count: 6 };
        assert_eq!("1@20+6".parse(), Ok(pause));
        assert_eq!("quintet_1@20+6".parse(), Ok(pause));
        for bad in ["", "1@20", "1+6", "x@20+6", "1@-1+6", "1@20+6+7", "1@20+"] {
            assert!(bad.parse::<Pause>().is_err_and(|error| error.contains("1@20+6")), "{bad}");
        }
        let paused: Vec<u64> = (0..40).filter(|slot| pause.covers(1, *slot)).collect();
        assert_eq!(paused, [20, 21, 22, 23, 24, 25]);
        assert!(!pause.covers(0, 20));
    }

    #[test]
    fn nodes_stay_on_this_machine() {
        assert!(loopback("127.1.2.3").is_ok());
        assert!(loopback("10.0.0.1").is_err() && loopback("::1").is_err());
    }
}
