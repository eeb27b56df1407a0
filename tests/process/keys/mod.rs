//! Keys: nothing is signed twice, whatever happens to the process, its disk and its operator; and
//! keys are loaded from whatever file they are in, checked, and kept ready.

mod support;

mod commands;
mod concurrent;
mod crash;
mod fault;
mod files;
mod floor;
mod history;
mod kill;
mod lock;
mod place;
mod repeat;
mod restore;
mod window;
