//! Advice for errors with which HTTP cannot start.

use std::io::{self, ErrorKind};

use crate::open_files::remedy;

/// Advice for an address that cannot be bound, whose port this flag chooses; empty if nothing is
/// known to help.
pub(super) fn of_binding(error: &io::Error, port_flag: &str) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => format!(
            "; another program has this TCP port: end it, or choose another with {port_flag}"
        ),
        ErrorKind::AddrNotAvailable | ErrorKind::InvalidInput => {
            "; this machine has no such address: choose one of its own with --http-address".into()
        }
        ErrorKind::PermissionDenied => {
            format!("; this user may not take the port: choose one from 1024 on with {port_flag}")
        }
        _ => remedy(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_names_the_flag() {
        let help = |kind| of_binding(&io::Error::from(kind), "--metrics-port");
        assert!(help(ErrorKind::AddrInUse).contains("--metrics-port"));
        assert!(help(ErrorKind::AddrNotAvailable).contains("--http-address"));
        assert!(help(ErrorKind::PermissionDenied).contains("--metrics-port"));
        assert_eq!(help(ErrorKind::NotFound), "");
    }
}
