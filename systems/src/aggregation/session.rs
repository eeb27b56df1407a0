//! Aggregation sessions: an entity a session, a task a vote, results committed together.

use std::sync::Arc;

use bevy_ecs::prelude::*;
use quintet_components::{
    chain::{IsAggregator, Registry},
    clock::CurrentInterval,
    containers::{SignedAggregatedAttestation, SingleMessageAggregate, Slot},
    messages::AggregateProduced,
    task::{Tasks, Work},
    votes::{New, Phase, Signed, Vote},
};
use quintet_prover::{CancelToken, ProveError};

use super::job::{AggregationJob, Evidence};
use crate::{fork_choice::pool, verification::Proofs};

/// One round of aggregation. Its identity is its entity: a slot may see two.
#[derive(Component, Debug)]
#[component(immutable)]
pub struct AggregationSession {
    /// The slot whose interval 2 opened it.
    pub slot: Slot,
    /// The new payloads and signatures that it took as inputs, which its results replace.
    inputs: Vec<Entity>,
}

/// One proof of a session under way. Despawning it cancels the work.
#[derive(Component, Debug)]
struct SessionJob {
    job: Arc<AggregationJob>,
    work: Work<Result<SingleMessageAggregate, ProveError>>,
    outcome: Option<Option<SingleMessageAggregate>>,
}

/// The session that a job belongs to.
#[derive(Component, Clone, Copy, Debug)]
#[relationship(relationship_target = SessionJobs)]
pub struct JobOf(pub Entity);

/// The jobs of a session, in the order in which their results are committed.
#[derive(Component, Debug)]
#[relationship_target(relationship = JobOf, linked_spawn)]
pub struct SessionJobs(Vec<Entity>);

/// Interval 2: opens a session over the slot's evidence, when this node aggregates.
pub fn open_session(world: &mut World) {
    if !world.resource::<IsAggregator>().0 {
        return;
    }
    let slot = world.resource::<CurrentInterval>().slot();
    let (evidence, inputs) = snapshot(world);
    let jobs: Vec<Arc<AggregationJob>> =
        evidence.iter().filter_map(AggregationJob::plan).map(Arc::new).collect();
    let session = world.spawn(AggregationSession { slot, inputs }).id();
    for job in jobs {
        let (registry, proofs) =
            (world.resource::<Registry>().clone(), world.resource::<Proofs>().clone());
        let input = Arc::clone(&job);
        let work = world.resource::<Tasks>().spawn(move |cancel| {
            let token = CancelToken::from(cancel.flag());
            input.run(&registry, &*proofs.0, &token)
        });
        world.spawn((SessionJob { job, work, outcome: None }, JobOf(session)));
    }
}

/// The evidence for every vote with something fresh, in pool order: new payloads first, then
/// votes that only have signatures.
fn snapshot(world: &World) -> (Vec<Evidence>, Vec<Entity>) {
    let mut votes = pool::members::<New>(world);
    for vote in pool::members::<Signed>(world) {
        if !votes.contains(&vote) {
            votes.push(vote);
        }
    }
    let mut inputs = Vec::new();
    let evidence = votes.into_iter().map(|vote| {
        let Vote { data, root } = *world.get::<Vote>(vote).expect("a pool holds votes");
        let mut taken = |entity: Entity| inputs.push(entity);
        let new = pool::payloads(world, vote, Phase::New).map(|(entity, payload)| {
            taken(entity);
            Arc::clone(payload)
        });
        let new = new.collect();
        let known = pool::payloads(world, vote, Phase::Known).map(|(_, each)| Arc::clone(each));
        let signatures = pool::signatures(world, vote).map(|(entity, each)| {
            taken(entity);
            (each.validator_index, each.signature.clone())
        });
        Evidence { data, root, new, known: known.collect(), signatures: signatures.collect() }
    });
    (evidence.collect(), inputs)
}

/// Takes the outcomes of finished jobs, and commits every session whose jobs have all ended.
pub fn collect_sessions(world: &mut World) {
    let mut jobs = world.query::<&mut SessionJob>();
    for mut job in jobs.iter_mut(world) {
        if job.outcome.is_none()
            && let Some(outcome) = job.work.take()
        {
            job.outcome = Some(match outcome {
                Ok(Ok(proof)) => Some(proof),
                Ok(Err(error)) => {
                    tracing::warn!(slot = job.job.data.slot, %error, "no aggregate");
                    None
                }
                Err(panic) => {
                    tracing::error!(slot = job.job.data.slot, %panic, "the prover panicked");
                    None
                }
            });
        }
    }
    let mut sessions = world.query::<(Entity, &AggregationSession, Option<&SessionJobs>)>();
    let ended: Vec<Entity> = sessions
        .iter(world)
        .filter(|(_, _, jobs)| {
            jobs.is_none_or(|jobs| {
                jobs.iter()
                    .all(|job| world.get::<SessionJob>(job).is_none_or(|job| job.outcome.is_some()))
            })
        })
        .map(|(session, ..)| session)
        .collect();
    for session in ended {
        commit_session(world, session);
    }
}

/// The results replace what went into them: the new payloads that the session saw, and the
/// signatures that its proofs absorbed. What arrived since stays, and so does what a failed proof
/// was to be made of.
fn commit_session(world: &mut World, session: Entity) {
    let jobs: Vec<Entity> =
        world.get::<SessionJobs>(session).map(|jobs| jobs.iter().collect()).unwrap_or_default();
    let mut results: Vec<(Arc<AggregationJob>, SingleMessageAggregate)> = Vec::new();
    let mut failed = Vec::new();
    for job in jobs {
        let Some(mut job) = world.get_mut::<SessionJob>(job) else { continue };
        match job.outcome.take().flatten() {
            Some(proof) => results.push((Arc::clone(&job.job), proof)),
            None => failed.push(job.job.data),
        }
    }
    let inputs = world
        .entity_mut(session)
        .take::<AggregationSession>()
        .map(|session| session.inputs)
        .unwrap_or_default();
    world.despawn(session);
    let proved: Vec<_> = results.iter().map(|(job, _)| job.data).collect();
    pool::drop_inputs(world, &inputs, &proved, &failed);
    for (job, proof) in results {
        pool::add_payload(world, &job.data, Arc::new(proof.clone()), Phase::New);
        world.write_message(AggregateProduced(Arc::new(SignedAggregatedAttestation {
            data: job.data,
            proof,
        })));
    }
}
