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

/// Events by time, node and number. The heap moves places, which are smaller than events.
pub(super) struct EventQueue<T> {
    heap: BinaryHeap<Reverse<(Due, usize)>>,
    events: Vec<Option<T>>,
    free: Vec<usize>,
    pushed: u64,
}

impl<T> EventQueue<T> {
    pub(super) const fn new() -> Self {
        Self { heap: BinaryHeap::new(), events: Vec::new(), free: Vec::new(), pushed: 0 }
    }

    pub(super) fn push(&mut self, at_ms: u64, node: usize, event: T) {
        self.pushed += 1;
        let due = Due { at_ms, node, number: self.pushed };
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.heap.push(Reverse((due, place)));
    }

    /// The time and the node of the next event.
    pub(super) fn next_due(&self) -> Option<(u64, usize)> {
        self.heap.peek().map(|Reverse((due, _))| (due.at_ms, due.node))
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let Reverse((_, place)) = self.heap.pop()?;
        self.free.push(place);
        self.events[place].take()
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
