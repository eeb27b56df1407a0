//! The event stream.

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use super::super::{
    answer::quality,
    error::{ApiError, ErrorBody},
    state::Api,
    topics::{Topic, Topics},
};

/// A stream of events.
///
/// `topics` is a list, separated by commas or repeated: `head`, `block`, `justified_checkpoint`,
/// `finalized_checkpoint`, `block_gossip`, `attestation`, `aggregate`. The `event:` line has the
/// topic, the `data:` line flat JSON. A client that reads too slowly loses events. The comment `:
/// error - dropped N messages` marks where they are missing.
#[utoipa::path(get, path = "/lean/v0/events", tag = "chain",
    params(("topics" = String, Query, example = "head,finalized_checkpoint")),
    responses((status = OK, body = String, content_type = "text/event-stream"),
        (status = 400, body = ErrorBody), (status = 406, body = ErrorBody),
        (status = 503, body = ErrorBody)))]
pub(super) async fn events(
    State(api): State<Api>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let topics = topics(&query?.0)?;
    if quality(&headers, ("text", "event-stream")) == 0 {
        return Err(ApiError::new(
            StatusCode::NOT_ACCEPTABLE,
            "this is served as text/event-stream",
        ));
    }
    let limits = &api.config.limits;
    let stream = api
        .events
        .subscribe(topics, limits.event_clients, limits.event_buffer, limits.keep_alive)
        .ok_or_else(|| ApiError::unavailable("too many clients of the event stream"))?;
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The topics in a query.
fn topics(query: &[(String, String)]) -> Result<Topics, ApiError> {
    let mut topics = Topics::default();
    let values = query.iter().filter(|(name, _)| name == "topics");
    let names = values.flat_map(|(_, value)| value.split(','));
    for name in names.map(str::trim).filter(|name| !name.is_empty()) {
        let topic = Topic::ALL.into_iter().find(|topic| topic.name() == name);
        topics.insert(topic.ok_or_else(|| {
            ApiError::bad_request(format!("{:?} is not a topic: {}", shortened(name), all()))
        })?);
    }
    if topics.is_empty() {
        return Err(ApiError::bad_request(format!("`topics` is required: {}", all())));
    }
    Ok(topics)
}

/// The names of all topics.
fn all() -> String {
    Topic::ALL.map(Topic::name).join(", ")
}

/// The part of a name that an error repeats.
fn shortened(name: &str) -> String {
    name.chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_lists_repeated_or_both() {
        let named = |query: &str| {
            let uri = format!("/?{query}").parse().expect("a URI");
            let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&uri).expect("pairs");
            topics(&pairs).map(|topics| topics.iter().map(Topic::name).collect::<Vec<_>>()).ok()
        };
        assert_eq!(named("topics=head"), Some(vec!["head"]));
        assert_eq!(named("topics=block,head"), Some(vec!["head", "block"]));
        assert_eq!(named("topics=block&topics=head"), Some(vec!["head", "block"]));
        assert_eq!(named("x=1&topics=block%2Cblock%5fgossip"), Some(vec!["block", "block_gossip"]));
        for wrong in
            ["", "topics", "topics=", "topics=,", "topics=Head", "topics=head,nope", "t=head"]
        {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
