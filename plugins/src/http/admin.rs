//! The admin surface: who may use it, and how its requests reach the world.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bevy_ecs::prelude::*;
use quintet_components::{chain::IsAggregator, lane::Lane};
use tokio::sync::oneshot;

use super::{error::ApiError, state::Api};

/// The number of requests that may wait for the world.
pub(super) const MAX_WAITING: usize = 16;

/// A request to change the node's role.
#[derive(Debug)]
pub(crate) struct SetAggregator {
    pub(super) enabled: bool,
    /// Receives the previous role when the change is visible.
    pub(super) done: oneshot::Sender<bool>,
}

/// Requests whose change is visible in the next snapshot.
#[derive(Resource, Debug, Default)]
pub(crate) struct Carried(Vec<(bool, oneshot::Sender<bool>)>);

/// Carries out requests of the admin surface, and logs them.
pub(super) fn carry_out(
    lane: Res<Lane<SetAggregator>>,
    mut role: ResMut<IsAggregator>,
    mut carried: ResMut<Carried>,
) {
    for SetAggregator { enabled, done } in lane.drain() {
        let previous = role.0;
        role.set_if_neq(IsAggregator(enabled));
        tracing::info!(enabled, previous, "the admin API set the aggregator role");
        carried.0.push((previous, done));
    }
}

/// Answers the requests, after the snapshot was replaced.
pub(super) fn confirm(mut carried: ResMut<Carried>) {
    if carried.0.is_empty() {
        return;
    }
    for (previous, done) in carried.0.drain(..) {
        let _ = done.send(previous);
    }
}

/// Allows requests with the token. On loopback without a token, allows requests that are not from a
/// web page of another origin.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    match check(&api, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(error) => {
            tracing::warn!(
                status = error.status.as_u16(),
                method = %request.method(),
                "a request to the admin API was refused"
            );
            error.into_response()
        }
    }
}

fn check(api: &Api, headers: &HeaderMap) -> Result<(), ApiError> {
    let config = &api.config;
    if let Some(token) = &config.admin_token {
        let offered = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let offered = offered.and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
        });
        return match offered {
            Some(offered) if token.matches(offered) => Ok(()),
            Some(_) => Err(ApiError::new(StatusCode::UNAUTHORIZED, "this is not the admin token")),
            None => Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "the admin API needs the header `Authorization: Bearer <token>`",
            )),
        };
    }
    if !config.is_admin_open() {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "the admin API is off: it listens on loopback, or on any address with an admin token",
        ));
    }
    if is_from_a_page(headers) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "the admin API takes no requests from web pages of other origins",
        ));
    }
    Ok(())
}

/// Returns true if a browser sent this for a page of another origin: the page could send requests
/// to loopback without its reader's knowledge. A host name other than `localhost` can be made to
/// point to loopback, so it counts as another origin.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    let is_local = host.as_ref().is_none_or(|host| {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
    });
    let is_foreign = match (headers.get(header::ORIGIN), &host) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(origin), Some(host)) => {
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            origin.is_none_or(|(_, authority)| authority != host.as_str())
        }
    };
    !is_local || is_foreign
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_told_apart() {
        let from_a_page = |host: Option<&str>, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            let value = |text: &str| HeaderValue::from_str(text).expect("a value");
            headers.extend(host.map(|text| (header::HOST, value(text))));
            headers.extend(origin.map(|text| (header::ORIGIN, value(text))));
            is_from_a_page(&headers)
        };
        assert!(!from_a_page(Some("127.0.0.1:5052"), None));
        assert!(!from_a_page(Some("localhost:5052"), None));
        assert!(!from_a_page(Some("[::1]:5052"), None));
        assert!(!from_a_page(None, None));
        assert!(!from_a_page(Some("localhost:5052"), Some("http://localhost:5052")));
        assert!(from_a_page(Some("localhost:5052"), Some("http://evil.example")));
        assert!(from_a_page(Some("localhost:5052"), Some("http://localhost:80")));
        assert!(from_a_page(Some("localhost:5052"), Some("null")));
        assert!(from_a_page(Some("evil.example:5052"), None));
        assert!(from_a_page(None, Some("http://localhost")));
    }
}
