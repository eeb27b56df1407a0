//! The data of the node's page besides the chain: sessions, jobs of the prover, intervals, duties.

use std::collections::VecDeque;

use bevy_ecs::{prelude::*, system::SystemParam};
use quintet_components::{
    aggregation::{AggregationConfig, AggregationSession, SessionEnded},
    clock::{CurrentInterval, Deadline, IntervalLog, SlotClock, first_interval},
    containers::Slot,
    duties::RecentDuties,
    prover::{ProverJob, ProverKind, ProverPhases, ProverStatus, ProverTimes},
    snapshot::{JobView, PageView, SessionEnd, SessionView},
    warnings::Warnings,
};

/// The number of slots shown.
const SHOWN_SLOTS: u64 = 16;
/// The largest number of sessions shown; the oldest are left out.
const MAX_SESSIONS: usize = 64;
/// The largest number of jobs shown; the oldest are left out.
const MAX_JOBS: usize = 512;

/// The newest sessions, oldest first.
#[derive(Resource, Debug, Default)]
pub(crate) struct Sessions(VecDeque<SessionRecord>);

#[derive(Clone, Copy, Debug)]
struct SessionRecord {
    session: Entity,
    slot: Slot,
    opened_ms: u64,
    deadline_ms: Option<u64>,
    is_over: bool,
}

/// Records sessions that open and end, because their entities are despawned.
pub(super) fn follow_sessions(
    open: Query<(Entity, &AggregationSession, Option<&Deadline>)>,
    mut ended: MessageReader<SessionEnded>,
    mut sessions: ResMut<Sessions>,
) {
    // Change detection is bypassed, so that reading does not count as a change.
    let records = &mut sessions.bypass_change_detection().0;
    for record in records.iter_mut().filter(|record| !record.is_over) {
        match open.get(record.session) {
            Ok((_, _, deadline)) => {
                record.deadline_ms = deadline.map(|deadline| deadline.at_ms).or(record.deadline_ms);
            }
            Err(_) => record.is_over = true,
        }
    }
    let opened = open.iter().map(|(session, opened, deadline)| SessionRecord {
        session,
        slot: opened.slot,
        opened_ms: opened.opened_ms,
        deadline_ms: deadline.map(|deadline| deadline.at_ms),
        is_over: false,
    });
    // A session that opened and ended in this update is only seen here.
    let ended = ended.read().map(|ended| SessionRecord {
        session: ended.session,
        slot: ended.slot,
        opened_ms: ended.opened_ms,
        deadline_ms: None,
        is_over: true,
    });
    for record in ended.chain(opened) {
        if !records.iter().rev().any(|known| known.session == record.session) {
            if records.len() == MAX_SESSIONS {
                records.pop_front();
            }
            records.push_back(record);
        }
    }
}

/// The data of the page's view.
#[derive(SystemParam)]
pub(super) struct PageShown<'w, 's> {
    time: Res<'w, CurrentInterval>,
    clock: Res<'w, SlotClock>,
    config: Option<Res<'w, AggregationConfig>>,
    sessions: Res<'w, Sessions>,
    jobs: Query<
        'w,
        's,
        (&'static ProverJob, &'static ProverTimes, &'static ProverStatus, &'static ProverPhases),
    >,
    intervals: Option<Res<'w, IntervalLog>>,
    duties: Option<Res<'w, RecentDuties>>,
    warnings: Option<Res<'w, Warnings>>,
}

impl PageShown<'_, '_> {
    /// The current view.
    pub(super) fn view(&self) -> PageView {
        let oldest = (self.time.slot() + 1).saturating_sub(SHOWN_SLOTS);
        let mut jobs: Vec<JobView> = self
            .jobs
            .iter()
            .filter(|(job, ..)| job.slot >= oldest)
            .map(|(job, times, status, phases)| JobView {
                job: *job,
                times: *times,
                status: status.clone(),
                phases: phases.0.clone(),
            })
            .collect();
        jobs.sort_unstable_by_key(|job| job.times.number);
        jobs.drain(..jobs.len().saturating_sub(MAX_JOBS));
        let mut sessions: Vec<SessionView> = (self.sessions.0.iter())
            .filter(|record| record.slot >= oldest)
            .map(|record| self.session(record))
            .collect();
        for job in jobs {
            let place = sessions.iter().rposition(|session| {
                // A slot may have had two sessions: an aggregate belongs to the one that was open.
                session.slot == job.job.slot
                    && (job.job.kind != ProverKind::Aggregation
                        || session.opened_ms <= job.times.queued_ms)
            });
            match place {
                Some(place) => sessions[place].jobs.push(job),
                None => sessions.push(self.without_session(job)),
            }
        }
        for session in &mut sessions {
            session.outcome = outcome(session);
        }
        sessions.sort_by_key(|session| (session.slot, session.opened_ms));
        PageView {
            intervals: self.intervals.iter().flat_map(|log| log.iter().cloned()).collect(),
            sessions,
            duties: self.duties.iter().flat_map(|recent| recent.iter().copied()).collect(),
            warnings: self.warnings.iter().flat_map(|warnings| warnings.iter().cloned()).collect(),
        }
    }

    /// An entry for the jobs of a slot that had no session.
    fn without_session(&self, job: JobView) -> SessionView {
        let (slot, opened_ms) = (job.job.slot, job.times.queued_ms);
        let boundary_ms = self.clock.interval_start_ms(first_interval(slot) + 2);
        SessionView {
            session: None,
            slot,
            opened_ms,
            boundary_ms,
            deadline_ms: boundary_ms + self.config.as_ref().map_or(0, |config| config.deadline_ms),
            outcome: SessionEnd::Empty,
            jobs: vec![job],
        }
    }

    fn session(&self, record: &SessionRecord) -> SessionView {
        let boundary_ms = self.clock.interval_start_ms(first_interval(record.slot) + 2);
        let deadline_ms = self.config.as_ref().map_or(0, |config| config.deadline_ms);
        SessionView {
            session: Some(record.session),
            slot: record.slot,
            opened_ms: record.opened_ms,
            boundary_ms,
            deadline_ms: record
                .deadline_ms
                .unwrap_or_else(|| boundary_ms.max(record.opened_ms).saturating_add(deadline_ms)),
            outcome: if record.is_over { SessionEnd::Empty } else { SessionEnd::Open },
            jobs: Vec::new(),
        }
    }
}

/// The way in which a session ended, from its own jobs. A session that has not ended is open.
fn outcome(session: &SessionView) -> SessionEnd {
    let own = || session.jobs.iter().filter(|job| job.job.kind == ProverKind::Aggregation);
    if session.outcome == SessionEnd::Open || own().next().is_none() {
        return session.outcome;
    }
    let any = |is: fn(&ProverStatus) -> bool| own().any(|job| is(&job.status));
    if any(|status| matches!(status, ProverStatus::Failed(_) | ProverStatus::Panicked)) {
        SessionEnd::Failed
    } else if any(|status| !matches!(status, ProverStatus::Proved { .. })) {
        SessionEnd::Cut
    } else if own().any(|job| session.is_late(job)) {
        SessionEnd::Late
    } else {
        SessionEnd::Published
    }
}
