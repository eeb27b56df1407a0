//! The genesis state, and the block of a state's newest header.

use quintet_components::containers::{
    Block, BlockBody, BlockHeader, GenesisConfig, Root, State, Validators,
};
use tree_hash::TreeHash;

/// The state before the first block: its history is empty and nothing is justified.
pub fn generate_genesis(genesis_time: u64, validators: Validators) -> State {
    State {
        config: GenesisConfig { genesis_time },
        latest_block_header: BlockHeader {
            body_root: BlockBody::default().tree_hash_root(),
            ..BlockHeader::default()
        },
        validators,
        ..State::default()
    }
}

/// The block whose post-state this genesis state is.
pub fn anchor_block(genesis: &State) -> Block {
    let state_root: Root = genesis.tree_hash_root();
    Block { state_root, ..Block::default() }
}
