//! The HTTP servers: what they answer, and what they refuse.

mod admin;
mod bad_input;
mod document;
mod events;
mod paths;
