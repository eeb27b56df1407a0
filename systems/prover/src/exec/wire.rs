//! The messages on a prover process' pipes. `docs/proofs.md` has the layout.

use std::io::{self, Read, Write};

use leansig::scheme::Scheme;

use crate::{Child, ProveError, RawSignature, Statement, VerifyError};

/// The bytes with which both sides begin.
pub(super) const MAGIC: &[u8; 8] = b"QPROVER\n";
/// The version of the protocol.
pub(super) const VERSION: u16 = 1;
/// Bytes of a request at most: it may hold 4096 signatures, and children.
pub(super) const MAX_REQUEST: usize = 64 << 20;
/// Bytes of a reply at most beyond the longest proof.
pub(super) const REPLY_MARGIN: usize = 4096;
/// Bytes of a text at most; a longer one is cut.
pub(super) const MAX_TEXT: usize = 1024;
/// Items of a list in a request at most: the keys of a statement.
const MAX_ITEMS: usize = crate::MAX_SIGNERS;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Hello = 0,
    Aggregate = 1,
    Merge = 2,
    Split = 3,
    VerifySingle = 4,
    VerifyMulti = 5,
    Cancel = 6,
    Done = 128,
    Refused = 129,
    Phase = 130,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Hello,
        Self::Aggregate,
        Self::Merge,
        Self::Split,
        Self::VerifySingle,
        Self::VerifyMulti,
        Self::Cancel,
        Self::Done,
        Self::Refused,
        Self::Phase,
    ];
}

/// A frame: what it is, the request that it belongs to, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) request: u32,
    pub(super) body: Vec<u8>,
}

/// Bytes of a frame beside its body: kind and request.
const FRAME_HEAD: usize = 5;

/// Writes a frame and what was buffered before it.
pub(super) fn write_frame(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let len = u32::try_from(FRAME_HEAD + frame.body.len())
        .map_err(|_| io::Error::other("the frame is too long"))?;
    out.write_all(&len.to_le_bytes())?;
    out.write_all(&[frame.kind as u8])?;
    out.write_all(&frame.request.to_le_bytes())?;
    out.write_all(&frame.body)?;
    out.flush()
}

/// Reads a frame with a body of at most `limit` bytes; `None` where the bytes end before one.
pub(super) fn read_frame(input: &mut impl Read, limit: usize) -> io::Result<Option<Frame>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut head = [0; 4];
    match input.read(&mut head[..1])? {
        0 => return Ok(None),
        _ => input.read_exact(&mut head[1..])?,
    }
    let len = u32::from_le_bytes(head) as usize;
    if !(FRAME_HEAD..=FRAME_HEAD + limit).contains(&len) {
        return Err(invalid(format!("a frame of {len} bytes, expected up to {limit}")));
    }
    let mut bytes = Vec::new();
    // Grows with what arrives, whatever the length says.
    let read = input.take(len as u64).read_to_end(&mut bytes)?;
    if read < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == bytes[0]);
    let kind = kind.ok_or_else(|| invalid(format!("a frame of unknown kind {}", bytes[0])))?;
    let request = u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]);
    bytes.drain(..FRAME_HEAD);
    Ok(Some(Frame { kind, request, body: bytes }))
}

/// A body that is being written.
#[derive(Debug, Default)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    pub(super) fn number(&mut self, number: usize) -> &mut Self {
        // Every number has a limit below this.
        self.0.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
        self
    }

    pub(super) fn long(&mut self, number: usize) -> &mut Self {
        self.0.extend((number as u64).to_le_bytes());
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len());
        self.0.extend(bytes);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(&text.as_bytes()[..text.floor_char_boundary(MAX_TEXT)])
    }

    pub(super) fn statement(&mut self, statement: &Statement<'_>) -> &mut Self {
        self.0.extend(statement.slot.to_le_bytes());
        self.0.extend(statement.message);
        self.number(statement.public_keys.len());
        for key in &statement.public_keys {
            self.bytes(key);
        }
        self
    }

    pub(super) fn statements(&mut self, statements: &[Statement<'_>]) -> &mut Self {
        self.number(statements.len());
        for statement in statements {
            self.statement(statement);
        }
        self
    }

    pub(super) fn child(&mut self, child: &Child<'_>) {
        self.number(child.signers.len());
        for signer in &child.signers {
            self.number(*signer);
        }
        self.bytes(child.proof);
    }

    pub(super) fn signature(&mut self, raw: &RawSignature<'_>) {
        self.number(raw.signer).bytes(raw.signature);
    }
}

/// A body that is being read.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

/// A body that does not have the form of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the frame's body is malformed")]
pub(super) struct MalformedBody;

type Field<T> = Result<T, MalformedBody>;

impl<'a> Fields<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self(body)
    }

    pub(super) fn take(&mut self, len: usize) -> Field<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(MalformedBody)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Field<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| MalformedBody)
    }

    pub(super) fn byte(&mut self) -> Field<u8> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn short(&mut self) -> Field<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn number(&mut self) -> Field<usize> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    /// A number of 8 bytes; more than there can be is as much as there can be.
    pub(super) fn long(&mut self) -> Field<usize> {
        Ok(usize::try_from(u64::from_le_bytes(self.array()?)).unwrap_or(usize::MAX))
    }

    pub(super) fn bytes(&mut self) -> Field<&'a [u8]> {
        let len = self.number()?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Field<String> {
        let bytes = self.bytes()?;
        let text = str::from_utf8(&bytes[..bytes.len().min(MAX_TEXT)]);
        text.map(str::to_owned).map_err(|_| MalformedBody)
    }

    /// A list, which grows by what was read.
    pub(super) fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Field<T>) -> Field<Vec<T>> {
        let len = self.number()?;
        if len > MAX_ITEMS {
            return Err(MalformedBody);
        }
        let mut list = Vec::new();
        for _ in 0..len {
            list.push(item(self)?);
        }
        Ok(list)
    }

    pub(super) fn statement(&mut self) -> Field<Statement<'a>> {
        Ok(Statement {
            slot: u64::from_le_bytes(self.array()?),
            message: self.array()?,
            public_keys: self.list(Self::bytes)?,
        })
    }

    pub(super) fn statements(&mut self) -> Field<Vec<Statement<'a>>> {
        self.list(Self::statement)
    }

    pub(super) fn child(&mut self) -> Field<Child<'a>> {
        Ok(Child { signers: self.list(Self::number)?, proof: self.bytes()? })
    }

    pub(super) fn signature(&mut self) -> Field<RawSignature<'a>> {
        Ok(RawSignature { signer: self.number()?, signature: self.bytes()? })
    }

    /// All was read.
    pub(super) fn end(&self) -> Field<()> {
        if self.0.is_empty() { Ok(()) } else { Err(MalformedBody) }
    }
}

/// The reason a request was refused, as it is sent: a byte and a text, or two sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Prove(ProveError),
    Verify(VerifyError),
}

impl Reason {
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = Body::default();
        let (code, text) = match self {
            Self::Prove(ProveError::Cancelled) => (0, ""),
            Self::Prove(ProveError::Coverage(text)) => (1, text.as_str()),
            Self::Prove(ProveError::InvalidInput(text)) => (2, text.as_str()),
            Self::Prove(ProveError::TooLarge { bytes, limit }) => {
                body.0.push(3);
                body.number(*bytes).number(*limit);
                return body.0;
            }
            Self::Prove(ProveError::Unavailable(text)) => (6, text.as_str()),
            Self::Verify(VerifyError::Malformed(text)) => (4, text.as_str()),
            Self::Verify(VerifyError::Invalid(text)) => (5, text.as_str()),
        };
        body.0.push(code);
        body.text(text);
        body.0
    }

    pub(super) fn read(body: &[u8]) -> Field<Self> {
        let mut fields = Fields::new(body);
        let code = fields.byte()?;
        if code == 3 {
            let (bytes, limit) = (fields.number()?, fields.number()?);
            fields.end()?;
            return Ok(Self::Prove(ProveError::TooLarge { bytes, limit }));
        }
        let text = fields.text()?;
        fields.end()?;
        Ok(match code {
            0 => Self::Prove(ProveError::Cancelled),
            1 => Self::Prove(ProveError::Coverage(text)),
            2 => Self::Prove(ProveError::InvalidInput(text)),
            6 => Self::Prove(ProveError::Unavailable(text)),
            4 => Self::Verify(VerifyError::Malformed(text)),
            5 => Self::Verify(VerifyError::Invalid(text)),
            _ => return Err(MalformedBody),
        })
    }
}

/// The byte of a signature scheme: the logarithm of its lifetime.
pub(super) fn scheme_byte(scheme: Scheme) -> u8 {
    match scheme {
        Scheme::Lifetime8 => 8,
        Scheme::Lifetime18 => 18,
        Scheme::Lifetime32 => 32,
    }
}

/// The scheme of a byte.
pub(super) fn scheme_of(byte: u8) -> Option<Scheme> {
    let all = [Scheme::Lifetime8, Scheme::Lifetime18, Scheme::Lifetime32];
    all.into_iter().find(|scheme| scheme_byte(*scheme) == byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame { kind: Kind::Phase, request: 7, body: b"abc".to_vec() }
    }

    fn written(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, frame).expect("a vector takes all");
        bytes
    }

    #[test]
    fn what_was_written_is_read() {
        let bytes = [written(&frame()), written(&frame())].concat();
        let mut input = &bytes[..];
        for _ in 0..2 {
            assert_eq!(read_frame(&mut input, 3).expect("a frame"), Some(frame()));
        }
        assert_eq!(read_frame(&mut input, 3).expect("an end"), None);
    }

    #[test]
    fn long_cut_and_unknown_frames_are_refused() {
        let bytes = written(&frame());
        let kind = |bytes: &[u8], limit| read_frame(&mut &*bytes, limit).map_err(|e| e.kind());
        assert_eq!(kind(&bytes, 2), Err(io::ErrorKind::InvalidData));
        assert_eq!(kind(&bytes[..bytes.len() - 1], 3), Err(io::ErrorKind::UnexpectedEof));
        assert_eq!(kind(&[4, 0, 0, 0, 1, 0, 0, 0], 3), Err(io::ErrorKind::InvalidData));
        assert_eq!(kind(&[5, 0, 0, 0, 99, 0, 0, 0, 0], 3), Err(io::ErrorKind::InvalidData));
        // A length does not decide what is allocated.
        assert_eq!(kind(&[255, 255, 255, 3, 1], MAX_REQUEST), Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn statements_and_reasons_go_through() {
        let statement =
            Statement { slot: 3, message: [4; 32], public_keys: vec![b"key", b"other"] };
        let mut body = Body::default();
        body.statement(&statement);
        body.child(&Child { signers: vec![1], proof: b"proof" });
        let mut fields = Fields::new(&body.0);
        assert_eq!(fields.statement(), Ok(statement));
        let child = fields.child().expect("a child");
        assert_eq!((child.signers, child.proof), (vec![1], &b"proof"[..]));
        assert_eq!(fields.end(), Ok(()));
        for len in 0..body.0.len() {
            let mut fields = Fields::new(&body.0[..len]);
            assert!(fields.statement().is_err() || fields.child().is_err(), "{len} bytes");
        }
        for reason in [
            Reason::Prove(ProveError::Cancelled),
            Reason::Prove(ProveError::Coverage("a".into())),
            Reason::Prove(ProveError::InvalidInput("b".into())),
            Reason::Prove(ProveError::TooLarge { bytes: 5, limit: 4 }),
            Reason::Prove(ProveError::Unavailable("e".into())),
            Reason::Verify(VerifyError::Malformed("c".into())),
            Reason::Verify(VerifyError::Invalid("d".into())),
        ] {
            assert_eq!(Reason::read(&reason.body()), Ok(reason));
        }
        assert_eq!(Reason::read(&[9, 0, 0, 0, 0]), Err(MalformedBody));
    }
}
