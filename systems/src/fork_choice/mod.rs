//! Fork choice: LMD-GHOST over attestation entities and compact blocks, the import of blocks, and
//! finality as the head's chain sees it.
//!
//! Exclusive are the boot ([`set_anchor`], [`resume`](resume())) and the commit of imports, whose
//! blocks see the effects of those before them.

pub mod anchor;
pub mod head;
pub mod import;
pub mod interval;
pub mod prune;
pub mod resume;
mod runs;
pub mod safe_target;
pub mod weights;

/// What every caller of a system of this room has seen to.
const HAS_CHAIN: &str = "the world has a chain: an anchor was set, and its plugin added";

pub use anchor::set_anchor;
pub use head::{block_weights, update_head};
pub use resume::resume;
