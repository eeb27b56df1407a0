//! HTTP beside a node with 4096 validators and 500 unfinalized blocks: how long answers take, how
//! fast the finalized state comes, and what 500 requests a second do to the intervals.
//!
//! `HTTP_SECONDS` sets another length than 60 s for each of the two runs that watch intervals.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]

#[path = "../support/mod.rs"]
mod support;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bevy_app::PostUpdate;
use bevy_ecs::prelude::*;
use quintet::{
    app,
    components::{
        clock::{CurrentInterval, SlotClock},
        containers::State,
        messages::{BlockReceived, InputId},
        preset::SignaturePreset,
        schedule::{Interval, IntervalSystems, NodeSystems, OnInterval},
    },
    plugins::{
        Anchor, HttpConfig, HttpPlugin, InboundLanes, NodeConfig, NodePlugins, StopHandle,
        http::LocalHttp,
    },
    systems::transition::{anchor_block, generate_genesis},
};
use support::{chain, mocked::MockedProofs};

const VALIDATORS: u64 = 4096;
const BLOCKS: u64 = 500;
const CONNECTIONS: u64 = 50;
const REQUESTS_A_SECOND: u64 = 500;
/// The paths that are requested under load, in turn.
const MIX: [&str; 6] = [
    "/lean/v0/head",
    "/lean/v0/fork_choice",
    "/quintet/v0/overview",
    "/lean/v0/node/syncing",
    "/lean/v0/checkpoints/justified",
    "/lean/v0/blocks/finalized",
];

fn main() {
    let quick = std::env::args().any(|argument| argument == "--test");
    let seconds = std::env::var("HTTP_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds = Duration::from_secs(seconds.unwrap_or(if quick { 2 } else { 60 }));
    let node = Running::start();
    node.measure_answers(if quick { 5 } else { 200 });
    node.measure_state(if quick { 2 } else { 100 });
    node.measure_intervals("no requests", seconds, 0);
    node.measure_intervals("500 requests a second", seconds, REQUESTS_A_SECOND);
    node.report_flushes();
    node.stop.stop();
    node.thread.join().expect("the node ends well");
}

/// The time from a change to the update that shows it, in microseconds.
#[derive(Resource, Clone, Default)]
struct Flushes(Arc<Mutex<(Option<Instant>, Vec<u64>)>>);

fn begin_flush(flushes: Res<Flushes>) {
    flushes.0.lock().expect("not poisoned").0 = Some(Instant::now());
}

fn end_flush(flushes: Res<Flushes>) {
    let mut flushes = flushes.0.lock().expect("not poisoned");
    if let Some(began) = flushes.0.take() {
        flushes.1.push(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

/// The lateness of intervals, in microseconds.
#[derive(Resource, Clone, Default)]
struct Late(Arc<Mutex<Vec<u64>>>);

struct Running {
    api: SocketAddr,
    metrics: SocketAddr,
    late: Late,
    flushes: Flushes,
    stop: StopHandle,
    thread: thread::JoinHandle<()>,
}

/// A connection that is kept open.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_nodelay(true).expect("no delay");
        Self(BufReader::with_capacity(256 << 10, stream))
    }

    /// Asks and reads the whole answer. Its bytes.
    fn get(&mut self, path: &str) -> usize {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes()).expect("it takes requests");
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a status");
        assert!(line.starts_with("HTTP/1.1 200"), "{path}: {line}");
        let mut length = 0;
        while line != "\r\n" {
            line.clear();
            self.0.read_line(&mut line).expect("a header");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
        }
        let read = std::io::copy(&mut (&mut self.0).take(length), &mut std::io::sink());
        assert_eq!(read.expect("a body"), length, "{path}");
        usize::try_from(length).expect("it fits")
    }
}

impl Running {
    fn start() -> Self {
        let (started, starts) = std::sync::mpsc::channel();
        let late = Late::default();
        let flushes = Flushes::default();
        let measured = (late.clone(), flushes.clone());
        let thread = thread::spawn(move || {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
            let genesis_time = now.as_secs() - (BLOCKS + 1) * 4;
            let state = generate_genesis(genesis_time, chain::validators(VALIDATORS));
            let anchor = Anchor { block: anchor_block(&state), state: Arc::new(state) };
            let mut node = app(NodePlugins::new(NodeConfig::new(
                anchor.clone(),
                SignaturePreset::Test,
                Arc::new(MockedProofs),
            )));
            let free = || Some(([127, 0, 0, 1], 0).into());
            let config = HttpConfig { api: free(), metrics: free(), ..HttpConfig::default() };
            node.add_plugins(HttpPlugin { config })
                .insert_resource(measured.0)
                .insert_resource(measured.1)
                // Without a network and a store, HTTP is all that flushes.
                .add_systems(
                    PostUpdate,
                    (
                        begin_flush.after(NodeSystems::Prune).before(NodeSystems::Flush),
                        end_flush.after(NodeSystems::Flush),
                    )
                        .ambiguous_with_all(),
                );
            for interval in Interval::ALL {
                node.add_systems(
                    OnInterval(interval),
                    measure.before(IntervalSystems::Collect).ambiguous_with_all(),
                );
            }
            let world = node.world();
            let told = (
                *world.resource::<LocalHttp>(),
                world.resource::<StopHandle>().clone(),
                world.resource::<InboundLanes>().clone(),
                anchor,
            );
            started.send(told).expect("somebody waits");
            node.run();
        });
        let (local, stop, lanes, anchor) = starts.recv().expect("the node starts");
        let api = local.api.expect("the API is on");
        import(&lanes, &anchor, api);
        Self { api, metrics: local.metrics.expect("metrics are on"), late, flushes, stop, thread }
    }

    fn report_flushes(&self) {
        let micros = &mut self.flushes.0.lock().expect("not poisoned").1;
        let mean = micros.iter().sum::<u64>() as f64 / micros.len().max(1) as f64 / 1000.0;
        let (count, all) = (micros.len(), percentiles(micros));
        println!("{:>32} {count:>9} updates, mean {mean:.3}ms, {all}", "showing what has changed");
    }

    fn measure_answers(&self, times: usize) {
        println!("{:>32} {:>9} {:>9} {:>9} {:>9}", "answer", "bytes", "p50", "p99", "max");
        let paths = [
            "/lean/v0/health",
            "/lean/v0/head",
            "/lean/v0/checkpoints/justified",
            "/lean/v0/fork_choice",
            "/lean/v0/config/spec",
            "/lean/v0/genesis",
            "/lean/v0/node/identity",
            "/lean/v0/node/syncing",
            "/lean/v0/node/peers",
            "/lean/v0/headers/finalized",
            "/lean/v0/admin/aggregator",
            "/quintet/v0/overview",
            "/openapi.json",
            "/metrics",
        ];
        for path in paths {
            let on = if path == "/metrics" { self.metrics } else { self.api };
            let mut connection = Connection::open(on);
            let mut bytes = 0;
            let mut micros: Vec<u64> = (0..times)
                .map(|_| {
                    // At other moments of an interval, so that snapshots change in between.
                    thread::sleep(Duration::from_millis(7));
                    let began = Instant::now();
                    bytes = connection.get(path);
                    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
                })
                .collect();
            println!("{path:>32} {bytes:>9} {}", percentiles(&mut micros));
        }
    }

    fn measure_state(&self, times: usize) {
        let mut connection = Connection::open(self.api);
        for path in ["/lean/v0/states/finalized", "/lean/v0/states/head"] {
            connection.get(path);
            let began = Instant::now();
            let bytes: usize = (0..times).map(|_| connection.get(path)).sum();
            let rate = bytes as f64 / began.elapsed().as_secs_f64() / f64::from(1 << 20);
            println!("{path:>32} {:>9} bytes, {rate:.0} MiB/s", bytes / times);
        }
    }

    fn measure_intervals(&self, name: &str, time: Duration, rate: u64) {
        self.late.0.lock().expect("not poisoned").clear();
        let is_over = AtomicBool::new(false);
        let answered: u64 = thread::scope(|scope| {
            let clients: Vec<_> = (0..CONNECTIONS.min(rate))
                .map(|client| {
                    let (is_over, api) = (&is_over, self.api);
                    scope.spawn(move || ask(api, client, rate / CONNECTIONS, is_over))
                })
                .collect();
            thread::sleep(time);
            is_over.store(true, Ordering::Relaxed);
            clients.into_iter().map(|client| client.join().expect("it ends")).sum()
        });
        let mut late = self.late.0.lock().expect("not poisoned").clone();
        println!(
            "{name:>32} {answered:>9} answers, {} intervals, late {}",
            late.len(),
            percentiles(&mut late)
        );
    }
}

/// Asks so often a second until it is over. How often it was answered.
fn ask(api: SocketAddr, client: u64, rate: u64, is_over: &AtomicBool) -> u64 {
    let mut connection = Connection::open(api);
    let pause = Duration::from_secs(1) / u32::try_from(rate).expect("few");
    let mut next = Instant::now() + pause.mul_f64(client as f64 / CONNECTIONS as f64);
    let mut answered = 0;
    while !is_over.load(Ordering::Relaxed) {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let place = usize::try_from(client + answered).expect("few") % MIX.len();
        connection.get(MIX[place]);
        answered += 1;
        next += pause;
    }
    answered
}

/// Grows the chain, and waits until the node has all of it.
fn import(lanes: &InboundLanes, anchor: &Anchor, api: SocketAddr) {
    let mut state = State::clone(&anchor.state);
    for slot in 1..=BLOCKS {
        let (block, post) = chain::build_on(&state, slot, Vec::new()).expect("a valid block");
        let received = BlockReceived::new(InputId(slot), Arc::new(chain::signed(block)));
        while lanes.blocks.try_offer(received.clone()).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        state = post;
        if slot % 64 == 0 {
            wait_for(api, slot);
        }
    }
    wait_for(api, BLOCKS);
}

fn wait_for(api: SocketAddr, slot: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let head = support::http::get(api, "/lean/v0/head");
        if head.status == 200 && head.json()["slot"].as_u64() >= Some(slot) {
            return;
        }
        assert!(Instant::now() < deadline, "{slot}: {head:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Notes the lateness of this interval, by the wall clock.
fn measure(now: Res<CurrentInterval>, clock: Res<SlotClock>, late: Res<Late>) {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    let start = Duration::from_millis(clock.interval_start_ms(now.count));
    let micros = u64::try_from(time.saturating_sub(start).as_micros()).unwrap_or(u64::MAX);
    late.0.lock().expect("not poisoned").push(micros);
}

fn percentiles(micros: &mut [u64]) -> String {
    micros.sort_unstable();
    let at = |percent: usize| {
        let place = (micros.len() * percent / 100).min(micros.len().saturating_sub(1));
        micros.get(place).copied().unwrap_or_default() as f64 / 1000.0
    };
    format!("{:>7.2}ms {:>7.2}ms {:>7.2}ms", at(50), at(99), at(100))
}
