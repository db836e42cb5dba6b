//! The process asked to end, as a platform does that is kind enough to ask.

use std::process::Command;
use std::time::Instant;

use prepare_data::host::{ListenError, ServeError, run};
use reqwest::StatusCode;
use sandbox::clock::Clock;

use crate::log::Kept;
use crate::script::{Course, Script, invoke};

#[tokio::test]
async fn a_process_that_is_terminated_answers_for_what_it_abandons_and_ends() {
    let kept = Kept::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let environment = move |name: &str| (name == "FUNCTIONS_CUSTOMHANDLER_PORT").then(|| port.to_string());
    let script = Script::new(Course::Waits, Clock::real());
    let running = tokio::spawn(run(Instant::now(), environment, script.job()));
    while kept.is_empty() && !running.is_finished() {
        tokio::task::yield_now().await;
    }
    let invocation = invoke(&format!("http://127.0.0.1:{port}/"));
    script.until_started(1).await;
    let id = std::process::id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    running.await.unwrap().unwrap();
    assert_eq!(invocation.await.unwrap().0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(*script.finished.borrow(), 0);
    let told = ["handlerStarted", "preparationStarted", "preparationAbandoned", "handlerStopped"];
    assert_eq!(kept.events(), told);
}

#[tokio::test]
async fn a_process_that_nobody_gave_a_port_does_not_start() {
    let script = Script::new(Course::Waits, Clock::real());
    let problem = run(Instant::now(), |_| None, script.job()).await.unwrap_err();
    assert!(matches!(problem, ServeError::Listen(ListenError::NoPort)), "{problem}");
}
