//! All figures of one run: as a table, as JSON, and compared with the limits.

use std::fmt;
use std::fs;
use std::time::Duration;

use sandbox::network::Dependency;
use serde::Serialize;

use crate::args::Args;
use crate::backlog::BacklogFigures;
use crate::charges::Charges;
use crate::effort::Effort;
use crate::failure::Failure;
use crate::freshness::FreshnessFigures;
use crate::messages::MessageFigures;
use crate::numbers::{count, number};
use crate::picture;
use crate::poll::PollFigures;
use crate::reference::{ReferenceFigures, Side};
use crate::start::StartFigures;
use crate::usage::Usage;

/// Everything that was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    latency_ms: u64,
    cores: usize,
    pub(crate) start: Option<StartFigures>,
    pub(crate) poll: Option<PollFigures>,
    pub(crate) messages: Option<MessageFigures>,
    pub(crate) reference: Option<ReferenceFigures>,
    pub(crate) freshness: Vec<FreshnessFigures>,
    pub(crate) backlog: Option<BacklogFigures>,
    charges: Option<Charges>,
    pub(crate) instructions: Option<InstructionRatios>,
}

/// The instructions of the handler for each instruction of the bare client.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InstructionRatios {
    poll: f64,
    messages: f64,
}

impl InstructionRatios {
    /// `None` if they were not counted.
    pub(crate) fn of(poll: &PollFigures, messages: &MessageFigures) -> Option<Self> {
        let ratio = |ours: &Effort, bare: &Effort| Some(number(ours.instructions?) / number(bare.instructions?));
        Some(Self { poll: ratio(&poll.ours, &poll.bare)?, messages: ratio(&messages.ours, &messages.bare)? })
    }
}

impl Report {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            latency_ms: args.latency_ms,
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            start: None,
            poll: None,
            messages: None,
            reference: None,
            freshness: Vec::new(),
            backlog: None,
            charges: None,
            instructions: None,
        }
    }

    /// Writes the JSON, and the picture if there was a backlog.
    pub(crate) fn write(&mut self, args: &Args) -> Result<(), Failure> {
        self.charges = self.poll.as_ref().zip(self.messages.as_ref()).map(|(poll, messages)| {
            let kilobytes = count(messages.record_bytes) / 1024.0;
            let of_messages = Charges::of(&messages.usage, messages.messages, kilobytes);
            Charges::of(&poll.usage, poll.events, kilobytes).plus(of_messages)
        });
        fs::write(&args.json, serde_json::to_string_pretty(self)?)?;
        if let Some(backlog) = &self.backlog {
            picture::draw(backlog, &args.picture)?;
        }
        Ok(())
    }

    /// The limits of calls and operations that were exceeded. None of them depends on the machine.
    pub(crate) fn exceeded_limits(&self) -> Vec<String> {
        let mut exceeded = Vec::new();
        let mut at_most = |what: &str, found: f64, limit: f64| {
            if found > limit {
                exceeded.push(format!("{what}: {found:.2}, the limit is {limit}"));
            }
        };
        if let Some(poll) = &self.poll {
            at_most("poll side, calls per event", poll.usage.calls_per(poll.events), 1.8);
            at_most("poll side, Cosmos DB writes per event", poll.usage.writes_per(poll.events), 2.0);
        }
        if let Some(messages) = &self.messages {
            let (usage, events) = (&messages.usage, messages.messages);
            at_most("message side, calls per event", usage.calls_per(events), 4.0);
            at_most("message side, Dataverse calls per event", usage.calls_to(Dependency::Dataverse, events), 2.0);
        }
        // As the tests are compiled, without optimisation. The bare client's part is mostly that of the HTTP library.
        if let Some(ratios) = &self.instructions {
            at_most("poll side, instructions relative to the bare client", ratios.poll, 10.0);
            at_most("message side, instructions relative to the bare client", ratios.messages, 7.0);
        }
        exceeded
    }
}

/// `1.234 s`.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s", self.0.as_secs_f64())
    }
}

fn megabytes(bytes: u64) -> f64 {
    number(bytes) / 1_048_576.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ms for each call, {} cores\n", self.latency_ms, self.cores)?;
        if let Some(start) = &self.start {
            writeln!(
                f,
                "binary {:.1} MiB · start {:.1} ms (median), {:.1} ms (slowest) · idle {:.1} MiB\n",
                megabytes(start.binary_bytes),
                start.median.as_secs_f64() * 1e3,
                start.slowest.as_secs_f64() * 1e3,
                megabytes(start.idle_bytes)
            )?;
        }
        self.sides(f)?;
        if let Some(charges) = &self.charges {
            writeln!(
                f,
                "request units per event, estimated: {:.0} with the indexing policy of infra/, {:.0} with the default one\n",
                charges.our_policy, charges.default_policy
            )?;
        }
        if !self.freshness.is_empty() {
            writeln!(
                f,
                "{:<34} {:>8} {:>8} {:>17} {:>16} {:>9}",
                "from commit to journey", "p50", "p99", "searches a minute", "calls per event", "Cosmos DB"
            )?;
            self.freshness.iter().try_for_each(|line| writeln!(f, "{line}"))?;
            writeln!(f)?;
        }
        self.backlog.as_ref().map_or(Ok(()), |backlog| writeln!(f, "{backlog}"))
    }
}

impl Report {
    fn sides(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = self.reference.as_ref();
        if let Some(poll) = &self.poll {
            writeln!(f, "poll side: {} checkouts with orders of {:.1} KB", poll.events, count(poll.order_bytes) / 1e3)?;
            let sample = reference.map(|it| (it.events, &it.poll));
            side(f, poll.events, (&poll.ours, &poll.bare), poll.lower_bound, sample)?;
            usage(f, &poll.usage, poll.events)?;
            processor(f, poll.events, &poll.ours, &poll.bare)?;
        }
        if let Some(messages) = &self.messages {
            writeln!(f, "message side: {} messages of known customers, 16 at a time", messages.messages)?;
            let sample = reference.map(|it| (it.events, &it.messages));
            side(f, messages.messages, (&messages.ours, &messages.bare), messages.lower_bound, sample)?;
            usage(f, &messages.usage, messages.messages)?;
            processor(f, messages.messages, &messages.ours, &messages.bare)?;
        }
        if let Some(InstructionRatios { poll, messages }) = &self.instructions {
            writeln!(f, "instructions relative to the bare client: poll side {poll:.2}, message side {messages:.2}\n")?;
        }
        Ok(())
    }
}

fn side(
    f: &mut fmt::Formatter<'_>,
    events: usize,
    (ours, bare): (&Effort, &Effort),
    bound: Duration,
    reference: Option<(usize, &Side)>,
) -> fmt::Result {
    let elapsed = ours.elapsed;
    let rate = count(events) / elapsed.as_secs_f64();
    writeln!(f, "  {:<24} {:>10}   {rate:.0} events a second", "Commerce Journeys", Seconds(elapsed).to_string())?;
    for (name, other) in [("bare client", bare.elapsed), ("lower bound", bound)] {
        let ratio = elapsed.as_secs_f64() / other.as_secs_f64();
        writeln!(f, "  {name:<24} {:>10}   ours takes {ratio:.2} times as long", Seconds(other).to_string())?;
    }
    if let Some((sample_events, sample)) = reference {
        let for_as_many = sample.elapsed.mul_f64(count(events) / count(sample_events));
        writeln!(
            f,
            "  {:<24} {:>10}   {:.1} times as long as ours, {:.1} calls per event",
            "Microsoft's sample",
            Seconds(for_as_many).to_string(),
            for_as_many.as_secs_f64() / elapsed.as_secs_f64(),
            sample.calls_per_event
        )?;
    }
    Ok(())
}

fn usage(f: &mut fmt::Formatter<'_>, usage: &Usage, events: usize) -> fmt::Result {
    write!(f, "  calls per event {:.2}:", usage.calls_per(events))?;
    for dependency in Dependency::ALL {
        write!(f, " {dependency} {:.2}", usage.calls_to(dependency, events))?;
    }
    writeln!(f, "\n  Cosmos DB writes per event {:.2}", usage.writes_per(events))?;
    writeln!(f, "  peak memory {:.1} MiB", megabytes(usage.peak_bytes))
}

fn processor(f: &mut fmt::Formatter<'_>, events: usize, ours: &Effort, bare: &Effort) -> fmt::Result {
    let per_event = |effort: &Effort| effort.cpu.as_secs_f64() * 1e3 / count(events);
    let (ours, bare) = (per_event(ours), per_event(bare));
    writeln!(
        f,
        "  processor {ours:.2} ms per event, bare client {bare:.2} ms: ours needs {:.2} times as much\n",
        ours / bare
    )
}
