//! The threads and the memory that `RocksDB` needs of the system. It ends the process when it does
//! not get them, so both are tried before it is opened.

use std::{io, sync::mpsc::channel, thread};

/// The threads that `RocksDB` starts, and a few for the rest of the node.
const THREADS: usize = 12;
/// The memory that is asked for, and not used: caches and buffers of the database, and what its
/// threads reserve.
const BYTES: usize = 384 << 20;

/// The resource of which there is too little.
#[derive(Debug, thiserror::Error)]
pub enum Lack {
    /// Threads.
    #[error(
        "the system gives no more threads ({0}): raise the limit of processes (ulimit -u) and of \
         memory (ulimit -v), or those of the container"
    )]
    Threads(io::Error),
    /// Memory.
    #[error(
        "the system gives no more memory ({} MiB were asked for): raise the limit of memory \
         (ulimit -v), or that of the container",
        .0 >> 20
    )]
    Memory(usize),
}

/// Checks that the process may have the threads and the memory of a database.
///
/// # Errors
/// [`Lack`].
pub(super) fn check() -> Result<(), Lack> {
    try_for(THREADS, BYTES)
}

fn try_for(threads: usize, bytes: usize) -> Result<(), Lack> {
    let mut memory = Vec::<u8>::new();
    memory.try_reserve_exact(bytes).map_err(|_| Lack::Memory(bytes))?;
    let mut waiting = Vec::new();
    for _ in 0..threads {
        // They are there at the same time, until the last one is.
        let (end, ended) = channel::<()>();
        let thread = thread::Builder::new().name("trial".into()).spawn(move || ended.recv());
        waiting.push((end, thread.map_err(Lack::Threads)?));
    }
    for (end, thread) in waiting {
        drop(end);
        // It only waits.
        let _ = thread.join();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_does_not_have_is_named() {
        assert!(check().is_ok());
        let lack = try_for(1, usize::MAX / 4).expect_err("nobody has it");
        assert!(lack.to_string().contains("ulimit -v"), "{lack}");
        let lack = Lack::Threads(io::Error::from(io::ErrorKind::WouldBlock)).to_string();
        assert!(lack.contains("ulimit -u"), "{lack}");
    }
}
