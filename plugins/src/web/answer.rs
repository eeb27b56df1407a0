//! Answers: JSON, SSZ, and the choice between them.

use std::{
    io,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{Stream, stream};
use serde::Serialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

use super::error::ApiError;

/// The media type of JSON answers.
pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// The media type of SSZ answers.
pub(crate) const SSZ: &str = "application/octet-stream";
/// SSZ in the API's description: bytes.
pub(crate) enum SszBody {}

impl PartialSchema for SszBody {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for SszBody {}

/// The number of bytes of a large answer that are passed to its connection at once.
const PIECE_BYTES: usize = 256 << 10;
/// The longest time that a large answer may take: 20 MiB at half a megabit per second.
const MAX_SENDING: Duration = Duration::from_secs(330);
/// The number of entries of an `Accept` header that are read.
const MAX_ACCEPT_ENTRIES: usize = 32;

/// A JSON answer.
pub(crate) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => json_text(text),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Writes a value as JSON.
///
/// # Errors
/// 500 if it cannot be written.
pub(crate) fn written(value: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be written as JSON");
        ApiError::internal()
    })
}

/// An answer whose text is JSON already.
pub(crate) fn json_text(text: impl Into<Bytes>) -> Response {
    bytes(JSON, text.into())
}

/// An answer with bytes of a media type.
pub(crate) fn bytes(media_type: &'static str, bytes: Bytes) -> Response {
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// An answer with bytes of a media type that are sent piece by piece. `held` is dropped at the end,
/// at the latest after [`MAX_SENDING`], even if the client reads byte by byte.
pub(crate) fn pieces<H: Send + 'static>(
    media_type: &'static str,
    bytes: Bytes,
    held: H,
) -> Response {
    let length = bytes.len();
    let body = Body::from_stream(split(bytes, held, Instant::now() + MAX_SENDING));
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CONTENT_LENGTH, length.into());
    response
}

fn split<H: Send + 'static>(
    bytes: Bytes,
    held: H,
    end: Instant,
) -> impl Stream<Item = io::Result<Bytes>> {
    stream::unfold((bytes, held), move |(mut rest, held)| async move {
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        if piece.is_empty() {
            return None;
        }
        let is_late = Instant::now() >= end;
        let piece = if is_late { Err(io::ErrorKind::TimedOut.into()) } else { Ok(piece) };
        Some((piece, (rest, held)))
    })
}

/// The two formats of blocks and states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Ssz,
}

impl Form {
    /// The format that the request prefers; `default` if both are equal or there is no preference.
    ///
    /// # Errors
    /// 406 if neither is acceptable.
    pub(crate) fn wanted(headers: &HeaderMap, default: Self) -> Result<Self, ApiError> {
        let other = match default {
            Self::Json => Self::Ssz,
            Self::Ssz => Self::Json,
        };
        let essence = |form| match form {
            Self::Json => ("application", "json"),
            Self::Ssz => ("application", "octet-stream"),
        };
        let (first, second) =
            (quality(headers, essence(default)), quality(headers, essence(other)));
        match (first, second) {
            (0, 0) => Err(ApiError::new(
                StatusCode::NOT_ACCEPTABLE,
                "this is served as application/json and application/octet-stream",
            )),
            (first, second) => Ok(if first >= second { default } else { other }),
        }
    }
}

/// The preference of the request for a media type, in thousandths; 0 if it is not acceptable. The
/// most specific entry decides.
pub(crate) fn quality(headers: &HeaderMap, (kind, subtype): (&str, &str)) -> u16 {
    let values: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let entries = values.iter().flat_map(|value| value.split(',')).take(MAX_ACCEPT_ENTRIES);
    let mut best: Option<(u8, u16)> = None;
    let mut is_empty = true;
    for entry in entries.map(str::trim).filter(|entry| !entry.is_empty()) {
        is_empty = false;
        let mut parts = entry.split(';').map(str::trim);
        let Some((entry_kind, entry_subtype)) = parts.next().and_then(|name| name.split_once('/'))
        else {
            continue;
        };
        let same = |entry: &str, name: &str| entry.trim().eq_ignore_ascii_case(name);
        let exactness = match (entry_kind.trim(), entry_subtype.trim()) {
            ("*", "*") => 0,
            (_, "*") if same(entry_kind, kind) => 1,
            _ if same(entry_kind, kind) && same(entry_subtype, subtype) => 2,
            _ => continue,
        };
        let weight = parts
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(name, _)| same(name, "q"))
            .map_or(1000, |(_, value)| thousandths(value.trim()));
        if best.is_none_or(|(known, _)| exactness > known) {
            best = Some((exactness, weight));
        }
    }
    best.map_or(if is_empty { 1000 } else { 0 }, |(_, weight)| weight)
}

/// A weight from 0 to 1 with at most three digits after the point; anything else counts as 1.
fn thousandths(text: &str) -> u16 {
    let (whole, digits) = text.split_once('.').unwrap_or((text, ""));
    let is_weight = matches!(whole, "0" | "1")
        && digits.len() <= 3
        && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_weight || whole == "1" {
        return 1000;
    }
    format!("{digits:0<3}").parse().unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;

    fn wanted(accept: &[&str], default: Form) -> Option<Form> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, HeaderValue::from_str(value).expect("a value"));
        }
        Form::wanted(&headers, default).ok()
    }

    #[tokio::test]
    async fn a_large_answer_comes_whole_or_ends_with_an_error() {
        let bytes = Bytes::from(vec![7; 2 * PIECE_BYTES + 1]);
        let late = Instant::now();
        let pieces: Vec<_> = split(bytes.clone(), (), late + MAX_SENDING).collect().await;
        let pieces: Vec<Bytes> = pieces.into_iter().map(|piece| piece.expect("in time")).collect();
        assert_eq!((pieces.len(), pieces.concat()), (3, bytes.to_vec()));
        let first = std::pin::pin!(split(bytes, (), late)).next().await.expect("an end");
        assert_eq!(first.expect_err("its time is over").kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn the_form_follows_the_request() {
        use Form::{Json, Ssz};
        for (accept, default, expected) in [
            ("", Ssz, Some(Ssz)),
            ("*/*", Ssz, Some(Ssz)),
            ("*/*", Json, Some(Json)),
            ("application/json", Ssz, Some(Json)),
            ("application/octet-stream", Json, Some(Ssz)),
            ("Application/JSON; charset=utf-8", Ssz, Some(Json)),
            ("application/json;q=0.5, application/octet-stream;q=0.9", Json, Some(Ssz)),
            ("application/json;q=0.5, application/octet-stream;q=0.499", Ssz, Some(Json)),
            ("application/json, */*;q=0.1", Ssz, Some(Json)),
            ("application/*;q=0.2, application/json;q=0", Json, Some(Ssz)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Ssz, Some(Ssz)),
            ("text/html", Json, None),
            ("application/json;q=0", Json, None),
            ("*/*;q=0", Json, None),
            ("nonsense", Json, None),
            ("application/json;q=nonsense", Ssz, Some(Json)),
        ] {
            assert_eq!(wanted(&[accept], default), expected, "{accept:?}");
        }
        assert_eq!(wanted(&[], Ssz), Some(Ssz));
        let two = ["text/html", "application/json"];
        assert_eq!(wanted(&two, Ssz), Some(Json), "two headers are one list");
    }
}
