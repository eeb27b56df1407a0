//! Pages that people look at: each one file, with nothing from another address.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::Response,
};

use super::answer;

/// The page that shows `/openapi.json`.
static API: LazyLock<Bytes> =
    LazyLock::new(|| include_str!("../../../assets/api/index.html").into());

/// What a page may load: what is in it, and answers of this node.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// The page that shows the API's description.
pub(super) fn api() -> Response {
    page(API.clone())
}

fn page(text: Bytes) -> Response {
    let mut response = answer::bytes("text/html; charset=utf-8", text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_whole() {
        for page in [&*API] {
            let text = std::str::from_utf8(page).expect("text");
            assert!(text.starts_with("<!doctype html>"));
            for foreign in ["src=\"", "<link rel=\"stylesheet\"", "@import", "url(http"] {
                assert!(!text.contains(foreign), "{foreign}");
            }
            // A namespace is a name, and not an address that anybody asks.
            let text = text.replace("http://www.w3.org/", "");
            assert!(!text.contains("https://") && !text.contains("http://"));
        }
    }
}
