//! A test that needs a process of its own: this binary again, with one test and a folder to use.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const FOLDER: &str = "QUINTET_STORAGE_CHILD";

/// The folder that the parent chose; `None` in a usual run, where such a test has nothing to do.
pub fn folder() -> Option<PathBuf> {
    env::var_os(FOLDER).map(PathBuf::from)
}

/// Runs one test of this binary in a process of its own. Files of that process cannot grow past
/// `file_blocks` of 512 bytes, until it lifts the limit itself.
pub fn start(test: &str, folder: &Path, file_blocks: Option<u32>) -> Child {
    let exe = env::current_exe().expect("this test runs");
    // The signal would end the process where the write should fail.
    let limit = file_blocks
        .map_or(String::new(), |blocks| format!("trap '' XFSZ; ulimit -S -f {blocks}; "));
    Command::new("sh")
        .args(["-c", &format!("{limit}exec \"$0\" \"$@\"")])
        .arg(exe)
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test starts again")
}
