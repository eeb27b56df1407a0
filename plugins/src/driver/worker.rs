//! The thread that owns the driver's worlds.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

use quintet_components::{
    hashing::hash_on_this_thread,
    messages::{IgnoreReason, Verdict},
    preset::SignaturePreset,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::scenario::{
    InitError, PostState, ReadError, Scenario, Step, Summary, TransitionRun, verify_signatures,
};

/// The number of requests that may wait; further callers wait before that.
const MAX_WAITING: usize = 16;

/// A request to the driver.
#[derive(Clone, Debug)]
pub enum Request {
    /// Begins a scenario in place of the current one. The body is JSON, here and below.
    Init(Vec<u8>),
    /// Runs a step of the scenario.
    Step(Vec<u8>),
    /// Returns the store of the scenario.
    Snapshot,
    /// Runs a case of the state transition.
    Transition(Vec<u8>),
    /// Checks the proof of a block.
    Signatures(Vec<u8>),
    /// Removes the scenario.
    Reset,
}

/// The reason there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The body is not JSON, or not of the expected form.
    #[error("{0}")]
    BadRequest(String),
    /// The anchor is refused.
    #[error("{0}")]
    Refused(String),
    /// A step without a scenario.
    #[error("there is no scenario: POST fork_choice/init begins one")]
    NoScenario,
    /// The driver failed. The scenario is gone.
    #[error("the test driver failed: {0}")]
    Failed(String),
}

impl From<ReadError> for DriverError {
    fn from(error: ReadError) -> Self {
        Self::BadRequest(error.0)
    }
}

impl From<InitError> for DriverError {
    fn from(error: InitError) -> Self {
        match error {
            InitError::Read(error) => error.into(),
            InitError::Rejected(rejection) => Self::Refused(rejection.to_string()),
        }
    }
}

/// A JSON text, or nothing.
pub type Answer = Result<Option<String>, DriverError>;

/// The driver. Its thread ends with the last clone.
#[derive(Clone, Debug)]
pub struct Driver(mpsc::Sender<(Request, oneshot::Sender<Answer>)>);

impl Driver {
    /// Starts the thread. Signatures are of this preset if a case names no other.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(preset: SignaturePreset) -> io::Result<Self> {
        let (sender, mut receiver) =
            mpsc::channel::<(Request, oneshot::Sender<Answer>)>(MAX_WAITING);
        thread::Builder::new().name("test-driver".into()).spawn(move || {
            hash_on_this_thread();
            let mut desk = Desk { preset, scenario: None };
            while let Some((request, reply)) = receiver.blocking_recv() {
                // The caller may be gone.
                let _ = reply.send(desk.answer(request));
            }
        })?;
        Ok(Self(sender))
    }

    /// Sends a request and waits for the answer. Requests are answered one after another.
    ///
    /// # Errors
    /// See [`DriverError`].
    pub async fn ask(&self, request: Request) -> Answer {
        let gone = |_| DriverError::Failed("its thread has ended".into());
        let (reply, answer) = oneshot::channel();
        self.0.send((request, reply)).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }
}

/// The state of the thread.
struct Desk {
    preset: SignaturePreset,
    scenario: Option<Scenario>,
}

#[derive(Serialize)]
struct StepAnswer {
    accepted: bool,
    error: Option<String>,
    snapshot: Summary,
}

#[derive(Serialize)]
struct TransitionAnswer {
    succeeded: bool,
    error: Option<String>,
    post: Option<PostState>,
}

#[derive(Serialize)]
struct SignaturesAnswer {
    succeeded: bool,
    error: Option<String>,
}

impl Desk {
    /// A panic ends the scenario but not the driver.
    fn answer(&mut self, request: Request) -> Answer {
        catch_unwind(AssertUnwindSafe(|| self.serve(request))).unwrap_or_else(|panic| {
            self.scenario = None;
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(DriverError::Failed(text.unwrap_or("a panic").to_owned()))
        })
    }

    fn serve(&mut self, request: Request) -> Answer {
        match request {
            Request::Init(body) => {
                self.scenario = None;
                self.scenario = Some(Scenario::begin(&parse(&body)?, self.preset)?);
                Ok(None)
            }
            Request::Step(body) => {
                let step = Step::read(&parse(&body)?)?;
                let scenario = self.scenario.as_mut().ok_or(DriverError::NoScenario)?;
                let error = match scenario.run(step)? {
                    Verdict::Accepted | Verdict::Ignored(IgnoreReason::KnownBlock) => None,
                    Verdict::Ignored(why) => Some(format!("ignored: {why}")),
                    Verdict::Rejected(rejection) => Some(rejection.to_string()),
                };
                write(&StepAnswer {
                    accepted: error.is_none(),
                    error,
                    snapshot: scenario.summary(),
                })
            }
            Request::Snapshot => {
                write(&self.scenario.as_ref().ok_or(DriverError::NoScenario)?.summary())
            }
            Request::Transition(body) => {
                let outcome = TransitionRun::read(&parse(&body)?)?.run();
                let post = outcome.as_ref().ok().map(PostState::from);
                let error = outcome.err().map(|rejection| rejection.to_string());
                write(&TransitionAnswer { succeeded: error.is_none(), error, post })
            }
            Request::Signatures(body) => {
                let outcome = verify_signatures(&parse(&body)?, self.preset)?;
                let error = outcome.err().map(|rejection| rejection.to_string());
                write(&SignaturesAnswer { succeeded: error.is_none(), error })
            }
            Request::Reset => {
                self.scenario = None;
                Ok(None)
            }
        }
    }
}

fn parse(body: &[u8]) -> Result<Value, DriverError> {
    serde_json::from_slice(body)
        .map_err(|error| DriverError::BadRequest(format!("the body is not JSON: {error}")))
}

fn write(answer: &impl Serialize) -> Answer {
    serde_json::to_string(answer).map(Some).map_err(|error| DriverError::Failed(error.to_string()))
}
