//! The duties of own validators, with the clock turned by hand and a prover in virtual time.

mod missed;
mod proposer;
mod proposing;
mod records;
