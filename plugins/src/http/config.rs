//! The settings of the HTTP servers.

use std::{fmt, net::SocketAddr, path::Path, time::Duration};

use subtle::ConstantTimeEq;

use crate::text::read_text;

/// The addresses and limits of the servers.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The address of the API; `None` for no API.
    pub api: Option<SocketAddr>,
    /// The address of the metrics. If it is the API's, both share a listener.
    pub metrics: Option<SocketAddr>,
    /// The token that requests to the admin surface need. It is required for any address other than
    /// loopback: without it nothing under `admin` is served there.
    pub admin_token: Option<AdminToken>,
    /// Origins whose pages may read the answers; `*` for all. None by default.
    pub cors_origins: Vec<String>,
    /// Limits.
    pub limits: HttpLimits,
}

impl Default for HttpConfig {
    /// The usual ports on loopback.
    fn default() -> Self {
        Self {
            api: Some(([127, 0, 0, 1], 5052).into()),
            metrics: Some(([127, 0, 0, 1], 5054).into()),
            admin_token: None,
            cors_origins: Vec::new(),
            limits: HttpLimits::default(),
        }
    }
}

impl HttpConfig {
    /// Returns true if requests to the admin surface are answered without a token.
    pub(super) fn is_admin_open(&self) -> bool {
        let mut addresses = [self.api, self.metrics].into_iter().flatten();
        self.admin_token.is_none() && addresses.all(|address| address.ip().is_loopback())
    }
}

/// The limits of the servers.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections per listener; further ones are answered with 503 and closed.
    pub connections: usize,
    /// Requests in progress; further ones are answered with 503.
    pub requests: usize,
    /// Reads of the store at once; others wait.
    pub reads: usize,
    /// Answers with a state that are being sent; further ones are refused with 503.
    pub state_answers: usize,
    /// Bytes in a request's body.
    pub body_bytes: usize,
    /// The time until a request's headers are complete, also on a connection that is kept open.
    pub headers: Duration,
    /// The time until an answer begins.
    pub answer: Duration,
    /// The time for which a client may read nothing of an answer.
    pub stall: Duration,
    /// Clients of the event stream.
    pub event_clients: usize,
    /// Events that wait for a client. Further ones are dropped, and the client is told how many.
    pub event_buffer: usize,
    /// The time between two comments that keep a quiet stream open.
    pub keep_alive: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 2048,
            requests: 256,
            reads: 4,
            state_answers: 64,
            body_bytes: 64 << 10,
            headers: Duration::from_secs(10),
            answer: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            event_clients: 1024,
            event_buffer: 256,
            keep_alive: Duration::from_secs(15),
        }
    }
}

/// The secret that opens the admin surface. Its `Debug` output does not show it.
#[derive(Clone)]
pub struct AdminToken(Box<str>);

/// The reason there is no token.
#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The error.
        source: std::io::Error,
    },
    /// It is too short, or has characters that a header cannot have.
    #[error("an admin token has at least {MIN_TOKEN_CHARS} visible ASCII characters and no spaces")]
    Malformed,
}

/// The smallest number of characters in a token.
const MIN_TOKEN_CHARS: usize = 16;
/// The largest token file that is read.
const MAX_TOKEN_BYTES: u64 = 4096;

impl AdminToken {
    /// Makes a token of a text, without white space around it.
    ///
    /// # Errors
    /// Fewer than 16 characters, or others than visible ASCII.
    pub fn new(text: &str) -> Result<Self, AdminTokenError> {
        let text = text.trim();
        let is_sound =
            text.len() >= MIN_TOKEN_CHARS && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_sound.then(|| Self(text.into())).ok_or(AdminTokenError::Malformed)
    }

    /// Reads a token from a file.
    ///
    /// # Errors
    /// The file cannot be read, or an error of [`AdminToken::new`].
    pub fn read(path: &Path) -> Result<Self, AdminTokenError> {
        let text = read_text(path, MAX_TOKEN_BYTES)
            .map_err(|source| AdminTokenError::File { path: path.display().to_string(), source })?;
        Self::new(&text).map_err(|error| AdminTokenError::File {
            path: path.display().to_string(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, error),
        })
    }

    /// Returns true if this is the token. Takes equally long for every text of the same length.
    pub(super) fn matches(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_plain_and_not_printed() {
        let token = AdminToken::new(" 0123456789abcdef\n").expect("long enough");
        assert!(token.matches(b"0123456789abcdef"));
        assert!(!token.matches(b"0123456789abcdee"));
        assert!(!token.matches(b"0123456789abcdef0"));
        assert_eq!(format!("{token:?}"), "AdminToken(…)");
        for wrong in ["", "0123456789abcde", "0123456789 abcdef", "0123456789abcdeß"] {
            assert!(AdminToken::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_missing_token_file_is_named() {
        let error = AdminToken::read(Path::new("/nonexistent/token")).expect_err("not there");
        assert!(error.to_string().starts_with("/nonexistent/token: "), "{error}");
    }

    #[test]
    fn admin_is_open_on_loopback_without_a_token_only() {
        let open = |api: &str, token: Option<&str>| {
            HttpConfig {
                api: Some(api.parse().expect("an address")),
                metrics: None,
                admin_token: token.map(|text| AdminToken::new(text).expect("a token")),
                ..HttpConfig::default()
            }
            .is_admin_open()
        };
        assert!(open("127.0.0.1:0", None) && open("[::1]:0", None));
        assert!(!open("0.0.0.0:0", None) && !open("192.0.2.1:0", None));
        assert!(!open("127.0.0.1:0", Some("0123456789abcdef")));
    }
}
