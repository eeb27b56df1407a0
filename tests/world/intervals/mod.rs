//! The interval walk, the lanes in front of it, and the runner around it.

mod exclusive;
mod lanes;
mod order;
mod runner;
mod walk;
