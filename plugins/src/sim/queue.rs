//! The future events of all nodes, in one order.

use std::{cmp::Reverse, collections::BinaryHeap};

/// The order of events: by time, then by node, then in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    /// Virtual time in milliseconds.
    pub(super) at_ms: u64,
    /// The node.
    pub(super) node: usize,
    /// The number of events that were added up to this one.
    number: u64,
}

struct Entry<T>(Reverse<Due>, T);

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// Events by time, node and number.
pub(super) struct EventQueue<T> {
    heap: BinaryHeap<Entry<T>>,
    pushed: u64,
}

impl<T> EventQueue<T> {
    pub(super) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, at_ms: u64, node: usize, event: T) {
        self.pushed += 1;
        let due = Due { at_ms, node, number: self.pushed };
        self.heap.push(Entry(Reverse(due), event));
    }

    /// The time and the node of the next event.
    pub(super) fn next_due(&self) -> Option<(u64, usize)> {
        self.heap.peek().map(|entry| (entry.0.0.at_ms, entry.0.0.node))
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        self.heap.pop().map(|entry| entry.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_then_node_then_number() {
        let mut queue = EventQueue::new();
        for (at_ms, node, name) in [(5, 1, "d"), (5, 0, "b"), (1, 9, "a"), (5, 0, "c"), (7, 0, "e")]
        {
            queue.push(at_ms, node, name);
        }
        let names: String = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(names, "abcde");
        assert_eq!(queue.next_due(), None);
    }
}
