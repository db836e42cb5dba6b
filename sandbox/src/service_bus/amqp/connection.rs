//! One client's connection: frames in, frames out, and what happens by itself.

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
use super::frame::{Frame, FrameError, MAX_FRAME, Reader, Said, amqp, heartbeat};
use super::link::Arrival;
use super::session::Session;
use super::work::Work;
use crate::network::{BoxFuture, FaultAction, FaultDecider};

/// How long either side may be silent before the other takes it for dead; what Service Bus says.
const IDLE: Duration = Duration::from_secs(240);
/// A connection without links is closed after so long.
const UNUSED: Duration = Duration::from_secs(300);
/// How often a connection looks after itself, unless the client wants to hear from it more often.
const UPKEEP: Duration = Duration::from_secs(5);
/// The highest channel, which is one less than the number of sessions.
const CHANNEL_MAX: u16 = 4999;

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum CloseReason {
    /// The client is gone, or has said goodbye and been answered.
    ClientClosed,
    /// The weather cuts the connection without a word.
    Reset,
    /// The client is told.
    Error(Box<Error>),
}

impl CloseReason {
    fn with_error(condition: &str, description: impl Into<String>) -> Self {
        Self::Error(Box::new(error(condition, description)))
    }
}

impl From<FrameError> for CloseReason {
    fn from(problem: FrameError) -> Self {
        match problem {
            FrameError::Io(_) => Self::ClientClosed,
            FrameError::Framing(_) => Self::with_error(FRAMING, problem.to_string()),
            FrameError::Decode(_) => Self::with_error(DECODE, problem.to_string()),
        }
    }
}

impl From<serde_amqp::Error> for CloseReason {
    fn from(problem: serde_amqp::Error) -> Self {
        FrameError::from(problem).into()
    }
}

/// Goes on, or ends the connection.
pub(super) type ConnectionResult = Result<(), CloseReason>;

/// What the sessions of a connection share.
pub(super) struct ConnectionState {
    pub(super) service: ServiceBusAmqp,
    pub(super) claims: Claims,
    /// The largest frame that the client takes.
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

    /// Asks the weather what becomes of this work. What takes its time comes back later.
    pub(super) fn decide(&self, work: Work) -> Option<(Work, FaultAction)> {
        let mut action = self.faults.decide(Method::POST, work.path());
        if let Some(action) = (&mut action).now_or_never() {
            return Some((work, action));
        }
        self.delayed.push(Box::pin(async move { (work, action.await) }));
        None
    }
}

/// Talks to a client that has been let in, until either of the two has enough.
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
        heard: Instant::now(),
        used: Instant::now(),
    };
    let mut writing = std::pin::pin!(write(frames, writer));
    let ending = tokio::select! {
        ending = connection.run() => ending,
        // The client is gone.
        () = &mut writing => return,
    };
    if !matches!(ending, CloseReason::Reset) {
        // The connection is gone, and with it the only sender, so what is left to be written has an end. A client that
        // does not take it is not waited for.
        let _ = tokio::time::timeout(UPKEEP, writing).await;
    }
}

/// Writes until nobody is left to send anything, or the client is gone, and then hangs up.
async fn write(mut frames: mpsc::UnboundedReceiver<Bytes>, mut writer: impl AsyncWrite + Unpin) {
    let (mut batch, mut bytes) = (Vec::new(), Vec::new());
    while frames.recv_many(&mut batch, 256).await > 0 {
        bytes.clear();
        batch.drain(..).for_each(|frame| bytes.extend_from_slice(&frame));
        // A client that is gone is noticed here or by the reader.
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
    /// Channels whose sessions are over.
    ended: BTreeSet<u16>,
    /// When the client was last heard.
    heard: Instant,
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
        let beat = self.open().await?;
        let mut upkeep = tokio::time::interval(beat.unwrap_or(UPKEEP).min(UPKEEP));
        loop {
            tokio::select! {
                frame = self.reader.next() => self.frame(frame?)?,
                Some(arrival) = self.state.arrivals.next() => self.arrived(arrival)?,
                Some((work, action)) = self.state.delayed.next() => self.perform(work, action)?,
                _ = upkeep.tick() => self.upkeep(beat.is_some())?,
            }
        }
    }

    /// Exchanges `open`; returns how often the client wants to hear from us.
    async fn open(&mut self) -> Result<Option<Duration>, CloseReason> {
        let first = loop {
            if let Some(first) = self.reader.next().await?.said()? {
                break first;
            }
        };
        let theirs = match first {
            Said::Performative(performative, _) => match *performative {
                Performative::Open(open) => Some(open),
                _ => None,
            },
            Said::Disposition(_) => None,
        };
        let theirs = theirs.ok_or_else(|| CloseReason::with_error(NOT_ALLOWED, "a connection begins with open"))?;
        self.state.max_frame = theirs.max_frame_size.0.clamp(512, MAX_FRAME);
        let ours = Open {
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
        self.state.send(0, &ours)?;
        // Half of what they would put up with, so that one beat may be late.
        let silence = theirs.idle_time_out.filter(|silence| *silence > 0);
        Ok(silence.map(|silence| Duration::from_millis(u64::from(silence.max(2)) / 2)))
    }

    fn frame(&mut self, frame: Frame) -> ConnectionResult {
        self.heard = Instant::now();
        let channel = frame.channel;
        match frame.said()? {
            None => Ok(()),
            Some(Said::Performative(performative, payload)) => match *performative {
                Performative::Open(_) => Err(CloseReason::with_error(NOT_ALLOWED, "the connection is open already")),
                Performative::Begin(begin) => self.begin(channel, &begin),
                Performative::Close(_) => {
                    self.state.send(0, &Close::new(None))?;
                    Err(CloseReason::ClientClosed)
                }
                performative => {
                    self.with_session(channel, |session, state| session.handle(state, performative, payload))
                }
            },
            Some(Said::Disposition(disposition)) => self.with_session(channel, |session, state| {
                session.disposition(state, disposition)?;
                Ok(false)
            }),
        }
    }

    /// Lets a session deal with a frame; it says whether it is over.
    fn with_session(
        &mut self,
        channel: u16,
        deal: impl FnOnce(&mut Session, &mut ConnectionState) -> Result<bool, CloseReason>,
    ) -> ConnectionResult {
        let Some(session) = self.sessions.get_mut(&channel) else {
            // There are clients that detach their links after the session's end.
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

    fn upkeep(&mut self, beats: bool) -> ConnectionResult {
        if self.heard.elapsed() > IDLE {
            return Err(CloseReason::with_error(FORCED, "the connection was silent for longer than was agreed"));
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
        if beats { self.state.send_frame(heartbeat()) } else { Ok(()) }
    }
}
