//! The slot grid.

use libtest_mimic::Failed;
use quintet_components::{
    clock::{SlotClock, first_interval},
    constants::{INTERVAL_DURATION_MS, INTERVALS_PER_SLOT, SECONDS_PER_SLOT},
};
use serde_json::Value;

use crate::vectors::{at, field, same};

pub fn run(case: &Value) -> Result<(), Failed> {
    let config = at(case, "config")?;
    same("seconds per slot", &SECONDS_PER_SLOT, &field(config, "secondsPerSlot")?)?;
    same("intervals per slot", &INTERVALS_PER_SLOT, &field(config, "intervalsPerSlot")?)?;
    same("interval", &INTERVAL_DURATION_MS, &field(config, "millisecondsPerInterval")?)?;

    let operation = at(case, "operation")?;
    let output = at(case, "output")?;
    let kind: String = field(operation, "kind")?;
    if kind == "from_slot" {
        let interval = first_interval(field(operation, "slot")?);
        return same("interval", &interval, &field(output, "interval")?);
    }
    let clock = SlotClock::new(field(operation, "genesisTime")?);
    let milliseconds =
        |name: &str| -> Result<u64, Failed> { whole(field::<f64>(operation, name)?) };
    match kind.as_str() {
        "from_unix_time" => {
            let now_ms = milliseconds("unixSeconds")? * 1000;
            same("interval", &clock.total_intervals(now_ms), &field(output, "interval")?)
        }
        "current_slot" => {
            let now_ms = milliseconds("currentTimeMilliseconds")?;
            same("slot", &clock.current_slot(now_ms), &field(output, "slot")?)
        }
        "current_interval" => {
            let now_ms = milliseconds("currentTimeMilliseconds")?;
            let interval = clock.current_interval(now_ms) as u64;
            same("interval", &interval, &field(output, "interval")?)
        }
        "total_intervals" => {
            let now_ms = milliseconds("currentTimeMilliseconds")?;
            same("intervals", &clock.total_intervals(now_ms), &field(output, "totalIntervals")?)
        }
        kind => Err(format!("unknown operation {kind}").into()),
    }
}

/// The vectors write whole numbers as floats.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
fn whole(number: f64) -> Result<u64, Failed> {
    if number.fract() == 0.0 && (0.0..9e15).contains(&number) {
        Ok(number as u64)
    } else {
        Err(format!("{number} is no whole number").into())
    }
}
