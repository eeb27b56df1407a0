//! A small network by a clock turned by hand: every metric moves as the scenario demands.

use std::sync::Arc;

use bevy_app::App;
use leansig::{
    KeyGenOptions,
    scheme::{Scheme, SecretKey},
};
use quintet_components::{
    chain::IsAggregator,
    clock::{SlotClock, UnixTime},
    constants::INTERVALS_PER_SLOT,
    containers::{PublicKey, State, Validator, Validators},
    duties::Signing,
    preset::SignaturePreset,
    task::{InlineSpawner, Tasks},
    waker::NodeWaker,
};
use quintet_plugins::{
    AggregationPlugin, Anchor, ClockPlugin, DutiesPlugin, ForkChoicePlugin, InboundPlugin,
    LoopbackHub, LoopbackPlugin, MetricsPlugin, OrderPlugin, ProverPlugin, ReaggregationPlugin,
    SyncPlugin, WarningsPlugin,
    keys::{KeyPair, MemoryKeys},
};
use quintet_systems::transition::{anchor_block, generate_genesis};

use crate::support::scrape::Scrape;

const VALIDATORS: u64 = 4;

fn key_pair() -> KeyPair {
    let make = || {
        SecretKey::generate(Scheme::Lifetime8, &mut rand::rng(), 0, 256, &KeyGenOptions::default())
            .expect("the whole lifetime")
    };
    KeyPair { attester: make(), proposer: make() }
}

/// One validator a node; the first node aggregates.
pub fn network() -> Vec<App> {
    let keys: Vec<KeyPair> = (0..VALIDATORS).map(|_| key_pair()).collect();
    let validators = (0..).zip(&keys).map(|(index, pair)| Validator {
        attestation_public_key: PublicKey::from(pair.attester.public_key()),
        proposal_public_key: PublicKey::from(pair.proposer.public_key()),
        index,
    });
    let registry = Validators::new(validators.collect()).expect("in order");
    let state = Arc::new(generate_genesis(1_000, registry));
    let hub = LoopbackHub::default();
    (0..).zip(keys).map(|(index, pair)| node(index, pair, Arc::clone(&state), &hub)).collect()
}

fn node(index: u64, pair: KeyPair, state: Arc<State>, hub: &LoopbackHub) -> App {
    let (waker, _) = NodeWaker::new();
    let mut app = App::new();
    app.insert_resource(Tasks::new(InlineSpawner, waker.clone())).insert_resource(waker);
    app.add_plugins((
        OrderPlugin,
        MetricsPlugin::default(),
        ClockPlugin,
        InboundPlugin,
        ForkChoicePlugin {
            anchor: Anchor { block: anchor_block(&state), state },
            preset: SignaturePreset::Test,
            proofs: quintet::prover::by_name("multisig", Scheme::Lifetime8).expect("embedded"),
            signatures: None,
        },
        (ProverPlugin::default(), AggregationPlugin::default(), ReaggregationPlugin, SyncPlugin),
        DutiesPlugin { signing: Signing(Arc::new(MemoryKeys::new([(index, pair)]))) },
        LoopbackPlugin { hub: hub.clone() },
        WarningsPlugin,
    ));
    app.insert_resource(IsAggregator(index == 0));
    app.finish();
    app.cleanup();
    app
}

/// Turns every clock that is awake to each interval up to a slot's last, with a few updates in
/// between.
pub fn run(nodes: &mut [App], from_slot: u64, to_slot: u64, asleep: impl Fn(usize) -> bool) {
    for count in from_slot * INTERVALS_PER_SLOT + 1..(to_slot + 1) * INTERVALS_PER_SLOT {
        turn(nodes, count, &asleep);
    }
}

/// Turns every clock that is awake to an interval, with a few updates.
pub fn turn(nodes: &mut [App], count: u64, asleep: impl Fn(usize) -> bool) {
    for _ in 0..4 {
        for (_, node) in nodes.iter_mut().enumerate().filter(|(index, _)| !asleep(*index)) {
            let now_ms = node.world().resource::<SlotClock>().interval_start_ms(count);
            node.world_mut().resource_mut::<UnixTime>().now_ms = now_ms;
            node.update();
        }
    }
}

const SLOTS: f64 = 12.0;

/// Twelve slots of a network in which everybody does their duties.
fn twelve_slots() -> Vec<Scrape> {
    let mut nodes = network();
    run(&mut nodes, 0, 12, |_| false);
    nodes.iter().map(Scrape::of).collect()
}

#[test]
fn gauges_say_where_the_node_stands() {
    let scrapes = twelve_slots();
    for (index, scrape) in scrapes.iter().enumerate() {
        assert_eq!(scrape.value("lean_current_slot"), SLOTS);
        assert_eq!(scrape.value("lean_head_slot"), SLOTS);
        assert!(scrape.value("lean_safe_target_slot") >= SLOTS - 1.0);
        assert!(scrape.value("lean_latest_justified_slot") >= SLOTS - 2.0);
        assert!(scrape.value("lean_latest_finalized_slot") >= SLOTS - 3.0);
        assert!(scrape.value("lean_justified_slot") >= SLOTS - 2.0);
        assert!(scrape.value("lean_finalized_slot") >= SLOTS - 3.0);
        assert_eq!(scrape.value("lean_validators_count"), 1.0);
        let done = |duty| scrape.labelled("quintet_duties_done_total", &[("duty", duty)]);
        assert_eq!((done("propose"), done("attest")), (3.0, SLOTS + 1.0));
        assert_eq!(scrape.total("quintet_duties_missed_total"), 0.0);
        assert_eq!(scrape.value("lean_is_aggregator"), f64::from(u8::from(index == 0)));
        assert_eq!(scrape.value("lean_attestation_committee_count"), 1.0);
        assert_eq!(scrape.value("lean_attestation_committee_subnet"), 0.0);
        assert!(scrape.value("lean_node_start_time_seconds") > 1_700_000_000.0);
        assert_eq!(scrape.total("lean_node_info"), 1.0);
        assert_eq!(scrape.labelled("lean_node_sync_status", &[("status", "synced")]), 1.0);
        assert_eq!(scrape.total("lean_node_sync_status"), 1.0);
        assert_eq!(scrape.value("quintet_tree_blocks"), SLOTS + 1.0);
        assert!(scrape.value("lean_latest_known_aggregated_payloads") > 0.0);
        assert_eq!(scrape.total("quintet_warning"), 0.0);
    }
}

#[test]
fn signing_checking_and_proving_are_counted_and_timed() {
    let scrapes = twelve_slots();
    let (aggregator, other) = (&scrapes[0], &scrapes[1]);
    for scrape in &scrapes {
        // Attestations begin in slot 0.
        assert_eq!(scrape.value("lean_pq_sig_attestation_signatures_total"), SLOTS + 1.0);
        for name in ["lean_", "quintet_"] {
            let time = format!("{name}pq_sig_attestation_signing_time_seconds");
            assert_eq!(scrape.value(&time), SLOTS + 1.0);
            assert!(scrape.sum(&time) > 0.0);
        }
        assert_eq!(scrape.value("lean_attestations_production_time_seconds"), SLOTS + 1.0);
        // Three others attest, and everybody checks.
        let valid = scrape.value("lean_pq_sig_attestation_signatures_valid_total");
        assert!(valid >= 3.0 * SLOTS, "{valid}");
        assert_eq!(scrape.value("lean_pq_sig_attestation_signatures_invalid_total"), 0.0);
        let times = scrape.value("lean_pq_sig_attestation_verification_time_seconds");
        assert_eq!(times, valid);
        assert!(scrape.value("lean_attestations_valid_total") >= valid);
        assert_eq!(scrape.value("lean_attestations_invalid_total"), 0.0);
        let validated = scrape.value("lean_attestation_validation_time_seconds");
        assert_eq!(validated, scrape.value("lean_attestations_valid_total"));
    }
    let made = aggregator.value("lean_pq_sig_aggregated_signatures_total");
    assert!(made >= SLOTS, "{made}");
    let votes = aggregator.value("lean_pq_sig_attestations_in_aggregated_signatures_total");
    assert!(votes >= 3.0 * SLOTS, "{votes}");
    let building = "lean_pq_sig_aggregated_signatures_building_time_seconds";
    assert_eq!(aggregator.value(building), made);
    assert!(aggregator.sum(building) > 0.0);
    assert_eq!(other.value("lean_pq_sig_aggregated_signatures_total"), 0.0);
    let checked = other.value("lean_pq_sig_aggregated_signatures_valid_total");
    assert!(checked >= SLOTS, "{checked}");
    assert_eq!(other.value("lean_pq_sig_aggregated_signatures_invalid_total"), 0.0);
    let times = "lean_pq_sig_aggregated_signatures_verification_time_seconds";
    assert_eq!(other.value(times), checked);
}

#[test]
fn blocks_and_transitions_are_counted_and_timed() {
    let scrapes = twelve_slots();
    for scrape in &scrapes {
        // A node proposes every fourth slot, and imports what the others propose.
        assert_eq!(scrape.value("lean_block_building_success_total"), 3.0);
        assert_eq!(scrape.value("lean_block_building_failures_total"), 0.0);
        for name in [
            "lean_block_building_time_seconds",
            "lean_block_building_payload_aggregation_time_seconds",
            "lean_block_aggregated_payloads",
            "quintet_block_publication_seconds",
        ] {
            assert_eq!(scrape.value(name), 3.0, "{name}");
        }
        assert!(scrape.sum("lean_block_aggregated_payloads") >= 2.0);
        let imported = SLOTS - 3.0;
        for name in [
            "lean_fork_choice_block_processing_time_seconds",
            "lean_state_transition_time_seconds",
            "lean_state_transition_slots_processing_time_seconds",
            "lean_state_transition_block_processing_time_seconds",
            "lean_state_transition_attestations_processing_time_seconds",
            "quintet_block_proof_verification_seconds",
            "quintet_block_arrival_seconds",
        ] {
            assert_eq!(scrape.value(name), imported, "{name}");
        }
        assert_eq!(scrape.value("lean_state_transition_slots_processed_total"), imported);
        assert!(
            scrape.value("lean_state_transition_attestations_processed_total") >= imported - 1.0
        );
        let finalized = scrape.value("lean_latest_finalized_slot");
        let finalizations = scrape.labelled("lean_finalizations_total", &[("result", "success")]);
        assert!(finalizations >= finalized - 1.0, "{finalizations} {finalized}");
        assert_eq!(scrape.labelled("lean_finalizations_total", &[("result", "error")]), 0.0);
        assert_eq!(scrape.value("lean_fork_choice_reorgs_total"), 0.0);
    }
}

#[test]
fn intervals_sessions_and_the_prover_are_counted_and_timed() {
    let scrapes = twelve_slots();
    let intervals = 13.0 * 5.0 - 1.0;
    for (index, scrape) in scrapes.iter().enumerate() {
        let tick = "lean_tick_interval_duration_seconds";
        assert_eq!(scrape.value(tick), intervals - 1.0);
        // To the rounding of a sum.
        assert!((scrape.sum(tick) - (intervals - 1.0) * 0.8).abs() < 1e-6, "{}", scrape.sum(tick));
        assert_eq!(scrape.total("quintet_interval_lateness_seconds"), intervals);
        assert_eq!(scrape.sum("quintet_interval_lateness_seconds"), 0.0);
        assert_eq!(scrape.total("quintet_interval_run_seconds"), intervals);
        assert!(scrape.sum("quintet_interval_run_seconds") > 0.0);

        let skipped =
            |reason| scrape.labelled("lean_aggregator_skipped_total", &[("reason", reason)]);
        let proposals = scrape
            .labelled("quintet_prover_jobs_total", &[("kind", "proposal"), ("status", "proved")]);
        // One is built, and signed; the next slot's may be built already.
        assert!((6.0..=7.0).contains(&proposals), "{proposals}");
        let seconds = |kind| scrape.labelled("quintet_prover_run_seconds", &[("kind", kind)]);
        assert_eq!(seconds("proposal"), proposals);
        assert_eq!(scrape.total("quintet_prover_queued"), 0.0);
        assert_eq!(scrape.total("quintet_prover_running"), 0.0);
        let sessions = "lean_committee_signatures_aggregation_time_seconds";
        if index == 0 {
            assert_eq!(skipped("not_aggregator"), 0.0);
            let published =
                scrape.labelled("quintet_aggregation_sessions_total", &[("outcome", "published")]);
            assert!(published >= SLOTS, "{published}");
            assert_eq!(scrape.value(sessions), published);
            assert!(seconds("aggregation") >= SLOTS);
            assert!(scrape.value("quintet_aggregates_published_total") >= SLOTS);
        } else {
            assert_eq!(skipped("not_aggregator"), SLOTS + 1.0);
            assert_eq!(scrape.total("quintet_aggregation_sessions_total"), 0.0);
            assert_eq!(scrape.value(sessions), 0.0);
        }
    }
}

#[test]
fn tasks_lanes_and_verdicts_are_counted() {
    for scrape in twelve_slots() {
        let started = scrape.value("quintet_tasks_started_total");
        assert!(started >= 40.0, "{started}");
        assert_eq!(scrape.value("quintet_tasks_ended_total"), started);
        assert_eq!(scrape.value("quintet_task_seconds"), started);
        assert_eq!(scrape.value("quintet_task_wait_seconds"), started);
        assert_eq!(scrape.value("quintet_tasks_panicked_total"), 0.0);
        assert_eq!(scrape.total("quintet_lane_dropped_total"), 0.0);
        let accepted = scrape.labelled("quintet_inputs_total", &[("verdict", "accepted")]);
        assert!(accepted >= 4.0 * SLOTS, "{accepted}");
        assert_eq!(scrape.labelled("quintet_inputs_total", &[("verdict", "rejected")]), 0.0);
    }
}

#[test]
fn a_node_that_slept_shows_how_late_its_intervals_were() {
    let mut nodes = network();
    run(&mut nodes, 0, 2, |_| false);
    run(&mut nodes, 3, 4, |index| index == 3);
    run(&mut nodes, 5, 6, |_| false);
    let scrape = Scrape::of(&nodes[3]);
    let late = scrape.sum("quintet_interval_lateness_seconds");
    // Eleven intervals were walked at the beginning of the twelfth.
    let expected: f64 = (1..=11).map(|interval| f64::from(interval) * 0.8).sum();
    assert!((late - expected).abs() < 1e-6, "{late} {expected}");
    // The attestations of two slots came too late, and its proposal of slot 3.
    let missed = |duty| {
        scrape.labelled("quintet_duties_missed_total", &[("duty", duty), ("reason", "late")])
    };
    assert_eq!((missed("attest"), missed("propose")), (2.0, 1.0));
}
