//! Containers of requests and responses.

use ssz_types::VariableList;
use typenum::U1024;

use super::{
    Checkpoint, Root, Slot,
    macros::{containers, tree_hash_root},
};

containers! {
    /// The chain of a node as it reports it to a peer: 80 bytes.
    #[derive(Copy, Default)]
    pub struct Status {
        /// The finalized checkpoint.
        pub finalized: Checkpoint,
        /// The head.
        pub head: Checkpoint,
    }

    /// Requests the blocks of a range of slots.
    #[derive(Copy)]
    pub struct BlocksByRangeRequest {
        /// The first slot.
        pub start_slot: Slot,
        /// The number of slots: 1 to 1024.
        pub count: u64,
    }

    /// Requests blocks by their roots.
    #[derive(Default)]
    pub struct BlocksByRootRequest {
        /// The roots, in the order in which the blocks are wanted.
        pub roots: RequestedRoots,
    }
}

/// The roots of a request, at most 1024.
#[derive(Clone, Debug, Default, PartialEq, Eq, ssz_derive::Encode, ssz_derive::Decode)]
#[ssz(struct_behaviour = "transparent")]
pub struct RequestedRoots(pub VariableList<Root, U1024>);

tree_hash_root!(List, [] RequestedRoots, |this| this.0.tree_hash_root());

impl serde::Serialize for RequestedRoots {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::json::write_list(self.0.iter(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for RequestedRoots {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let roots = crate::json::read_list(deserializer)?;
        VariableList::new(roots)
            .map(Self)
            .map_err(|_| serde::de::Error::custom("more than 1024 roots"))
    }
}
