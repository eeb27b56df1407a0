//! The simulator.

use std::{ops::Range, path::PathBuf, str::FromStr, time::Duration};

use clap::Args;

/// The flags of `quintet sim`.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// The network that this seed draws: nodes, validators, faults and adversaries. Without a seed
    /// or a scenario: four honest nodes.
    #[arg(long, conflicts_with_all = ["seeds", "time"])]
    pub(crate) seed: Option<u64>,
    /// The networks of these seeds, the last not included: `0..1000`.
    #[arg(long, value_name = "A..B", conflicts_with = "time")]
    pub(crate) seeds: Option<Seeds>,
    /// One seed after the other for so long: `90s`, `10m`, `8h`.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    pub(crate) time: Option<Duration>,
    /// Seeds at a time; as many as there are cores by default.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// Run the scenario in this TOML file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seed", "seeds", "time", "slots"])]
    pub(crate) scenario: Option<PathBuf>,
    /// For how many slots.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) slots: u64,
    /// Print the scenario as TOML instead of running it.
    #[arg(long, conflicts_with_all = ["seeds", "time"])]
    pub(crate) toml: bool,
    /// Run everything twice, and fail where the two differ.
    #[arg(long)]
    pub(crate) twice: bool,
    /// Make a scenario that breaks a rule smaller as long as it does, and print it.
    #[arg(long)]
    pub(crate) shrink: bool,
    /// Write a page that shows what happened when.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "time", "twice"])]
    pub(crate) trace: Option<PathBuf>,
    /// Print a line of JSON for each network: its scenario and its report.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Seeds from one to another, which is not among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds(pub(crate) Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let range = text.split_once("..").and_then(|(from, to)| {
            let (from, to) = (from.parse().ok()?, to.parse().ok()?);
            (from < to).then_some(from..to)
        });
        range.map(Self).ok_or_else(|| "expected A..B with A before B, for example 0..1000".into())
    }
}

fn time(text: &str) -> Result<Duration, String> {
    let parse = || {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return None,
        };
        let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
        Some(Duration::from_secs(number.checked_mul(seconds)?))
    };
    parse().ok_or_else(|| "expected a number and s, m or h, for example 10m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_range() {
        assert_eq!("3..7".parse(), Ok(Seeds(3..7)));
        for bad in ["", "3", "7..3", "3..3", "a..b", "3..=7", "-1..3"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("8h"), Ok(Duration::from_secs(28_800)));
        for bad in ["", "10", "m", "0s", "1d", "-1s", "é", "99999999999999999999h"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
