//! A source of checkpoints: a node's API, given by its base URL or a full path.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ureq::http::{Uri, uri::Scheme};

use super::error::SourceError;

/// The largest number of sources that are asked.
pub const MAX_SOURCES: usize = 16;

const STATE_PATH: &str = "/lean/v0/states/finalized";
const BLOCK_PATH: &str = "/lean/v0/blocks/finalized";

/// A node's API. Its text form has no user, password and query, which may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CheckpointSource {
    /// Scheme, host, port, and the path in front of the API's own paths.
    base: String,
    /// The query after the path, with its question mark.
    query: String,
    /// The value of an `Authorization` header.
    authorization: Option<String>,
}

impl CheckpointSource {
    /// Reads the URL of a node's API, such as `http://127.0.0.1:5052`, or of its finalized state or
    /// block.
    ///
    /// # Errors
    /// [`SourceError::Url`].
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        let text = text.trim();
        let refuse = |reason| SourceError::Url { given: without_secrets(text), reason };
        if !text.contains("://") {
            return Err(refuse("it has no scheme; write http:// or https:// before it"));
        }
        let uri: Uri = text.parse().map_err(|_| refuse("it is not a URL"))?;
        let scheme = uri.scheme().ok_or_else(|| refuse("it has no scheme"))?;
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(refuse("its scheme is neither http nor https"));
        }
        let authority = uri.authority().ok_or_else(|| refuse("it has no host"))?.as_str();
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if host.is_empty() || host.starts_with(':') {
            return Err(refuse("it has no host"));
        }
        let path = uri.path().trim_end_matches('/');
        let path = [STATE_PATH, BLOCK_PATH].iter().find_map(|end| path.strip_suffix(end));
        let path = path.unwrap_or_else(|| uri.path()).trim_end_matches('/');
        let decoded = |user: &str| percent_encoding::percent_decode_str(user).collect::<Vec<u8>>();
        Ok(Self {
            base: format!("{scheme}://{host}{path}"),
            query: uri.query().map_or_else(String::new, |query| format!("?{query}")),
            authorization: user.map(|user| format!("Basic {}", STANDARD.encode(decoded(user)))),
        })
    }

    /// Returns true if it uses TLS.
    pub(super) fn is_https(&self) -> bool {
        self.base.starts_with("https:")
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_deref()
    }

    pub(super) fn state(&self) -> Target {
        self.target(STATE_PATH)
    }

    pub(super) fn block(&self) -> Target {
        self.target(BLOCK_PATH)
    }

    fn target(&self, path: &str) -> Target {
        let shown = format!("{}{path}", self.base);
        Target { uri: format!("{shown}{}", self.query), shown }
    }
}

impl fmt::Display for CheckpointSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

impl fmt::Debug for CheckpointSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckpointSource({self})")
    }
}

/// A requested URL.
pub(super) struct Target {
    /// The URL for the request.
    pub(super) uri: String,
    /// The URL for messages.
    pub(super) shown: String,
}

/// A text that may be a URL, without the parts that may be secret.
fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    match text.split_once('@') {
        Some((before, _)) => {
            let host = text.rsplit('@').next().unwrap_or_default();
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(text: &str) -> (String, String) {
        let source = CheckpointSource::parse(text).expect("a URL");
        (source.state().uri, source.block().uri)
    }

    #[test]
    fn a_base_url_and_full_paths_name_the_same_node() {
        let base = "http://127.0.0.1:5052";
        let expected = (format!("{base}{STATE_PATH}"), format!("{base}{BLOCK_PATH}"));
        for end in ["", "/", STATE_PATH, BLOCK_PATH, "/lean/v0/states/finalized/"] {
            assert_eq!(targets(&format!(" {base}{end} ")), expected, "{end}");
        }
        let (state, block) = targets("https://nodes.example/lean-1/?token=a%20b");
        assert_eq!(state, "https://nodes.example/lean-1/lean/v0/states/finalized?token=a%20b");
        assert_eq!(block, "https://nodes.example/lean-1/lean/v0/blocks/finalized?token=a%20b");
    }

    #[test]
    fn secrets_are_sent_and_not_shown() {
        let text = "https://ann:s%40crt@[::1]:5052/x?key=hidden";
        let source = CheckpointSource::parse(text).expect("a URL");
        assert_eq!(source.authorization(), Some("Basic YW5uOnNAY3J0"));
        assert!(source.is_https());
        for shown in [source.to_string(), format!("{source:?}"), source.state().shown] {
            assert!(shown.contains("https://[::1]:5052/x"), "{shown}");
            assert!(!shown.contains("ann") && !shown.contains("hidden"), "{shown}");
        }
        let uri = source.state().uri;
        assert!(uri.ends_with("?key=hidden") && !uri.contains("ann"), "{uri}");
    }

    #[test]
    fn what_is_no_url_is_refused_with_what_is_wrong_and_no_secret() {
        for (text, reason) in [
            ("127.0.0.1:5052", "has no scheme"),
            ("", "has no scheme"),
            ("ftp://host/", "neither http nor https"),
            ("http://", "not a URL"),
            ("http://:80/", "no host"),
            ("http://a b/", "not a URL"),
            ("ftp://me:secret@host/?secret", "neither http"),
            ("me:secret@host?secret", "has no scheme"),
        ] {
            let error = CheckpointSource::parse(text).expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
