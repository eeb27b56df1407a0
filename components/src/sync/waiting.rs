//! Votes and aggregates that name a block which is not known yet.

use std::collections::VecDeque;

use bevy_ecs::prelude::Resource;

use super::limits::{MAX_WAITING_AGGREGATES, MAX_WAITING_VOTES, WAIT_INTERVALS};
use crate::{
    containers::{AttestationData, Root},
    messages::{AggregateReceived, AttestationReceived, InputId, InputJudged, Verdict},
    rejection::Rejection,
};

#[derive(Debug)]
struct Waiting<T> {
    item: T,
    /// What it would have been judged.
    rejection: Rejection,
    /// The interval in which it is judged so after all.
    until: u64,
}

/// Votes and aggregates held until the blocks that they name are imported, in order of arrival.
/// While it is in the world, admission puts here what it would refuse for an unknown block.
#[derive(Resource, Debug, Default)]
pub struct WaitingAttestations {
    votes: VecDeque<Waiting<AttestationReceived>>,
    aggregates: VecDeque<Waiting<AggregateReceived>>,
    held: u64,
}

/// What the import of blocks has released.
#[derive(Debug, Default)]
pub struct Released {
    /// Votes, in order of arrival.
    pub votes: Vec<AttestationReceived>,
    /// Aggregates, in order of arrival.
    pub aggregates: Vec<AggregateReceived>,
}

impl WaitingAttestations {
    /// Holds a vote that arrived in this interval.
    ///
    /// # Errors
    /// The rejection, when there is no room.
    pub fn hold_attestation(
        &mut self,
        item: AttestationReceived,
        rejection: Rejection,
        now_intervals: u64,
    ) -> Result<(), Rejection> {
        if self.votes.len() >= MAX_WAITING_VOTES {
            return Err(rejection);
        }
        self.held += 1;
        self.votes.push_back(Waiting { item, rejection, until: now_intervals + WAIT_INTERVALS });
        Ok(())
    }

    /// Holds an aggregate that arrived in this interval.
    ///
    /// # Errors
    /// The rejection, when there is no room.
    pub fn hold_aggregate(
        &mut self,
        item: AggregateReceived,
        rejection: Rejection,
        now_intervals: u64,
    ) -> Result<(), Rejection> {
        if self.aggregates.len() >= MAX_WAITING_AGGREGATES {
            return Err(rejection);
        }
        self.held += 1;
        let until = now_intervals + WAIT_INTERVALS;
        self.aggregates.push_back(Waiting { item, rejection, until });
        Ok(())
    }

    /// Takes those whose blocks are all known.
    pub fn release(&mut self, is_known: impl Fn(&Root) -> bool) -> Released {
        let complete = |data: &AttestationData| {
            [data.head, data.target, data.source].iter().all(|each| is_known(&each.root))
        };
        let votes = take(&mut self.votes, |each| complete(&each.item.attestation.data));
        let aggregates = take(&mut self.aggregates, |each| complete(&each.item.aggregate.data));
        Released {
            votes: votes.into_iter().map(|each| each.item).collect(),
            aggregates: aggregates.into_iter().map(|each| each.item).collect(),
        }
    }

    /// Takes those that have waited long enough, with what they would have been judged.
    pub fn expire(&mut self, now_intervals: u64) -> Vec<InputJudged> {
        let votes = take(&mut self.votes, |each| each.until <= now_intervals);
        let votes = votes.into_iter().map(|each| judged(each.item.id, each.rejection));
        let aggregates = take(&mut self.aggregates, |each| each.until <= now_intervals);
        votes
            .chain(aggregates.into_iter().map(|each| judged(each.item.id, each.rejection)))
            .collect()
    }

    /// How many votes and aggregates wait.
    pub fn len(&self) -> usize {
        self.votes.len() + self.aggregates.len()
    }

    /// Returns true if none wait.
    pub fn is_empty(&self) -> bool {
        self.votes.is_empty() && self.aggregates.is_empty()
    }

    /// How many were held, ever.
    pub const fn held(&self) -> u64 {
        self.held
    }
}

const fn judged(id: InputId, rejection: Rejection) -> InputJudged {
    InputJudged { id, verdict: Verdict::Rejected(rejection) }
}

/// Takes those that are meant, and keeps the others in order.
fn take<T>(queue: &mut VecDeque<T>, is_meant: impl Fn(&T) -> bool) -> Vec<T> {
    if !queue.iter().any(&is_meant) {
        return Vec::new();
    }
    let (taken, kept): (VecDeque<T>, VecDeque<T>) =
        std::mem::take(queue).into_iter().partition(is_meant);
    *queue = kept;
    taken.into()
}
