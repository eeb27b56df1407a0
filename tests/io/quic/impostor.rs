//! A peer whose certificate claims an identity that never signed it.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
};

use libp2p::identity::Keypair;
use quinn::{
    ClientConfig, Endpoint, ServerConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs::default_provider},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    version::TLS13,
};
use tokio::sync::oneshot;

use crate::quic::{
    log::TestLog,
    node::{TestNode, config},
    raw::PATIENCE,
};

/// The certificate's extension that says whose it is.
const IDENTITY_EXTENSION: [u64; 9] = [1, 3, 6, 1, 4, 1, 53594, 1, 1];
const PROTOCOL: &[u8] = b"libp2p";

/// Bytes as an ASN.1 value of a type. All values here are short.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).expect("short");
    // From 128 on the length has a byte that says how many bytes it has.
    let head = if length < 128 { vec![tag, length] } else { vec![tag, 0x81, length] };
    [&head, content].concat()
}

/// A certificate of its own key, which names an identity, with a signature of something else.
fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let identity = Keypair::generate_secp256k1();
    let signature = identity.sign(b"not the certificate's key").expect("it signs");
    let public_key = identity.public().encode_protobuf();
    let parts = [tagged(0x04, &public_key), tagged(0x04, &signature)].concat();
    let extension =
        rcgen::CustomExtension::from_oid_content(&IDENTITY_EXTENSION, tagged(0x30, &parts));
    let mut parameters = rcgen::CertificateParams::default();
    parameters.custom_extensions.push(extension);
    let key = rcgen::KeyPair::generate().expect("a key");
    let certificate = parameters.self_signed(&key).expect("a certificate").der().clone();
    (certificate, PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
}

/// Trusts whoever answers.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A socket that answers, and calls, as the impostor.
fn impostor() -> Endpoint {
    let provider = Arc::new(default_provider());
    let (certificate, key) = certificate();
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has it")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.clone_key())
        .expect("they belong together");
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let server = QuicServerConfig::try_from(tls).expect("good for QUIC");
    let server = ServerConfig::with_crypto(Arc::new(server));

    let mut tls = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&TLS13])
        .expect("the provider has it")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(provider)))
        .with_client_auth_cert(vec![certificate], key)
        .expect("they belong together");
    tls.alpn_protocols = vec![PROTOCOL.to_vec()];
    let client = QuicClientConfig::try_from(tls).expect("good for QUIC");

    let mut endpoint =
        Endpoint::server(server, ([127, 0, 0, 1], 0).into()).expect("loopback has ports");
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(client)));
    endpoint
}

/// Runs an impostor, which calls the port that it is told. Returns where it listens.
fn start(call: oneshot::Receiver<u16>) -> SocketAddr {
    let (started, starts) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("starts").block_on(async {
            let endpoint = impostor();
            started.send(endpoint.local_addr().expect("bound")).expect("the test waits");
            let answering = endpoint.clone();
            tokio::spawn(async move {
                while let Some(incoming) = answering.accept().await {
                    let _ = incoming.await;
                }
            });
            let Ok(port) = call.await else { return };
            let called = ([127, 0, 0, 1], port).into();
            // Its own handshake ends before its certificate has been looked at.
            if let Ok(connection) = endpoint.connect(called, "l").expect("a valid call").await {
                connection.closed().await;
            }
        });
    });
    starts.recv_timeout(PATIENCE).expect("starts")
}

#[test]
fn an_identity_that_did_not_sign_is_told_with_its_address_and_the_cause() {
    let told = TestLog::listen();
    let (call, calls) = oneshot::channel();
    let impostor = format!("/ip4/127.0.0.1/udp/{}/quic-v1", start(calls).port());

    // It is called.
    let mut set_up = config(1);
    set_up.bootnodes = vec![impostor.parse().expect("an address")];
    let node = TestNode::start(set_up);
    node.wait("called in vain", |_| node.counters.dial_failures.get() >= 1);
    let line = told.line("a bootnode cannot be reached");
    for part in ["WARN", &impostor, "does not prove the identity"] {
        assert!(line.contains(part), "{part}: {line}");
    }

    // It calls.
    call.send(node.local.listen.port()).expect("it waits");
    node.wait("refused", |_| told.count("the handshake with") >= 1);
    let line = told.line("the handshake with");
    for part in ["INFO", &impostor, "does not prove the identity"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}
