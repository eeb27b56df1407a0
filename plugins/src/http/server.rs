//! Listeners, connections and their limits.

use std::{future::poll_fn, io, net::TcpListener as StdListener, sync::Arc, time::Duration};

use axum::{Router, http::StatusCode};
use hyper::{
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{config::HttpLimits, error::ApiError, quiet::Quiet, stall::Impatient};

/// The largest size of a request's line and headers in bytes.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// The pause after an error of the listener itself, such as too few file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The time to answer a client that sent no valid request, or for which there is no room.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// The number of bytes that are read from a refused client, so that the answer arrives.
const MAX_UNREAD_BYTES: usize = 256 << 10;
/// The number of connections that are refused with an answer at the same time.
const MAX_REFUSALS: usize = 64;

/// Serves a listener without end.
pub(super) async fn serve(listener: StdListener, router: Router, limits: HttpLimits) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "HTTP is not served");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(limits.connections));
    let refusals = Arc::new(Semaphore::new(MAX_REFUSALS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection was not accepted");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let router = router.clone();
                tokio::spawn(async move {
                    connection(stream, router, limits).await;
                    drop(place);
                });
            }
            // This does not wait, so that a flood of connections does not delay others. Beyond the
            // limit there is no answer.
            Err(_) => {
                if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
                    tokio::spawn(async move {
                        refuse(stream, ApiError::unavailable("too many connections")).await;
                        drop(place);
                    });
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, router: Router, limits: HttpLimits) {
    // Small answers must not wait for more data.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Quiet(Impatient::new(stream, limits.stall)));
    let router = TowerToHyperService::new(router);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(io, service_fn(move |request| Box::pin(router.call(request))));
    let served = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let rest = connection.into_parts();
    let mut stream = rest.io.into_inner().0.into_inner();
    let Err(error) = served else {
        let _ = stream.shutdown().await;
        return;
    };
    tracing::debug!(%error, "a connection ended early");
    // An idle connection is closed without an answer. One that has begun a request gets one.
    let has_begun = !rest.read_buf.is_empty();
    if let Some(error) = why_unread(&error, has_begun) {
        refuse(stream, error).await;
    }
}

/// The error of a request that did not reach a handler.
fn why_unread(error: &hyper::Error, has_begun: bool) -> Option<ApiError> {
    let (status, why) = if error.is_parse_too_large() {
        (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too long, or too many")
    } else if error.is_parse() {
        (StatusCode::BAD_REQUEST, "this is not an HTTP/1.1 request")
    } else if error.is_timeout() && has_begun {
        (StatusCode::REQUEST_TIMEOUT, "the headers were not complete in time")
    } else {
        return None;
    };
    Some(ApiError::new(status, why))
}

/// Answers a client that sent no valid request, or for which there is no room, and closes the
/// connection.
async fn refuse(mut stream: TcpStream, error: ApiError) {
    let answer = error.whole_answer();
    let _ = timeout(REFUSAL_TIME, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // If a connection is closed with unread data, it is reset, and the answer is lost.
        let mut unread = [0; 1024];
        let mut read = 0;
        while read < MAX_UNREAD_BYTES {
            match stream.read(&mut unread).await? {
                0 => break,
                bytes => read += bytes,
            }
        }
        Ok::<_, io::Error>(())
    })
    .await;
}
