//! Hostile bytes, hostile JSON, hostile votes and blocks: refused with a name, and nothing moves.

mod blocks;
mod bytes;
mod json;
mod samples;
mod votes;
mod world;
