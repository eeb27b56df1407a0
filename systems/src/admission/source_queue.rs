//! Items that wait for their check, by source.

use std::collections::{BTreeMap, VecDeque};

use quintet_components::messages::{IgnoreReason, Source};

/// A bounded queue in which the sources take turns. Items of one source neither displace nor delay
/// those of another. The items of one source leave in order of arrival.
#[derive(Debug)]
pub struct SourceQueue<T> {
    by_source: BTreeMap<Source, VecDeque<T>>,
    /// The sources that have waiting items, the next one first.
    turns: VecDeque<Source>,
    len: usize,
    limit: usize,
    per_source: usize,
}

impl<T> SourceQueue<T> {
    /// A queue of at most `limit` items, at most `per_source` of one peer.
    pub const fn new(limit: usize, per_source: usize) -> Self {
        Self { by_source: BTreeMap::new(), turns: VecDeque::new(), len: 0, limit, per_source }
    }

    /// The number of waiting items.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns true if no item is waiting.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an item. If the queue is full, the source with the most items loses its newest, which
    /// is returned.
    ///
    /// # Errors
    /// The reason there is no place for the item.
    pub fn push(&mut self, source: &Source, item: T) -> Result<Option<T>, IgnoreReason> {
        let count = self.by_source.get(source).map_or(0, VecDeque::len);
        if count >= self.per_source && *source != Source::Local {
            return Err(IgnoreReason::SenderFull);
        }
        let mut displaced = None;
        if self.len >= self.limit {
            let fullest = self.by_source.iter().max_by_key(|(_, items)| items.len());
            let fullest = fullest.filter(|(_, items)| items.len() > count + 1);
            let Some(fullest) = fullest.map(|(source, _)| source.clone()) else {
                return Err(IgnoreReason::NoRoom);
            };
            displaced = self.by_source.get_mut(&fullest).and_then(VecDeque::pop_back);
            self.len -= 1;
        }
        if count == 0 {
            self.turns.push_back(source.clone());
        }
        self.by_source.entry(source.clone()).or_default().push_back(item);
        self.len += 1;
        Ok(displaced)
    }

    /// The next item.
    pub fn peek(&self) -> Option<&T> {
        self.by_source.get(self.turns.front()?)?.front()
    }

    /// Takes the next item.
    pub fn pop(&mut self) -> Option<T> {
        let source = self.turns.pop_front()?;
        let items = self.by_source.get_mut(&source)?;
        let item = items.pop_front()?;
        if items.is_empty() {
            self.by_source.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        self.len -= 1;
        Some(item)
    }

    /// Every waiting item.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.by_source.values_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use quintet_components::network::PeerId;

    use super::*;

    fn peer(name: u8) -> Source {
        Source::Peer(PeerId(format!("peer {name}").into()))
    }

    #[test]
    fn sources_take_turns() {
        let mut queue = SourceQueue::new(10, 5);
        for item in 0..5 {
            assert_eq!(queue.push(&peer(1), item), Ok(None));
        }
        assert_eq!(queue.push(&peer(1), 9), Err(IgnoreReason::SenderFull));
        assert_eq!(queue.push(&peer(2), 100), Ok(None));
        assert_eq!(queue.push(&Source::Local, 200), Ok(None));
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [0, 100, 200, 1, 2, 3, 4]);
        assert!(queue.is_empty() && queue.pop().is_none());
    }

    #[test]
    fn a_full_queue_takes_from_the_source_that_has_most() {
        let mut queue = SourceQueue::new(4, 4);
        for item in 0..4 {
            assert_eq!(queue.push(&peer(1), item), Ok(None));
        }
        assert_eq!(queue.push(&peer(2), 10), Ok(Some(3)), "the newest of the fullest");
        assert_eq!(queue.push(&peer(2), 11), Ok(Some(2)));
        assert_eq!(queue.push(&peer(2), 12), Err(IgnoreReason::NoRoom), "two each");
        assert_eq!(queue.push(&peer(3), 20), Ok(Some(11)));
        assert_eq!(queue.len(), 4);
    }
}
