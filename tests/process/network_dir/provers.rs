//! Provers as processes of their own.

use std::fs;

use quintet::network_dir::CONFIG;

use super::commands::{quintet, succeeds};
use crate::folder::Folder;

/// A prover of this system, as a command.
fn serve(system: &str) -> String {
    format!("{} prover serve --system {system}", env!("CARGO_BIN_EXE_quintet"))
}

#[test]
fn the_embedded_systems_keep_the_contract_as_processes() {
    let folder = Folder::new("provers");
    for (system, signatures) in [("multisig", "4"), ("stark", "600")] {
        let check =
            ["prover", "check", "--xmss", "test", "--signatures", signatures, &serve(system)];
        let said = succeeds(&folder, &check);
        assert!(said.starts_with(&format!("{system}: ")), "{said}");
        let kept = said.lines().filter(|line| line.starts_with("ok ")).count();
        assert!(kept > 20 && !said.contains("FAILED"), "{said}");
    }
}

#[test]
fn what_is_no_prover_is_refused() {
    let folder = Folder::new("no-provers");
    for (command, reason) in [
        ("/bin/echo hello to all of you", "a frame of"),
        ("/bin/false", "the prover ended"),
        ("/no/such/file", "No such file"),
        (&serve("nope"), "the prover ended"),
    ] {
        let output = quintet(&folder, &["prover", "check", command]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{command}");
        assert!(text.contains("is no prover: ") && text.contains(reason), "{command}: {text}");
    }
    let asked = format!("exec:{}", "/no/such/file");
    let output = quintet(&folder, &["genesis", "--out", "net", "--proof-system", &asked]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no prover"), "{output:?}");
    assert!(!folder.join("net").exists());
}

/// The author of a network's files cannot start commands on the machines of those who join the
/// network.
#[test]
fn a_command_in_a_networks_files_is_not_run() {
    let folder = Folder::new("command-in-files");
    succeeds(&folder, &["genesis", "--xmss", "test", "--seed", "3", "--out", "net"]);
    let config = folder.join("net").join(CONFIG);
    let text = fs::read_to_string(&config).expect("it was made");
    let named = text.replacen("GENESIS_TIME", "PROOF_SYSTEM: \"exec:touch ran\"\nGENESIS_TIME", 1);
    fs::write(&config, named).expect("it is writable");
    let output = quintet(&folder, &["node", "--network-dir", "net", "--data-dir", "data"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("PROOF_SYSTEM in config.yaml names a command"), "{text}");
    assert!(!folder.join("ran").exists());
}
