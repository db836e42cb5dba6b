//! A handler in this process, whose preparations do as they are told.

use std::future::Future;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use prepare_data::host::{JobError, Summary, serve};
use reqwest::StatusCode;
use sandbox::clock::Clock;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

/// How a preparation goes.
#[derive(Clone)]
pub(crate) enum Course {
    Ends(Result<Summary, JobError>),
    Panics,
    /// It works until it is let go on.
    Waits,
}

/// What preparations do, and what became of them.
pub(crate) struct Script {
    course: Mutex<Course>,
    go_on: Semaphore,
    pub(crate) started: watch::Sender<usize>,
    pub(crate) finished: watch::Sender<usize>,
    clock: Clock,
    /// When they have started.
    times: Mutex<Vec<DateTime<Utc>>>,
    /// Preparations that were dropped at work.
    pub(crate) dropped: AtomicUsize,
}

impl Script {
    pub(crate) fn new(course: Course, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            course: Mutex::new(course),
            go_on: Semaphore::new(0),
            started: watch::Sender::default(),
            finished: watch::Sender::default(),
            clock,
            times: Mutex::default(),
            dropped: AtomicUsize::default(),
        })
    }

    pub(crate) fn set(&self, course: Course) {
        *self.course.lock().unwrap() = course;
    }

    pub(crate) fn times(&self) -> Vec<DateTime<Utc>> {
        self.times.lock().unwrap().clone()
    }

    pub(crate) fn let_one_go_on(&self) {
        self.go_on.add_permits(1);
    }

    pub(crate) async fn until_started(&self, count: usize) {
        self.started.subscribe().wait_for(|started| *started >= count).await.unwrap();
    }

    pub(crate) async fn until_finished(&self, count: usize) {
        self.finished.subscribe().wait_for(|finished| *finished >= count).await.unwrap();
    }

    async fn prepare(self: Arc<Self>) -> Result<Summary, JobError> {
        self.times.lock().unwrap().push(self.clock.now());
        self.started.send_modify(|count| *count += 1);
        let unfinished = Unfinished(self.clone());
        let course = self.course.lock().unwrap().clone();
        let result = match course {
            Course::Ends(result) => result,
            Course::Panics => panic!("as the script says"),
            Course::Waits => {
                self.go_on.acquire().await.unwrap().forget();
                Ok(Summary::default())
            }
        };
        std::mem::forget(unfinished);
        self.finished.send_modify(|count| *count += 1);
        result
    }

    pub(crate) fn job(self: &Arc<Self>) -> impl Fn() -> BoxedRun + Send + Sync + 'static {
        let script = self.clone();
        move || Box::pin(script.clone().prepare())
    }
}

type BoxedRun = std::pin::Pin<Box<dyn Future<Output = Result<Summary, JobError>> + Send>>;

struct Unfinished(Arc<Script>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// A handler that serves.
pub(crate) struct Handler {
    pub(crate) script: Arc<Script>,
    url: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Handler {
    pub(crate) async fn start(course: Course) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let script = Script::new(course, Clock::real());
        let (stop, stopped) = oneshot::channel::<()>();
        let until = async {
            stopped.await.ok();
        };
        let served = tokio::spawn(serve(listener, until, script.job()));
        Self { script, url, stop, served }
    }

    pub(crate) async fn get(&self, path: &str) -> StatusCode {
        reqwest::get(format!("{}{path}", self.url)).await.unwrap().status()
    }

    /// Has the timer be due.
    pub(crate) fn invoke(&self) -> JoinHandle<(StatusCode, Value)> {
        invoke(&self.url)
    }

    /// Asks the handler to stop, and returns when it has.
    pub(crate) async fn stop(self) -> std::io::Result<()> {
        self.stop.send(()).ok();
        self.served.await.unwrap()
    }
}

/// Sends what the Functions host sends when the timer is due.
pub(crate) fn invoke(url: &str) -> JoinHandle<(StatusCode, Value)> {
    let request = reqwest::Client::new()
        .post(format!("{url}prepare-data"))
        .header("x-azure-functions-invocationid", "5f0cb1a5-5d6f-4c8e-9c39-61b0a9f6f001")
        .body(r#"{"Data":{"timer":{"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"prepare-data"}}}"#);
    tokio::spawn(async move {
        let response = request.send().await.unwrap();
        (response.status(), response.json().await.unwrap())
    })
}
