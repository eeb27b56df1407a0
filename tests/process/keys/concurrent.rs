//! Threads that ask at the same time.

use std::{collections::BTreeMap, sync::Barrier};

use proptest::prelude::*;

use super::support::{MemoryRecord, Place, already_signed, raw_signature, request, sign};

#[test]
fn of_two_messages_exactly_one_is_signed() {
    const THREADS: u8 = 4;
    let place = Place::new("concurrent");
    let guard = place.open(MemoryRecord::default()).expect("a new record");
    for slot in 0..16 {
        let barrier = Barrier::new(THREADS.into());
        let outcomes: Vec<_> = std::thread::scope(|scope| {
            let ask = |text| {
                let (guard, barrier) = (&guard, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    (text, sign(guard, slot, text))
                })
            };
            let threads: Vec<_> = (0..THREADS).map(ask).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let signed: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).collect();
        assert_eq!(signed.len(), 1, "{outcomes:?}");
        assert_eq!(signed[0].1, raw_signature(&request(slot, signed[0].0)));
        for (text, outcome) in &outcomes {
            assert!(*text == signed[0].0 || *outcome == Err(already_signed(slot)));
        }
    }
}

/// An event in the life of a node.
#[derive(Clone, Copy, Debug)]
enum Step {
    Sign {
        slot: u64,
        text: u8,
    },
    /// The process ends; what was not on record is gone.
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sign = (0..12_u64, 0..3_u8).prop_map(|(slot, text)| Step::Sign { slot, text });
    proptest::collection::vec(prop_oneof![6 => sign, 1 => Just(Step::Crash)], 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Against the plainest model: the first message of a slot, for ever.
    #[test]
    fn the_first_message_of_a_slot_is_the_only_one(steps in steps()) {
        let place = Place::new("model");
        let mut record = MemoryRecord::default();
        let mut guard = place.open(record.clone()).expect("a new record");
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Sign { slot, text } => {
                    let first = *model.entry(slot).or_insert(text);
                    let outcome = sign(&guard, slot, text);
                    if first == text {
                        prop_assert_eq!(outcome, raw_signature(&request(slot, text)));
                    } else {
                        prop_assert_eq!(outcome, Err(already_signed(slot)));
                    }
                }
                Step::Crash => {
                    record = place.crash(guard, &record);
                    guard = place.open(record.clone()).expect("nothing is missing");
                }
            }
        }
    }
}
