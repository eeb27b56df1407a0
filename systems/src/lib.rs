//! What happens in a Quintet node: pure functions over values, with a thin system beside each.

pub mod transition;
