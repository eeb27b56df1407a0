//! A headless Chromium, driven through chromedriver by the `WebDriver` protocol.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::folder::Folder;

/// For what a page does at once, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
const ARGUMENTS: [&str; 13] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-proxy-server",
    "--force-device-scale-factor=1",
];

/// Returns true if the tests have a browser. Without one they are skipped, except in CI.
pub fn is_there() -> bool {
    let found = ["chromedriver", "chromium"].into_iter().all(|program| {
        let probe = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        probe.is_ok_and(|status| status.success())
    });
    if !found {
        let message = "chromium and chromium-driver are not installed: the page is not tested";
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("{message}");
    }
    found
}

/// A browser with one window. It ends with its handle.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: Folder,
}

impl Browser {
    pub fn start(name: &str) -> Self {
        let profile = Folder::new(&format!("browser-{name}"));
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // With the browser that it starts, so that neither outlives a test that fails.
            .process_group(0)
            .spawn()
            .expect("chromedriver runs");
        let mut lines = BufReader::new(driver.stdout.take().expect("it is piped")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says its port");
        // What it prints later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let mut arguments: Vec<String> = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": arguments},
        }}});
        let made = browser.call("POST", "/session", &wanted);
        browser.session = made["sessionId"].as_str().expect("a session").to_owned();
        browser
    }

    /// Sends a command, and returns its value.
    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let mut stream =
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("chromedriver listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("it reads");
        // It keeps the connection whatever it is asked: its length says where an answer ends.
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("it answers");
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().expect("a length");
                }
                Some(_) => {}
                None if line.starts_with("HTTP/") => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("it answers");
        let mut answer: Value = serde_json::from_slice(&body).expect("it answers with JSON");
        let value = answer["value"].take();
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// The window's size, and the colours that its system prefers.
    pub fn look(&self, width: u32, height: u32, scheme: &str) {
        let metrics =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    pub fn open(&self, url: &str) {
        self.command("/url", &json!({"url": url}));
    }

    /// Runs a function body in the page. Returns its value.
    pub fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The value of an expression in the page.
    pub fn get(&self, expression: &str) -> Value {
        self.run(&format!("return ({expression});"))
    }

    /// The text of an element.
    pub fn text(&self, id: &str) -> String {
        let text = self.get(&format!("document.getElementById('{id}').textContent"));
        text.as_str().expect("an element with text").to_owned()
    }

    pub fn number(&self, expression: &str) -> f64 {
        let value = self.get(expression);
        value.as_f64().unwrap_or_else(|| panic!("{expression} is {value}"))
    }

    /// Waits until an expression is true.
    pub fn wait(&self, expression: &str) {
        self.wait_up_to(PATIENCE, expression);
    }

    pub fn wait_up_to(&self, patience: Duration, expression: &str) {
        let begin = Instant::now();
        while self.get(expression) != Value::Bool(true) {
            assert!(
                begin.elapsed() < patience,
                "never: {expression}\nthe page says {}\n{:?}",
                self.get("document.body.innerText.slice(0, 1000)"),
                self.complaints()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the state's sentence begins so.
    pub fn wait_state(&self, patience: Duration, sentence: &str) {
        self.wait_up_to(
            patience,
            &format!("document.getElementById('state-text').textContent.startsWith('{sentence}')"),
        );
    }

    /// Clicks on the element with this id, as a pointer does.
    pub fn click(&self, id: &str) {
        let found =
            self.command("/element", &json!({"using": "css selector", "value": format!("#{id}")}));
        let element = found.as_object().and_then(|found| found.values().next()?.as_str());
        let element = element.expect("an element").to_owned();
        self.command(&format!("/element/{element}/click"), &json!({}));
    }

    /// Presses and releases keys, one after another, on what has the focus.
    pub fn press(&self, keys: &[char]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| {
                ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
            })
            .collect();
        let source = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.command("/actions", &json!({"actions": [source]}));
    }

    /// The messages on the page's console, except for answers that did not come.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.command("/se/log", &json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        entries
            .iter()
            .filter(|entry| entry["source"] != "network" && entry["level"] == "SEVERE")
            .map(|entry| entry["message"].to_string())
            .collect()
    }

    /// Keeps a picture where `QUINTET_SCREENSHOTS` says, for a person to look at.
    pub fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("QUINTET_SCREENSHOTS").map(PathBuf::from) else {
            return;
        };
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.devtools("Page.captureScreenshot", &whole);
        let bytes = decode_base64(picture["data"].as_str().expect("a picture"));
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("it can be written");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() && !std::thread::panicking() {
            self.call("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}

fn decode_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(value).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
