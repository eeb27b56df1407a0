//! Aggregation proof systems: public keys, messages, signatures and proofs as bytes.
//!
//! [`ProofSystem`] is the contract; its documentation says what a caller may rely on and what a
//! system has to keep. [`Multisig`] and [`Hybrid`] are the embedded systems, and [`envelope`] describes
//! the bytes around their proofs. [`Exec`] runs a system in a separate process. [`by_name`] chooses an embedded system at run time; [`ProofSystems`] also takes
//! custom systems.
//!
//! # Contract
//!
#![doc = include_str!("contract.md")]

pub mod check;
mod contract;
pub mod envelope;
mod exec;
mod fault;
mod hybrid;
mod multisig;
mod registry;

pub use contract::{
    CancelToken, Child, MAX_PROOF_BYTES, MAX_SIGNERS, MergePart, ProofSystem, ProveError,
    RawSignature, Statement, VerifyError,
};
pub use exec::{Exec, ExecError, ExecLimits, serve};
pub use hybrid::{Engine, Hybrid, NoProof};
pub use multisig::{Multisig, Refused, SignatureCheck, SignedItem};
pub use quintet_stark::{Workers, stand_back};
pub use registry::{Constructor, NoProofSystem, ProofSystems, UnknownProofSystem, by_name};
