//! Keeps a prover process running.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use leansig::scheme::Scheme;

use super::{
    ExecLimits,
    facts::Facts,
    link::{Answer, Broken, Link},
    wire::Kind,
};
use crate::CancelToken;

/// The longest time for which no process is started.
const MAX_BACKOFF: Duration = Duration::from_secs(60);

/// Starts a process when it is needed, and again when it broke.
pub(super) struct Supervisor {
    command: Vec<String>,
    scheme: Scheme,
    limits: ExecLimits,
    stands_back: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    link: Option<Arc<Link>>,
    facts: Option<Facts>,
    /// Failures in a row.
    failures: u32,
    failed_at: Option<Instant>,
}

impl Supervisor {
    pub(super) fn new(
        command: Vec<String>,
        scheme: Scheme,
        limits: ExecLimits,
        stands_back: bool,
    ) -> Self {
        Self { command, scheme, limits, stands_back, state: Mutex::default() }
    }

    /// Starts the first process and returns what it says of itself.
    pub(super) fn begin(&self) -> Result<Facts, Broken> {
        self.link()?;
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.facts.clone().ok_or_else(|| Broken::Ended("it said nothing of itself".into()))
    }

    /// Asks the process, which is started if there is none.
    pub(super) fn call(
        &self,
        request: (Kind, Vec<u8>),
        cancel: Option<&CancelToken>,
        timeout: Duration,
    ) -> Result<Answer, Broken> {
        let link = self.link()?;
        let answer = link.call(request, cancel, timeout, self.limits.stop);
        match &answer {
            Ok(_) => self.note(&link, false),
            Err(Broken::TooLong(_)) => {}
            Err(_) => self.note(&link, true),
        }
        answer
    }

    fn link(&self) -> Result<Arc<Link>, Broken> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = state.link.as_ref().filter(|link| !link.is_broken()) {
            return Ok(Arc::clone(link));
        }
        if state.link.take().is_some() {
            // It ended between two requests.
            state.fail();
        }
        let pause = self.backoff(state.failures);
        if let Some(left) = state.failed_at.and_then(|at| pause.checked_sub(at.elapsed())) {
            let reason = format!("it failed {} times and is started in {left:?}", state.failures);
            return Err(Broken::Ended(reason));
        }
        let started = Link::start(&self.command, self.scheme, &self.limits, self.stands_back);
        let started = started.and_then(|(link, facts)| match &state.facts {
            Some(known) if *known != facts => {
                Err(Broken::Ended("it says other things of itself than before".into()))
            }
            _ => Ok((link, facts)),
        });
        match started {
            Ok((link, facts)) => {
                let link = Arc::new(link);
                state.facts = Some(facts);
                state.link = Some(Arc::clone(&link));
                Ok(link)
            }
            Err(broken) => {
                state.fail();
                Err(broken)
            }
        }
    }

    fn backoff(&self, failures: u32) -> Duration {
        let times = 1u32 << failures.saturating_sub(1).min(16);
        if failures == 0 { Duration::ZERO } else { (self.limits.backoff * times).min(MAX_BACKOFF) }
    }

    /// Notes how a request ended.
    fn note(&self, link: &Arc<Link>, failed: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = state.link.as_ref().is_some_and(|current| Arc::ptr_eq(current, link));
        if !failed && is_current {
            (state.failures, state.failed_at) = (0, None);
        } else if failed && is_current && link.is_broken() {
            state.link = None;
            state.fail();
        }
    }
}

impl State {
    fn fail(&mut self) {
        self.failures = self.failures.saturating_add(1);
        self.failed_at = Some(Instant::now());
    }
}
