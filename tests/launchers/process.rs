//! A network's files, free ports, and a process that serves HTTP.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::http::{self, Answer};

/// For a node to start and answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// A file below `assets`.
pub fn asset(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(path)
}

/// The binary under test.
pub const QUINTET: &str = env!("CARGO_BIN_EXE_quintet");

/// Makes a network of two nodes with a validator each.
pub fn network(folder: &Path) {
    let made = Command::new(QUINTET)
        .args(["genesis", "--nodes", "2", "--xmss", "test", "--genesis-delay", "1", "--out"])
        .arg(folder)
        .args(["--base-port", "9401"])
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Ports that were free a moment ago.
pub struct Ports {
    pub quic: u16,
    pub api: u16,
    pub metrics: u16,
}

impl Ports {
    pub fn free() -> Self {
        let quic = UdpSocket::bind("127.0.0.1:0").expect("loopback has ports");
        let [api, metrics] =
            [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("loopback has ports"));
        Self {
            quic: quic.local_addr().expect("it is bound").port(),
            api: api.local_addr().expect("it is bound").port(),
            metrics: metrics.local_addr().expect("it is bound").port(),
        }
    }

    pub fn api(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.api).into()
    }

    pub fn metrics(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.metrics).into()
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

    /// The answer of the path, once there is one.
    pub fn wait(&mut self, address: SocketAddr, path: &str) -> Answer {
        let begin = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait().expect("it can be asked");
            assert!(
                ended.is_none() && begin.elapsed() < PATIENCE,
                "nothing listens on {address}, {ended:?}:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        http::get(address, path)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
