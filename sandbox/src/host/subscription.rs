//! The Service Bus trigger: several messages at the same time, each with a lock that is renewed during processing.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Inner;
use super::events::{HostEvent, Outcome};
use super::function::ServiceBusTrigger;
use super::invoke::Invocation;
use super::message::{Delivery, MessageSource, SettlementError};
use super::payload;

/// Receives and processes messages one after the other until the host is dropped. Many of these run at the same time.
pub(super) async fn run(
    inner: Arc<Inner>,
    function: String,
    trigger: ServiceBusTrigger,
    source: Arc<dyn MessageSource>,
) {
    loop {
        if !inner.listening().await {
            return;
        }
        tokio::select! {
            delivery = source.receive() => handle(&inner, &function, &trigger, &*source, delivery).await,
            _ = inner.until(|state| !state.is_listening()) => {}
        }
    }
}

async fn handle(
    inner: &Inner,
    function: &str,
    trigger: &ServiceBusTrigger,
    source: &dyn MessageSource,
    delivery: Delivery,
) {
    let payload = payload::message(function, trigger, inner.clock.now(), &delivery);
    let Delivery { lock_token, locked_until, message, hold } = delivery;
    let mut invocation = Invocation::begin(inner, function, hold);
    let (message_id, delivery_count) = (message.message_id, message.delivery_count);
    inner.report(HostEvent::Delivered { id: invocation.id, message_id, delivery_count });
    let outcome = tokio::select! {
        outcome = invocation.post(&payload) => outcome,
        never = renew(inner, source, lock_token, locked_until) => match never {},
    };
    // The invocation holds time until the message is settled.
    let settled = match &outcome {
        // The host has already closed its connection to Service Bus.
        _ if inner.handler_state.borrow().stopping => {
            Err(SettlementError::Unreachable("the host is stopping".to_owned()))
        }
        Outcome::Succeeded => source.complete(lock_token).await,
        Outcome::Failed(_) => source.abandon(lock_token).await,
        // There is no host left that could settle it.
        Outcome::Lost => Ok(()),
    };
    if let Err(problem) = settled {
        let reason = problem.to_string();
        inner.report(HostEvent::Unsettled { function: function.to_owned(), id: invocation.id, reason });
    }
    invocation.end(&outcome);
}

/// Renews the lock for as long as the host is configured to, then waits forever.
async fn renew(
    inner: &Inner,
    source: &dyn MessageSource,
    lock_token: Uuid,
    mut locked_until: DateTime<Utc>,
) -> Infallible {
    let longest = TimeDelta::from_std(inner.app.max_auto_lock_renewal).unwrap_or(TimeDelta::MAX);
    let last = inner.clock.now().checked_add_signed(longest).unwrap_or(DateTime::<Utc>::MAX_UTC);
    let instance = inner.handler_state.borrow().instance;
    loop {
        let at = locked_until - margin(locked_until - inner.clock.now());
        if at > last {
            return pending().await;
        }
        let _hold = inner.clock.sleep_until(at).await;
        if inner.handler_state.borrow().instance != instance {
            return pending().await;
        }
        match source.renew(lock_token).await {
            Ok(until) => locked_until = until,
            // The invocation continues. At its end the lock is lost.
            Err(problem) => {
                tracing::debug!(%problem, "a lock was not renewed");
                return pending().await;
            }
        }
        inner.count(|counters| counters.renewals += 1);
    }
}

/// How long before the end of a lock the client library renews it: half of the remaining time, at most ten seconds.
fn margin(left: TimeDelta) -> TimeDelta {
    (left / 2).min(TimeDelta::seconds(10)).max(TimeDelta::zero())
}
