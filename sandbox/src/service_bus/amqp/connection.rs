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
use super::frame::{Frame, FrameProblem, MAX_FRAME, Reader, Said, amqp, heartbeat};
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
    Over,
    /// The weather cuts the connection without a word.
    Cut,
    /// The client is told.
    Because(Box<Error>),
}

impl CloseReason {
    fn because(condition: &str, description: impl Into<String>) -> Self {
        Self::Because(Box::new(error(condition, description)))
    }
}

impl From<FrameProblem> for CloseReason {
    fn from(problem: FrameProblem) -> Self {
        match problem {
            FrameProblem::Io(_) => Self::Over,
            FrameProblem::Framing(_) => Self::because(FRAMING, problem.to_string()),
            FrameProblem::Decode(_) => Self::because(DECODE, problem.to_string()),
        }
    }
}

impl From<serde_amqp::Error> for CloseReason {
    fn from(problem: serde_amqp::Error) -> Self {
        FrameProblem::from(problem).into()
    }
}

/// Goes on, or ends the connection.
pub(super) type Step = Result<(), CloseReason>;

/// What the sessions of a connection share.
pub(super) struct Hub {
    pub(super) face: ServiceBusAmqp,
    pub(super) claims: Claims,
    /// The largest frame that the client takes.
    pub(super) max_frame: u32,
    /// Receivers that wait for a message.
    pub(super) arrivals: FuturesUnordered<BoxFuture<Arrival>>,
    fates: FaultDecider,
    delayed: FuturesUnordered<BoxFuture<(Work, FaultAction)>>,
    out: mpsc::UnboundedSender<Bytes>,
}

impl Hub {
    pub(super) fn send(&self, channel: u16, performative: &impl Serialize) -> Step {
        self.send_frame(amqp(channel, performative)?)
    }

    pub(super) fn send_frame(&self, frame: Bytes) -> Step {
        self.out.send(frame).map_err(|_| CloseReason::Over)
    }

    /// Asks the weather what becomes of this work. What takes its time comes back later.
    pub(super) fn decide(&self, work: Work) -> Option<(Work, FaultAction)> {
        let mut fate = self.fates.decide(Method::POST, work.path());
        if let Some(fate) = (&mut fate).now_or_never() {
            return Some((work, fate));
        }
        self.delayed.push(Box::pin(async move { (work, fate.await) }));
        None
    }
}

/// Talks to a client that has been let in, until either of the two has enough.
pub(super) async fn converse<R, W>(
    face: ServiceBusAmqp,
    fates: FaultDecider,
    claims: Claims,
    reader: Reader<R>,
    writer: W,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (out, frames) = mpsc::unbounded_channel();
    let hub = Hub {
        face,
        claims,
        max_frame: 512,
        arrivals: FuturesUnordered::new(),
        fates,
        delayed: FuturesUnordered::new(),
        out,
    };
    let connection = Connection {
        hub,
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
    if !matches!(ending, CloseReason::Cut) {
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
    hub: Hub,
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
            Ok(()) => CloseReason::Over,
            Err(ending) => ending,
        };
        if let CloseReason::Because(error) = &ending {
            tracing::debug!(%error, "an AMQP connection is closed");
            let _ = self.hub.send(0, &Close::new(Some(error.as_ref().clone())));
        }
        ending
    }

    async fn serve(&mut self) -> Step {
        let beat = self.open().await?;
        let mut upkeep = tokio::time::interval(beat.unwrap_or(UPKEEP).min(UPKEEP));
        loop {
            tokio::select! {
                frame = self.reader.next() => self.frame(frame?)?,
                Some(arrival) = self.hub.arrivals.next() => self.arrived(arrival)?,
                Some((work, fate)) = self.hub.delayed.next() => self.perform(work, fate)?,
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
        let theirs = theirs.ok_or_else(|| CloseReason::because(NOT_ALLOWED, "a connection begins with open"))?;
        self.hub.max_frame = theirs.max_frame_size.0.clamp(512, MAX_FRAME);
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
        self.hub.send(0, &ours)?;
        // Half of what they would put up with, so that one beat may be late.
        let silence = theirs.idle_time_out.filter(|silence| *silence > 0);
        Ok(silence.map(|silence| Duration::from_millis(u64::from(silence.max(2)) / 2)))
    }

    fn frame(&mut self, frame: Frame) -> Step {
        self.heard = Instant::now();
        let channel = frame.channel;
        match frame.said()? {
            None => Ok(()),
            Some(Said::Performative(performative, payload)) => match *performative {
                Performative::Open(_) => Err(CloseReason::because(NOT_ALLOWED, "the connection is open already")),
                Performative::Begin(begin) => self.begin(channel, &begin),
                Performative::Close(_) => {
                    self.hub.send(0, &Close::new(None))?;
                    Err(CloseReason::Over)
                }
                performative => self.with_session(channel, |session, hub| session.handle(hub, performative, payload)),
            },
            Some(Said::Disposition(disposition)) => self.with_session(channel, |session, hub| {
                session.disposition(hub, disposition)?;
                Ok(false)
            }),
        }
    }

    /// Lets a session deal with a frame; it says whether it is over.
    fn with_session(
        &mut self,
        channel: u16,
        deal: impl FnOnce(&mut Session, &mut Hub) -> Result<bool, CloseReason>,
    ) -> Step {
        let Some(session) = self.sessions.get_mut(&channel) else {
            // There are clients that detach their links after the session's end.
            let known = self.ended.contains(&channel);
            let error = || CloseReason::because(NOT_ALLOWED, format!("there is no session on channel {channel}"));
            return known.then_some(()).ok_or_else(error);
        };
        if deal(session, &mut self.hub)? {
            self.sessions.remove(&channel);
            self.ended.insert(channel);
        }
        Ok(())
    }

    fn begin(&mut self, channel: u16, begin: &Begin) -> Step {
        if channel > CHANNEL_MAX || self.sessions.contains_key(&channel) {
            return Err(CloseReason::because(NOT_ALLOWED, format!("channel {channel} is not free")));
        }
        self.sessions.insert(channel, Session::begin(&self.hub, channel, begin)?);
        Ok(())
    }

    fn arrived(&mut self, arrival: Arrival) -> Step {
        match self.sessions.get_mut(&arrival.channel) {
            Some(session) => session.arrived(&mut self.hub, arrival),
            None => {
                arrival.put_back(&self.hub.face.broker);
                Ok(())
            }
        }
    }

    fn perform(&mut self, work: Work, fate: FaultAction) -> Step {
        match self.sessions.get_mut(&work.channel) {
            Some(session) => session.perform(&mut self.hub, work, fate),
            None => Ok(()),
        }
    }

    fn upkeep(&mut self, beats: bool) -> Step {
        if self.heard.elapsed() > IDLE {
            return Err(CloseReason::because(FORCED, "the connection was silent for longer than was agreed"));
        }
        for session in self.sessions.values_mut() {
            session.check_claims(&mut self.hub)?;
        }
        if self.sessions.values().any(Session::has_links) {
            self.used = Instant::now();
        } else if self.used.elapsed() > UNUSED {
            let milliseconds = UNUSED.as_millis();
            let inactive = format!("The connection was inactive for more than the allowed {milliseconds} milliseconds");
            return Err(CloseReason::because(FORCED, format!("{inactive} and is closed by the service.")));
        }
        if beats { self.hub.send_frame(heartbeat()) } else { Ok(()) }
    }
}
