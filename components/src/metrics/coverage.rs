//! Metrics of the number of validators that the aggregates for a slot cover, by the place of the
//! aggregates.

use prometheus_client::metrics::{family::Family, gauge::Gauge};

use super::handles::{Labelled, Registrar};
use crate::containers::AggregationBits;

/// The place of the aggregates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Waiting for acceptance when the slot's last interval began.
    Timely,
    /// Waiting for acceptance a slot later.
    Late,
    /// In imported blocks.
    Block,
    /// In any of the three.
    Combined,
    /// Waiting for acceptance when aggregation began.
    AggregateStartNew,
    /// In the own block.
    ProposalPayloads,
    /// Single signatures in the pool when the own block was made.
    ProposalGossip,
    /// In either of the two.
    ProposalCombined,
}

impl Section {
    /// Every section.
    pub const ALL: [Self; 8] = [
        Self::Timely,
        Self::Late,
        Self::Block,
        Self::Combined,
        Self::AggregateStartNew,
        Self::ProposalPayloads,
        Self::ProposalGossip,
        Self::ProposalCombined,
    ];

    /// Its name in the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timely => "timely",
            Self::Late => "late",
            Self::Block => "block",
            Self::Combined => "combined",
            Self::AggregateStartNew => "aggregate_start_new",
            Self::ProposalPayloads => "proposal_payloads",
            Self::ProposalGossip => "proposal_gossip",
            Self::ProposalCombined => "proposal_combined",
        }
    }
}

/// The coverage of the newest slot that is known for each section.
#[derive(Clone, Debug)]
pub struct CoverageMetrics {
    validators: Family<[(&'static str, String); 2], Gauge>,
    subnets: Labelled<1, Gauge>,
    differences: Labelled<1, Gauge>,
}

impl CoverageMetrics {
    pub(super) fn register(r: &mut Registrar<'_>) -> Self {
        let validators = Family::default();
        for section in Section::ALL {
            let _ = validators.get_or_create(&labels(section, "combined".into()));
        }
        Self {
            validators: r.add(
                "lean_attestation_aggregate_coverage_validators",
                "Validators that aggregates cover, of all subnets (combined) and of each subnet",
                validators,
            ),
            subnets: r.gauges(
                "lean_attestation_aggregate_coverage_subnets",
                "Subnets with a validator that aggregates cover",
                Section::ALL.map(|section| [("section", section.name())]),
            ),
            differences: r.gauges(
                "lean_attestation_aggregate_coverage_diff_validators",
                "Validators that only blocks, or only timely aggregates, cover",
                ["block_only", "timely_only"].map(|name| [("direction", name)]),
            ),
        }
    }

    /// Sets the covered validators of a section.
    pub fn show(&self, section: Section, covered: &AggregationBits, committees: u64) {
        let committees = committees.max(1);
        let mut counts = vec![0_i64; usize::try_from(committees).unwrap_or(usize::MAX)];
        for index in covered.indices() {
            let subnet = usize::try_from(index % committees).expect("below the committees");
            counts[subnet] += 1;
        }
        let set = |subnet: String, count: i64| {
            self.validators.get_or_create(&labels(section, subnet)).set(count);
        };
        set("combined".into(), counts.iter().sum());
        for (subnet, count) in counts.iter().enumerate() {
            set(format!("subnet_{subnet}"), *count);
        }
        let subnets = counts.iter().filter(|count| **count > 0).count();
        let subnets = i64::try_from(subnets).unwrap_or(i64::MAX);
        self.subnets.get_or_create(&[("section", section.name())]).set(subnets);
    }

    /// Sets the number of validators that only blocks cover, and the number that only timely
    /// aggregates cover.
    pub fn show_difference(&self, block: &AggregationBits, timely: &AggregationBits) {
        let only = |these: &AggregationBits, those: &AggregationBits| {
            let count = these.indices().filter(|index| !those.contains(*index)).count();
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        let set = |name: &'static str, count: i64| {
            self.differences.get_or_create(&[("direction", name)]).set(count);
        };
        set("block_only", only(block, timely));
        set("timely_only", only(timely, block));
    }
}

fn labels(section: Section, subnet: String) -> [(&'static str, String); 2] {
    [("section", section.name().into()), ("subnet", subnet)]
}
