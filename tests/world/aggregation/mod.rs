//! Aggregation sessions and the prover's scheduler, with the clock turned by hand.

mod aggregator;
mod blocks;
mod deadline;
mod early;
mod flood;
mod identity;
mod model;
mod outcomes;
mod pools;
mod scheduler;
mod shutdown;
mod sizes;
