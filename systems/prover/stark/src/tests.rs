//! Tests of the equations, which need more than the crate shows.

mod support;

mod binding;
mod bytes;
mod cells;
mod honest;
mod security;
mod witnesses;
