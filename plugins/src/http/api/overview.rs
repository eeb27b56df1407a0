//! An overview of the node: the data of its page.

use axum::{extract::State, response::Response};
use quintet_components::{
    clock::{CurrentInterval, IntervalRecord, SlotClock},
    constants::{INTERVALS_PER_SLOT, SECONDS_PER_SLOT},
    containers::{Slot, ValidatorIndex},
    duties::{DutyCounts, DutyOutcome, DutyRecord},
    prover::{ProverKind, ProverPhase, ProverStatus},
    schedule::Interval,
    snapshot::{JobView, SessionEnd, SessionView, Snapshot},
    sync::SyncState,
    warnings::Warning,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    super::{
        answer::json,
        error::{ApiError, ErrorBody},
        state::Api,
    },
    chain::CheckpointBody,
    node::PeerBody,
};

/// An overview of the node. Times are Unix milliseconds.
#[derive(Serialize, ToSchema)]
pub(super) struct Overview {
    node: NodeBody,
    clock: ClockBody,
    head: CheckpointBody,
    safe_target: CheckpointBody,
    justified: CheckpointBody,
    finalized: CheckpointBody,
    sync: SyncBody,
    /// The intervals of the newest slots, oldest first.
    slots: Vec<SlotBody>,
    /// Aggregation sessions and other proofs of the newest slots, oldest first.
    sessions: Vec<SessionBody>,
    peers: Vec<PeerBody>,
    duties: DutiesBody,
    /// Warnings for the operator.
    warnings: Vec<WarningBody>,
}

/// An active warning.
#[derive(Serialize, ToSchema)]
struct WarningBody {
    /// The kind of the warning.
    #[schema(example = "no_aggregator")]
    code: &'static str,
    /// A sentence that says what may be wrong, and what to do.
    text: String,
    since_slot: Slot,
}

impl From<&Warning> for WarningBody {
    fn from(warning: &Warning) -> Self {
        Self {
            code: warning.code.name(),
            text: warning.text.clone(),
            since_slot: warning.since_slot,
        }
    }
}

/// The node's identity and settings.
#[derive(Serialize, ToSchema)]
struct NodeBody {
    name: String,
    version: String,
    agent: String,
    proof_system: String,
    peer_id: Option<String>,
    start_time_ms: u64,
    /// Unix time of slot 0 in seconds.
    genesis_time: u64,
    validator_count: usize,
    is_aggregator: bool,
    committee_count: u64,
    /// The subnets whose attestations it receives as an aggregator.
    subnets: Vec<u64>,
    /// Its own validators.
    validators: Vec<ValidatorIndex>,
}

/// The interval that was walked last.
#[derive(Serialize, ToSchema)]
struct ClockBody {
    slot: Slot,
    interval: u8,
    /// The time at which the interval began.
    time_ms: u64,
    seconds_per_slot: u64,
}

/// The state of sync.
#[derive(Serialize, ToSchema)]
struct SyncBody {
    /// `idle`, `syncing` or `synced`.
    state: &'static str,
    head_slot: Slot,
    /// The highest head that a peer has, or the node's own.
    target_slot: Slot,
}

/// Duties since the node began.
#[derive(Serialize, ToSchema)]
struct DutiesBody {
    proposed: u64,
    attested: u64,
    aggregated: u64,
    missed: u64,
    /// The duties of the newest slots, in the order in which they ended; at most 1024.
    recent: Vec<DutyBody>,
}

/// The end of a duty.
#[derive(Serialize, ToSchema)]
struct DutyBody {
    slot: Slot,
    /// `propose`, `attest` or `aggregate`.
    duty: &'static str,
    /// The validator; null for a duty of the node itself.
    validator: Option<ValidatorIndex>,
    /// `done` or `missed`.
    outcome: &'static str,
    /// The reason it was missed.
    reason: Option<&'static str>,
    /// The time from the start of its interval until the duty ended.
    late_ms: u64,
}

/// A slot's intervals.
#[derive(Serialize, ToSchema)]
struct SlotBody {
    slot: Slot,
    intervals: Vec<IntervalBody>,
}

/// A record of one interval.
#[derive(Serialize, ToSchema)]
struct IntervalBody {
    interval: u8,
    /// The time from its start until it was walked.
    late_ms: u64,
    /// The time that its systems ran.
    ran_ms: f64,
    /// The systems that ran, in their order.
    systems: Vec<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
struct SessionBody {
    /// Its id; `slot-…` for proofs of a slot without a session.
    id: String,
    slot: Slot,
    opened_ms: u64,
    /// The time at which its proofs begin to be published.
    boundary_ms: u64,
    /// Until when it starts jobs.
    deadline_ms: u64,
    /// `open`, `published`, `late`, `cut`, `failed` or `empty`.
    outcome: &'static str,
    jobs: Vec<JobBody>,
}

/// A phase of a job of the prover.
#[derive(Serialize, ToSchema)]
struct PhaseBody {
    name: String,
    began_ms: u64,
}

/// A job of the prover.
#[derive(Serialize, ToSchema)]
struct JobBody {
    /// `proposal`, `aggregation` or `reaggregation`.
    kind: &'static str,
    asked_ms: u64,
    started_ms: Option<u64>,
    ended_ms: Option<u64>,
    /// `waiting`, `running`, `proved`, `late`, `failed` or `given_up`.
    status: &'static str,
    /// The phase of a running job, if its proof system reports phases.
    phase: Option<String>,
    /// The phases of the job that have begun, in order.
    phases: Vec<PhaseBody>,
    /// The number of signatures among its inputs.
    signatures: u32,
    /// The number of proofs among its inputs.
    children: u32,
    /// The attestation subnet of the signers, if they have the same one.
    subnet: Option<u64>,
}

impl From<&Snapshot> for DutiesBody {
    fn from(snapshot: &Snapshot) -> Self {
        let DutyCounts { proposed, attested, aggregated, missed, .. } = snapshot.duties;
        let recent = snapshot.page.duties.iter().map(DutyBody::from).collect();
        Self { proposed, attested, aggregated, missed, recent }
    }
}

impl From<&DutyRecord> for DutyBody {
    fn from(record: &DutyRecord) -> Self {
        let (outcome, reason) = match record.outcome {
            DutyOutcome::Done => ("done", None),
            DutyOutcome::Missed(reason) => ("missed", Some(reason.name())),
        };
        Self {
            slot: record.slot,
            duty: record.duty.name(),
            validator: record.validator,
            outcome,
            reason,
            late_ms: record.late_ms,
        }
    }
}

fn slots(intervals: &[IntervalRecord]) -> Vec<SlotBody> {
    let slot = |record: &IntervalRecord| record.count / INTERVALS_PER_SLOT;
    intervals
        .chunk_by(|a, b| slot(a) == slot(b))
        .map(|chunk| SlotBody {
            slot: slot(&chunk[0]),
            intervals: chunk.iter().map(IntervalBody::from).collect(),
        })
        .collect()
}

impl From<&IntervalRecord> for IntervalBody {
    fn from(record: &IntervalRecord) -> Self {
        Self {
            interval: Interval::of(record.count) as u8,
            late_ms: record.late_ms,
            ran_ms: record.ran.as_secs_f64() * 1000.0,
            systems: record.systems.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<&SessionView> for SessionBody {
    fn from(session: &SessionView) -> Self {
        Self {
            id: session
                .session
                .map_or_else(|| format!("slot-{}", session.slot), |entity| entity.to_string()),
            slot: session.slot,
            opened_ms: session.opened_ms,
            boundary_ms: session.boundary_ms,
            deadline_ms: session.deadline_ms,
            outcome: match session.outcome {
                SessionEnd::Open => "open",
                SessionEnd::Published => "published",
                SessionEnd::Late => "late",
                SessionEnd::Cut => "cut",
                SessionEnd::Failed => "failed",
                SessionEnd::Empty => "empty",
            },
            jobs: session.jobs.iter().map(|job| job_body(session, job)).collect(),
        }
    }
}

fn job_body(session: &SessionView, job: &JobView) -> JobBody {
    let kind = job.job.kind;
    JobBody {
        kind: match kind {
            ProverKind::Proposal => "proposal",
            ProverKind::Aggregation => "aggregation",
            ProverKind::Reaggregation => "reaggregation",
        },
        asked_ms: job.times.queued_ms,
        started_ms: job.times.started_ms,
        ended_ms: job.times.finished_ms,
        status: match job.status {
            ProverStatus::Queued => "waiting",
            ProverStatus::Running => "running",
            ProverStatus::Proved { .. }
                if kind == ProverKind::Aggregation && session.is_late(job) =>
            {
                "late"
            }
            ProverStatus::Proved { .. } => "proved",
            ProverStatus::Failed(_) | ProverStatus::Panicked => "failed",
            ProverStatus::Cancelled | ProverStatus::Abandoned => "given_up",
        },
        phase: (job.phases.last())
            .filter(|_| job.status == ProverStatus::Running)
            .map(|phase| phase.name.to_string()),
        phases: job.phases.iter().map(PhaseBody::from).collect(),
        signatures: job.job.signatures,
        children: job.job.children,
        subnet: job.job.subnet,
    }
}

impl From<&ProverPhase> for PhaseBody {
    fn from(phase: &ProverPhase) -> Self {
        Self { name: phase.name.to_string(), began_ms: phase.began_ms }
    }
}

fn clock(genesis_time: u64, time: CurrentInterval) -> ClockBody {
    let clock = SlotClock::new(genesis_time);
    ClockBody {
        slot: time.slot(),
        interval: time.interval() as u8,
        time_ms: clock.interval_start_ms(time.count),
        seconds_per_slot: SECONDS_PER_SLOT,
    }
}

impl Overview {
    fn of(api: &Api, snapshot: &Snapshot) -> Self {
        let (node, facts) = (&api.node, &snapshot.facts);
        Self {
            node: NodeBody {
                name: node.name.clone(),
                version: node.version.clone(),
                agent: node.agent.clone(),
                proof_system: node.proof_system.clone(),
                peer_id: node.peer_id.clone(),
                start_time_ms: node.start_time_ms,
                genesis_time: snapshot.genesis_time,
                validator_count: snapshot.validator_count,
                is_aggregator: snapshot.is_aggregator,
                committee_count: snapshot.committee_count,
                subnets: snapshot.subnets.to_vec(),
                validators: node.validators.clone(),
            },
            clock: clock(snapshot.genesis_time, snapshot.time),
            head: facts.head.into(),
            safe_target: facts.safe_target.into(),
            justified: facts.justified.into(),
            finalized: facts.finalized.into(),
            sync: SyncBody {
                state: match snapshot.sync.state {
                    SyncState::Idle => "idle",
                    SyncState::Syncing => "syncing",
                    SyncState::Synced => "synced",
                },
                head_slot: facts.head.slot,
                target_slot: snapshot.sync.target_slot,
            },
            slots: slots(&snapshot.page.intervals),
            sessions: snapshot.page.sessions.iter().map(SessionBody::from).collect(),
            peers: snapshot.peers.iter().map(PeerBody::from).collect(),
            duties: snapshot.into(),
            warnings: snapshot.page.warnings.iter().map(WarningBody::from).collect(),
        }
    }
}

/// An overview of the node: the data of its page.
#[utoipa::path(get, path = "/quintet/v0/overview", tag = "node",
    responses((status = OK, body = Overview), (status = 503, body = ErrorBody)))]
pub(super) async fn overview(State(api): State<Api>) -> Result<Response, ApiError> {
    Ok(json(&Overview::of(&api, &*api.snapshot()?)))
}
