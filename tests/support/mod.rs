//! Support that the tests share: a node without clock and network, placeholder proofs, a chain to
//! grow, tasks that end out of order, and a prover in virtual time.

#![allow(dead_code, reason = "every test binary uses its own part")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

pub mod chain;
pub mod child;
pub mod folder;
pub mod heavy;
pub mod http;
pub mod http_server;
pub mod mocked;
pub mod networked;
pub mod node;
pub mod own_ip;
pub mod prover;
pub mod scrambled;
pub mod scrape;
pub mod temp_dir;
