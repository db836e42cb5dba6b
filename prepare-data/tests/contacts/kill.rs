//! A run that is killed is gone on with.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sandbox::clock::Clock;
use sandbox::environment::EnvironmentOptions;
use sandbox::network::{BoxFuture, Call, FaultAction, FaultInjector, NoFaults};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Notify;

use crate::environment::{Customer, TestEnvironment};

/// One batch of writes takes effect and is never answered.
struct Silence {
    batches: AtomicU64,
    at: u64,
    reached: Arc<Notify>,
}

impl FaultInjector for Silence {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let is_meant = call.path.ends_with("/$batch") && self.batches.fetch_add(1, Ordering::SeqCst) == self.at;
        let reached = self.reached.clone();
        Box::pin(async move {
            if is_meant {
                reached.notify_one();
            }
            if is_meant { FaultAction::HangAfter } else { FaultAction::Serve }
        })
    }
}

fn command(environment: &TestEnvironment) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prepare-data"));
    command.args(["sync-contacts", "--share", "100", "--batch", "50", "--json", "--customers"]);
    command
        .arg(environment.customers_location())
        .envs(environment.settings())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn finished(environment: &TestEnvironment) -> Value {
    let output = command(environment).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_killed_run_is_gone_on_with_and_nothing_happens_twice() {
    for at in [0, 2] {
        let environment = TestEnvironment::open(EnvironmentOptions::new(Clock::real())).await;
        environment.gold(&Customer::many(200)).await;
        let reached = Arc::new(Notify::new());
        environment.environment.network().set_faults(Silence { batches: 0.into(), at, reached: reached.clone() });
        let mut killed = command(&environment).spawn().unwrap();
        tokio::select! {
            () = reached.notified() => {}
            status = killed.wait() => panic!("the run has ended by itself: {status:?}"),
        }
        killed.kill().await.unwrap();
        environment.environment.network().set_faults(NoFaults::default());

        let report = finished(&environment).await;
        assert_eq!(report["lookedAt"], 200 - 50 * at, "the batch under way is all that is repeated");
        assert_eq!(environment.new_contacts(), 200);
        let customers = Customer::many(200);
        assert!(customers.iter().all(|it| environment.contact(it.contact_id()).email == it.email));
        assert_eq!(finished(&environment).await["lookedAt"], 0);
    }
}
