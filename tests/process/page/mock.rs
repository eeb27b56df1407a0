//! A server that answers as a node would, with a scene for a network.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::page::scenes::Scene;

struct Inner {
    scene: Scene,
    /// The time at which the scene was set; its clock goes on from there.
    since_ms: u64,
    /// True if it sends answers.
    reachable: bool,
    asked: u64,
    listeners: Vec<TcpStream>,
}

/// The server. Its thread is left behind when the test ends.
pub struct Mock {
    inner: Arc<Mutex<Inner>>,
    pub address: SocketAddr,
}

/// The page, put together as the node does.
fn document() -> String {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/page").join(name);
        std::fs::read_to_string(path).expect("a part of the page")
    };
    let link = "<link rel=\"stylesheet\" href=\"page.css\">";
    let mut page =
        read("index.html").replace(link, &format!("<style>{}</style>", read("page.css")));
    for name in ["elements.js", "model.js", "layout.js", "tree.js", "panels.js", "main.js"] {
        let link = format!("<script src=\"{name}\"></script>");
        page = page.replace(&link, &format!("<script>{}</script>", read(name)));
    }
    page
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("before the year 500 million")
}

impl Mock {
    pub fn start(scene: Scene) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let inner =
            Inner { scene, since_ms: now_ms(), reachable: true, asked: 0, listeners: Vec::new() };
        let inner = Arc::new(Mutex::new(inner));
        let shared = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || _ = serve(&stream, &shared));
            }
        });
        Self { inner, address }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no request panics")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Another scene from now on.
    pub fn show(&self, scene: Scene) {
        let mut inner = self.lock();
        inner.scene = scene;
        inner.since_ms = now_ms();
    }

    /// Sets whether it sends answers.
    pub fn set_reachable(&self, reachable: bool) {
        let mut inner = self.lock();
        inner.reachable = reachable;
        if !reachable {
            inner.listeners.clear();
        }
    }

    /// The number of requests for the overview.
    pub fn asked(&self) -> u64 {
        self.lock().asked
    }

    /// The number of clients of the event stream.
    pub fn listeners(&self) -> usize {
        self.lock().listeners.len()
    }

    /// Tells an event to all who listen.
    pub fn tell(&self, topic: &str) {
        self.lock()
            .listeners
            .retain_mut(|stream| write!(stream, "event: {topic}\ndata: {{}}\n\n").is_ok());
    }
}

fn serve(stream: &TcpStream, shared: &Mutex<Inner>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let mut stream = stream.try_clone()?;
    let mut inner = shared.lock().expect("no request panics");
    if !inner.reachable {
        return Ok(());
    }
    // The clock goes on: a slot later the scene has moved by a slot, finality too if it does.
    let passed = (now_ms() - inner.since_ms) / 4000;
    let mut scene = inner.scene;
    let follows = scene.slot - scene.finalized < 8;
    scene.slot += passed;
    scene.finalized += if follows { passed } else { 0 };
    let (media_type, body) = match path {
        "/" | "/lean/v0/fork_choice/ui" => ("text/html; charset=utf-8", document()),
        "/quintet/v0/overview" => {
            inner.asked += 1;
            ("application/json", scene.overview(now_ms()).to_string())
        }
        "/lean/v0/fork_choice" => ("application/json", scene.fork_choice().to_string()),
        path if path.starts_with("/lean/v0/events?topics=") => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: begin\n\n"
            )?;
            inner.listeners.push(stream);
            return Ok(());
        }
        _ => return write!(stream, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"),
    };
    drop(inner);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()?;
    // What the browser still sends is read, so that the answer is not lost to a reset.
    stream.set_read_timeout(Some(Duration::from_secs(2)))
}
