//! Full nodes over QUIC on loopback whose clock is turned by hand: fork choice, sync, storage in
//! memory, the network.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bevy_app::App;
use quintet_components::{
    chain::Head,
    clock::{SlotClock, UnixTime, first_interval},
    containers::{
        AttestationData, Block, Checkpoint, Root, SignedBlock, Slot, State, ValidatorIndex,
    },
    duties::BlockProduced,
    messages::{BlockReceived, InputId},
    preset::SignaturePreset,
    storage::{BlockSource, Blocks, ChainIdentity, StorageError},
    sync::SyncCounts,
    tree::BlockTree,
};
use quintet_plugins::{
    Anchor, InboundLanes, NetworkConfig, NetworkPlugin, SyncPlugin,
    network::NodeKey,
    network::{Counters, LocalNode, NetworkCounters, Redial},
    storage::{MemoryStoragePlugin, Retention, Store},
};
use tree_hash::TreeHash;

use super::{
    chain,
    node::{Setup, TestNode},
};

/// The time that anything may take.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// Blocks handed in at a time: fewer than the lane holds, and than the storage may be behind by.
const CHUNK: usize = 64;

/// Blocks upon genesis, ascending by slot.
pub struct Blockchain {
    pub anchor: Anchor,
    pub blocks: Vec<(Root, Arc<SignedBlock>)>,
}

impl Blockchain {
    /// One block a slot. From the second on, these voters attest to its parent.
    pub fn grow(validator_count: u64, last_slot: Slot, voters: u64) -> Self {
        Self::grow_on(chain::genesis(validator_count), last_slot, voters, chain::signed)
    }

    /// As [`Self::grow`], on this anchor and with these proofs.
    pub fn grow_on(
        anchor: Anchor,
        last_slot: Slot,
        voters: u64,
        mut sign: impl FnMut(Block) -> SignedBlock,
    ) -> Self {
        let genesis = Checkpoint { root: anchor.block.tree_hash_root(), slot: 0 };
        let voters: Vec<ValidatorIndex> = (0..voters).collect();
        let mut state = State::clone(&anchor.state);
        let (mut head, mut blocks) = (genesis, Vec::new());
        for slot in 1..=last_slot {
            let source = match state.latest_justified {
                Checkpoint { root: Root::ZERO, .. } => genesis,
                justified => justified,
            };
            let data = AttestationData { slot: head.slot, head, target: head, source };
            let has_attestations = slot > 1 && !voters.is_empty();
            let votes =
                if has_attestations { vec![chain::aggregated(data, &voters)] } else { vec![] };
            let (block, post) = chain::build_on(&state, slot, votes).expect("a valid block");
            let root = block.tree_hash_root();
            (head, state) = (Checkpoint { root, slot }, post);
            blocks.push((root, Arc::new(sign(block))));
        }
        Self { anchor, blocks }
    }

    /// The block of a slot.
    pub fn at(&self, slot: Slot) -> &(Root, Arc<SignedBlock>) {
        let index = usize::try_from(slot - 1).expect("few");
        &self.blocks[index]
    }

    /// The blocks up to a slot.
    pub fn up_to(&self, slot: Slot) -> &[(Root, Arc<SignedBlock>)] {
        &self.blocks[..usize::try_from(slot).expect("few")]
    }
}

/// Serves other blocks than the store has.
pub type Lie = fn(&SignedBlock) -> SignedBlock;

struct Lies(Blocks, Lie);

impl BlockSource for Lies {
    fn signed_block(&self, root: &Root) -> Result<Option<Arc<SignedBlock>>, StorageError> {
        let block = self.0.0.signed_block(root)?;
        Ok(block.map(|block| Arc::new((self.1)(&block))))
    }
}

/// A full node with its clock.
pub struct Networked {
    pub node: TestNode,
    pub local: LocalNode,
    pub counters: Arc<Counters>,
    /// The time that the clock was set to, and when; it goes on from there.
    clock: (u64, Instant),
    next_id: u64,
}

impl Networked {
    /// A node with an identity made of one byte, which calls these others.
    pub fn start(identity: u8, anchor: &Anchor, others: &[&Self]) -> Self {
        Self::with(identity, Setup::new(anchor.clone()).accepting_signatures(), others, None)
    }

    /// A node that lies about the blocks that it serves.
    pub fn start_lying(identity: u8, anchor: &Anchor, lie: Lie) -> Self {
        Self::with(identity, Setup::new(anchor.clone()).accepting_signatures(), &[], Some(lie))
    }

    pub fn with(identity: u8, setup: Setup, others: &[&Self], lie: Option<Lie>) -> Self {
        let addresses: Vec<String> = others.iter().map(|other| other.local.address()).collect();
        Self::calling(identity, setup, &addresses, lie)
    }

    /// A node that calls others at these addresses.
    pub fn calling(identity: u8, setup: Setup, others: &[String], lie: Option<Lie>) -> Self {
        let storage = storage(&setup.anchor);
        Self::storing(identity, setup, storage, others, lie)
    }

    /// A node with this storage.
    pub fn storing(
        identity: u8,
        setup: Setup,
        storage: MemoryStoragePlugin,
        others: &[String],
        lie: Option<Lie>,
    ) -> Self {
        let config = config(identity, others);
        let add = move |app: &mut App| {
            app.add_plugins((SyncPlugin, storage));
            if let Some(lie) = lie {
                let honest = app.world().resource::<Blocks>().clone();
                app.insert_resource(Blocks(Arc::new(Lies(honest, lie))));
            }
            app.add_plugins(NetworkPlugin { config });
        };
        let node = TestNode::new(setup.with(add));
        let world = node.app.world();
        let local = world.resource::<LocalNode>().clone();
        let counters = Arc::clone(&world.resource::<NetworkCounters>().0);
        let clock = (chain::GENESIS_TIME * 1000, Instant::now());
        Self { node, local, counters, clock, next_id: 1 << 62 }
    }

    /// Turns the clock to a slot; it goes on by itself from there.
    pub fn turn_to(&mut self, slot: Slot) {
        let clock = *self.node.world().resource::<SlotClock>();
        self.clock = (clock.interval_start_ms(first_interval(slot)), Instant::now());
        self.update();
    }

    /// One update at the time that it is.
    pub fn update(&mut self) {
        let passed = u64::try_from(self.clock.1.elapsed().as_millis()).expect("not for ever");
        self.node.world().resource_mut::<UnixTime>().now_ms = self.clock.0 + passed;
        self.node.update();
    }

    pub fn head(&self) -> Checkpoint {
        self.node.app.world().resource::<Head>().0
    }

    pub fn knows(&self, root: &Root) -> bool {
        self.node.app.world().resource::<BlockTree>().contains(root)
    }

    /// Imports blocks as if somebody else had brought them.
    pub fn import(&mut self, blocks: &[(Root, Arc<SignedBlock>)]) {
        for chunk in blocks.chunks(CHUNK) {
            let deadline = Instant::now() + PATIENCE;
            while !chunk.iter().all(|(root, _)| self.knows(root)) {
                assert!(Instant::now() < deadline, "imports {} blocks", blocks.len());
                self.offer(chunk);
                for _ in 0..=CHUNK / 16 {
                    self.update();
                }
            }
        }
    }

    fn offer(&mut self, blocks: &[(Root, Arc<SignedBlock>)]) {
        let lane = self.node.app.world().resource::<InboundLanes>().blocks.clone();
        for (root, block) in blocks {
            if self.knows(root) {
                continue;
            }
            self.next_id += 1;
            lane.offer(BlockReceived::new(InputId(self.next_id), Arc::clone(block)));
        }
    }

    /// Publishes a block as its own, again until somebody has subscribed.
    pub fn publish(&mut self, block: &Arc<SignedBlock>) {
        let deadline = Instant::now() + PATIENCE;
        let published = |counters: &Counters| counters.blocks.published.get();
        let before = published(&self.counters);
        while published(&self.counters) == before {
            let tries = self.counters.blocks.unpublished.get();
            self.node.world().write_message(BlockProduced(Arc::clone(block)));
            while published(&self.counters) == before
                && self.counters.blocks.unpublished.get() == tries
            {
                assert!(Instant::now() < deadline, "somebody subscribes");
                self.update();
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }

    /// The number of its peers.
    pub fn peers(&mut self) -> usize {
        let world = self.node.world();
        world.query::<&quintet_components::network::Peer>().iter(world).count()
    }
}

/// A network on loopback with an identity made of one byte.
pub fn config(identity: u8, others: &[String]) -> NetworkConfig {
    let mut config = NetworkConfig::new(NodeKey::new([identity; 32]).expect("a key"));
    config.listen = ([127, 0, 0, 1], 0).into();
    config.redial =
        Redial { first: Duration::from_millis(100), longest: Duration::from_millis(400) };
    config.bootnodes = others.iter().map(|address| address.parse().expect("a bootnode")).collect();
    config
}

/// Storage in memory that begins with this anchor.
pub fn storage(anchor: &Anchor) -> MemoryStoragePlugin {
    let identity = ChainIdentity::of(&anchor.state, "loopback", SignaturePreset::Test);
    let store = Arc::new(Store::in_memory(&identity, Retention::default()));
    store.begin(&anchor.block, &anchor.state).expect("the store is empty");
    MemoryStoragePlugin { store }
}

/// Updates nodes in turn until it is so.
pub fn run_until<const N: usize>(
    mut nodes: [&mut Networked; N],
    what: &str,
    is_so: impl Fn(&mut [&mut Networked; N]) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(&mut nodes) {
        if Instant::now() >= deadline {
            for node in &mut nodes {
                let world = node.node.world();
                eprintln!(
                    "{} {:?} {:?} {:?}",
                    node.local.peer,
                    world.resource::<Head>(),
                    world.resource::<SyncCounts>(),
                    node.counters
                );
            }
            panic!("{what}");
        }
        for node in &mut nodes {
            node.update();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
