//! Payloads on substreams.

use std::{io, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt};
use quintet_components::lane::LaneSender;
use tokio::time::{sleep, timeout};

use super::codec::wire::{PayloadReader, ResponseCode, WireError};

/// The number of bytes that are read at once, so that a claimed length alone allocates nothing.
const PIECE_BYTES: usize = 64 * 1024;
/// The time until a full lane is tried again.
const LANE_RETRY: Duration = Duration::from_millis(2);

/// The reason nothing could be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The bytes are invalid.
    Wire(WireError),
    /// The substream failed.
    Broken,
    /// It took too long.
    Timeout,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Wire(WireError::Truncated),
            _ => Self::Broken,
        }
    }
}

/// Reads a payload of at most `limit` bytes.
pub(super) async fn read_payload(
    stream: &mut (impl AsyncReadExt + Unpin),
    limit: usize,
) -> Result<Vec<u8>, ReadError> {
    read_whole(stream, PayloadReader::new(limit)).await
}

async fn read_whole(
    stream: &mut (impl AsyncReadExt + Unpin),
    mut reader: PayloadReader,
) -> Result<Vec<u8>, ReadError> {
    let mut buffer = Vec::new();
    while let Some(wanted) = reader.wants() {
        buffer.clear();
        while buffer.len() < wanted {
            let from = buffer.len();
            buffer.resize(wanted.min(from + PIECE_BYTES), 0);
            stream.read_exact(&mut buffer[from..]).await?;
        }
        reader.feed(&buffer).map_err(ReadError::Wire)?;
    }
    Ok(reader.into_payload())
}

/// Reads a chunk of a response; `None` at its end.
pub(super) async fn read_chunk(
    stream: &mut (impl AsyncReadExt + Unpin),
    limit: usize,
    at_most: Duration,
) -> Result<Option<(ResponseCode, Vec<u8>)>, ReadError> {
    let read = async {
        let mut code = [0];
        if stream.read(&mut code).await? == 0 {
            return Ok(None);
        }
        let code = ResponseCode::from_byte(code[0]);
        Ok(Some((code, read_whole(stream, PayloadReader::of_chunk(code, limit)).await?)))
    };
    timeout(at_most, read).await.unwrap_or(Err(ReadError::Timeout))
}

/// The reason bytes could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteError {
    /// The substream failed, or the peer closed it.
    Broken,
    /// It took too long.
    Timeout,
}

/// Writes bytes.
pub(super) async fn write(
    stream: &mut (impl AsyncWriteExt + Unpin),
    bytes: &[u8],
    at_most: Duration,
) -> Result<(), WriteError> {
    let written = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    in_time(at_most, written).await
}

/// Closes the writing side.
pub(super) async fn close(
    stream: &mut (impl AsyncWriteExt + Unpin),
    at_most: Duration,
) -> Result<(), WriteError> {
    in_time(at_most, stream.close()).await
}

async fn in_time(
    at_most: Duration,
    written: impl Future<Output = io::Result<()>>,
) -> Result<(), WriteError> {
    match timeout(at_most, written).await {
        Ok(written) => written.map_err(|_| WriteError::Broken),
        Err(_) => Err(WriteError::Timeout),
    }
}

/// Passes an item to the world, waiting for room as long as necessary.
pub(super) async fn deliver<T>(lane: &LaneSender<T>, mut item: T) {
    while let Err(back) = lane.try_offer(item) {
        item = back;
        sleep(LANE_RETRY).await;
    }
}
