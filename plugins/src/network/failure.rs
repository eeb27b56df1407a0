//! Explains why a socket or a connection could not be opened, with the address and the cause.

use std::{
    error::Error,
    io,
    net::{SocketAddr, UdpSocket},
};

use libp2p::swarm::{DialError, ListenError};

/// The error of TLS for a certificate that its identity did not sign, and the meaning of that
/// error.
const NO_IDENTITY: (&str, &str) =
    ("UnknownIssuer", "the peer does not prove the identity that its certificate names");
/// The largest explanation in bytes, because parts of it may come from a peer.
const MAX_BYTES: usize = 512;

/// Returns the reason nothing can listen on an address. The library hides the system's reason, so
/// the address is tried once more.
pub(super) fn of_listening(address: SocketAddr, error: &(dyn Error + 'static)) -> String {
    match UdpSocket::bind(address) {
        Err(error) => of_binding(&error),
        Ok(_) => chain(error),
    }
}

fn of_binding(error: &io::Error) -> String {
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program has this UDP port: end it, or choose another with --gossipsub-port"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: choose one of its own with --listen-address"
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not take the port: choose one from 1024 on with --gossipsub-port"
        }
        _ => return error.to_string(),
    };
    format!("{error}; {help}")
}

/// Returns the reason an outbound connection failed.
pub(super) fn of_calling(error: &DialError) -> String {
    let text = match error {
        DialError::Transport(errors) => {
            let each = errors.iter().map(|(address, error)| format!("{address}: {}", chain(error)));
            each.collect::<Vec<_>>().join("; ")
        }
        DialError::WrongPeerId { obtained, address } => {
            format!("{address}: the node there is {obtained}, not the one that was dialled")
        }
        DialError::LocalPeerId { address } => format!("{address}: this node itself is there"),
        DialError::Denied { cause } => chain(cause),
        error => chain(error),
    };
    cut(&text)
}

/// Returns the reason an inbound connection failed.
pub(super) fn of_answering(error: &ListenError) -> String {
    let text = match error {
        ListenError::Transport(error) => chain(error),
        ListenError::Denied { cause } => chain(cause),
        error => chain(error),
    };
    cut(&text)
}

/// An error and its causes, each once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        let is_said = parts.iter().any(|part| part.contains(&text));
        if !text.trim().is_empty() && !is_said {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() {
        return "the reason is unknown".into();
    }
    let text = parts.join(": ");
    let (sign, meaning) = NO_IDENTITY;
    if text.contains(sign) { format!("{meaning} ({text})") } else { text }
}

/// At most this many bytes, on one line.
fn cut(text: &str) -> String {
    let line = text.replace(char::is_control, " ");
    super::codec::wire::cut(&line, MAX_BYTES).to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use libp2p::{PeerId, TransportError};

    use super::*;

    #[test]
    fn the_systems_reason_comes_with_what_helps() {
        let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let blank = TransportError::<io::Error>::Other(io::Error::other(""));
        let address = taken.local_addr().expect("bound");
        let text = of_listening(address, &blank);
        assert!(text.contains("in use") && text.contains("--gossipsub-port"), "{text}");
        let text = of_listening("192.0.2.1:9".parse().expect("an address"), &blank);
        assert!(text.contains("--listen-address"), "{text}");
        drop(taken);
        assert_eq!(of_listening(address, &blank), "the reason is unknown");
    }

    #[test]
    fn a_failed_call_names_the_address_and_the_cause() {
        let address: libp2p::Multiaddr = "/ip4/192.0.2.1/udp/9/quic-v1".parse().expect("one");
        let cause = TransportError::Other(io::Error::new(ErrorKind::TimedOut, "timed out"));
        let error = DialError::Transport(vec![(address.clone(), cause)]);
        assert_eq!(of_calling(&error), "/ip4/192.0.2.1/udp/9/quic-v1: timed out");
        let obtained = PeerId::random();
        let text = of_calling(&DialError::WrongPeerId { obtained, address });
        assert!(text.contains("192.0.2.1") && text.contains(&obtained.to_base58()), "{text}");
    }

    #[test]
    fn a_failed_answer_says_the_cause_behind_the_librarys_words() {
        let cause = io::Error::other("invalid peer certificate: BadSignature");
        let error = ListenError::Transport(TransportError::Other(cause));
        assert_eq!(of_answering(&error), "invalid peer certificate: BadSignature");
    }
}
