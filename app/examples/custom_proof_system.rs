//! A client with a custom proof system: written in `sealed.rs`, registered by name, used by
//! two nodes whose clock is turned by hand.
//!
//! The first node has all keys: it votes, aggregates and proposes. The second has none and gets
//! the first one's blocks alone, as a node that just caught up would; it checks their proofs and
//! splits them back into votes.
//!
//! ```console
//! $ cargo run --release --example custom_proof_system
//! ```

mod by_hand;
mod sealed;

use std::{error::Error, sync::Arc};

use bevy_app::{PluginGroup, PluginGroupBuilder};
use by_hand::{PRESET, by_hand, genesis, key_pairs, pass_blocks, turn_to};
use quintet::{
    NodeConfig, NodePlugins, app,
    components::{
        chain::{Finalized, Head, IsAggregator},
        clock::first_interval,
        constants::INTERVALS_PER_SLOT,
        containers::{Slot, State},
        duties::Signing,
    },
    plugins::{AggregationPlugin, Anchor, DutiesPlugin, SyncPlugin, keys::MemoryKeys},
    prover::ProofSystems,
    systems::{transition::anchor_block, verification::scheme_of},
};
use sealed::{Calls, Sealed};

const NETWORK: [u8; 6] = *b"sample";
const VALIDATORS: usize = 4;
const SLOTS: Slot = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let outcome = run(SLOTS)?;
    for (slot, (head, finalized)) in (1..).zip(&outcome.follower) {
        println!("slot {slot}: the follower's head is at slot {head}, {finalized} is finalized");
    }
    let names = ["aggregate", "merge", "split", "verify single", "verify multi"];
    for (name, (producer, follower)) in
        names.iter().zip(outcome.producer_calls.iter().zip(outcome.follower_calls))
    {
        println!("{name:>13}: {producer:>3} times by the producer, {follower:>3} by the follower");
    }
    Ok(())
}

/// The results of the run.
struct Outcome {
    /// The follower's head and finalized slot at the end of each slot.
    follower: Vec<(Slot, Slot)>,
    producer_calls: [u64; 5],
    follower_calls: [u64; 5],
}

/// Turns both nodes' clocks through so many slots.
fn run(slots: Slot) -> Result<Outcome, Box<dyn Error>> {
    let keys = key_pairs(VALIDATORS)?;
    let state = Arc::new(genesis(&keys)?);
    let (producer_calls, follower_calls) = (Arc::<Calls>::default(), Arc::<Calls>::default());

    // Sync would hold duties back until a peer is heard.
    let plugins = plugins(&state, &producer_calls)?.disable::<SyncPlugin>();
    let signing = Signing(Arc::new(MemoryKeys::new((0..).zip(keys))));
    let mut producer = by_hand(app(plugins.add(DutiesPlugin { signing })));
    producer.insert_resource(IsAggregator(true));
    let plugins = plugins_of_follower(&state, &follower_calls)?;
    let mut follower = by_hand(app(plugins));

    let mut seen = Vec::new();
    for interval in 1..first_interval(slots + 1) {
        turn_to(&mut producer, interval);
        pass_blocks(&mut producer, &follower);
        turn_to(&mut follower, interval);
        let ends_slot = (interval + 1) % INTERVALS_PER_SLOT == 0;
        if ends_slot && interval >= INTERVALS_PER_SLOT {
            let world = follower.world();
            seen.push((world.resource::<Head>().0.slot, world.resource::<Finalized>().0.slot));
        }
    }
    Ok(Outcome {
        follower: seen,
        producer_calls: producer_calls.counts(),
        follower_calls: follower_calls.counts(),
    })
}

/// A node's plugins, with the proof system that the configuration would name.
fn plugins(state: &Arc<State>, calls: &Arc<Calls>) -> Result<PluginGroupBuilder, Box<dyn Error>> {
    let mut systems = ProofSystems::embedded();
    let calls = Arc::clone(calls);
    systems.register(
        Sealed::NAME,
        Box::new(move |scheme| Arc::new(Sealed::new(scheme, NETWORK, Arc::clone(&calls)))),
    );
    let proofs = systems.by_name("sealed", scheme_of(PRESET))?;
    let anchor = Anchor { block: anchor_block(state), state: Arc::clone(state) };
    Ok(NodePlugins::new(NodeConfig::new(anchor, PRESET, proofs)).build())
}

fn plugins_of_follower(
    state: &Arc<State>,
    calls: &Arc<Calls>,
) -> Result<PluginGroupBuilder, Box<dyn Error>> {
    Ok(plugins(state, calls)?.disable::<SyncPlugin>().disable::<AggregationPlugin>())
}

#[cfg(test)]
mod tests {
    use leansig::scheme::SecretKey;
    use quintet::{
        components::containers::PublicKey,
        prover::{CancelToken, ProofSystem, RawSignature, Statement, VerifyError},
    };

    use super::*;

    const MESSAGE: [u8; 32] = [7; 32];

    fn system(network: [u8; 6]) -> Sealed {
        Sealed::new(scheme_of(PRESET), network, Arc::default())
    }

    /// A statement that two keys signed, its proof, and a block's proof of it alone.
    fn with_proofs(check: impl FnOnce(&Sealed, &Statement<'_>, &[u8], &[u8])) {
        let keys = key_pairs(2).expect("the keys are made");
        let mut keys: Vec<_> = keys.into_iter().map(|pair| pair.attester).collect();
        let public: Vec<_> = keys.iter().map(|key| PublicKey::from(key.public_key())).collect();
        let public_keys = public.iter().map(PublicKey::as_slice).collect();
        let statement = Statement { slot: 3, message: MESSAGE, public_keys };
        let sign = |key: &mut SecretKey| key.sign(3, &MESSAGE).expect("it can sign");
        let signed: Vec<_> = keys.iter_mut().map(sign).collect();
        let raw: Vec<_> = (0..)
            .zip(&signed)
            .map(|(signer, signature)| RawSignature { signer, signature })
            .collect();
        let (sealed, cancel) = (system(NETWORK), CancelToken::default());
        let single = sealed.aggregate(&statement, &[], &raw, &cancel).expect("it proves");
        let multi = sealed.merge(&[(statement.clone(), &single)], &cancel).expect("it merges");
        check(&sealed, &statement, &single, &multi);
    }

    #[test]
    fn two_nodes_prove_merge_check_and_split_with_it_and_finalize() {
        let outcome = run(SLOTS).expect("it runs");
        let (head, finalized) = *outcome.follower.last().expect("a slot has passed");
        assert_eq!(head, SLOTS);
        assert!(finalized + 4 >= SLOTS, "finalized {finalized} of {SLOTS}");
        let [aggregate, merge, ..] = outcome.producer_calls;
        assert!(aggregate > SLOTS && merge >= SLOTS, "{:?}", outcome.producer_calls);
        let [_, _, split, _, verify_multi] = outcome.follower_calls;
        assert!(split > 0 && verify_multi >= SLOTS, "{:?}", outcome.follower_calls);
    }

    #[test]
    fn what_was_signed_verifies_and_what_is_split_off_is_the_same_proof() {
        with_proofs(|sealed, statement, single, multi| {
            assert_eq!(sealed.verify_single(statement, single), Ok(()));
            let statements = [statement.clone()];
            assert_eq!(sealed.verify_multi(&statements, multi), Ok(()));
            let split = sealed.split(multi, &statements, 0, &CancelToken::default());
            assert_eq!(split.as_deref(), Ok(single));
        });
    }

    #[test]
    fn neither_another_statement_nor_an_altered_proof_verifies() {
        with_proofs(|sealed, statement, single, multi| {
            let other = Statement { message: [8; 32], ..statement.clone() };
            assert!(matches!(sealed.verify_single(&other, single), Err(VerifyError::Invalid(_))));
            assert!(sealed.verify_multi(&[other], multi).is_err());
            let swapped: Vec<_> = statement.public_keys.iter().rev().copied().collect();
            let other = Statement { public_keys: swapped, ..statement.clone() };
            assert!(sealed.verify_single(&other, single).is_err());
            for place in (0..single.len()).step_by(97).chain([single.len() - 1]) {
                let mut altered = single.to_vec();
                altered[place] ^= 1;
                assert!(sealed.verify_single(statement, &altered).is_err(), "byte {place}");
                assert!(sealed.verify_single(statement, &single[..place]).is_err(), "{place}");
            }
        });
    }

    #[test]
    fn a_tag_of_another_network_or_kind_is_refused() {
        with_proofs(|sealed, statement, single, multi| {
            let malformed = |verdict| matches!(verdict, Err(VerifyError::Malformed(_)));
            assert!(malformed(system(*b"second").verify_single(statement, single)));
            assert!(malformed(sealed.verify_single(statement, &single[sealed::TAG_BYTES..])));
            assert!(malformed(sealed.verify_single(statement, multi)));
            let statements = [statement.clone()];
            assert!(malformed(sealed.verify_multi(&statements, single)));
        });
    }

    #[test]
    fn its_sizes_are_those_of_its_proofs() {
        with_proofs(|sealed, _, single, multi| {
            assert_eq!(sealed.single_proof_bytes(2), single.len());
            assert_eq!(sealed.multi_proof_bytes(&[2]), multi.len());
        });
    }
}
