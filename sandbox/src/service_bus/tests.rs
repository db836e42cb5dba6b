//! The broker in simulated time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::*;
use crate::clock::{Clock, TimeHold};

const TOPIC: &str = "order-events";

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

fn orders() -> EntityPath {
    EntityPath::new(TOPIC, "order-subscription")
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A topic with one subscription, and a hold on simulated time.
fn broker(topic: TopicOptions, subscription: SubscriptionOptions) -> (Broker, TimeHold) {
    let clock = Clock::simulated(start());
    let hold = clock.hold();
    let broker = Broker::new(clock);
    let name = topic.name.clone();
    broker.create_topic(topic).unwrap();
    broker.create_subscription(&name, subscription).unwrap();
    (broker, hold)
}

fn plain() -> (Broker, TimeHold) {
    broker(TopicOptions::new(TOPIC), SubscriptionOptions::new("order-subscription"))
}

fn message(id: &str) -> NewMessage {
    NewMessage { message_id: Some(id.to_owned()), body: "{}".into(), ..NewMessage::default() }
}

fn ids(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.message_id.as_str()).collect()
}

/// Lets time advance by `duration` and stops it again.
async fn pass(broker: &Broker, hold: &mut Option<TimeHold>, duration: Duration) {
    let sleep = broker.clock().sleep(duration);
    hold.take();
    *hold = Some(sleep.await);
}

#[tokio::test]
async fn messages_are_received_in_sequence_number_order() {
    let (broker, _hold) = plain();
    broker.send(TOPIC, vec![message("a"), message("b"), message("c")]).unwrap();
    let first = broker.try_receive(&orders()).unwrap().unwrap();
    let second = broker.try_receive(&orders()).unwrap().unwrap();
    assert_eq!((first.message.message_id.as_str(), first.message.sequence_number), ("a", 1));
    assert_eq!((second.message.message_id.as_str(), second.message.delivery_count), ("b", 1));
    broker.abandon(first.lock_token).unwrap();
    let again = broker.try_receive(&orders()).unwrap().unwrap();
    assert_eq!((again.message.message_id.as_str(), again.message.delivery_count), ("a", 2));
    assert_eq!(broker.counts(&orders()).unwrap(), Counts { active: 1, locked: 2, scheduled: 0, dead_lettered: 0 });
    broker.complete(again.lock_token).unwrap();
    assert_eq!(broker.complete(again.lock_token), Err(SettleError::LockLost));
    assert_eq!(broker.abandon(first.lock_token), Err(SettleError::LockLost));
}

#[tokio::test]
async fn an_expired_lock_makes_the_message_available_again() {
    let (broker, hold) = plain();
    broker.send(TOPIC, vec![message("a")]).unwrap();
    let first = broker.receive(&orders()).await.unwrap();
    assert_eq!(first.locked_until, start() + TimeDelta::seconds(60));
    drop((first.hold, hold));
    let second = broker.receive(&orders()).await.unwrap();
    assert_eq!(broker.clock().now(), start() + TimeDelta::seconds(60));
    assert_eq!(second.message.delivery_count, 2);
    assert_eq!(broker.complete(first.lock_token), Err(SettleError::LockLost));
    assert_eq!(broker.renew(first.lock_token), Err(SettleError::LockLost));
    broker.complete(second.lock_token).unwrap();
}

#[tokio::test]
async fn a_renewed_lock_lasts_longer() {
    let (broker, hold) = plain();
    let mut hold = Some(hold);
    broker.send(TOPIC, vec![message("a")]).unwrap();
    let delivery = broker.try_receive(&orders()).unwrap().unwrap();
    drop(delivery.hold);
    pass(&broker, &mut hold, seconds(50)).await;
    assert_eq!(broker.renew(delivery.lock_token).unwrap(), start() + TimeDelta::seconds(110));
    pass(&broker, &mut hold, seconds(50)).await;
    assert!(broker.try_receive(&orders()).unwrap().is_none());
    broker.complete(delivery.lock_token).unwrap();
}

#[tokio::test]
async fn the_tenth_failed_delivery_is_the_last() {
    let (broker, _hold) = plain();
    broker.send(TOPIC, vec![message("poison")]).unwrap();
    for count in 1..=10 {
        let delivery = broker.try_receive(&orders()).unwrap().unwrap();
        assert_eq!(delivery.message.delivery_count, count);
        broker.abandon(delivery.lock_token).unwrap();
    }
    assert!(broker.try_receive(&orders()).unwrap().is_none());
    let dead = broker.dead_letters(TOPIC, "order-subscription").unwrap();
    let why = dead[0].dead_letter.as_ref().unwrap();
    assert_eq!(why.reason, "MaxDeliveryCountExceeded");
    assert_eq!(why.description, "Message could not be consumed after 10 delivery attempts.");
    let again = broker.try_receive(&orders().dead_letters()).unwrap().unwrap();
    assert_eq!(broker.dead_letter(again.lock_token, "r", "d"), Err(SettleError::AlreadyDead));
    broker.abandon(again.lock_token).unwrap();
    let again = broker.try_receive(&orders().dead_letters()).unwrap().unwrap();
    broker.complete(again.lock_token).unwrap();
    assert_eq!(broker.counts(&orders()).unwrap(), Counts::default());
}

#[tokio::test]
async fn a_released_delivery_is_not_counted() {
    let (broker, _hold) = plain();
    broker.send(TOPIC, vec![message("a")]).unwrap();
    for _ in 0..20 {
        let delivery = broker.try_receive(&orders()).unwrap().unwrap();
        assert_eq!(delivery.message.delivery_count, 1);
        broker.release(delivery.lock_token).unwrap();
        assert_eq!(broker.release(delivery.lock_token), Err(SettleError::LockLost));
    }
    assert_eq!(broker.counts(&orders()).unwrap(), Counts { active: 1, ..Counts::default() });
}

#[tokio::test]
async fn every_scheduled_message_has_a_number_of_its_own() {
    let (broker, _hold) = broker(
        TopicOptions { duplicate_detection_window: Some(seconds(60)), ..TopicOptions::new(TOPIC) },
        SubscriptionOptions::new("order-subscription"),
    );
    let at = |seconds| Some(start() + TimeDelta::seconds(seconds));
    let scheduled = |id, seconds| NewMessage { scheduled_enqueue_time: at(seconds), ..message(id) };
    let sent = vec![scheduled("past", -5), scheduled("past", 5), scheduled("future", 5)];
    let numbers = broker.schedule(TOPIC, sent).unwrap();
    assert_eq!(numbers.len(), 3);
    assert_eq!(numbers.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{numbers:?}");
    // The first one is enqueued at once, and the second one is a duplicate.
    let waiting = broker.peek(&orders(), 10).unwrap();
    assert_eq!((ids(&waiting), waiting[0].sequence_number), (vec!["past"], numbers[0]));
    let cancelled: Vec<_> = numbers.iter().map(|number| broker.cancel_scheduled(TOPIC, *number).unwrap()).collect();
    assert_eq!(cancelled, [false, false, true]);
    assert_eq!(broker.sent(TOPIC).map(|sent| sent.enqueued), Ok(1));
}

#[tokio::test]
async fn a_session_id_means_nothing_without_sessions() {
    let (broker, _hold) = plain();
    broker.send(TOPIC, vec![NewMessage { session_id: Some("s".to_owned()), ..message("a") }]).unwrap();
    let delivery = broker.try_receive(&orders()).unwrap().unwrap();
    assert_eq!(delivery.message.content.session_id.as_deref(), Some("s"));
}

#[tokio::test]
async fn a_receiver_dead_letters_with_a_reason() {
    let (broker, _hold) = plain();
    broker.send(TOPIC, vec![message("a")]).unwrap();
    let delivery = broker.try_receive(&orders()).unwrap().unwrap();
    broker.dead_letter(delivery.lock_token, "Rejected", "no such customer").unwrap();
    let dead = broker.dead_letters(TOPIC, "order-subscription").unwrap();
    assert_eq!(dead[0].dead_letter.as_ref().unwrap().description, "no such customer");
    assert_eq!(broker.counts(&orders()).unwrap().dead_lettered, 1);
}

#[tokio::test]
async fn a_scheduled_message_is_enqueued_at_its_time_with_a_new_sequence_number() {
    let (broker, hold) = plain();
    let later = start() + TimeDelta::minutes(5);
    let scheduled = NewMessage { scheduled_enqueue_time: Some(later), ..message("later") };
    broker.send(TOPIC, vec![scheduled, message("now")]).unwrap();
    assert_eq!(broker.counts(&orders()).unwrap(), Counts { active: 1, locked: 0, scheduled: 1, dead_lettered: 0 });
    let now = broker.receive(&orders()).await.unwrap();
    assert_eq!(now.message.sequence_number, 1);
    broker.complete(now.lock_token).unwrap();
    drop((hold, now.hold));
    let delivery = broker.receive(&orders()).await.unwrap();
    assert_eq!(broker.clock().now(), later);
    assert_eq!((delivery.message.sequence_number, delivery.message.enqueued_time), (2, later));
}

#[tokio::test]
async fn an_earlier_deadline_wakes_the_broker() {
    let (broker, hold) = plain();
    let at = |minutes| Some(start() + TimeDelta::minutes(minutes));
    broker.send(TOPIC, vec![NewMessage { scheduled_enqueue_time: at(60), ..message("late") }]).unwrap();
    let mut hold = Some(hold);
    pass(&broker, &mut hold, seconds(60)).await;
    broker.send(TOPIC, vec![NewMessage { scheduled_enqueue_time: at(2), ..message("early") }]).unwrap();
    hold.take();
    let early = broker.receive(&orders()).await.unwrap();
    assert_eq!((early.message.message_id.as_str(), broker.clock().now()), ("early", start() + TimeDelta::minutes(2)));
}

#[tokio::test]
async fn a_delivery_to_a_waiting_receiver_holds_time() {
    let (broker, hold) = plain();
    let receiver = tokio::spawn({
        let broker = broker.clone();
        async move {
            let delivery = broker.receive(&orders()).await.unwrap();
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            let now = broker.clock().now();
            broker.complete(delivery.lock_token).unwrap();
            now
        }
    });
    tokio::task::yield_now().await;
    let at = start() + TimeDelta::seconds(30);
    broker.send(TOPIC, vec![NewMessage { scheduled_enqueue_time: Some(at), ..message("a") }]).unwrap();
    drop(hold);
    assert_eq!(receiver.await.unwrap(), at);
}

#[tokio::test]
async fn expired_messages_are_discarded_or_dead_lettered() {
    for dead_letter_on_expiry in [false, true] {
        let subscription =
            SubscriptionOptions { dead_letter_on_expiry, ..SubscriptionOptions::new("order-subscription") };
        let (broker, hold) = broker(TopicOptions::new(TOPIC), subscription);
        let mut hold = Some(hold);
        let short = NewMessage { time_to_live: Some(seconds(10)), ..message("short") };
        broker.send(TOPIC, vec![short, message("long")]).unwrap();
        pass(&broker, &mut hold, seconds(10)).await;
        assert_eq!(ids(&broker.peek(&orders(), 10).unwrap()), ["long"]);
        let dead = broker.dead_letters(TOPIC, "order-subscription").unwrap();
        assert_eq!(dead.len(), usize::from(dead_letter_on_expiry));
        assert!(dead.iter().all(|m| m.dead_letter.as_ref().unwrap().reason == "TTLExpiredException"));
    }
}

#[tokio::test]
async fn a_locked_message_expires_when_it_is_abandoned() {
    let (broker, hold) = plain();
    let mut hold = Some(hold);
    broker.send(TOPIC, vec![NewMessage { time_to_live: Some(seconds(10)), ..message("a") }]).unwrap();
    let delivery = broker.try_receive(&orders()).unwrap().unwrap();
    drop(delivery.hold);
    pass(&broker, &mut hold, seconds(20)).await;
    assert_eq!(broker.counts(&orders()).unwrap().locked, 1);
    broker.abandon(delivery.lock_token).unwrap();
    assert_eq!(broker.counts(&orders()).unwrap(), Counts::default());
}

#[tokio::test]
async fn a_time_to_live_is_never_longer_than_the_topics() {
    let topic = TopicOptions { default_ttl: seconds(100), ..TopicOptions::new(TOPIC) };
    let (broker, _hold) = broker(topic, SubscriptionOptions::new("order-subscription"));
    broker.send(TOPIC, vec![NewMessage { time_to_live: Some(seconds(1000)), ..message("a") }]).unwrap();
    assert_eq!(broker.peek(&orders(), 1).unwrap()[0].time_to_live, seconds(100));
}

#[tokio::test]
async fn a_duplicate_within_the_window_is_accepted_and_discarded() {
    let topic = TopicOptions { duplicate_detection_window: Some(seconds(600)), ..TopicOptions::new(TOPIC) };
    let (broker, hold) = broker(topic, SubscriptionOptions::new("order-subscription"));
    let mut hold = Some(hold);
    let later = NewMessage { scheduled_enqueue_time: Some(start() + TimeDelta::hours(1)), ..message("b") };
    broker.send(TOPIC, vec![message("a"), message("a"), later, message("b")]).unwrap();
    assert_eq!(ids(&broker.peek(&orders(), 10).unwrap()), ["a"]);
    pass(&broker, &mut hold, seconds(599)).await;
    broker.send(TOPIC, vec![message("a")]).unwrap();
    assert_eq!(broker.counts(&orders()).unwrap().active, 1);
    pass(&broker, &mut hold, seconds(1)).await;
    broker.send(TOPIC, vec![message("a")]).unwrap();
    assert_eq!(broker.counts(&orders()).unwrap().active, 2);
}

#[tokio::test]
async fn without_detection_duplicates_are_delivered() {
    let (broker, _hold) = plain();
    broker.send(TOPIC, vec![message("a"), message("a")]).unwrap();
    broker.duplicate_next_send();
    broker.send(TOPIC, vec![message("b"), message("c")]).unwrap();
    assert_eq!(ids(&broker.peek(&orders(), 10).unwrap()), ["a", "a", "b", "b", "c"]);
}

#[tokio::test]
async fn a_batch_is_accepted_as_a_whole_or_not_at_all() {
    let (broker, _hold) = plain();
    let bytes = |count: usize| NewMessage { body: vec![b'x'; count].into(), ..message("id") };
    let refused = broker.send(TOPIC, vec![bytes(200_000), bytes(100_000)]);
    assert_eq!(refused, Err(SendError::TooLarge { limit: 262_144, size: 300_004 }));
    let refused = broker.send(TOPIC, vec![message("good"), message(&"x".repeat(129))]);
    assert!(matches!(refused, Err(SendError::Invalid(_))));
    assert_eq!(broker.send("nowhere", vec![message("a")]), Err(SendError::EntityNotFound));
    assert_eq!(broker.counts(&orders()).unwrap(), Counts::default());
    broker.send(TOPIC, vec![NewMessage { body: vec![b'x'; 262_142].into(), ..message("id") }]).unwrap();
}

#[tokio::test]
async fn waiting_receivers_are_served_in_order() {
    let (broker, _hold) = plain();
    let entity = orders();
    let mut waiting: Vec<_> = (0..3).map(|_| Box::pin(broker.receive(&entity))).collect();
    for receiver in &mut waiting {
        assert!(futures::poll!(receiver).is_pending());
    }
    // The first waiting receiver is dropped, and the next one takes its place.
    drop(waiting.remove(0));
    broker.send(TOPIC, vec![message("a"), message("b")]).unwrap();
    for id in ["a", "b"] {
        let delivery = waiting.remove(0).await.unwrap();
        assert_eq!((delivery.message.message_id.as_str(), delivery.message.delivery_count), (id, 1));
    }
}

#[tokio::test]
async fn a_dropped_receiver_takes_no_message_with_it() {
    let (broker, _hold) = plain();
    let entity = orders();
    let mut receiver = Box::pin(broker.receive(&entity));
    assert!(futures::poll!(&mut receiver).is_pending());
    broker.send(TOPIC, vec![message("a")]).unwrap();
    assert_eq!(broker.counts(&entity).unwrap().locked, 1);
    drop(receiver);
    let delivery = broker.try_receive(&entity).unwrap().unwrap();
    assert_eq!(delivery.message.delivery_count, 1);
}

#[tokio::test]
async fn every_subscription_gets_a_copy_and_a_topic_without_subscriptions_discards_messages() {
    let (broker, _hold) = plain();
    broker.create_topic(TopicOptions::new("lonely")).unwrap();
    broker.send("lonely", vec![message("a")]).unwrap();
    broker.create_subscription("lonely", SubscriptionOptions::new("late")).unwrap();
    assert_eq!(broker.counts(&EntityPath::new("lonely", "late")).unwrap(), Counts::default());
    broker.create_subscription("Order-Events", SubscriptionOptions::new("audit")).unwrap();
    broker.send("ORDER-EVENTS", vec![message("a")]).unwrap();
    let delivery = broker.try_receive(&orders()).unwrap().unwrap();
    broker.complete(delivery.lock_token).unwrap();
    assert_eq!(broker.counts(&EntityPath::new(TOPIC, "audit")).unwrap().active, 1);
}

#[tokio::test]
async fn injected_faults_expire_locks_and_remove_messages() {
    let (broker, _hold) = plain();
    broker.send(TOPIC, vec![message("a"), message("b")]).unwrap();
    let delivery = broker.try_receive(&orders()).unwrap().unwrap();
    broker.expire_lock(delivery.lock_token).unwrap();
    assert_eq!(broker.complete(delivery.lock_token), Err(SettleError::LockLost));
    let delivery = broker.try_receive(&orders()).unwrap().unwrap();
    assert_eq!(broker.purge(&orders()), Ok(2));
    assert_eq!(broker.complete(delivery.lock_token), Err(SettleError::LockLost));
    assert_eq!(broker.counts(&orders()).unwrap(), Counts::default());
    assert_eq!(broker.expire_lock(Uuid::nil()), Err(SettleError::LockLost));
}

#[tokio::test]
async fn settings_outside_their_limits_are_rejected() {
    let (broker, _hold) = plain();
    let window = |seconds| TopicOptions { duplicate_detection_window: Some(seconds), ..TopicOptions::new("t") };
    assert!(matches!(broker.create_topic(window(seconds(19))), Err(CreateError::Invalid(_))));
    assert!(matches!(broker.create_topic(window(seconds(604_801))), Err(CreateError::Invalid(_))));
    assert_eq!(broker.create_topic(TopicOptions::new("Order-Events")), Err(CreateError::Exists));
    let long = SubscriptionOptions { lock_duration: seconds(301), ..SubscriptionOptions::new("s") };
    assert!(matches!(broker.create_subscription(TOPIC, long), Err(CreateError::Invalid(_))));
    let orphan = broker.create_subscription("nowhere", SubscriptionOptions::new("s"));
    assert_eq!(orphan, Err(CreateError::NoTopic));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn schedules_are_on_time_with_many_receivers_and_threads() {
    let (broker, hold) = plain();
    let receivers: Vec<_> = (0..4)
        .map(|_| {
            let broker = broker.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    let delivery = broker.receive(&orders()).await.unwrap();
                    tokio::task::yield_now().await;
                    let (message, now) = (&delivery.message, broker.clock().now());
                    assert_eq!(Some(message.enqueued_time), message.content.scheduled_enqueue_time);
                    assert_eq!(delivery.locked_until, now + TimeDelta::seconds(60));
                    broker.complete(delivery.lock_token).unwrap();
                }
            })
        })
        .collect();
    // Later ones first, so that every send moves the broker's next deadline forward.
    for second in (1..=400).rev() {
        let at = start() + TimeDelta::seconds(second);
        broker.send(TOPIC, vec![NewMessage { scheduled_enqueue_time: Some(at), ..NewMessage::default() }]).unwrap();
    }
    drop(hold);
    for receiver in receivers {
        receiver.await.unwrap();
    }
    assert_eq!(broker.counts(&orders()).unwrap(), Counts::default());
}
