//! Random steps, told relative to what is there when they are done, so that they shrink.

use proptest::{prelude::*, sample::Index};

#[derive(Clone, Debug)]
pub enum Step {
    Tick {
        intervals: u64,
        has_proposal: bool,
    },
    Aggregates(bool),
    Block {
        on: Picked,
        skipped: u64,
        votes: Vec<(DataPlan, u16)>,
        spoilt: Option<Spoilt>,
    },
    /// The node's own proposer builds a block on the head.
    Propose {
        skipped: u64,
    },
    Again(Index),
    Single {
        data: DataPlan,
        validator: u64,
    },
    Gossip {
        data: DataPlan,
        voters: u16,
    },
    /// Some validators give the attestation that the node would give.
    Honest {
        voters: u16,
    },
}

/// A block: the newest ones, or any.
#[derive(Clone, Debug)]
pub enum Picked {
    Head,
    Recent(Index),
    Any(Index),
}

/// An attestation over known blocks, relative to its head.
#[derive(Clone, Debug)]
pub struct DataPlan {
    pub head: Picked,
    pub target_back: Index,
    /// The head's own justified checkpoint, or any ancestor of the target.
    pub source_back: Option<Index>,
    /// Slots after the head's.
    pub late: u64,
    pub wrong: Option<(u8, bool)>,
}

#[derive(Clone, Debug)]
pub enum Spoilt {
    StateRoot,
    Proposer(u64),
    Parent,
}

fn picked() -> impl Strategy<Value = Picked> {
    prop_oneof![
        5 => Just(Picked::Head),
        4 => any::<Index>().prop_map(Picked::Recent),
        1 => any::<Index>().prop_map(Picked::Any),
    ]
}

fn data_plan() -> impl Strategy<Value = DataPlan> {
    let source = prop_oneof![4 => Just(None), 1 => any::<Index>().prop_map(Some)];
    let wrong = prop_oneof![12 => Just(None), 1 => (0u8..3, any::<bool>()).prop_map(Some)];
    let late = prop_oneof![12 => 0u64..3, 1 => Just(u64::MAX)];
    (picked(), any::<Index>(), source, late, wrong).prop_map(
        |(head, target_back, source_back, late, wrong)| DataPlan {
            head,
            target_back,
            source_back,
            late,
            wrong,
        },
    )
}

/// Everyone, most, or any of the first ten.
fn voters() -> impl Strategy<Value = u16> {
    prop_oneof![8 => Just(0xff), 8 => 1u16..256, 1 => 0u16..1024]
}

pub fn step() -> impl Strategy<Value = Step> {
    let spoilt = prop_oneof![
        14 => Just(None),
        1 => Just(Some(Spoilt::StateRoot)),
        1 => (0u64..10).prop_map(|index| Some(Spoilt::Proposer(index))),
        1 => Just(Some(Spoilt::Parent)),
    ];
    let votes = prop::collection::vec((data_plan(), voters()), 0..4);
    let skipped = prop_oneof![6 => Just(0u64), 2 => 1u64..4];
    let jump = prop_oneof![6 => 1u64..8, 1 => 8u64..24];
    prop_oneof![
        9 => (jump, any::<bool>())
            .prop_map(|(intervals, has_proposal)| Step::Tick { intervals, has_proposal }),
        1 => any::<bool>().prop_map(Step::Aggregates),
        8 => (picked(), skipped.clone(), votes, spoilt)
            .prop_map(|(on, skipped, votes, spoilt)| Step::Block { on, skipped, votes, spoilt }),
        2 => skipped.prop_map(|skipped| Step::Propose { skipped }),
        1 => any::<Index>().prop_map(Step::Again),
        4 => (data_plan(), 0u64..10)
            .prop_map(|(data, validator)| Step::Single { data, validator }),
        5 => (data_plan(), voters()).prop_map(|(data, voters)| Step::Gossip { data, voters }),
        2 => voters().prop_map(|voters| Step::Honest { voters }),
    ]
}
