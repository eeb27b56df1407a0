//! What happens in a Quintet node: pure functions over values, with a thin system beside each.

pub mod aggregation;
pub mod digest;
pub mod duties;
pub mod fork_choice;
pub mod production;
pub mod scheduler;
pub mod shutdown;
pub mod sync;
pub mod transition;
pub mod verification;
