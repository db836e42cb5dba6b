//! The sections of an encoded message.
//!
//! OASIS AMQP 1.0, part 3, section 3.2.

use bytes::{BufMut as _, Bytes, BytesMut};
use fe2o3_amqp_types::messaging::{Header, Properties};
use serde_amqp::Value;
use serde_amqp::primitives::OrderedMap;

pub(super) const DELIVERY_ANNOTATIONS: u8 = 0x71;
pub(super) const MESSAGE_ANNOTATIONS: u8 = 0x72;
pub(super) const APPLICATION_PROPERTIES: u8 = 0x74;
const HEADER: u8 = 0x70;
const PROPERTIES: u8 = 0x73;
const DATA: u8 = 0x75;
const SEQUENCE: u8 = 0x76;
const VALUE: u8 = 0x77;
const FOOTER: u8 = 0x78;

/// A map of a section: annotations have symbols as keys, properties have text.
pub(super) type Map = OrderedMap<Value, Value>;

/// The sections of a message. An absent section is empty.
#[derive(Debug, Default)]
pub(super) struct Sections {
    pub(super) header: Header,
    pub(super) annotations: Map,
    pub(super) properties: Properties,
    pub(super) application_properties: Map,
    /// The sections of the body in their encoded form.
    pub(super) body: Bytes,
    /// The content if the body is data.
    pub(super) data: Vec<Bytes>,
    /// The content if the body is a value.
    pub(super) value: Option<Value>,
}

impl Sections {
    /// Decodes a message into its sections.
    pub(super) fn read(message: &Bytes) -> Result<Self, serde_amqp::Error> {
        let mut sections = Self::default();
        let (mut at, mut body) = (0, None);
        while at < message.len() {
            let end = at + length(&message[at..]).ok_or_else(|| malformed("a section that is cut short"))?;
            let section = message.slice(at..end);
            let (code, content) = described(&section)?;
            match code {
                HEADER => sections.header = serde_amqp::from_slice(&section)?,
                // The next two sections are only for intermediaries.
                DELIVERY_ANNOTATIONS | FOOTER => {}
                MESSAGE_ANNOTATIONS => sections.annotations = serde_amqp::from_slice(&content)?,
                PROPERTIES => sections.properties = serde_amqp::from_slice(&section)?,
                APPLICATION_PROPERTIES => sections.application_properties = serde_amqp::from_slice(&content)?,
                DATA => sections.data.push(binary(&content)?),
                SEQUENCE => {}
                // A value that cannot be decoded here, for example an array of described values, is carried as it is.
                VALUE => sections.value = serde_amqp::from_slice(&content).ok(),
                _ => return Err(malformed("a section that messages do not have")),
            }
            if matches!(code, DATA | SEQUENCE | VALUE) {
                body = Some(body.map_or(at..end, |body: std::ops::Range<usize>| body.start..end));
            }
            at = end;
        }
        sections.body = body.map_or_else(Bytes::new, |body| message.slice(body));
        Ok(sections)
    }
}

/// The length of the value at the start of these bytes. Described values may contain described values, which the
/// library does not expect. OASIS AMQP 1.0, part 1, section 1.2.
fn length(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut values) = (0, 1_usize);
    while values > 0 {
        let code = *bytes.get(at)?;
        at += 1;
        values -= 1;
        at += match code >> 4 {
            // The descriptor and the value that it describes.
            0x0 => {
                values += 2;
                0
            }
            0x4 => 0,
            0x5 => 1,
            0x6 => 2,
            0x7 => 4,
            0x8 => 8,
            0x9 => 16,
            0xa | 0xc | 0xe => 1 + usize::from(*bytes.get(at)?),
            0xb | 0xd | 0xf => {
                let size = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
                usize::try_from(u32::from_be_bytes(size)).ok()?.checked_add(4)?
            }
            _ => return None,
        };
    }
    (at <= bytes.len()).then_some(at)
}

/// The code and the value of a described value.
fn described(section: &Bytes) -> Result<(u8, Bytes), serde_amqp::Error> {
    match section.as_ref() {
        [0x00, 0x53, code, ..] => Ok((*code, section.slice(3..))),
        [0x00, 0x80, 0, 0, 0, 0, 0, 0, 0, code, ..] => Ok((*code, section.slice(10..))),
        _ => Err(malformed("a section without a known descriptor")),
    }
}

fn binary(content: &Bytes) -> Result<Bytes, serde_amqp::Error> {
    match content.as_ref() {
        [0xa0, _, ..] => Ok(content.slice(2..)),
        [0xb0, _, _, _, _, ..] => Ok(content.slice(5..)),
        _ => Err(malformed("a data section without data")),
    }
}

fn malformed(what: &str) -> serde_amqp::Error {
    serde_amqp::Error::Message(what.to_owned())
}

/// Encodes a message from its sections.
#[derive(Default)]
pub(super) struct Builder(BytesMut);

impl Builder {
    /// Adds the header. All fields are written, even with their default values.
    pub(super) fn header(mut self, header: &Header) -> Result<Self, serde_amqp::Error> {
        let ttl = header.ttl.map_or(Value::Null, Value::Uint);
        let (durable, priority) = (Value::Bool(header.durable), Value::Ubyte(header.priority.0));
        let fields = vec![durable, priority, ttl, Value::Null, Value::Uint(header.delivery_count)];
        self.0.put_slice(&[0x00, 0x53, HEADER]);
        self.0.put_slice(&serde_amqp::to_vec(&Value::List(fields))?);
        Ok(self)
    }

    /// Adds the properties.
    pub(super) fn properties(mut self, properties: &Properties) -> Result<Self, serde_amqp::Error> {
        self.0.put_slice(&serde_amqp::to_vec(properties)?);
        Ok(self)
    }

    /// Adds a map, unless it is empty.
    pub(super) fn map(mut self, code: u8, map: &Map) -> Result<Self, serde_amqp::Error> {
        if !map.is_empty() {
            self.0.put_slice(&[0x00, 0x53, code]);
            self.0.put_slice(&serde_amqp::to_vec(map)?);
        }
        Ok(self)
    }

    /// Adds a body of data.
    pub(super) fn data(mut self, data: &[u8]) -> Self {
        self.0.put_slice(&[0x00, 0x53, DATA]);
        match u8::try_from(data.len()) {
            Ok(length) => self.0.put_slice(&[0xa0, length]),
            Err(_) => {
                self.0.put_u8(0xb0);
                self.0.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
            }
        }
        self.0.put_slice(data);
        self
    }

    /// Adds a body of one value.
    pub(super) fn value(mut self, value: &Value) -> Result<Self, serde_amqp::Error> {
        self.0.put_slice(&[0x00, 0x53, VALUE]);
        self.0.put_slice(&serde_amqp::to_vec(value)?);
        Ok(self)
    }

    /// Adds sections that are already encoded.
    pub(super) fn encoded(mut self, sections: &[u8]) -> Self {
        self.0.put_slice(sections);
        self
    }

    pub(super) fn build(self) -> Bytes {
        self.0.freeze()
    }
}
