//! Gets one answer over HTTP, within limits.

use std::{io, sync::Arc, time::Duration};

use ureq::{
    Agent, Error, Timeout,
    config::RedirectAuthHeaders,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{
    error::SourceError,
    source::{CheckpointSource, Target},
};

/// The number of redirects that are followed.
const MAX_REDIRECTS: u32 = 3;

/// Limits of an answer.
#[derive(Clone, Debug)]
pub struct FetchOptions {
    /// The time to connect, including TLS.
    pub connect_timeout: Duration,
    /// The longest pause between two parts of an answer.
    pub silence_timeout: Duration,
    /// The time for a whole answer.
    pub total_timeout: Duration,
    /// The largest state in bytes. A state of 4096 validators has 0.5 MiB, and 8 MiB of history at
    /// the protocol's limit; the rest is for votes while finality stalls.
    pub state_bytes: u64,
    /// The largest block in bytes; proofs have at most 512 KiB.
    pub block_bytes: u64,
    /// The number of times that a source is asked if its state and block do not belong together.
    pub attempts: u32,
    /// The pause between these attempts.
    pub pause: Duration,
    /// Certificates in DER that are trusted instead of the public ones.
    pub roots: Vec<Vec<u8>>,
    /// True to use the proxy that the environment names (`HTTPS_PROXY` and similar variables).
    pub proxy: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            silence_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_secs(180),
            state_bytes: 64 << 20,
            block_bytes: 2 << 20,
            attempts: 4,
            pause: Duration::from_millis(500),
            roots: Vec::new(),
            proxy: true,
        }
    }
}

/// Asks one source.
pub(super) struct Client<'a> {
    agent: Agent,
    source: &'a CheckpointSource,
    options: &'a FetchOptions,
}

impl<'a> Client<'a> {
    pub(super) fn new(source: &'a CheckpointSource, options: &'a FetchOptions) -> Self {
        let roots: Vec<_> =
            options.roots.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
        let roots = if roots.is_empty() { RootCerts::WebPki } else { roots.into() };
        // The provider that libp2p uses too, so that there is one implementation of TLS.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .root_certs(roots)
            .build();
        let mut config = Agent::config_builder()
            .tls_config(tls)
            .https_only(source.is_https())
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_connect(Some(options.connect_timeout))
            .timeout_per_read(Some(options.silence_timeout))
            .timeout_global(Some(options.total_timeout))
            .accept("application/octet-stream")
            .user_agent(concat!("quintet/", env!("CARGO_PKG_VERSION")));
        if !options.proxy {
            config = config.proxy(None);
        }
        Self { agent: config.build().into(), source, options }
    }

    /// Gets an answer of at most `limit` bytes.
    pub(super) fn get(&self, target: &Target, limit: u64) -> Result<Vec<u8>, SourceError> {
        let failed = |error: Error| self.failure(&target.shown, limit, error);
        let mut request = self.agent.get(&target.uri);
        if let Some(value) = self.source.authorization() {
            request = request.header("authorization", value);
        }
        let response = request.call().map_err(failed)?;
        let url = || target.shown.clone();
        let status = response.status().as_u16();
        if status != 200 {
            return Err(SourceError::Status { url: url(), status });
        }
        let body = response.into_body();
        if let Some(content_type) = body.mime_type().filter(|kind| is_text(kind)) {
            let content_type = content_type.chars().take(64).collect();
            return Err(SourceError::NotSsz { url: url(), content_type });
        }
        if body.content_length().is_some_and(|length| length > limit) {
            return Err(SourceError::TooLarge { url: url(), limit });
        }
        body.into_with_config().limit(limit).read_to_vec().map_err(failed)
    }

    fn failure(&self, shown: &str, limit: u64, error: Error) -> SourceError {
        let url = shown.to_owned();
        let seconds = |time: Duration| format!("{} s", time.as_secs_f32());
        let options = self.options;
        match error {
            Error::Timeout(Timeout::Connect | Timeout::Resolve) => SourceError::Unreachable {
                url,
                reason: format!("no connection within {}", seconds(options.connect_timeout)),
            },
            Error::Timeout(Timeout::PerRead) => SourceError::Slow {
                url,
                what: format!("no data arrived for {}", seconds(options.silence_timeout)),
            },
            Error::Timeout(_) => SourceError::Slow {
                url,
                what: format!("the answer took over {}", seconds(options.total_timeout)),
            },
            Error::BodyExceedsLimit(_) => SourceError::TooLarge { url, limit },
            Error::TooManyRedirects | Error::RedirectFailed => {
                SourceError::Redirect { url, reason: "again and again" }
            }
            // The error contains the target of the redirect, which may have a secret.
            Error::RequireHttpsOnly(_) => {
                SourceError::Redirect { url, reason: "to http, without TLS" }
            }
            Error::BadUri(_) => {
                SourceError::Redirect { url, reason: "to something that is not a URL" }
            }
            Error::HostNotFound => {
                SourceError::Unreachable { url, reason: "there is no such host".into() }
            }
            Error::Io(error) if is_end(&error) => {
                SourceError::BrokeOff { url, reason: error.to_string() }
            }
            Error::Protocol(error) => SourceError::BrokeOff { url, reason: error.to_string() },
            error @ (Error::Rustls(_) | Error::Tls(_)) => {
                SourceError::Unreachable { url, reason: format!("TLS: {error}") }
            }
            Error::Io(error) if is_tls(&error) => {
                SourceError::Unreachable { url, reason: format!("TLS: {error}") }
            }
            error => SourceError::Unreachable { url, reason: error.to_string() },
        }
    }
}

/// Returns true if a connection failed because of TLS.
fn is_tls(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
}

fn is_end(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// Returns true if the answer's type is a text type.
fn is_text(mime_type: &str) -> bool {
    let kind = mime_type.to_ascii_lowercase();
    kind.starts_with("text/") || ["json", "xml", "html"].iter().any(|text| kind.ends_with(text))
}
