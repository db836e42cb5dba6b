//! The claim protocol as a pure model: what two deliveries of one event with one journey can do, request by request.

use crate::request_kind::Kind;

/// What Cosmos DB and Dataverse contain.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct World {
    record: Record,
    record_version: u32,
    claim: Option<Claim>,
    claim_version: u32,
    /// How often the trigger was invoked.
    pub(crate) invoked: u32,
    /// Whether the lease has run out once. Claims that existed then have expired.
    expirations: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Record {
    started: bool,
    is_final: bool,
    is_retrying: bool,
    uncertain: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    version: u32,
    /// The number of expirations when it was written.
    at: u32,
    triggering: bool,
}

/// Where a delivery is. Each step is one request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    FindContact,
    CreateClaim,
    /// The claim exists: who has it?
    ReadClaim,
    TakeOver {
        claim: Claim,
        record: Record,
        record_version: u32,
    },
    Trigger,
    /// The second claim after the outcome could not be saved.
    Reclaim,
    ReadAgain,
    Settle,
    Release,
    /// The message is rescheduled, which the record shows.
    ReadRecord,
    RecordRetry {
        record_version: u32,
    },
    Done,
}

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Delivery {
    state: State,
    record: Record,
    claim: Option<Claim>,
    attempts: u32,
    /// The number of expirations at the begin of the attempt, of the delivery, and of the claim.
    began: u32,
    attempt_began: u32,
    conflicts: u32,
    /// A journey that has started although the record does not say so.
    carries: bool,
}

impl Delivery {
    pub(crate) fn new() -> Self {
        Self {
            state: State::FindContact,
            record: Record::default(),
            claim: None,
            attempts: 1,
            began: 0,
            attempt_began: 0,
            conflicts: 0,
            carries: false,
        }
    }

    pub(crate) fn carries(&self) -> bool {
        self.carries
    }

    /// The next request. `None` at the end.
    pub(crate) fn next(&self) -> Option<Kind> {
        Some(match self.state {
            State::FindContact => Kind::FindContact,
            State::CreateClaim | State::ReadClaim | State::Reclaim | State::ReadAgain => Kind::Claim,
            State::TakeOver { .. } => Kind::TakeOver,
            State::Trigger => Kind::Trigger,
            State::Settle | State::Release => Kind::Settle,
            State::ReadRecord => Kind::ReadItem,
            State::RecordRetry { .. } => Kind::SaveRecords,
            State::Done => return None,
        })
    }

    /// The request is processed, and the delivery continues up to its next one.
    pub(crate) fn step(&mut self, world: &mut World) {
        self.state = match self.state.clone() {
            State::FindContact => {
                self.attempt_began = world.expirations;
                State::CreateClaim
            }
            State::CreateClaim if world.claim.is_none() => {
                self.claim = Some(world.write_claim(self.attempt_began, true));
                self.record = world.record.clone();
                self.after_claim(world)
            }
            State::CreateClaim => State::ReadClaim,
            State::ReadClaim => match world.claim {
                None => State::CreateClaim,
                Some(claim) if claim.at >= self.attempt_began => self.fail(world, State::Done),
                Some(claim) => {
                    let mut record = world.record.clone();
                    if claim.triggering && !record.started && !record.is_final {
                        record.uncertain += 1;
                    }
                    State::TakeOver { claim, record, record_version: world.record_version }
                }
            },
            State::TakeOver { claim, record, record_version } => {
                let is_unchanged = world.claim.map(|it| it.version) == Some(claim.version);
                if is_unchanged && world.record_version == record_version {
                    let triggering = !record.is_final && !record.started;
                    self.claim = Some(world.write_claim(self.attempt_began, triggering));
                    world.write_record(record.clone());
                    self.record = record;
                    self.after_claim(world)
                } else {
                    self.fail(world, State::ReadRecord)
                }
            }
            State::Trigger => {
                world.invoked += 1;
                self.record.started = true;
                self.record.is_final = true;
                State::Settle
            }
            State::Settle if world.claim.map(|it| it.version) == self.claim.map(|it| it.version) => {
                self.record.is_retrying = !self.record.started;
                world.write_record(self.record.clone());
                world.claim = None;
                // An invocation that was not sent is repeated.
                if self.record.started { State::Done } else { self.fail(world, State::Done) }
            }
            State::Settle => State::Reclaim,
            State::Reclaim if world.claim.is_none() => {
                self.claim = Some(world.write_claim(self.attempt_began, true));
                self.rebase(world)
            }
            State::Reclaim => State::ReadAgain,
            State::ReadAgain if world.claim.is_none() => State::Reclaim,
            State::ReadAgain => self.carry(State::Done),
            State::Release => {
                let is_own = world.claim.map(|it| it.version) == self.claim.map(|it| it.version);
                if is_own {
                    world.claim = None;
                    State::Done
                } else {
                    self.fail(world, State::ReadRecord)
                }
            }
            State::ReadRecord if world.record.is_final || world.record.is_retrying => State::Done,
            State::ReadRecord => State::RecordRetry { record_version: world.record_version },
            State::RecordRetry { record_version } => {
                if world.record_version == record_version {
                    world.write_record(Record { is_retrying: true, ..world.record.clone() });
                }
                State::Done
            }
            State::Done => State::Done,
        };
    }

    fn after_claim(&mut self, world: &World) -> State {
        if self.record.is_final {
            return State::Release;
        }
        // The claim is too old: the trigger is not invoked.
        if world.expirations > self.attempt_began { State::Settle } else { State::Trigger }
    }

    fn rebase(&mut self, world: &World) -> State {
        let (stored, own) = (&world.record, &self.record);
        let is_recorded = stored.started == own.started && stored.uncertain == own.uncertain;
        if is_recorded && stored.is_final == own.is_final {
            return State::Release;
        }
        self.record.uncertain = self.record.uncertain.max(world.record.uncertain);
        self.record.started |= world.record.started;
        self.record.is_final = self.record.started;
        if world.expirations > self.attempt_began { self.carry(State::ReadRecord) } else { State::Settle }
    }

    /// Another delivery continues. The rescheduled message contains what has started.
    fn carry(&mut self, last: State) -> State {
        self.carries = self.record.started;
        last
    }

    /// Up to three attempts in one delivery, unless much time has passed.
    fn fail(&mut self, world: &World, last: State) -> State {
        if self.attempts == 3 || world.expirations > self.began {
            return last;
        }
        self.attempts += 1;
        State::FindContact
    }
}

impl World {
    fn write_claim(&mut self, at: u32, triggering: bool) -> Claim {
        self.claim_version += 1;
        let claim = Claim { version: self.claim_version, at, triggering };
        self.claim = Some(claim);
        claim
    }

    fn write_record(&mut self, record: Record) {
        self.record_version += 1;
        self.record = record;
    }

    /// The lease of every claim runs out.
    pub(crate) fn expire(&mut self) {
        self.expirations += 1;
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.expirations > 0
    }

    pub(crate) fn uncertain(&self) -> u32 {
        self.record.uncertain
    }

    pub(crate) fn is_final(&self) -> bool {
        self.record.is_final
    }

    /// What holds after every step: the trigger is repeated only if that is known as uncertain, and an event that is
    /// finished has started its journey.
    pub(crate) fn assert_holds(&self) {
        assert!(self.invoked <= 1 + self.record.uncertain, "{self:#?}");
        assert!(!self.record.started || self.invoked > 0, "{self:#?}");
        assert!(self.record.uncertain == 0 || self.has_expired(), "{self:#?}");
    }
}
