//! Post-states on the disk: whole ones, and the changes of one block.
//!
//! A state has four kinds of data: small fixed fields, the history of block roots, which only
//! grows, the registry, which never changes, and two bit lists in which a block sets few bits. The
//! registry is stored once. History goes into chunks that states share. For the rest a diff has the
//! changes.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use quintet_components::containers::{
    BlockHeader, Checkpoint, GenesisConfig, JustificationVotes, JustifiedSlots, Root, RootList,
    Slot, State, Validators,
};
use ssz_derive::{Decode, Encode};

/// The parts that all states of a chain have in common.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(super) struct Frame {
    pub(super) config: GenesisConfig,
    pub(super) validators: Validators,
}

/// The end of a chain of history chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Encode, Decode)]
pub(super) struct HistoryLink {
    /// Roots in the chunks.
    pub(super) count: u64,
    /// The last chunk's hash; zero when there is none.
    pub(super) hash: Root,
}

/// Some roots of a history, and a link to the chunk before them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct HistoryChunk {
    pub(super) previous: HistoryLink,
    pub(super) roots: Vec<Root>,
}

impl HistoryChunk {
    /// The link to this chunk.
    pub(super) fn link(&self) -> HistoryLink {
        let roots = self.roots.iter().flat_map(|root| root.0);
        let bytes: Vec<u8> = self.previous.hash.0.into_iter().chain(roots).collect();
        HistoryLink {
            count: self.previous.count + self.roots.len() as u64,
            hash: tree_hash::merkle_root(&bytes, 0),
        }
    }
}

/// A word of a bit list with its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct WordAt {
    index: u32,
    word: u64,
}

/// A newly pending target with its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
struct NewTarget {
    index: u32,
    root: Root,
}

/// A whole post-state, except for the [`Frame`] and the history in chunks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct Snapshot {
    pub(super) link: HistoryLink,
    tail: Vec<Root>,
    slot: Slot,
    header: BlockHeader,
    justified: Checkpoint,
    finalized: Checkpoint,
    justified_slots_len: u64,
    justified_slots: Vec<u64>,
    targets: Vec<Root>,
    votes_len: u64,
    votes: Vec<u64>,
}

/// The changes that a block made in its parent's post-state, in the order in which they are
/// applied.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Changes {
    slot: Slot,
    header: BlockHeader,
    justified: Checkpoint,
    finalized: Checkpoint,
    appended: Vec<Root>,
    /// Slots that are no longer tracked because they are finalized.
    dropped_slots: u64,
    justified_slots_len: u64,
    justified_slots: Vec<WordAt>,
    /// Indices in the old list, ascending.
    removed_targets: Vec<u32>,
    /// Indices in the new list, ascending.
    new_targets: Vec<NewTarget>,
    /// Changed words of the votes, after the targets were moved.
    votes: Vec<WordAt>,
}

/// A post-state as changes to another one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(super) struct StateDiff {
    /// The block whose post-state it changes: the parent.
    pub(super) base: Checkpoint,
    /// The number of diffs since the last snapshot, including this one.
    pub(super) depth: u64,
    /// The end of this state's history in chunks.
    pub(super) link: HistoryLink,
    changes: Changes,
}

impl Snapshot {
    /// The snapshot of a state whose history is in chunks up to `link`.
    pub(super) fn of(state: &State, link: HistoryLink) -> Self {
        let start = usize::try_from(link.count).unwrap_or(usize::MAX);
        let (window, votes) = (&state.justified_slots, &state.justifications_validators);
        Self {
            link,
            tail: state.historical_block_hashes.iter_from(start).copied().collect(),
            slot: state.slot,
            header: state.latest_block_header,
            justified: state.latest_justified,
            finalized: state.latest_finalized,
            justified_slots_len: window.len() as u64,
            justified_slots: window.words(0..window.len()),
            targets: state.justifications_roots.iter().copied().collect(),
            votes_len: votes.len() as u64,
            votes: votes.words(0..votes.len()),
        }
    }

    /// The state; `history` has the roots up to the link.
    pub(super) fn state(self, frame: &Frame, mut history: RootList) -> Result<State, String> {
        history.extend(self.tail.into_iter()).map_err(|count| format!("{count} roots"))?;
        let mut justified_slots = JustifiedSlots::default();
        let mut votes = JustificationVotes::default();
        justified_slots
            .replace_from(0, [run(self.justified_slots, self.justified_slots_len)?])
            .map_err(|limit| format!("more than {limit} justified slots"))?;
        votes
            .replace_from(0, [run(self.votes, self.votes_len)?])
            .map_err(|limit| format!("more than {limit} votes"))?;
        Ok(State {
            config: frame.config,
            slot: self.slot,
            latest_block_header: self.header,
            latest_justified: self.justified,
            latest_finalized: self.finalized,
            historical_block_hashes: history,
            justified_slots,
            validators: frame.validators.clone(),
            justifications_roots: roots(self.targets)?,
            justifications_validators: votes,
        })
    }
}

fn roots(roots: Vec<Root>) -> Result<RootList, String> {
    RootList::new(roots).map_err(|count| format!("{count} roots"))
}

/// Checks that words and their length in bits belong together.
fn run(words: Vec<u64>, len: u64) -> Result<(Vec<u64>, usize), String> {
    let mismatch = || format!("{} words for {len} bits", words.len());
    let bits = usize::try_from(len).map_err(|_| mismatch())?;
    let spare = bits % 64;
    let is_clean = spare == 0 || words.last().is_none_or(|last| last >> spare == 0);
    if words.len() != bits.div_ceil(64) || !is_clean {
        return Err(mismatch());
    }
    Ok((words, bits))
}

impl StateDiff {
    /// The diff from `base`'s post-state to a child's; `None` if it cannot be written as one.
    pub(super) fn between(
        base: Checkpoint,
        old: &State,
        new: &State,
        depth: u64,
        link: HistoryLink,
    ) -> Option<Self> {
        let known = old.historical_block_hashes.len();
        let validators = new.validators.len();
        let votes = &new.justifications_validators;
        if new.historical_block_hashes.len() < known
            || votes.len() != new.justifications_roots.len() * validators
            || old.justifications_validators.len() != old.justifications_roots.len() * validators
        {
            return None;
        }
        let passed = new.latest_finalized.slot.checked_sub(old.latest_finalized.slot)?;
        let dropped_slots = passed.min(old.justified_slots.len() as u64);
        let window = &new.justified_slots;
        let moved = moved_window(&old.justified_slots, dropped_slots, window.len()).ok()?;
        let (removed_targets, new_targets) =
            moved_targets(&old.justifications_roots, &new.justifications_roots);
        let rearranged = Rearranged::new(old, &removed_targets, &new_targets).ok()?;
        let moved_votes = rearranged.votes(old).ok()?;
        Some(Self {
            base,
            depth,
            link,
            changes: Changes {
                slot: new.slot,
                header: new.latest_block_header,
                justified: new.latest_justified,
                finalized: new.latest_finalized,
                appended: new.historical_block_hashes.iter_from(known).copied().collect(),
                dropped_slots,
                justified_slots_len: window.len() as u64,
                justified_slots: changed_words(
                    &moved.words(0..window.len()),
                    &window.words(0..window.len()),
                ),
                removed_targets,
                new_targets,
                votes: changed_words(
                    &moved_votes.words(0..votes.len()),
                    &votes.words(0..votes.len()),
                ),
            },
        })
    }

    /// The child's post-state from the base's.
    pub(super) fn apply(self, old: &State) -> Result<State, String> {
        let Changes { slot, header, justified, finalized, appended, .. } = self.changes;
        let mut history = old.historical_block_hashes.clone();
        history.extend(appended.into_iter()).map_err(|count| format!("{count} roots"))?;
        let window_len = usize::try_from(self.changes.justified_slots_len)
            .map_err(|_| "too many justified slots")?;
        let mut justified_slots =
            moved_window(&old.justified_slots, self.changes.dropped_slots, window_len)?;
        justified_slots.set_words(by_index(&self.changes.justified_slots)).map_err(past_end)?;
        let rearranged =
            Rearranged::new(old, &self.changes.removed_targets, &self.changes.new_targets)?;
        let mut votes = rearranged.votes(old)?;
        votes.set_words(by_index(&self.changes.votes)).map_err(past_end)?;
        Ok(State {
            config: old.config,
            slot,
            latest_block_header: header,
            latest_justified: justified,
            latest_finalized: finalized,
            historical_block_hashes: history,
            justified_slots,
            validators: old.validators.clone(),
            justifications_roots: rearranged.targets(old)?,
            justifications_validators: votes,
        })
    }
}

fn past_end(index: usize) -> String {
    format!("word {index} is past the end")
}

fn by_index(words: &[WordAt]) -> BTreeMap<usize, u64> {
    words.iter().map(|each| (each.index as usize, each.word)).collect()
}

fn changed_words(old: &[u64], new: &[u64]) -> Vec<WordAt> {
    (0..)
        .zip(old.iter().zip(new))
        .filter(|(_, (old, new))| old != new)
        .map(|(index, (_, word))| WordAt { index, word: *word })
        .collect()
}

/// The tracked slots after `dropped` of them were removed, `len` long.
fn moved_window(old: &JustifiedSlots, dropped: u64, len: usize) -> Result<JustifiedSlots, String> {
    let dropped = usize::try_from(dropped).unwrap_or(usize::MAX);
    if dropped > old.len() {
        return Err(format!("{dropped} of {} justified slots went", old.len()));
    }
    let mut window = old.clone();
    let limit = |limit| format!("more than {limit} justified slots");
    if dropped > 0 {
        window.splice(0..dropped, 0).map_err(limit)?;
    }
    if len < window.len() {
        window.splice(len..window.len(), 0).map_err(limit)?;
    }
    window.extend_to(len).map_err(limit)?;
    Ok(window)
}

/// The removed and the added targets. The others keep their order.
fn moved_targets(old: &RootList, new: &RootList) -> (Vec<u32>, Vec<NewTarget>) {
    if old.len() == new.len() && old.iter().eq(new.iter()) {
        return (Vec::new(), Vec::new());
    }
    let places: HashMap<&Root, u32> = old.iter().zip(0..).collect();
    let mut next = 0;
    let (mut kept, mut came) = (Vec::new(), Vec::new());
    for (root, index) in new.iter().zip(0..) {
        match places.get(root).filter(|place| **place >= next) {
            Some(place) => {
                next = place + 1;
                kept.push(*place);
            }
            None => came.push(NewTarget { index, root: *root }),
        }
    }
    let went = (0..).zip(old.iter()).map(|(place, _)| place);
    (went.filter(|place| kept.binary_search(place).is_err()).collect(), came)
}

/// The origin of each new target: an index in the old list, or none.
struct Rearranged<'a> {
    sources: Vec<Option<usize>>,
    new: &'a [NewTarget],
    is_same: bool,
}

impl<'a> Rearranged<'a> {
    fn new(old: &State, removed: &[u32], new: &'a [NewTarget]) -> Result<Self, String> {
        let mut kept = (0..old.justifications_roots.len())
            .filter(|place| !removed.iter().any(|gone| *gone as usize == *place));
        let mut came = new.iter().peekable();
        let mut sources = Vec::new();
        loop {
            if came.next_if(|target| target.index as usize == sources.len()).is_some() {
                sources.push(None);
            } else if let Some(place) = kept.next() {
                sources.push(Some(place));
            } else {
                break;
            }
        }
        if came.next().is_some() {
            return Err("a target without a place".into());
        }
        Ok(Self { sources, new, is_same: removed.is_empty() && new.is_empty() })
    }

    fn targets(&self, old: &State) -> Result<RootList, String> {
        if self.is_same {
            return Ok(old.justifications_roots.clone());
        }
        let mut came = self.new.iter();
        let target = |source: &Option<usize>| match source {
            Some(place) => old.justifications_roots.get(*place as u64).copied(),
            None => came.next().map(|target| target.root),
        };
        let targets: Option<Vec<Root>> = self.sources.iter().map(target).collect();
        roots(targets.ok_or("a target without a place")?)
    }

    /// The old votes in the new order, without votes for added targets.
    fn votes(&self, old: &State) -> Result<JustificationVotes, String> {
        let mut votes = old.justifications_validators.clone();
        if self.is_same {
            return Ok(votes);
        }
        let validators = old.validators.len();
        if votes.len() != old.justifications_roots.len() * validators {
            return Err("votes and targets do not belong together".into());
        }
        // Everything before the first change stays as it is.
        let same =
            self.sources.iter().zip(0..).take_while(|(from, at)| **from == Some(*at)).count();
        let runs = self.sources[same..].iter().map(|source| {
            let words = match source {
                Some(place) => {
                    let start = place * validators;
                    old.justifications_validators.words(start..start + validators)
                }
                None => vec![0; validators.div_ceil(64)],
            };
            (words, validators)
        });
        votes
            .replace_from(same * validators, runs)
            .map_err(|limit| format!("more than {limit} votes"))?;
        Ok(votes)
    }
}

/// A post-state with the data that the next diff needs.
#[derive(Clone, Debug)]
pub(super) struct StoredState {
    /// The state.
    pub(super) state: Arc<State>,
    /// The number of diffs since the last snapshot.
    pub(super) depth: u64,
    /// The end of its history in chunks.
    pub(super) link: HistoryLink,
}
