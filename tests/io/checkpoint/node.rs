//! The node's own start, as a process: a new database, a fresh one, a stale one.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use leansig::keys::{KeyKind, Role, find_file, read_secret_key};
use quintet::{network_dir::GenesisFile, prover::by_name};
use quintet_components::{
    chain::Registry,
    containers::{MultiMessageAggregate, ProofBytes, State},
    preset::SignaturePreset,
};
use quintet_prover::{CancelToken, RawSignature};
use quintet_systems::{
    transition::generate_genesis,
    verification::{block_statements, scheme_of},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    checkpoint::chain::{Link, grow, honest},
    support::{
        chain::{build_on, signed},
        http_server::{Answer, HttpServer},
        temp_dir::TempDir,
    },
};

const PATIENCE: Duration = Duration::from_secs(90);

fn quintet() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quintet"));
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// A network that began so many slots ago.
struct Network {
    folder: TempDir,
    genesis: State,
}

impl Network {
    fn began_slots_ago(slots: u64) -> Self {
        let folder = TempDir::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let made = quintet()
            .args(["genesis", "--nodes", "1", "--validators", "1", "--xmss", "short"])
            .args(["--active-epoch", "12"])
            .args(["--seed", "7", "--key-cache"])
            .arg(folder.path().join("cache"))
            .args(["--genesis-time", &(now - 4 * slots).to_string(), "--out"])
            .arg(folder.path().join("network"))
            .output()
            .expect("the binary runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let path = folder.path().join("network/config.yaml");
        let file = GenesisFile::read(&path).expect("it was just written");
        let registry = file.registry().expect("it has validators");
        Self { folder, genesis: generate_genesis(file.genesis_time, registry) }
    }

    /// Runs the node until it listens, or ends; its log, and whether it listened.
    fn run(&self, urls: &[String]) -> (String, bool) {
        let log = self.folder.path().join("log");
        let mut node = self.start(&log, urls);
        let begin = Instant::now();
        loop {
            let text = fs::read_to_string(&log).expect("the node logs");
            let ended = node.0.try_wait().expect("it can be asked");
            if ended.is_some() {
                return (text, false);
            }
            if text.contains("listening") {
                node.stop();
                return (fs::read_to_string(&log).expect("the node logs"), true);
            }
            assert!(begin.elapsed() < PATIENCE, "{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn start(&self, log: &PathBuf, urls: &[String]) -> Node {
        let mut command = quintet();
        command.args(["node", "--network-dir"]).arg(self.path("network"));
        command.arg("--data-dir").arg(self.path("data"));
        command.args(["--bootnodes", "none", "--listen-address", "127.0.0.1"]);
        command.args(["--gossipsub-port", "0", "--api-port", "0", "--metrics-port", "0"]);
        for url in urls {
            command.args(["--checkpoint-sync-url", url]);
        }
        let file = File::create(log).expect("the folder can be written");
        Node(command.stdout(Stdio::null()).stderr(file).spawn().expect("the binary runs"))
    }

    /// A block upon blocks at these slots, signed by its proposer.
    fn signed(&self, before: impl IntoIterator<Item = u64>, slot: u64) -> Link {
        let chain = grow(&self.genesis, before);
        let parent = &chain.last().expect("a parent").state;
        // Without attestations there is one signature to make.
        let (block, state) = build_on(parent, slot, vec![]).expect("a valid block");
        let mut link = Link { block: signed(block), state };
        let (preset, root) = (SignaturePreset::Short, link.root());
        let folder = self.path("network/hash-sig-keys");
        let path = find_file(&folder, 0, Role::Proposal, KeyKind::Secret).expect("a key");
        let key = read_secret_key(scheme_of(preset), &path, Some(Role::Proposal)).expect("a key");
        let epoch = u32::try_from(slot).expect("early");
        let signature = key.sign(epoch, &root.0).expect("prepared");
        let proofs = by_name("multisig", scheme_of(preset)).expect("it is embedded");
        let cancel = CancelToken::default();
        let registry = Registry::new(&self.genesis.validators);
        let statements = block_statements(&link.block.block, root, &registry).expect("known");
        assert_eq!(statements.len(), 1, "a block without attestations");
        let raw = [RawSignature { signer: 0, signature: &signature }];
        let made = proofs.aggregate(&statements[0], &[], &raw, &cancel).expect("it fits");
        let merged = proofs.merge(&[(statements[0].clone(), &made)], &cancel).expect("it fits");
        drop(statements);
        let proof = ProofBytes::new(merged).expect("within the limit");
        link.block.proof = MultiMessageAggregate { proof };
        link
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }
}

/// A node's process; it ends with its handle.
struct Node(Child);

impl Node {
    /// Asks it to stop, and waits until it has.
    fn stop(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it runs");
        let begin = Instant::now();
        while self.0.try_wait().expect("it can be asked").is_none() {
            assert!(begin.elapsed() < PATIENCE, "it does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_new_node_starts_from_the_checkpoint_and_then_from_its_database() {
    let network = Network::began_slots_ago(40);
    let newest = network.signed(1..25, 25);
    let server = HttpServer::start(honest(&newest));
    let (log, listened) = network.run(&[server.url()]);
    assert!(listened, "{log}");
    assert!(log.contains(&newest.root().to_string()) && log.contains("slot=25"), "{log}");
    assert_eq!(server.asked().len(), 2);

    // An hour has not passed: nobody is asked.
    let (log, listened) = network.run(&[server.url()]);
    assert!(listened && log.contains("the database is fresh"), "{log}");
    assert!(log.contains("resuming from") && log.contains("finalized_slot=25"), "{log}");
    assert_eq!(server.asked().len(), 2);
}

#[test]
fn a_stale_database_gives_way_to_a_checkpoint_that_is_well_ahead() {
    let network = Network::began_slots_ago(3_000);
    let (log, listened) = network.run(&[]);
    assert!(listened, "from genesis: {log}");

    // Nobody answers: better the old chain than none.
    let away = HttpServer::start(|_| Answer::of(503, "text/plain", "starting"));
    let (log, listened) = network.run(&[away.url()]);
    assert!(listened && log.contains("continuing from it without a checkpoint"), "{log}");
    assert!(log.contains(&away.url()) && log.contains("503"), "{log}");

    // Ahead, and not far enough to begin anew for it.
    let server = HttpServer::start(honest(&network.signed(1..=5, 449)));
    let (log, listened) = network.run(&[server.url()]);
    assert!(listened && log.contains("is not ahead of the database"), "{log}");

    let server = HttpServer::start(honest(&network.signed(1..=5, 450)));
    let (log, listened) = network.run(&[server.url()]);
    assert!(listened && log.contains("beginning anew from the checkpoint"), "{log}");
    assert!(log.contains("finalized_slot=450"), "{log}");

    // The same again is no reason to begin anew, however stale the database is.
    let (log, listened) = network.run(&[server.url()]);
    assert!(listened && log.contains("is not ahead of the database"), "{log}");
    assert!(log.contains("finalized_slot=450"), "{log}");
}

#[test]
fn a_new_node_without_a_good_source_does_not_start() {
    let network = Network::began_slots_ago(40);
    let (ours, theirs) = (network.signed(1..25, 25), network.signed(2..25, 25));
    let servers = [&ours, &theirs].map(|link| HttpServer::start(honest(link)));

    let (log, listened) = network.run(&servers.each_ref().map(HttpServer::url));
    assert!(!listened && log.contains("the node does not start"), "{log}");
    assert!(log.contains(&ours.root().to_string()), "{log}");
    assert!(log.contains(&theirs.root().to_string()), "{log}");

    // Far from the other's genesis: a network that began a slot earlier, made a slot later, is it.
    let foreign = Network::began_slots_ago(400);
    let (log, listened) = foreign.run(&[servers[0].url()]);
    assert!(!listened && log.contains("wrong network"), "{log}");

    let (log, listened) = network.run(&["http://user:hidden@127.0.0.1:1/?token=hidden".into()]);
    assert!(!listened && log.contains("cannot be reached"), "{log}");
    assert!(log.contains("http://127.0.0.1:1/") && !log.contains("hidden"), "{log}");

    // The list is refused, not what is left of it used.
    let (log, listened) = network.run(&[format!("{},", servers[0].url())]);
    assert!(!listened && log.contains("URL 2 of 2 is empty"), "{log}");

    let unsigned = Link { block: signed(ours.block.block.clone()), ..ours.clone() };
    let liar = HttpServer::start(honest(&unsigned));
    let (log, listened) = network.run(&[liar.url()]);
    assert!(!listened && log.contains("validators have not signed"), "{log}");

    // It has left nothing behind that would keep it from starting with a good one.
    let (log, listened) = network.run(&[servers[0].url()]);
    assert!(listened, "{log}");
}
