//! Frames: the units of a connection's byte stream.
//!
//! OASIS AMQP 1.0, part 2, section 2.3 (framing), and part 5, section 5.3 (SASL).

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use fe2o3_amqp_types::performatives::{Performative, Transfer};
use serde::Serialize;
use serde_amqp::lazy::LazyValue;
use serde_amqp::read::SliceReader;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::settle::Disposition;

/// The largest accepted frame, as in Service Bus.
pub(super) const MAX_FRAME: u32 = 64 * 1024;
/// The first eight bytes of a connection, or of its part after SASL.
pub(super) const AMQP_HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
/// The first eight bytes of a connection that starts with SASL.
pub(super) const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

const FRAME_HEADER: usize = 8;
const AMQP: u8 = 0;
const SASL: u8 = 1;
/// The descriptor of dispositions.
const DISPOSITION: u8 = 0x15;

/// Why the bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A size or type that does not exist in AMQP.
    #[error("{0}")]
    Framing(&'static str),
    /// The body of a frame cannot be decoded.
    #[error("a frame cannot be decoded: {0}")]
    Decode(#[from] serde_amqp::Error),
}

/// The content of a frame.
pub(super) enum Content {
    /// A performative and its payload.
    Performative(Box<Performative>, Bytes),
    /// A disposition, see [`Disposition`].
    Disposition(Disposition),
}

/// A frame, without its header.
pub(super) struct Frame {
    kind: u8,
    /// The session's channel.
    pub(super) channel: u16,
    body: Bytes,
}

impl Frame {
    /// The content. `None` for the empty frame, which is a heartbeat.
    pub(super) fn content(self) -> Result<Option<Content>, FrameError> {
        if self.kind != AMQP {
            return Err(FrameError::Framing("a frame is not an AMQP frame"));
        }
        if self.body.is_empty() {
            return Ok(None);
        }
        let performative = LazyValue::from_reader(&mut SliceReader::new(&self.body))?;
        let payload = self.body.slice(performative.as_slice().len()..);
        Ok(Some(match performative.as_slice() {
            [0x00, 0x53, DISPOSITION, ..] => Content::Disposition(Disposition::read(performative.as_slice())?),
            performative => Content::Performative(Box::new(serde_amqp::from_slice(performative)?), payload),
        }))
    }

    /// The body of a SASL frame.
    pub(super) fn sasl<T: serde::de::DeserializeOwned>(self) -> Result<T, FrameError> {
        if self.kind != SASL {
            return Err(FrameError::Framing("a frame is not a SASL frame"));
        }
        Ok(serde_amqp::from_slice(&self.body)?)
    }
}

/// Reads frames. A cancelled read loses no data.
pub(super) struct Reader<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, buffer: BytesMut::with_capacity(2 * MAX_FRAME as usize) }
    }

    /// The eight bytes of a protocol header.
    pub(super) async fn header(&mut self) -> Result<[u8; 8], FrameError> {
        self.fill(8).await?;
        let mut header = [0; 8];
        self.buffer.copy_to_slice(&mut header);
        Ok(header)
    }

    /// The next frame.
    pub(super) async fn next(&mut self) -> Result<Frame, FrameError> {
        self.fill(FRAME_HEADER).await?;
        let size = u32::from_be_bytes([self.buffer[0], self.buffer[1], self.buffer[2], self.buffer[3]]);
        let body = usize::from(self.buffer[4]) * 4;
        if size > MAX_FRAME {
            return Err(FrameError::Framing("a frame is larger than the agreed maximum"));
        }
        let size = size as usize;
        if body < FRAME_HEADER || size < body {
            return Err(FrameError::Framing("a frame's header is malformed"));
        }
        self.fill(size).await?;
        let mut frame = self.buffer.split_to(size).freeze();
        let (kind, channel) = (frame[5], u16::from_be_bytes([frame[6], frame[7]]));
        frame.advance(body);
        Ok(Frame { kind, channel, body: frame })
    }

    async fn fill(&mut self, wanted: usize) -> io::Result<()> {
        while self.buffer.len() < wanted {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// A whole AMQP frame.
pub(super) fn amqp(channel: u16, performative: &impl Serialize) -> Result<Bytes, serde_amqp::Error> {
    Ok(frame(AMQP, channel, &whole(performative)?, &[]))
}

/// A whole SASL frame.
pub(super) fn sasl(body: &impl Serialize) -> Result<Bytes, serde_amqp::Error> {
    Ok(frame(SASL, 0, &serde_amqp::to_vec(body)?, &[]))
}

/// The frame without a body, which is a heartbeat.
pub(super) fn heartbeat() -> Bytes {
    frame(AMQP, 0, &[], &[])
}

/// Encodes a message as one frame, or as several if the receiver's frame size requires it.
pub(super) fn transfers(
    channel: u16,
    mut transfer: Transfer,
    mut payload: Bytes,
    max_frame: u32,
) -> Result<Vec<Bytes>, serde_amqp::Error> {
    transfer.more = false;
    let last = whole(&transfer)?;
    transfer.more = true;
    let more = whole(&transfer)?;
    // The smallest frame size is 512 bytes, so there is room for some payload in each frame.
    let room = (max_frame as usize).saturating_sub(FRAME_HEADER + more.len()).max(64);
    let mut frames = Vec::with_capacity(1);
    while payload.len() > room {
        frames.push(frame(AMQP, channel, &more, &payload.split_to(room)));
    }
    frames.push(frame(AMQP, channel, &last, &payload));
    Ok(frames)
}

/// Encodes a performative with all of its fields. Null fields at the end could be omitted, but Service Bus writes them,
/// and some clients depend on that.
fn whole(performative: &impl Serialize) -> Result<Vec<u8>, serde_amqp::Error> {
    const NULL: u8 = 0x40;
    let short = serde_amqp::to_vec(performative)?;
    let (code, present, fields) = match short.as_slice() {
        [0x00, 0x53, code, 0x45] => (*code, 0, &[][..]),
        [0x00, 0x53, code, 0xc0, _, count, fields @ ..] => (*code, u32::from(*count), fields),
        [0x00, 0x53, code, 0xd0, _, _, _, _, a, b, c, d, fields @ ..] => {
            (*code, u32::from_be_bytes([*a, *b, *c, *d]), fields)
        }
        _ => return Ok(short),
    };
    let count = field_count(code).max(present);
    let missing = count.saturating_sub(present) as usize;
    let mut whole = vec![0x00, 0x53, code, 0xd0];
    whole.put_u32(u32::try_from(fields.len() + missing + 4).unwrap_or(u32::MAX));
    whole.put_u32(count);
    whole.put_slice(fields);
    whole.put_bytes(NULL, missing);
    Ok(whole)
}

/// The number of fields of a performative.
fn field_count(code: u8) -> u32 {
    match code {
        0x10 => 10,        // open
        0x11 => 8,         // begin
        0x12 => 14,        // attach
        0x13 | 0x14 => 11, // flow, transfer
        0x15 => 6,         // disposition
        0x16 => 3,         // detach
        _ => 1,            // end, close
    }
}

fn frame(kind: u8, channel: u16, performative: &[u8], payload: &[u8]) -> Bytes {
    let size = FRAME_HEADER + performative.len() + payload.len();
    let mut frame = BytesMut::with_capacity(size);
    frame.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
    frame.put_u8(2); // the header's length in words of four bytes
    frame.put_u8(kind);
    frame.put_u16(channel);
    frame.put_slice(performative);
    frame.put_slice(payload);
    frame.freeze()
}
