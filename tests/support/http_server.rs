//! A small HTTP/1.1 server for tests: one answer a connection, well-behaved or not.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub manner: Manner,
}

/// The fault in sending an answer, if any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    #[default]
    Whole,
    /// The connection ends after so many bytes of the body.
    EndsAfter(usize),
    /// So many bytes come, and then nothing more.
    HangsAfter(usize),
    /// A byte comes each so many milliseconds.
    Trickles(u64),
    /// The body never ends; no length is told.
    Endless,
}

impl Answer {
    pub fn ssz(body: Vec<u8>) -> Self {
        Self::of(200, "application/octet-stream", body)
    }

    pub fn of(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type".into(), content_type.into())];
        Self { status, headers, body: body.into(), manner: Manner::Whole }
    }

    pub fn redirect(to: &str) -> Self {
        Self { status: 302, headers: vec![("location".into(), to.into())], ..Self::default() }
    }

    pub fn sent(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Path and query.
    pub path: String,
    /// Lines of the header.
    pub headers: Vec<String>,
}

/// Makes the server's answer to a request.
pub type Respond = dyn Fn(&Asked) -> Answer + Send + Sync;

/// Serves on loopback until it is dropped.
pub struct HttpServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HttpServer {
    pub fn start(respond: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
        let address = listener.local_addr().expect("it is bound");
        let (asked, stops) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let respond: Arc<Respond> = Arc::new(respond);
        let thread = std::thread::spawn({
            let (asked, stops) = (Arc::clone(&asked), Arc::clone(&stops));
            move || {
                for stream in listener.incoming().flatten() {
                    if stops.load(Ordering::Acquire) {
                        return;
                    }
                    let (respond, asked) = (Arc::clone(&respond), Arc::clone(&asked));
                    let stops = Arc::clone(&stops);
                    std::thread::spawn(move || _ = serve(stream, &*respond, &asked, &stops));
                }
            }
        });
        Self { address, asked, stops, thread: Some(thread) }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        // Has it look.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    stream: TcpStream,
    respond: &Respond,
    asked: &Mutex<Vec<Asked>>,
    stops: &AtomicBool,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let path = first.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut headers = Vec::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        headers.push(line);
    }
    let request = Asked { path, headers };
    let answer = respond(&request);
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    send(stream, &answer, stops)
}

fn send(mut stream: TcpStream, answer: &Answer, stops: &AtomicBool) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Answer\r\nconnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if answer.manner != Manner::Endless {
        head += &format!("content-length: {}\r\n", answer.body.len());
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let goes_on = || !stops.load(Ordering::Acquire);
    match answer.manner {
        Manner::Whole => stream.write_all(&answer.body)?,
        Manner::EndsAfter(bytes) => stream.write_all(&answer.body[..bytes])?,
        Manner::HangsAfter(bytes) => {
            stream.write_all(&answer.body[..bytes])?;
            while goes_on() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Manner::Trickles(ms) => {
            for byte in answer.body.iter().take_while(|_| goes_on()) {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_millis(ms));
            }
        }
        Manner::Endless => {
            while goes_on() {
                stream.write_all(&[0; 4096])?;
            }
        }
    }
    Ok(())
}
