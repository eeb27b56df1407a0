//! Pages that people look at: each one file, with nothing from another address.

use std::sync::LazyLock;

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::Response,
};

use super::answer;

/// How pages make elements.
pub(crate) const ELEMENTS: &str = include_str!("../../../assets/page/elements.js");

/// The node's own page.
static NODE: LazyLock<Bytes> = LazyLock::new(|| {
    assembled(
        include_str!("../../../assets/page/index.html"),
        &[("page.css", include_str!("../../../assets/page/page.css"))],
        &[
            ("elements.js", ELEMENTS),
            ("model.js", include_str!("../../../assets/page/model.js")),
            ("layout.js", include_str!("../../../assets/page/layout.js")),
            ("tree.js", include_str!("../../../assets/page/tree.js")),
            ("panels.js", include_str!("../../../assets/page/panels.js")),
            ("main.js", include_str!("../../../assets/page/main.js")),
        ],
    )
    .into()
});

/// The page that shows `/openapi.json`.
static API: LazyLock<Bytes> =
    LazyLock::new(|| include_str!("../../../assets/api/index.html").into());

/// What a page may load: what is in it, and answers of this node.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

/// A page with its styles and scripts in it.
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

/// The node's own page.
pub(super) fn node() -> Response {
    page(NODE.clone())
}

/// The page that shows the API's description.
pub(super) fn api() -> Response {
    page(API.clone())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_whole() {
        for page in [&*NODE, &*API] {
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
