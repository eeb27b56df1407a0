//! What may come in: every block, attestation and aggregate passes the same steps, whatever brought
//! it, before it is held, verified or forwarded.

pub mod gossip;
mod validation;

pub use validation::validate_attestation;
