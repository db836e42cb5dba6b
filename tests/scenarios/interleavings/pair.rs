//! Two processes that work on the same event or customer, and the environment in which they do.

use std::sync::Arc;

use chrono::TimeDelta;
use reqwest::Client;
use sandbox::audit::Journey;
use sandbox::network::NoFaults;
use sandbox::service_bus::Counts;
use sandbox::shop::EventRow;
use serde_json::{Value, json};

use super::model::{Delivery, World};
use super::scheduler::{Actor, Interceptor, Scheduler};
use crate::environment::{Plan, TestEnvironment};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pair {
    TwoDeliveries,
    /// The clock of one instance is ahead by more than a lease, so it takes over claims that have not expired.
    TwoDeliveriesClocksApart,
    /// The claim of a delivery that crashed has expired. No other lease runs out.
    TwoDeliveriesAfterCrash,
    DeliveryAndReplay {
        force: bool,
    },
    DeliveryAndPublication,
    TwoPolls,
    /// The poller that has read the event crashed before it published it.
    TwoPollsOfDueEvent,
    TwoEventsOfOneCustomer,
}

/// One step of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Request(Actor),
    LeaseExpires,
}

/// Two instances of the app. Each order has an event of its own.
pub(crate) struct Stage {
    pair: Pair,
    test: TestEnvironment,
    ports: [u16; 2],
    client: Client,
}

const CONFIRMATION: &str = "order-confirmation";
const GUEST: &str = "guest@example.org";

/// What a process does: a path and a body for its handler.
type Request = (&'static str, Value);

impl Stage {
    pub(crate) async fn open(pair: Pair) -> Self {
        let plan = Plan::usual().with("PollSchedule", "0 */10 * * * *").with("LeaseDuration", "00:01:00");
        // No batch has more than one event.
        let plan = Plan { linger: 1, ..plan.with("RetryHorizon", "00:20:00") };
        let mut test = plan.with("RequestTimeout", "00:00:25").with("PollAgainAfter", "00:00:00").open().await;
        let first = test.handler_port();
        match pair {
            Pair::TwoDeliveriesClocksApart => test.add_instance_ahead(TimeDelta::seconds(90)).await,
            _ => test.add_instance().await,
        }
        let ports = [first, test.handler_port()];
        // Both handlers connect before the first order.
        let client = Client::builder().no_proxy().build().unwrap();
        for port in ports {
            post(&client, port, ("/poll-events", json!({"Data": {}, "Metadata": {}}))).await;
        }
        // The guest's contact exists, so that the claim is the first write of a delivery.
        test.checkout(None, Some(GUEST));
        test.pass(TimeDelta::minutes(11)).await;
        Self { pair, test, ports, client }
    }

    /// Lives through one order that `choose` selects. Returns it.
    pub(crate) async fn live(&mut self, choose: &mut impl FnMut(&[Step]) -> Step) -> Vec<Step> {
        self.wait_for_next_poll().await;
        let began = self.test.environment.clock().now();
        let (events, requests) = self.prepare().await;
        let scheduler = Scheduler::default();
        self.test.environment.network().set_faults(scheduler.clone());
        for (actor, request) in requests.into_iter().enumerate() {
            let (client, port, finished) = (self.client.clone(), self.ports[actor], scheduler.clone());
            let begin = move || {
                drop(tokio::spawn(async move {
                    post(&client, port, request).await;
                    finished.finish(actor);
                }));
            };
            scheduler.run(actor, begin).await;
        }
        let (order, world) = self.follow(&scheduler, choose).await;
        if matches!(self.pair, Pair::TwoPolls | Pair::TwoPollsOfDueEvent) {
            let most = if order.contains(&Step::LeaseExpires) { 2 } else { 1 };
            assert!(scheduler.publications() <= most, "{order:?}: published {} times", scheduler.publications());
        }
        if self.pair == Pair::TwoDeliveries {
            let record = self.test.record(&events[0]).await;
            let uncertain = record["journeys"][CONFIRMATION]["uncertain"].as_u64().unwrap_or_default();
            let seen = (self.starts_since(began), uncertain, record["status"] == "processed");
            let expected = (world.invoked as usize, u64::from(world.uncertain()), world.is_final());
            assert_eq!(seen, expected, "the model differs: {order:?} {record:#}");
        }
        self.test.environment.network().set_faults(NoFaults::default());
        let mut minutes = 0;
        while !self.is_settled(&events).await {
            assert!(minutes < 90, "{order:?}: {:#?} {:#?}", self.test.environment.counts(), self.test.records().await);
            self.test.pass(TimeDelta::minutes(5)).await;
            minutes += 5;
        }
        self.assert_ends(&events, &order, began).await;
        order
    }

    /// Until shortly after the next scheduled poll, so that none falls into an order.
    async fn wait_for_next_poll(&mut self) {
        let into = self.test.environment.clock().now().timestamp() % 600;
        self.test.pass(TimeDelta::seconds(605 - into)).await;
    }

    /// Releases one request after the other. The claim protocol does what its model does.
    async fn follow(&mut self, scheduler: &Scheduler, choose: &mut impl FnMut(&[Step]) -> Step) -> (Vec<Step>, World) {
        let (mut order, mut world, mut model) = (Vec::new(), World::default(), [Delivery::new(), Delivery::new()]);
        let is_modelled = self.pair == Pair::TwoDeliveries;
        loop {
            let next = [scheduler.next(0), scheduler.next(1)];
            if is_modelled {
                assert_eq!(next, [model[0].next(), model[1].next()], "the model differs: {order:?}");
            }
            let mut enabled: Vec<Step> = (0..2).filter(|actor| next[*actor].is_some()).map(Step::Request).collect();
            if enabled.is_empty() {
                return (order, world);
            }
            // The host holds simulated time while it delivers a message.
            let may_expire = self.pair != Pair::TwoDeliveriesAfterCrash && !order.contains(&Step::LeaseExpires);
            if may_expire && !scheduler.has_sent() {
                enabled.push(Step::LeaseExpires);
            }
            let step = choose(&enabled);
            order.push(step);
            match step {
                Step::Request(actor) => {
                    if is_modelled {
                        model[actor].step(&mut world);
                    }
                    scheduler.release(actor).await;
                }
                Step::LeaseExpires => {
                    world.expire();
                    self.test.pass(TimeDelta::seconds(61)).await;
                }
            }
            world.assert_holds();
        }
    }

    /// The events of an order, and what the two processes do.
    async fn prepare(&mut self) -> (Vec<EventRow>, [Request; 2]) {
        let poll = || ("/poll-events", json!({"Data": {}, "Metadata": {}}));
        if self.pair == Pair::TwoPolls {
            return (vec![self.test.checkout(None, Some(GUEST))], [poll(), poll()]);
        }
        let customer = (self.pair == Pair::TwoEventsOfOneCustomer).then(|| self.test.stranger());
        let email = customer.is_none().then_some(GUEST);
        let mut events = vec![self.test.checkout(customer.as_deref(), email)];
        if customer.is_some() {
            events.push(self.test.checkout(customer.as_deref(), None));
        }
        let is_crashed = matches!(self.pair, Pair::DeliveryAndPublication | Pair::TwoPollsOfDueEvent);
        let interceptor = Arc::new(Interceptor::new(!is_crashed));
        self.test.environment.network().set_faults(interceptor.clone());
        post(&self.client, self.ports[0], poll()).await;
        if is_crashed {
            // Its lease.
            self.test.pass(TimeDelta::seconds(61)).await;
        }
        if self.pair == Pair::TwoPollsOfDueEvent {
            return (events, [poll(), poll()]);
        }
        let messages: Vec<Request> = events.iter().map(|event| delivery(&interceptor.bodies(), event)).collect();
        let first = messages[0].clone();
        let second = match self.pair {
            Pair::TwoDeliveries | Pair::TwoDeliveriesClocksApart => first.clone(),
            Pair::TwoDeliveriesAfterCrash => {
                self.leave_claim(&events[0]).await;
                first.clone()
            }
            Pair::TwoEventsOfOneCustomer => messages[1].clone(),
            Pair::DeliveryAndPublication | Pair::TwoPolls | Pair::TwoPollsOfDueEvent => poll(),
            Pair::DeliveryAndReplay { force } => {
                let record = self.test.record(&events[0]).await;
                let (id, channel) = (&record["id"], &record["EventChannelId"]);
                ("/api/trigger-journey", json!({"eventId": id, "eventChannelId": channel, "force": force}))
            }
        };
        (events, [first, second])
    }

    /// The claim of a delivery that crashed before it invoked the trigger.
    async fn leave_claim(&self, event: &EventRow) {
        let record = self.test.record(event).await;
        let until = self.test.environment.clock().now() - TimeDelta::seconds(1);
        let claim = json!({
            "id": format!("{}~claim", record["id"].as_str().unwrap()),
            "EventChannelId": record["EventChannelId"],
            "owner": "3f0c5a1e-5d52-4f0e-9d0c-0a6c2c7b9d11",
            "until": until,
            "triggering": [CONFIRMATION],
            "ttl": 86400,
        });
        self.test.environment.cosmos().put(&claim).await.unwrap();
    }

    async fn is_settled(&self, events: &[EventRow]) -> bool {
        let records = self.test.records().await;
        let is_final = |event: &EventRow| {
            let record = records.get(&(event.transaction_id.clone(), event.event_type.clone()));
            record.is_some_and(|record| record["status"] == "processed")
        };
        self.test.environment.counts() == Counts::default() && events.iter().all(is_final)
    }

    fn starts_since(&self, began: chrono::DateTime<chrono::Utc>) -> usize {
        self.test.environment.dataverse().started().iter().filter(|journey| journey.at >= began).count()
    }

    /// Each journey has started, and again only if that is known as uncertain, or an operator has forced it.
    async fn assert_ends(&self, events: &[EventRow], order: &[Step], began: chrono::DateTime<chrono::Utc>) {
        let number = self.starts_since(began);
        let (mut allowed, mut uncertain) = (events.len(), 0);
        for event in events {
            let record = self.test.record(event).await;
            let outcome = &record["journeys"][CONFIRMATION];
            assert_eq!(outcome["state"], "started", "{order:?}: {record:#}");
            uncertain += usize::try_from(outcome["uncertain"].as_u64().unwrap_or_default()).unwrap();
        }
        allowed += usize::from(self.pair == Pair::DeliveryAndReplay { force: true });
        assert!(
            (events.len()..=allowed + uncertain).contains(&number),
            "{order:?}: {number} starts, {uncertain} uncertain"
        );
        // Each claim that expires makes a journey uncertain once. A clock that is ahead lets claims expire at any time.
        let expired = [order.contains(&Step::LeaseExpires), self.pair == Pair::TwoDeliveriesAfterCrash];
        let most = events.len() * expired.iter().filter(|expired| **expired).count();
        let is_known = uncertain <= most || self.pair == Pair::TwoDeliveriesClocksApart;
        assert!(is_known, "{order:?}: {uncertain} uncertain, {most} claims have expired");
    }

    /// What holds after all orders.
    pub(crate) fn assert_end(&self) {
        let audit = self.test.environment.audit(&Journey::DEFAULT, &[]);
        assert!(audit.lost.is_empty() && audit.misdirected.is_empty(), "{audit:#?}");
        assert!(audit.duplicate_contacts.is_empty(), "{audit:#?}");
    }
}

/// The message of an event, as the host delivers it.
fn delivery(bodies: &[String], event: &EventRow) -> Request {
    let body = bodies.iter().find(|body| {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        let details = &message["EventDetails"];
        details["EventTransactionId"] == event.transaction_id.as_str()
            && details["EventType"] == event.event_type.as_str()
    });
    let body = body.unwrap_or_else(|| panic!("no message of {event:?}"));
    ("/process-message", json!({"Data": {"message": body}, "Metadata": {"DeliveryCount": "1"}}))
}

async fn post(client: &Client, port: u16, (path, body): Request) {
    let reply = client.post(format!("http://127.0.0.1:{port}{path}")).body(body.to_string()).send().await.unwrap();
    drop(reply.bytes().await);
}
