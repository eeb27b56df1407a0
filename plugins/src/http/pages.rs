//! The pages of the API: the node's own, and one with the API's description.

use std::sync::LazyLock;

use axum::{body::Bytes, response::Response};

use crate::web::pages::{ELEMENTS, assembled, page};

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

/// The node's own page.
pub(crate) fn node() -> Response {
    page(NODE.clone())
}

/// The page that shows the API's description.
pub(crate) fn api() -> Response {
    page(API.clone())
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
            // A namespace is a name and not an address that is loaded.
            let text = text.replace("http://www.w3.org/", "");
            assert!(!text.contains("https://") && !text.contains("http://"));
        }
    }
}
