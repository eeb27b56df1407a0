//! The slots that may be justified.

use libtest_mimic::Failed;
use quintet_systems::transition::is_justifiable_after;
use serde_json::Value;

use crate::vectors::{at, field, same};

pub fn run(case: &Value) -> Result<(), Failed> {
    let slot: u64 = field(case, "slot")?;
    let finalized_slot: u64 = field(case, "finalizedSlot")?;
    let output = at(case, "output")?;
    same("delta", &(slot - finalized_slot), &field(output, "delta")?)?;
    same(
        "is justifiable",
        &is_justifiable_after(slot, finalized_slot),
        &field(output, "isJustifiable")?,
    )
}
