//! Hostile bytes, hostile JSON, hostile attestations and blocks: refused with a name, and nothing
//! moves.

mod attestations;
mod blocks;
mod bytes;
mod json;
mod samples;
mod world;
