//! Items that have arrived and have no verdict yet.

use std::collections::{HashMap, VecDeque};

use quintet_components::messages::InputId;

/// The number of items that may wait for their verdict; beyond that the oldest are dropped.
const MAX_PENDING: usize = 1024;

/// Data about items that is needed once they are judged.
#[derive(Debug)]
pub(super) struct Pending<T> {
    items: HashMap<InputId, T>,
    order: VecDeque<InputId>,
}

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self { items: HashMap::new(), order: VecDeque::new() }
    }
}

impl<T> Pending<T> {
    /// Notes that an item has arrived. One that waited arrives a second time.
    pub(super) fn arrive(&mut self, id: InputId, item: T) {
        if self.items.insert(id, item).is_some() {
            return;
        }
        self.order.push_back(id);
        // Judged items are still in the order until it is searched.
        if self.order.len() > 2 * MAX_PENDING {
            let items = &self.items;
            self.order.retain(|id| items.contains_key(id));
        }
        while self.items.len() > MAX_PENDING
            && let Some(oldest) = self.order.pop_front()
        {
            self.items.remove(&oldest);
        }
    }

    /// Takes an item that was judged.
    pub(super) fn judged(&mut self, id: InputId) -> Option<T> {
        self.items.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_nothing_grows_beyond_its_limit() {
        let mut pending = Pending::default();
        for number in 0..=MAX_PENDING as u64 {
            pending.arrive(InputId(number), number);
        }
        assert_eq!(pending.judged(InputId(0)), None);
        assert_eq!(pending.judged(InputId(1)), Some(1));
        assert_eq!(pending.judged(InputId(1)), None);
        for number in 2_000..9_000 {
            pending.arrive(InputId(number), number);
            assert_eq!(pending.judged(InputId(number)), Some(number));
        }
        assert!(pending.order.len() <= 2 * MAX_PENDING);
    }
}
