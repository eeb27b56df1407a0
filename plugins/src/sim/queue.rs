//! The future events of all nodes, in one order: by time, then by node, then in the order in which they
//! were added.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// The milliseconds ahead of the newest event that each have a bucket.
const NEAR_MS: u64 = 1024;

/// The order of the events of one millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    node: usize,
    /// The number of events that were added up to this one.
    number: u64,
    place: usize,
}

/// Events by time, node and number. Most are due within a second, so that they are put into the bucket of
/// their millisecond, and only those of one millisecond are sorted.
pub(super) struct EventQueue<T> {
    /// The time of the events that are due.
    now_ms: u64,
    due: BinaryHeap<Reverse<Order>>,
    near: Vec<Vec<Order>>,
    near_count: usize,
    far: BTreeMap<u64, Vec<Order>>,
    events: Vec<Option<T>>,
    free: Vec<usize>,
    pushed: u64,
}

impl<T> EventQueue<T> {
    /// A queue of events from this time on, in milliseconds.
    pub(super) fn new(now_ms: u64) -> Self {
        Self {
            now_ms,
            due: BinaryHeap::new(),
            near: (0..NEAR_MS).map(|_| Vec::new()).collect(),
            near_count: 0,
            far: BTreeMap::new(),
            events: Vec::new(),
            free: Vec::new(),
            pushed: 0,
        }
    }

    /// Adds an event. One of the past is due now.
    pub(super) fn push(&mut self, at_ms: u64, node: usize, event: T) {
        self.pushed += 1;
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        let order = Order { node, number: self.pushed, place };
        if at_ms <= self.now_ms {
            self.due.push(Reverse(order));
        } else if at_ms - self.now_ms < NEAR_MS {
            self.near[bucket(at_ms)].push(order);
            self.near_count += 1;
        } else {
            self.far.entry(at_ms).or_default().push(order);
        }
    }

    /// The time and the node of the next event.
    pub(super) fn next_due(&self) -> Option<(u64, usize)> {
        if let Some(Reverse(order)) = self.due.peek() {
            return Some((self.now_ms, order.node));
        }
        let next_ms = self.next_ms()?;
        let near = &self.near[bucket(next_ms)];
        let is_near = next_ms - self.now_ms < NEAR_MS;
        let orders =
            near.iter().filter(|_| is_near).chain(self.far.get(&next_ms).into_iter().flatten());
        orders.min().map(|order| (next_ms, order.node))
    }

    /// Takes the next event if it is of this time and this node, which [`next_due`](Self::next_due)
    /// returned.
    pub(super) fn pop_due(&mut self, at_ms: u64, node: usize) -> Option<T> {
        if self.due.is_empty() && self.now_ms < at_ms {
            self.go_to(at_ms);
        }
        let is_next = self.due.peek().is_some_and(|Reverse(order)| order.node == node);
        if !is_next || self.now_ms != at_ms {
            return None;
        }
        let Reverse(order) = self.due.pop()?;
        self.free.push(order.place);
        self.events[order.place].take()
    }

    /// The next time that has events, if none are due now.
    fn next_ms(&self) -> Option<u64> {
        let near = (self.near_count > 0)
            .then(|| (self.now_ms..).find(|at_ms| !self.near[bucket(*at_ms)].is_empty()));
        let far = self.far.first_key_value().map(|(at_ms, _)| *at_ms);
        near.flatten().into_iter().chain(far).min()
    }

    /// Makes the events of a time due, before which there are none.
    fn go_to(&mut self, at_ms: u64) {
        let mut orders = self.far.remove(&at_ms).unwrap_or_default();
        if at_ms - self.now_ms < NEAR_MS {
            let near = &mut self.near[bucket(at_ms)];
            self.near_count -= near.len();
            orders.append(near);
        }
        self.now_ms = at_ms;
        self.due = orders.into_iter().map(Reverse).collect();
    }
}

/// The bucket of a time that is less than [`NEAR_MS`] ahead.
const fn bucket(at_ms: u64) -> usize {
    (at_ms % NEAR_MS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop<T>(queue: &mut EventQueue<T>) -> Option<T> {
        let (at_ms, node) = queue.next_due()?;
        queue.pop_due(at_ms, node)
    }

    #[test]
    fn events_come_by_time_then_node_then_number() {
        let mut queue = EventQueue::new(0);
        for (at_ms, node, name) in [(5, 1, "d"), (5, 0, "b"), (1, 9, "a"), (5, 0, "c"), (7, 0, "e")]
        {
            queue.push(at_ms, node, name);
        }
        let names: String = std::iter::from_fn(|| pop(&mut queue)).collect();
        assert_eq!(names, "abcde");
        assert_eq!(queue.next_due(), None);
    }

    /// As a sorted list orders them, whether an event is added for this millisecond, for one in the
    /// ring of buckets, or for a later one.
    #[test]
    fn near_and_far_events_are_in_one_order() {
        let mut queue = EventQueue::new(0);
        let mut list = Vec::new();
        let mut random = 7u64;
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let index = |value: u64| usize::try_from(value).expect("it is small");
        let mut now_ms = 0;
        for number in 0..5_000u64 {
            let ahead = [0, draw(4), draw(NEAR_MS), NEAR_MS - 1, NEAR_MS, draw(5 * NEAR_MS)];
            let at_ms = now_ms + ahead[index(draw(6))];
            let node = index(draw(3));
            queue.push(at_ms, node, (at_ms, node, number));
            list.push((at_ms, node, number));
            if draw(3) > 0 {
                list.sort_unstable();
                let next = list.remove(0);
                assert_eq!(queue.next_due(), Some((next.0, next.1)));
                assert_eq!(queue.pop_due(next.0, next.1 + 3), None);
                assert_eq!(pop(&mut queue), Some(next));
                now_ms = next.0;
            }
        }
        list.sort_unstable();
        assert_eq!(std::iter::from_fn(|| pop(&mut queue)).collect::<Vec<_>>(), list);
    }
}
