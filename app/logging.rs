//! The log, on standard error.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    panic::PanicHookInfo,
};

use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::{EnvFilter, filter::ParseError};

use crate::output::{LogWriter, tell};

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// A line an event, in colour when a terminal shows it.
    #[default]
    Text,
    /// An object a line: `timestamp`, `level`, `target`, `message`, and the event's fields.
    Json,
}

/// Levels by name.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A text is no filter for the log.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilterError {
    /// A word that is no level. As a target it would match nothing.
    #[error("log filter {0:?}: expected off, error, warn, info, debug or trace, or target=level")]
    Level(String),
    /// Something else is wrong.
    #[error("log filter {text:?}: {source}; expected for example info,quintet_systems=debug")]
    Directive {
        /// The filter.
        text: String,
        /// The parser's error.
        source: ParseError,
    },
}

/// Starts the log. From here on panics are logged, because the hook of the standard library waits for
/// standard error.
///
/// # Errors
/// The filter is invalid.
pub(crate) fn init(filter: &str, format: LogFormat) -> Result<(), FilterError> {
    let log = tracing_subscriber::fmt()
        .with_env_filter(parse(filter)?)
        .with_writer(|| LogWriter)
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => {
            log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
        }
    }
    std::panic::set_hook(Box::new(tell_panic));
    Ok(())
}

fn tell_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed").to_owned();
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let why = panic.payload_as_str().unwrap_or("no text");
    let trace = Backtrace::capture();
    let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
    if tracing::enabled!(tracing::Level::ERROR) {
        tracing::error!(thread, place, trace, "panicked: {why}");
    } else {
        tell!("thread {thread} panicked at {place}: {why}{}", trace.unwrap_or_default());
    }
}

/// Silences a library's message that a packet was not sent. The node has a better one.
const QUIETED: &str = "quinn_udp=error";

/// Checks that a text is a filter for the log.
///
/// # Errors
/// It is invalid.
#[cfg(any(test, feature = "devnet"))]
pub(crate) fn check(filter: &str) -> Result<(), FilterError> {
    parse(filter).map(drop)
}

fn parse(text: &str) -> Result<EnvFilter, FilterError> {
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let bare = text.split(',').map(str::trim).find(|part| {
        let is_word = part.chars().all(|character| character.is_alphanumeric() || character == '_');
        is_word && !is_level(part)
    });
    if let Some(word) = bare {
        return Err(FilterError::Level(word.to_owned()));
    }
    let mut parts: Vec<_> = text.split(',').map(str::trim).collect();
    let is_usual = |part: &str| ["info", "warn"].iter().any(|it| it.eq_ignore_ascii_case(part));
    if parts.iter().all(|part| is_usual(part)) {
        parts.push(QUIETED);
    }
    EnvFilter::builder()
        .parse(parts.join(","))
        .map_err(|source| FilterError::Directive { text: text.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_and_targets_with_levels() {
        for good in ["info", "WARN", "info,quintet_systems=debug", "off, libp2p_gossipsub=trace"] {
            parse(good).expect(good);
        }
        for bad in ["inof", "info,quintet_systems", "", "info,,warn", "quintet=loud", "a=b=c"] {
            let error = parse(bad).expect_err(bad).to_string();
            assert!(error.starts_with("log filter \""), "{error}");
        }
        // A filter that asks for more gets it.
        for (text, is_quieted) in [("info", true), ("debug", false), ("info,quinn_udp=warn", false)]
        {
            let filter = parse(text).expect(text).to_string();
            assert_eq!(filter.contains(QUIETED), is_quieted, "{filter}");
        }
        assert!(parse("info,dbg").is_err_and(|error| error.to_string().contains("\"dbg\"")));
    }
}
