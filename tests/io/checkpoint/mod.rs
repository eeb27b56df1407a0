//! Checkpoint sync: nodes' APIs that answer well, badly or not at all, and the node that asks them.

mod agreement;
mod chain;
mod hostile;
mod node;
mod tls;
