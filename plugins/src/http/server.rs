//! Listeners, connections and their limits.

use std::{io, net::TcpListener as StdListener, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{config::HttpLimits, stall::Impatient};

/// Bytes of a request's line and headers at most.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// After an error of the listener itself, such as too few file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For the answer to a connection for which there is no place.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// What a connection is told for which there is no place.
const REFUSAL: &str = "HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/json; charset=utf-8\r\n\
    content-length: 45\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    {\"code\":503,\"error\":\"too many connections\"}\r\n";

/// Serves a listener for ever.
pub(super) async fn serve(listener: StdListener, router: Router, limits: HttpLimits) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "HTTP is not served");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(limits.connections));
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
            Err(_) => refuse(stream),
        }
    }
}

async fn connection(stream: TcpStream, router: Router, limits: HttpLimits) {
    // Small answers are not to wait for more.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Impatient::new(stream, limits.stall));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(io, TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Says that there is no place. Without waiting for it: who floods must not hold up others.
fn refuse(stream: TcpStream) {
    tokio::spawn(timeout(REFUSAL_TIME, async move {
        stream.writable().await?;
        stream.try_write(REFUSAL.as_bytes())?;
        rustix::net::shutdown(&stream, rustix::net::Shutdown::Write)?;
        // Closed with something unread, the connection would be reset, and the answer lost.
        let mut unread = [0; 1024];
        loop {
            stream.readable().await?;
            match stream.try_read(&mut unread) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let (_, body) = REFUSAL.split_once("\r\n\r\n").expect("headers end");
        assert!(REFUSAL.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
