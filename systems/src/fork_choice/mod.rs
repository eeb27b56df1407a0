//! Fork choice: LMD-GHOST over attestation entities and compact blocks, the import of blocks, and
//! the finality of the head's chain.
//!
//! The boot ([`set_anchor`], [`resume`](resume())) and the commit of imports are exclusive: each
//! block sees the effects of the previous ones.

pub mod anchor;
pub mod early;
pub mod head;
pub mod import;
pub mod interval;
pub mod prune;
pub mod resume;
pub mod rule;
mod runs;
pub mod safe_target;
pub mod weights;

/// Holds for every caller of a system of this room.
const HAS_CHAIN: &str = "the world has a chain: an anchor was set, and its plugin added";

pub use anchor::set_anchor;
pub use head::{block_weights, update_head};
pub use resume::resume;
