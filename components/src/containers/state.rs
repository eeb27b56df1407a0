//! The consensus state. Its lists are persistent: a clone shares everything that a transition does
//! not change, including hashes.

use std::collections::BTreeMap;

use milhouse::List;
use typenum::{U4096, U262144, U16777216, U1073741824};

use super::{
    BlockHeader, Checkpoint, PersistentBits, Root, Slot, Validators,
    macros::{containers, tree_hash_root},
};

containers! {
    /// The chain's configuration. Every state commits to it.
    #[derive(Copy, Default)]
    pub struct GenesisConfig {
        /// Unix time of slot 0 in seconds.
        pub genesis_time: u64,
    }

    /// The state after a block.
    #[derive(Default)]
    pub struct State {
        /// The chain's configuration.
        pub config: GenesisConfig,
        /// The slot that the state was advanced to.
        pub slot: Slot,
        /// The newest block's header.
        pub latest_block_header: BlockHeader,
        /// The newest justified checkpoint.
        pub latest_justified: Checkpoint,
        /// The newest finalized checkpoint.
        pub latest_finalized: Checkpoint,
        /// The block root of every slot so far; zero for a slot without a block.
        pub historical_block_hashes: RootList,
        /// For each slot after the finalized one: true if it is justified.
        pub justified_slots: JustifiedSlots,
        /// The validator registry.
        pub validators: Validators,
        /// The roots of the targets that have votes and are not yet justified, ascending.
        pub justifications_roots: RootList,
        /// The votes for each of them: one run of bits per target, as long as the registry.
        pub justifications_validators: JustificationVotes,
    }
}

/// One bit per slot, at most 2^18.
pub type JustifiedSlots = PersistentBits<U262144, U4096>;
/// One bit per target and validator, at most 2^30.
pub type JustificationVotes = PersistentBits<U1073741824, U16777216>;

type Roots = List<Root, U262144, BTreeMap<usize, Root>>;

/// A persistent list of roots, at most 2^18.
#[derive(Clone, Debug, PartialEq, ssz_derive::Encode, ssz_derive::Decode)]
#[ssz(struct_behaviour = "transparent")]
pub struct RootList(Roots);

tree_hash_root!(List, [] RootList, |this| this.0.tree_hash_root());

impl Eq for RootList {}

impl RootList {
    /// Makes the list of these roots.
    ///
    /// # Errors
    /// The number of roots, if it is above 2^18.
    pub fn new(roots: Vec<Root>) -> Result<Self, usize> {
        let count = roots.len();
        Roots::new(roots).map(Self).map_err(|_| count)
    }

    /// The number of roots.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The root at `index`; `None` past the end.
    pub fn get(&self, index: u64) -> Option<&Root> {
        self.0.get(usize::try_from(index).ok()?)
    }

    /// The roots in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Root> {
        self.0.iter()
    }

    /// The roots from `index` on; none past the end.
    pub fn iter_from(&self, index: usize) -> impl Iterator<Item = &Root> {
        self.0.iter_from(index.min(self.len())).expect("not past the end")
    }

    /// Appends roots.
    ///
    /// # Errors
    /// The new number of roots, if it would be above 2^18; the list is unchanged.
    pub fn extend(&mut self, roots: impl ExactSizeIterator<Item = Root>) -> Result<(), usize> {
        let len = self.len().saturating_add(roots.len());
        if len > crate::constants::HISTORICAL_ROOTS_LIMIT {
            return Err(len);
        }
        for root in roots {
            self.0.push(root).expect("the length was checked");
        }
        self.0.apply_updates().expect("the length was checked");
        Ok(())
    }
}

impl Default for RootList {
    fn default() -> Self {
        Self(Roots::empty())
    }
}

impl serde::Serialize for RootList {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::json::write_list(self.iter(), serializer)
    }
}

impl<'de> serde::Deserialize<'de> for RootList {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(crate::json::read_list(deserializer)?)
            .map_err(|count| serde::de::Error::custom(format!("{count} roots, above 2^18")))
    }
}
