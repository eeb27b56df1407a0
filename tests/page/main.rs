//! The node's page in a headless Chromium: against canned answers, and against nodes as an operator
//! runs them. Assertions are on the document; with `QUINTET_SCREENSHOTS` set to a folder, pictures
//! are kept there to be looked at.

#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(dead_code, reason = "the support is shared")]

#[path = "../support/folder.rs"]
mod folder;
#[path = "../support/own_ip.rs"]
mod own_ip;
#[path = "../launchers/process.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod browser;
mod canned;
mod live;
mod mock;
mod scenes;
