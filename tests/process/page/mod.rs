//! The node's page in a headless Chromium: against canned answers, and against nodes as an operator
//! runs them. Assertions are on the document; with `QUINTET_SCREENSHOTS` set to a folder, pictures
//! are kept there to be looked at.

mod browser;
mod canned;
mod live;
mod mock;
mod scenes;
mod simulation;
