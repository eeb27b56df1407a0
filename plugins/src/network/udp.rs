//! The buffers of this node's UDP sockets.
//!
//! The QUIC library does not set them and gives no access to its sockets. But a process may
//! duplicate its own descriptors by number, and a duplicate refers to the same socket, so options
//! set on it also apply to the library's.

use std::io;

/// The wanted size of each buffer of a UDP socket, in bytes.
pub(super) const WANTED_BYTES: usize = 2 * 1024 * 1024;

/// The sizes of the buffers, in bytes as the system counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffers {
    pub(super) receive: usize,
    pub(super) send: usize,
}

impl Buffers {
    /// Warnings with what an operator should change.
    pub(super) fn warnings(self) -> impl Iterator<Item = String> {
        let named = [("rmem_max", self.receive), ("wmem_max", self.send)];
        named.into_iter().filter(|(_, bytes)| *bytes < WANTED_BYTES).map(|(name, bytes)| {
            format!(
                "UDP buffers of {bytes} bytes lose packets under load; let the node raise them: \
                 sysctl -w net.core.{name}={WANTED_BYTES}"
            )
        })
    }
}

/// Raises the buffers of the sockets on this port, and warns if that was not enough.
pub(super) fn raise_and_warn(port: u16) {
    match raise(port) {
        Ok(buffers) => {
            tracing::debug!(receive = buffers.receive, send = buffers.send, "UDP buffers");
            buffers.warnings().for_each(|warning| tracing::warn!("{warning}"));
        }
        Err(error) => tracing::warn!(
            %error,
            "the node cannot raise its UDP buffers, and small ones lose packets under load; raise \
             the defaults: sysctl -w net.core.rmem_default={WANTED_BYTES} \
             net.core.wmem_default={WANTED_BYTES}"
        ),
    }
}

/// Raises the buffers of this process's UDP sockets on a local port as far as it may. Returns their
/// sizes after that; the smallest ones if there are several sockets.
///
/// # Errors
/// The system's error if the sockets are not accessible; `NotFound` if there is none.
#[cfg(target_os = "linux")]
pub(super) fn raise(port: u16) -> io::Result<Buffers> {
    use rustix::{
        io::Errno,
        process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
    };

    let me = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut least: Option<Buffers> = None;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let entry = entry?;
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| target.to_string_lossy().starts_with("socket:"))
        else {
            continue;
        };
        let socket = match pidfd_getfd(&me, number, PidfdGetfdFlags::empty()) {
            Ok(socket) => socket,
            // It was closed in the meantime.
            Err(Errno::BADF) => continue,
            Err(error) => return Err(error.into()),
        };
        if is_udp_on(&socket, port) {
            let has = enlarge(&socket)?;
            least = Some(least.map_or(has, |least| Buffers {
                receive: least.receive.min(has.receive),
                send: least.send.min(has.send),
            }));
        }
    }
    least.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// On other systems the sockets are not accessible.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub(super) fn raise(_port: u16) -> io::Result<Buffers> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn is_udp_on(socket: &rustix::fd::OwnedFd, port: u16) -> bool {
    use rustix::net::{SocketType, getsockname, sockopt::socket_type};

    let address = getsockname(socket).ok().and_then(|any| std::net::SocketAddr::try_from(any).ok());
    address.is_some_and(|address| address.port() == port)
        && socket_type(socket).is_ok_and(|kind| kind == SocketType::DGRAM)
}

/// Sets both buffers, beyond the system's limit if this process may, and reads them back.
#[cfg(target_os = "linux")]
fn enlarge(socket: &rustix::fd::OwnedFd) -> io::Result<Buffers> {
    use rustix::net::sockopt::{
        set_socket_recv_buffer_size, set_socket_recv_buffer_size_force,
        set_socket_send_buffer_size, set_socket_send_buffer_size_force, socket_recv_buffer_size,
        socket_send_buffer_size,
    };

    if socket_recv_buffer_size(socket)? < WANTED_BYTES
        && set_socket_recv_buffer_size_force(socket, WANTED_BYTES).is_err()
    {
        set_socket_recv_buffer_size(socket, WANTED_BYTES)?;
    }
    if socket_send_buffer_size(socket)? < WANTED_BYTES
        && set_socket_send_buffer_size_force(socket, WANTED_BYTES).is_err()
    {
        set_socket_send_buffer_size(socket, WANTED_BYTES)?;
    }
    Ok(Buffers {
        receive: socket_recv_buffer_size(socket)?,
        send: socket_send_buffer_size(socket)?,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use rustix::net::sockopt::{socket_recv_buffer_size, socket_send_buffer_size};

    use super::*;

    #[test]
    fn the_buffers_of_an_open_socket_are_raised_and_of_no_other() {
        let bind = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let (socket, other) = (bind(), bind());
        let sizes = |socket: &UdpSocket| Buffers {
            receive: socket_recv_buffer_size(socket).expect("an open socket"),
            send: socket_send_buffer_size(socket).expect("an open socket"),
        };
        let before = sizes(&socket);
        let port = socket.local_addr().expect("bound").port();
        let raised = match raise(port) {
            Ok(raised) => raised,
            // A container may forbid the call: then nothing has changed.
            Err(error) => {
                assert_ne!(error.kind(), io::ErrorKind::NotFound);
                assert_eq!(sizes(&socket), before);
                return;
            }
        };
        assert_eq!(raised, sizes(&socket), "what is reported is what the socket has");
        assert!(raised.receive > before.receive || before.receive >= WANTED_BYTES);
        assert!(raised.send > before.send || before.send >= WANTED_BYTES);
        assert_eq!(sizes(&other), before);
        drop(socket);
        assert_eq!(raise(port).expect_err("closed").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn warnings_say_the_command_that_helps() {
        let warnings = |receive, send| Buffers { receive, send }.warnings().collect::<Vec<_>>();
        assert!(warnings(WANTED_BYTES, WANTED_BYTES).is_empty());
        let [warning] = &warnings(212_992, WANTED_BYTES)[..] else { panic!("one warning") };
        assert!(warning.ends_with("sysctl -w net.core.rmem_max=2097152"), "{warning}");
        assert_eq!(warnings(1, 1).len(), 2);
    }
}
