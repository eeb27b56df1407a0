//! The paths of the API.

mod admin;
mod blocks;
mod chain;
mod events;
mod metrics;
mod node;
mod overview;
mod pages;
mod states;

use axum::{
    http::{HeaderValue, header},
    middleware,
    response::Response,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{admin as surface, state::Api};

/// Every path of the API.
pub(super) fn routes(api: &Api) -> OpenApiRouter<Api> {
    let admin = OpenApiRouter::new()
        .routes(routes!(admin::aggregator, admin::set_aggregator))
        .route_layer(middleware::from_fn_with_state(api.clone(), surface::guard));
    // These have two formats under one path. A cache has to distinguish them, including errors.
    let forms = OpenApiRouter::new()
        .routes(routes!(blocks::block))
        .routes(routes!(blocks::block_header))
        .routes(routes!(blocks::header))
        .routes(routes!(states::state))
        .route_layer(middleware::map_response(varied));
    OpenApiRouter::new()
        .routes(routes!(chain::health))
        .routes(routes!(chain::short_health))
        .routes(routes!(chain::spec))
        .routes(routes!(chain::genesis))
        .routes(routes!(chain::head))
        .routes(routes!(chain::justified))
        .routes(routes!(chain::fork_choice))
        .routes(routes!(node::identity))
        .routes(routes!(node::syncing))
        .routes(routes!(node::peers))
        .routes(routes!(node::peer_count))
        .routes(routes!(node::version))
        .routes(routes!(events::events))
        .routes(routes!(overview::overview))
        .routes(routes!(pages::node))
        .routes(routes!(pages::fork_choice))
        .routes(routes!(pages::api))
        .routes(routes!(pages::document))
        .merge(forms)
        .merge(admin)
}

/// The paths on the metrics' port.
pub(super) fn metrics_routes(api: &Api) -> OpenApiRouter<Api> {
    let debug = OpenApiRouter::new()
        .routes(routes!(metrics::allocations))
        .routes(routes!(metrics::heap))
        .route_layer(middleware::from_fn_with_state(api.clone(), surface::guard));
    OpenApiRouter::new()
        .routes(routes!(metrics::scrape))
        .route_layer(middleware::map_response(varied))
        .merge(debug)
}

/// Adds the header that says that the answer depends on `Accept`.
async fn varied(mut response: Response) -> Response {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("Accept"));
    response
}
