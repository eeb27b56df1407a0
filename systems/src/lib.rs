//! The behaviour of a Quintet node: pure functions over values, and a thin system beside each.

pub mod admission;
pub mod aggregation;
pub mod digest;
pub mod duties;
pub mod fork_choice;
pub mod pool;
pub mod production;
pub mod proving;
pub mod sync;
pub mod transition;
pub mod verification;
