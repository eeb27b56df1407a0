//! Vote weights per run: a stretch of the tree without a fork.
//!
//! In a stretch without forks every block has one child, so weights decide nothing there. A run is
//! such a stretch, from below a fork down to the next fork or to a leaf. It has one weight, that of
//! its first block. A vote that moves within a run costs nothing. A vote that moves across the tree
//! costs one step per run in between.

use quintet_components::tree::{BlockTree, NodeId};

/// No block, or no run.
pub(super) const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Run {
    /// Its first block.
    top: u32,
    /// Its last block: a leaf, or one with several children.
    bottom: u32,
    /// The run above.
    parent: u32,
    /// The heaviest run below. If several are equal, the one whose first block has the larger root.
    best: u32,
    /// Votes for its blocks and all below.
    weight: u32,
}

/// The links of a tree by the blocks' indices.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a>(pub(super) &'a BlockTree);

impl Blocks<'_> {
    fn parent(self, id: u32) -> u32 {
        self.0.parent(NodeId::at(id)).map_or(NONE, place)
    }

    fn children(&self, id: u32) -> impl Iterator<Item = u32> + '_ {
        self.0.children(NodeId::at(id)).map(place)
    }
}

/// A block's index, as the runs store it.
pub(super) fn place(id: NodeId) -> u32 {
    u32::try_from(id.index()).expect("fewer than 2^32 blocks")
}

/// The runs of a tree, and the last path of heaviest runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    run_of: Vec<u32>,
    /// Votes for each block itself.
    votes: Vec<u32>,
    runs: Vec<Run>,
    on_path: Vec<bool>,
    path: Option<Path>,
    deltas: Vec<i32>,
}

#[derive(Clone, Copy, Debug)]
struct Path {
    last: u32,
    /// The first run on the path whose best run has changed since.
    stale_from: u32,
}

impl Runs {
    /// The number of blocks in the runs.
    pub(super) fn len(&self) -> usize {
        self.run_of.len()
    }

    /// Adds the next block. The tree has linked it already, and perhaps others after it.
    pub(super) fn insert(&mut self, id: u32, blocks: Blocks<'_>) {
        self.votes.push(0);
        let parent = blocks.parent(id);
        if parent == NONE {
            let run = self.add_run(id, NONE);
            self.run_of.push(run);
            return;
        }
        let above = self.run_of[parent as usize];
        let Run { bottom, best, .. } = self.runs[above as usize];
        if bottom == parent && best == NONE {
            self.run_of.push(above);
            self.runs[above as usize].bottom = id;
            return;
        }
        if bottom != parent {
            self.split(above, parent, blocks);
        }
        let run = self.add_run(id, above);
        self.run_of.push(run);
        self.raised(run, blocks);
    }

    fn add_run(&mut self, id: u32, parent: u32) -> u32 {
        let run = u32::try_from(self.runs.len()).expect("fewer runs than blocks");
        self.runs.push(Run { top: id, bottom: id, parent, best: NONE, weight: 0 });
        self.on_path.push(false);
        run
    }

    /// Ends a run at `last`, a block in its middle. The rest becomes a run of its own.
    fn split(&mut self, upper: u32, last: u32, blocks: Blocks<'_>) {
        let Run { bottom, best, .. } = self.runs[upper as usize];
        let lower = self.add_run(bottom, upper);
        let children = blocks.children(bottom).filter_map(|child| self.run_of.get(child as usize));
        let below: Vec<u32> = children.copied().collect();
        let mut weight: u32 = below.iter().map(|run| self.runs[*run as usize].weight).sum();
        for run in below {
            self.runs[run as usize].parent = lower;
        }
        let mut top = bottom;
        let mut at = bottom;
        while at != last {
            self.run_of[at as usize] = lower;
            weight += self.votes[at as usize];
            top = at;
            at = blocks.parent(at);
        }
        self.runs[lower as usize] = Run { top, bottom, parent: upper, best, weight };
        let above = &mut self.runs[upper as usize];
        (above.bottom, above.best) = (last, lower);
        // The path went through the whole old run.
        self.on_path[lower as usize] = self.on_path[upper as usize];
        if let Some(path) = self.path.as_mut().filter(|_| self.on_path[upper as usize]) {
            if path.last == upper {
                path.last = lower;
            }
            if path.stale_from == upper {
                path.stale_from = lower;
            }
        }
    }

    /// Moves votes, each from one block to another; [`NONE`] is no block. A few short moves walk
    /// the runs one by one; many or long ones share one pass.
    pub(super) fn move_votes(
        &mut self,
        moves: impl Iterator<Item = (u32, u32)>,
        blocks: Blocks<'_>,
    ) {
        let mut steps = self.runs.len() + 64;
        for (from, to) in moves {
            let (mut lower, mut raise) = (NONE, NONE);
            if from != NONE {
                self.votes[from as usize] -= 1;
                lower = self.run_of[from as usize];
            }
            if to != NONE {
                self.votes[to as usize] += 1;
                raise = self.run_of[to as usize];
            }
            while lower != raise && steps > 0 {
                steps -= 1;
                // A run begins after the one above it, so the later one is never above the other.
                if raise == NONE
                    || lower != NONE
                        && self.runs[lower as usize].top > self.runs[raise as usize].top
                {
                    self.runs[lower as usize].weight -= 1;
                    steps = steps.saturating_sub(self.lowered(lower, blocks));
                    lower = self.runs[lower as usize].parent;
                } else {
                    self.runs[raise as usize].weight += 1;
                    self.raised(raise, blocks);
                    raise = self.runs[raise as usize].parent;
                }
            }
            if lower != raise {
                self.deltas.resize(self.runs.len(), 0);
                for (run, delta) in [(lower, -1), (raise, 1)] {
                    if run != NONE {
                        self.deltas[run as usize] += delta;
                    }
                }
            }
        }
        if !self.deltas.is_empty() {
            self.apply_deltas(blocks);
        }
    }

    /// One pass over the blocks, newest first, so that lower runs come before higher ones. Then
    /// every run above a changed one searches its best run once.
    fn apply_deltas(&mut self, blocks: Blocks<'_>) {
        let mut deltas = std::mem::take(&mut self.deltas);
        let mut above = Vec::new();
        for (id, index) in self.run_of.iter().enumerate().rev() {
            let run = &mut self.runs[*index as usize];
            let delta = deltas[*index as usize];
            if run.top as usize != id || delta == 0 {
                continue;
            }
            run.weight = run.weight.wrapping_add_signed(delta);
            if run.parent != NONE {
                deltas[run.parent as usize] += delta;
                above.push(run.parent);
            }
        }
        above.sort_unstable();
        above.dedup();
        for run in above {
            self.find_best(run, blocks);
        }
        deltas.clear();
        self.deltas = deltas;
    }

    fn heavier(&self, one: u32, other: u32, blocks: Blocks<'_>) -> bool {
        let (one, other) = (&self.runs[one as usize], &self.runs[other as usize]);
        let root = |run: &Run| blocks.0.root(NodeId::at(run.top));
        one.weight.cmp(&other.weight).then_with(|| root(one).cmp(root(other))).is_gt()
    }

    /// Updates the best run of the run above after `run` became heavier or was added.
    fn raised(&mut self, run: u32, blocks: Blocks<'_>) {
        let above = self.runs[run as usize].parent;
        if above == NONE {
            return;
        }
        let best = self.runs[above as usize].best;
        if best != run && (best == NONE || self.heavier(run, best, blocks)) {
            self.set_best(above, run);
        }
    }

    /// Updates the best run of the run above after `run` became lighter. Returns how many runs were
    /// examined.
    fn lowered(&mut self, run: u32, blocks: Blocks<'_>) -> usize {
        let above = self.runs[run as usize].parent;
        if above != NONE && self.runs[above as usize].best == run {
            self.find_best(above, blocks)
        } else {
            0
        }
    }

    fn find_best(&mut self, above: u32, blocks: Blocks<'_>) -> usize {
        let mut seen = 0;
        let best = blocks
            .children(self.runs[above as usize].bottom)
            .filter_map(|child| self.run_of.get(child as usize).copied())
            .reduce(|best, run| {
                seen += 1;
                if self.heavier(run, best, blocks) { run } else { best }
            });
        self.set_best(above, best.unwrap_or(NONE));
        seen
    }

    fn set_best(&mut self, above: u32, best: u32) {
        if std::mem::replace(&mut self.runs[above as usize].best, best) == best {
            return;
        }
        if let Some(path) = self.path.as_mut().filter(|_| self.on_path[above as usize]) {
            let stale = path.stale_from;
            if stale == NONE || self.runs[above as usize].top < self.runs[stale as usize].top {
                path.stale_from = above;
            }
        }
    }

    /// The leaf at the end of the heaviest runs from `start`. Only what changed since the last walk
    /// is walked again.
    pub(super) fn heaviest_leaf(&mut self, start: u32) -> u32 {
        let first = self.run_of[start as usize];
        let mut run = first;
        if let Some(Path { last, stale_from }) = self.path {
            let known = self.on_path[first as usize];
            if known && stale_from == NONE {
                return self.runs[last as usize].bottom;
            }
            let top = |run: u32| self.runs[run as usize].top;
            let kept = (known && stale_from != NONE && top(stale_from) >= top(first))
                .then_some(stale_from);
            let mut at = last;
            while at != NONE && self.on_path[at as usize] && Some(at) != kept {
                self.on_path[at as usize] = false;
                at = self.runs[at as usize].parent;
            }
            run = kept.unwrap_or(first);
        }
        self.on_path[run as usize] = true;
        while self.runs[run as usize].best != NONE {
            run = self.runs[run as usize].best;
            self.on_path[run as usize] = true;
        }
        self.path = Some(Path { last: run, stale_from: NONE });
        self.runs[run as usize].bottom
    }

    /// The number of votes for a block and all its descendants.
    pub(super) fn weight(&self, id: u32, blocks: Blocks<'_>) -> u32 {
        let run = self.run_of[id as usize];
        let Run { top, weight, .. } = self.runs[run as usize];
        let mut weight = weight;
        let mut at = id;
        while at != top {
            at = blocks.parent(at);
            weight -= self.votes[at as usize];
        }
        weight
    }

    /// The number of votes for each block itself, by its index.
    pub(super) fn votes(&self) -> &[u32] {
        &self.votes
    }
}
