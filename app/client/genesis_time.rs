//! Genesis times that cannot be.

use std::time::Duration;

use quintet_components::{
    clock::in_words,
    constants::{HISTORICAL_ROOTS_LIMIT, SLOT_DURATION_MS},
};

/// The first number that is no Unix time in seconds: the year 5138.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;
/// Nobody starts a node longer before genesis.
const MOST_AHEAD: Duration = Duration::from_hours(365 * 24);

/// Checks the genesis time, in seconds, against the clock, in Unix milliseconds.
///
/// # Errors
/// If no node can run with it. The text says why, and what to change.
pub fn check(genesis_time: u64, now_ms: u64) -> Result<(), String> {
    let now = Duration::from_millis(now_ms);
    let genesis = Duration::from_secs(genesis_time);
    let slots = SLOT_DURATION_MS / 1000 * HISTORICAL_ROOTS_LIMIT as u64;
    if genesis_time == 0 {
        return Err("GENESIS_TIME is 0: set it to the Unix time of slot 0 in seconds".into());
    }
    if genesis_time >= FIRST_MILLISECONDS {
        let seconds = genesis_time / 1000;
        return Err(format!(
            "GENESIS_TIME is {genesis_time}, which looks like milliseconds: it is in seconds, and \
             so perhaps {seconds}"
        ));
    }
    if let Some(ahead) = genesis.checked_sub(now).filter(|ahead| *ahead > MOST_AHEAD) {
        return Err(format!(
            "GENESIS_TIME is {genesis_time}, {} ahead of this machine's clock, which is at {}: one \
             of the two is wrong",
            in_words(ahead),
            now.as_secs()
        ));
    }
    if let Some(since) = now.checked_sub(genesis).filter(|since| since.as_secs() > slots) {
        return Err(format!(
            "GENESIS_TIME is {genesis_time}, {} ago by this machine's clock: a chain has at most \
             {HISTORICAL_ROOTS_LIMIT} slots, {}, and this one is over; make a new network, or set \
             the clock",
            in_words(since),
            in_words(Duration::from_secs(slots))
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000;

    #[test]
    fn a_genesis_that_cannot_be_is_refused_with_the_reason() {
        let check = |genesis_time| check(genesis_time, NOW * 1000);
        for good in [NOW, NOW - 1, NOW + 86_400, NOW - 1_048_576, NOW + 365 * 86_400] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            (0, "GENESIS_TIME is 0"),
            (1, "at most 262144 slots, 12 d 3 h"),
            (NOW - 1_048_577, "12 d 3 h ago"),
            (NOW * 1000, "perhaps 1795000000"),
            (NOW + 366 * 86_400, "366 d 0 h ahead of this machine's clock"),
            (u64::MAX, "looks like milliseconds"),
        ] {
            let error = check(bad).expect_err(reason);
            assert!(error.contains(reason), "{error}");
        }
        // A machine without a hardware clock, before it has set its time.
        let error = super::check(NOW, 5_000).expect_err("it is 1970");
        assert!(error.contains("this machine's clock, which is at 5"), "{error}");
    }
}
