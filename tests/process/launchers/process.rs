//! A network's files, a place to listen, and a process that serves HTTP.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    own_ip::own_ip,
    support::http::{self, Answer},
};

/// For a node to start and answer.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A file below `assets`.
pub fn asset(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(path)
}

/// The binary under test.
pub const QUINTET: &str = env!("CARGO_BIN_EXE_quintet");

/// Makes a network of two nodes with a validator each, and says which address they have.
pub fn network(folder: &Path) -> Ipv4Addr {
    let ip = own_ip();
    let made = Command::new(QUINTET)
        .args(["genesis", "--nodes", "2", "--xmss", "test", "--genesis-delay", "1", "--out"])
        .arg(folder)
        .args(["--ip", &ip.to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    ip
}

/// An address of its own, with ports for a node.
pub struct Place {
    pub ip: Ipv4Addr,
    pub quic: u16,
    pub api: u16,
    pub metrics: u16,
}

impl Place {
    pub fn new() -> Self {
        Self { ip: own_ip(), quic: 9100, api: 5100, metrics: 8100 }
    }

    pub fn api(&self) -> SocketAddr {
        (self.ip, self.api).into()
    }

    pub fn metrics(&self) -> SocketAddr {
        (self.ip, self.metrics).into()
    }
}

/// A process with its log. It ends with its handle.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("the folder can be written");
        let output = file.try_clone().expect("it is open");
        let child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(file)
            .spawn()
            .expect("it starts");
        Self { child, log }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("it logs")
    }

    /// The answer of the path, once the node listens and has something to say.
    pub fn wait(&mut self, address: SocketAddr, path: &str) -> Answer {
        let begin = Instant::now();
        loop {
            if std::net::TcpStream::connect(address).is_ok() {
                let answer = http::get(address, path);
                if answer.status != 503 {
                    return answer;
                }
            }
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "{address} does not answer, {ended:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
