//! The scripts by which others start a node, with the real binary and the variables that the
//! launchers set; and the settings that reach HTTP.

mod hive;
mod http_settings;
mod lean_quickstart;
pub mod process;

use std::process::{Command, Stdio};

#[test]
fn the_scripts_are_clean() {
    let found = Command::new("shellcheck").arg("--version").stdout(Stdio::null()).status();
    if !found.is_ok_and(|status| status.success()) {
        let message = "shellcheck is not installed: the scripts are not checked";
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("{message}");
        return;
    }
    let output = Command::new("shellcheck")
        .args([process::asset("hive/quintet.sh"), process::asset("lean-quickstart/quintet-cmd.sh")])
        .output()
        .expect("shellcheck runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
