//! Shutdown: the prover is asked to stop and waited for, with a timeout.

use std::time::{Duration, Instant};

use bevy_ecs::prelude::*;

use super::ProverLine;

/// The longest time that a stopping node waits for the prover.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinTimeout(pub Duration);

impl Default for JoinTimeout {
    fn default() -> Self {
        Self(Duration::from_secs(2))
    }
}

/// The time between two checks of the prover in the meantime.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Asks the prover to stop. Returns when it has stopped, or after the timeout. A proof that ignores
/// its token is abandoned, which is logged.
pub fn join_prover(mut line: ProverLine, timeout: Res<JoinTimeout>) {
    line.stop();
    let JoinTimeout(timeout) = *timeout;
    let began = Instant::now();
    loop {
        line.run();
        let left = line.running();
        if left == 0 {
            return;
        }
        if began.elapsed() >= timeout {
            tracing::error!(left, ?timeout, "proofs did not stop when asked; they are abandoned");
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
