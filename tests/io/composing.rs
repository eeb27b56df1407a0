//! The group without one of its plugins: a node that boots, or an error that names what is missing.

use std::{cell::RefCell, sync::Arc};

use bevy_app::{App, Plugin, PluginGroup, PluginGroupBuilder};
use bevy_ecs::error::{BevyError, ErrorContext};
use quintet_components::{
    clock::{SlotClock, UnixTime},
    duties::Signing,
    preset::SignaturePreset,
    storage::ChainIdentity,
};
use quintet_plugins::{
    AggregationPlugin, ClockPlugin, DutiesPlugin, EndReason, ForkChoicePlugin, HttpConfig,
    HttpPlugin, IdentityPlugin, InboundPlugin, MetricsPlugin, MissingPiece, NetworkPlugin,
    NodeConfig, NodePlugins, OrderPlugin, ProverPlugin, ReaggregationPlugin, ResumePlugin,
    RolePlugin, RunnerPlugin, SlotLogPlugin, StopPlugin, SyncPlugin, TasksPlugin, WarningsPlugin,
    keys::MemoryKeys,
    storage::{Retention, RocksDbPlugin, Store},
};
use quintet_prover::by_name;
use quintet_systems::verification::scheme_of;

use crate::support::{chain, networked};

/// Takes a plugin out of a group.
type TakeOut = fn(PluginGroupBuilder) -> PluginGroupBuilder;

/// A plugin by name, how it is taken out, and who needs what of it, if anybody does.
const PLUGINS: [(&str, TakeOut, Option<(&str, &str)>); 21] = [
    ("RunnerPlugin", without::<RunnerPlugin>, Some(("StopPlugin", "NodeWaker"))),
    ("StopPlugin", without::<StopPlugin>, None),
    ("IdentityPlugin", without::<IdentityPlugin>, None),
    ("MetricsPlugin", without::<MetricsPlugin>, None),
    ("OrderPlugin", without::<OrderPlugin>, Some(("ClockPlugin", "RunIntervals"))),
    ("TasksPlugin", without::<TasksPlugin>, Some(("ForkChoicePlugin", "Tasks"))),
    ("ClockPlugin", without::<ClockPlugin>, Some(("ForkChoicePlugin", "IntervalLog"))),
    ("InboundPlugin", without::<InboundPlugin>, Some(("NetworkPlugin", "InboundLanes"))),
    ("ForkChoicePlugin", without::<ForkChoicePlugin>, Some(("ResumePlugin", "Proofs"))),
    ("ResumePlugin", without::<ResumePlugin>, None),
    ("RolePlugin", without::<RolePlugin>, None),
    ("ProverPlugin", without::<ProverPlugin>, Some(("AggregationPlugin", "ProverScheduler"))),
    ("AggregationPlugin", without::<AggregationPlugin>, None),
    ("ReaggregationPlugin", without::<ReaggregationPlugin>, None),
    ("SyncPlugin", without::<SyncPlugin>, None),
    ("RocksDbPlugin", without::<RocksDbPlugin>, None),
    ("NetworkPlugin", without::<NetworkPlugin>, None),
    ("DutiesPlugin", without::<DutiesPlugin>, None),
    ("HttpPlugin", without::<HttpPlugin>, None),
    ("WarningsPlugin", without::<WarningsPlugin>, None),
    ("SlotLogPlugin", without::<SlotLogPlugin>, None),
];

thread_local! {
    /// The errors of systems in this thread's app.
    static FAILURES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn without<P: Plugin>(group: PluginGroupBuilder) -> PluginGroupBuilder {
    group.disable::<P>()
}

fn keep(error: BevyError, context: ErrorContext) {
    FAILURES.with_borrow_mut(|failures| failures.push(format!("{}: {error}", context.name())));
}

/// A node with every plugin of the group but the inspector.
fn whole() -> PluginGroupBuilder {
    let preset = SignaturePreset::Test;
    let anchor = chain::genesis(4);
    let identity = ChainIdentity::of(&anchor.state, "loopback", preset);
    let store = Arc::new(Store::in_memory(&identity, Retention::default()));
    store.begin(&anchor.block, &anchor.state).expect("the store is empty");
    let proofs = by_name("multisig", scheme_of(preset)).expect("it is embedded");
    let address = Some(([127, 0, 0, 1], 0).into());
    let config = NodeConfig {
        signing: Some(Signing(Arc::new(MemoryKeys::new([])))),
        resumed: store.resume().expect("it can be read"),
        store: Some(store),
        network: Some(networked::config(7, &[])),
        http: Some(HttpConfig { api: address, metrics: address, ..HttpConfig::default() }),
        ..NodeConfig::new(anchor, preset, proofs)
    };
    NodePlugins::new(config).build()
}

/// Builds an app of the group.
fn built(group: PluginGroupBuilder) -> App {
    let mut app = App::new();
    app.set_error_handler(keep).add_plugins(group);
    app
}

/// Runs the app through two slots by hand. Returns what its systems have failed with.
fn failures(mut app: App) -> Vec<String> {
    app.finish();
    app.cleanup();
    let clock = *app.world().resource::<SlotClock>();
    for interval in 1..=10 {
        app.world_mut().resource_mut::<UnixTime>().now_ms = clock.interval_start_ms(interval);
        app.update();
    }
    assert_eq!(app.should_exit(), None);
    FAILURES.take()
}

#[test]
fn the_whole_group_boots() {
    let app = built(whole());
    assert_eq!(MissingPiece::of(&app), None);
    assert_eq!(failures(app), Vec::<String>::new());
}

#[test]
fn a_group_without_any_one_plugin_boots_or_names_who_needs_what_of_which() {
    for (name, take_out, needed) in PLUGINS {
        let app = built(take_out(whole()));
        let missing = MissingPiece::of(&app);
        let Some((plugin, piece)) = needed else {
            assert_eq!(missing, None, "without {name}");
            assert_eq!(failures(app), Vec::<String>::new(), "without {name}");
            continue;
        };
        let missing = missing.unwrap_or_else(|| panic!("nobody misses {name}"));
        assert_eq!((missing.plugin, &*missing.piece, missing.brought_by), (plugin, piece, name));
        for word in [plugin, piece, name] {
            assert!(missing.to_string().contains(word), "{missing}");
        }
    }
}

#[test]
fn a_node_without_a_piece_ends_before_its_first_update_and_says_why() {
    let mut app = built(without::<ProverPlugin>(whole()));
    let reason = EndReason::of(app.world_mut());
    assert!(app.run().is_error());
    let says = reason.get().expect("it says why");
    assert!(says.starts_with("AggregationPlugin needs ProverScheduler, which ProverPlugin brings"));
    assert_eq!(FAILURES.take(), Vec::<String>::new());
}

#[test]
fn the_groups_table_has_every_plugin_of_the_group() {
    let text = include_str!("../../plugins/src/group.rs");
    let rows: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("/// | [`")?.split_once("`]"))
        .filter(|(_, rest)| rest.contains(": "))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(rows, PLUGINS.map(|(name, ..)| name));
    // The order of the table is the order of the group, and nothing is left when all are out.
    let nothing = PLUGINS.iter().fold(whole(), |group, (_, take_out, _)| take_out(group));
    let empty = App::new().world().entities().len();
    assert_eq!(built(nothing).world().entities().len(), empty);
}
