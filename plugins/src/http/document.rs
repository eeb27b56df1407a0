//! The API's description. It is made from the handlers, so that it matches what is served.

use utoipa::openapi::{
    Components, Info, License, OpenApi, OpenApiBuilder,
    security::{Http, HttpAuthScheme, SecurityScheme},
    tag::TagBuilder,
};

/// The description without paths.
pub(super) fn begin(version: &str) -> OpenApi {
    let mut info = Info::new("Quintet", version);
    info.description = Some(
        "The HTTP API of a Lean Ethereum consensus client. Roots are `0x` and 64 hex digits. Errors \
         are JSON with `code` and `error`."
            .into(),
    );
    info.license = Some(License::new("MIT OR Apache-2.0"));
    let mut components = Components::new();
    components
        .add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let tag = |name: &str, text: &str| TagBuilder::new().name(name).description(Some(text)).build();
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .tags(Some([
            tag("chain", "Blocks, states, checkpoints, fork choice, events"),
            tag("node", "The node itself"),
            tag("admin", "Only on loopback, or with a token"),
            tag("metrics", "Measurements of the node, on the metrics' port"),
            tag("pages", "Pages for people"),
        ]))
        .build()
}
