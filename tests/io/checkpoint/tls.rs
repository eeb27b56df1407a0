//! https: a certificate that is trusted, and one that is not.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::Arc,
};

use quintet_plugins::checkpoint::{FetchOptions, SourceError};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivateKeyDer};

use crate::{
    checkpoint::chain::{chain, failure, fetch_with, honest, is_taken, options},
    support::http_server::{Answer, Asked},
};

/// Serves over TLS for as long as the test runs; its port and its certificate.
fn serve(respond: impl Fn(&Asked) -> Answer + Send + 'static) -> (u16, Vec<u8>) {
    let CertifiedKey { cert, key_pair } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let der = cert.der().to_vec();
    let key = PrivateKeyDer::try_from(key_pair.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .expect("they belong together");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has ports");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            let mut lines = BufReader::new(&mut stream).lines();
            // A client that does not trust the certificate sends no request.
            let Some(Ok(first)) = lines.next() else { continue };
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            drop(lines);
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let Answer { status, headers, body, .. } = respond(&Asked { path, headers: vec![] });
            let mut head = format!("HTTP/1.1 {status} OK\r\nconnection: close\r\n");
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            head += &format!("content-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (port, der)
}

#[test]
fn a_trusted_certificate_is_taken_and_another_is_not() {
    let link = chain().swap_remove(20);
    let (port, der) = serve(honest(&link));
    let url = format!("https://localhost:{port}");
    let trusting = FetchOptions { roots: vec![der], ..options() };
    is_taken(fetch_with(std::slice::from_ref(&url), &trusting).expect("it is trusted"), &link);

    let error = failure(url, &options());
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("TLS"), "{error}");
}

#[test]
fn https_does_not_lead_to_http() {
    let (port, der) = serve(|asked| Answer::redirect(&format!("http://127.0.0.1:1{}", asked.path)));
    let trusting = FetchOptions { roots: vec![der], ..options() };
    let error = failure(format!("https://localhost:{port}"), &trusting);
    assert!(matches!(error, SourceError::Redirect { .. }), "{error}");
    assert!(error.to_string().contains("without TLS"), "{error}");
}
