//! Succinct proofs that XMSS signatures are valid.
//!
//! A proof says of one or several [`Claim`]s that each of their keys signed the claim's message at its
//! slot. It takes some hundred kilobytes, for a hundred signatures or a thousand. There is no setup:
//! all that verifying needs follows from the preset.
//!
//! [`Stark`] makes and checks proofs, and nothing else: what is carried raw, how proofs are bundled
//! and which bytes stand around them is the business of `quintet-prover`.
//!
//! `docs/proofs.md` says what is proved, how sure it is and what it costs.

mod challenger;
mod claims;
mod codec;
mod config;
mod error;
mod field;
mod poseidon;
mod size;
mod system;
mod tables;
mod watch;
mod witness;
mod workers;

#[cfg(test)]
mod tests;

pub use claims::{Claim, ClaimError};
pub use error::{ProveError, VerifyError};
pub use system::Stark;
pub use watch::{Phase, Watch};
pub use workers::{NICE, Workers, stand_back};

/// The number of this kind of proof: another version of the tables, another security or another
/// encoding has another number. 2 is `fri-blake3-100c`: the low-degree test FRI over BLAKE3, 100
/// conjectured bits.
pub const FORMAT: u8 = 2;
/// Claims of a proof at most.
pub const MAX_CLAIMS: usize = 64;
/// Signatures of a proof at most, over all of its claims.
pub const MAX_SIGNATURES: usize = 4096;
