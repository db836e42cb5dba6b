//! The connection of one client: incoming and outgoing frames, and time-outs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::Method;
use bytes::Bytes;
use fe2o3_amqp_types::definitions::Error;
use fe2o3_amqp_types::performatives::{Begin, Close, Open, Performative};
use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::ServiceBusAmqp;
use super::claims::Claims;
use super::error::{DECODE, FORCED, FRAMING, NOT_ALLOWED, error};
use super::frame::{Content, Frame, FrameError, MAX_FRAME, Reader, amqp, heartbeat};
use super::link::Arrival;
use super::session::Session;
use super::work::Work;
use crate::network::{BoxFuture, FaultAction, FaultDecider};

/// The idle time-out of both sides, as in Service Bus.
const IDLE: Duration = Duration::from_secs(240);
/// A connection without links is closed after this time.
const UNUSED: Duration = Duration::from_secs(300);
/// How often a connection checks its time-outs, unless the client needs heartbeats more often.
const MAINTENANCE_INTERVAL: Duration = Duration::from_secs(5);
/// The highest channel number, which is one less than the number of sessions.
const CHANNEL_MAX: u16 = 4999;

/// Why a connection is closed.
#[derive(Debug)]
pub(super) enum CloseReason {
    /// The client disconnected, or closed the connection properly.
    ClientClosed,
    /// A fault resets the connection without a reply.
    Reset,
    /// The client receives this error.
    Error(Box<Error>),
}

impl CloseReason {
    fn with_error(condition: &str, description: impl Into<String>) -> Self {
        Self::Error(Box::new(error(condition, description)))
    }
}

impl From<FrameError> for CloseReason {
    fn from(cause: FrameError) -> Self {
        match cause {
            FrameError::Io(_) => Self::ClientClosed,
            FrameError::Framing(_) => Self::with_error(FRAMING, cause.to_string()),
            FrameError::Decode(_) => Self::with_error(DECODE, cause.to_string()),
        }
    }
}

impl From<serde_amqp::Error> for CloseReason {
    fn from(cause: serde_amqp::Error) -> Self {
        FrameError::from(cause).into()
    }
}

/// Continues, or closes the connection.
pub(super) type ConnectionResult = Result<(), CloseReason>;

/// The state that the sessions of a connection share.
pub(super) struct ConnectionState {
    pub(super) service: ServiceBusAmqp,
    pub(super) claims: Claims,
    /// The largest frame that the client accepts.
    pub(super) max_frame: u32,
    /// Receivers that wait for a message.
    pub(super) arrivals: FuturesUnordered<BoxFuture<Arrival>>,
    faults: FaultDecider,
    delayed: FuturesUnordered<BoxFuture<(Work, FaultAction)>>,
    out: mpsc::UnboundedSender<Bytes>,
}

impl ConnectionState {
    pub(super) fn send(&self, channel: u16, performative: &impl Serialize) -> ConnectionResult {
        self.send_frame(amqp(channel, performative)?)
    }

    pub(super) fn send_frame(&self, frame: Bytes) -> ConnectionResult {
        self.out.send(frame).map_err(|_| CloseReason::ClientClosed)
    }

    /// Asks the fault decider about this work. Delayed work is returned later through `delayed`.
    pub(super) fn decide(&self, work: Work) -> Option<(Work, FaultAction)> {
        let mut action = self.faults.decide(Method::POST, work.path());
        if let Some(action) = (&mut action).now_or_never() {
            return Some((work, action));
        }
        self.delayed.push(Box::pin(async move { (work, action.await) }));
        None
    }
}

/// Serves an authenticated client until one side closes the connection.
pub(super) async fn converse<R, W>(
    service: ServiceBusAmqp,
    faults: FaultDecider,
    claims: Claims,
    reader: Reader<R>,
    writer: W,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (out, frames) = mpsc::unbounded_channel();
    let state = ConnectionState {
        service,
        claims,
        max_frame: 512,
        arrivals: FuturesUnordered::new(),
        faults,
        delayed: FuturesUnordered::new(),
        out,
    };
    let connection = Connection {
        state,
        reader,
        sessions: BTreeMap::new(),
        ended: BTreeSet::new(),
        last_received: Instant::now(),
        used: Instant::now(),
    };
    let mut writing = std::pin::pin!(write(frames, writer));
    let ending = tokio::select! {
        ending = connection.run() => ending,
        // The client disconnected.
        () = &mut writing => return,
    };
    if !matches!(ending, CloseReason::Reset) {
        // The connection and its only sender are dropped, so the remaining output is finite. A client that does not
        // read it is not waited for.
        let _ = tokio::time::timeout(MAINTENANCE_INTERVAL, writing).await;
    }
}

/// Writes until there are no more senders or the client disconnects, then closes the connection.
async fn write(mut frames: mpsc::UnboundedReceiver<Bytes>, mut writer: impl AsyncWrite + Unpin) {
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    while frames.recv_many(&mut batch, 256).await > 0 {
        bytes.clear();
        batch.drain(..).for_each(|frame| bytes.extend_from_slice(&frame));
        // A disconnect is noticed here or by the reader.
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

struct Connection<R> {
    state: ConnectionState,
    reader: Reader<R>,
    sessions: BTreeMap<u16, Session>,
    /// Channels whose sessions have ended.
    ended: BTreeSet<u16>,
    /// When the last frame was received.
    last_received: Instant,
    /// When the connection last had a link.
    used: Instant,
}

impl<R: AsyncRead + Unpin> Connection<R> {
    async fn run(mut self) -> CloseReason {
        let ending = match self.serve().await {
            Ok(()) => CloseReason::ClientClosed,
            Err(ending) => ending,
        };
        if let CloseReason::Error(error) = &ending {
            tracing::debug!(%error, "an AMQP connection is closed");
            let _ = self.state.send(0, &Close::new(Some(error.as_ref().clone())));
        }
        ending
    }

    async fn serve(&mut self) -> ConnectionResult {
        let heartbeat_interval = self.open().await?;
        let mut maintain =
            tokio::time::interval(heartbeat_interval.unwrap_or(MAINTENANCE_INTERVAL).min(MAINTENANCE_INTERVAL));
        loop {
            tokio::select! {
                frame = self.reader.next() => self.frame(frame?)?,
                Some(arrival) = self.state.arrivals.next() => self.arrived(arrival)?,
                Some((work, action)) = self.state.delayed.next() => self.perform(work, action)?,
                _ = maintain.tick() => self.maintain(heartbeat_interval.is_some())?,
            }
        }
    }

    /// Exchanges `open`. Returns how often the client expects a heartbeat.
    async fn open(&mut self) -> Result<Option<Duration>, CloseReason> {
        let first = loop {
            if let Some(first) = self.reader.next().await?.content()? {
                break first;
            }
        };
        let remote = match first {
            Content::Performative(performative, _) => match *performative {
                Performative::Open(open) => Some(open),
                _ => None,
            },
            Content::Disposition(_) => None,
        };
        let remote = remote.ok_or_else(|| CloseReason::with_error(NOT_ALLOWED, "a connection begins with open"))?;
        self.state.max_frame = remote.max_frame_size.0.clamp(512, MAX_FRAME);
        let local = Open {
            container_id: uuid::Uuid::new_v4().simple().to_string(),
            hostname: None,
            max_frame_size: MAX_FRAME.into(),
            channel_max: CHANNEL_MAX.into(),
            idle_time_out: u32::try_from(IDLE.as_millis()).ok(),
            outgoing_locales: None,
            incoming_locales: None,
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        self.state.send(0, &local)?;
        // Half of the client's time-out, so that one heartbeat may be late.
        let silence = remote.idle_time_out.filter(|silence| *silence > 0);
        Ok(silence.map(|silence| Duration::from_millis(u64::from(silence.max(2)) / 2)))
    }

    fn frame(&mut self, frame: Frame) -> ConnectionResult {
        self.last_received = Instant::now();
        let channel = frame.channel;
        match frame.content()? {
            None => Ok(()),
            Some(Content::Performative(performative, payload)) => match *performative {
                Performative::Open(_) => Err(CloseReason::with_error(NOT_ALLOWED, "the connection is already open")),
                Performative::Begin(begin) => self.begin(channel, &begin),
                Performative::Close(_) => {
                    self.state.send(0, &Close::new(None))?;
                    Err(CloseReason::ClientClosed)
                }
                performative => {
                    self.with_session(channel, |session, state| session.handle(state, performative, payload))
                }
            },
            Some(Content::Disposition(disposition)) => self.with_session(channel, |session, state| {
                session.disposition(state, disposition)?;
                Ok(false)
            }),
        }
    }

    /// Passes a frame to a session, which returns whether it has ended.
    fn with_session(
        &mut self,
        channel: u16,
        deal: impl FnOnce(&mut Session, &mut ConnectionState) -> Result<bool, CloseReason>,
    ) -> ConnectionResult {
        let Some(session) = self.sessions.get_mut(&channel) else {
            // Some clients detach their links after the session has ended.
            let known = self.ended.contains(&channel);
            let error = || CloseReason::with_error(NOT_ALLOWED, format!("there is no session on channel {channel}"));
            return known.then_some(()).ok_or_else(error);
        };
        if deal(session, &mut self.state)? {
            self.sessions.remove(&channel);
            self.ended.insert(channel);
        }
        Ok(())
    }

    fn begin(&mut self, channel: u16, begin: &Begin) -> ConnectionResult {
        if channel > CHANNEL_MAX || self.sessions.contains_key(&channel) {
            return Err(CloseReason::with_error(NOT_ALLOWED, format!("channel {channel} is not free")));
        }
        self.sessions.insert(channel, Session::begin(&self.state, channel, begin)?);
        Ok(())
    }

    fn arrived(&mut self, arrival: Arrival) -> ConnectionResult {
        match self.sessions.get_mut(&arrival.channel) {
            Some(session) => session.arrived(&mut self.state, arrival),
            None => {
                arrival.put_back(&self.state.service.broker);
                Ok(())
            }
        }
    }

    fn perform(&mut self, work: Work, action: FaultAction) -> ConnectionResult {
        match self.sessions.get_mut(&work.channel) {
            Some(session) => session.perform(&mut self.state, work, action),
            None => Ok(()),
        }
    }

    fn maintain(&mut self, send_heartbeat: bool) -> ConnectionResult {
        if self.last_received.elapsed() > IDLE {
            return Err(CloseReason::with_error(FORCED, "the connection was idle for longer than the idle time-out"));
        }
        for session in self.sessions.values_mut() {
            session.check_claims(&mut self.state)?;
        }
        if self.sessions.values().any(Session::has_links) {
            self.used = Instant::now();
        } else if self.used.elapsed() > UNUSED {
            let milliseconds = UNUSED.as_millis();
            let inactive = format!("The connection was inactive for more than the allowed {milliseconds} milliseconds");
            return Err(CloseReason::with_error(FORCED, format!("{inactive} and is closed by the service.")));
        }
        if send_heartbeat { self.state.send_frame(heartbeat()) } else { Ok(()) }
    }
}
