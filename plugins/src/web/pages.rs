//! Pages: each is one document that loads nothing from other addresses.

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::Response,
};

use super::answer;

/// The script with which pages create elements.
pub(crate) const ELEMENTS: &str = include_str!("../../../assets/page/elements.js");

/// The content that a page may load: its own, and answers of this node.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// A page with its styles and scripts inserted.
pub(crate) fn assembled(page: &str, styles: &[(&str, &str)], scripts: &[(&str, &str)]) -> String {
    let mut page = page.to_owned();
    for (name, text) in styles {
        let link = format!("<link rel=\"stylesheet\" href=\"{name}\">");
        page = page.replace(&link, &format!("<style>\n{text}</style>"));
    }
    for (name, text) in scripts {
        let link = format!("<script src=\"{name}\"></script>");
        page = page.replace(&link, &format!("<script>\n{text}</script>"));
    }
    page
}

/// A page as an answer.
pub(crate) fn page(text: Bytes) -> Response {
    let mut response = answer::bytes("text/html; charset=utf-8", text);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
