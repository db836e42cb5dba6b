//! What an invocation sets off, and how it is answered.

use std::sync::atomic::Ordering;

use prepare_data::host::{JobError, Summary};
use reqwest::StatusCode;

use crate::script::{Course, Handler};

#[tokio::test]
async fn the_handler_is_ready_before_anything_is_prepared() {
    let handler = Handler::start(Course::Waits).await;
    assert_eq!(handler.get("").await, StatusCode::OK);
    assert_eq!(*handler.script.started.borrow(), 0);
}

#[tokio::test]
async fn an_invocation_runs_one_preparation_and_answers_when_it_is_done() {
    let handler = Handler::start(Course::Waits).await;
    let invocation = handler.invoke();
    handler.script.until_started(1).await;
    assert!(!invocation.is_finished());
    handler.script.let_one_go_on();
    let (status, body) = invocation.await.unwrap();
    assert_eq!(status, StatusCode::OK);
    // Without `Outputs` the host would wait on.
    assert!(body["Outputs"].is_object(), "{body}");
}

#[tokio::test]
async fn a_second_invocation_is_answered_and_starts_nothing() {
    let handler = Handler::start(Course::Waits).await;
    let first = handler.invoke();
    handler.script.until_started(1).await;
    let (status, body) = handler.invoke().await.unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body["error"].as_str().unwrap().contains("is under way already"), "{body}");
    assert_eq!(*handler.script.started.borrow(), 1);

    handler.script.let_one_go_on();
    assert_eq!(first.await.unwrap().0, StatusCode::OK);
    handler.script.set(Course::Ends(Ok(Summary::default())));
    assert_eq!(handler.invoke().await.unwrap().0, StatusCode::OK, "the turn is free again");
}

#[tokio::test]
async fn what_stops_a_preparation_fails_its_invocation_and_is_named() {
    let detail = "no party resolves to a person".to_owned();
    let stopped = JobError::Stopped { checks: vec!["persons".to_owned()], detail };
    let failed = JobError::Failed { detail: "the lake cannot be read: 403".to_owned() };
    let handler = Handler::start(Course::Ends(Err(stopped))).await;
    let (status, body) = handler.invoke().await.unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["error"], "the quality gate stopped the preparation: no party resolves to a person");

    handler.script.set(Course::Ends(Err(failed)));
    let (status, body) = handler.invoke().await.unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(body["error"], "the preparation failed: the lake cannot be read: 403");
}

#[tokio::test]
async fn a_panic_fails_its_invocation_only() {
    let handler = Handler::start(Course::Panics).await;
    let (status, body) = handler.invoke().await.unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body["error"].as_str().unwrap().contains("defect"), "{body}");
    handler.script.set(Course::Ends(Ok(Summary::default())));
    assert_eq!(handler.invoke().await.unwrap().0, StatusCode::OK);
}

#[tokio::test]
async fn a_caller_that_hangs_up_does_not_end_the_preparation() {
    let handler = Handler::start(Course::Waits).await;
    let invocation = handler.invoke();
    handler.script.until_started(1).await;
    invocation.abort();
    assert!(invocation.await.unwrap_err().is_cancelled());
    // An answer to another request shows that the handler has had the time to notice.
    assert_eq!(handler.invoke().await.unwrap().0, StatusCode::INTERNAL_SERVER_ERROR);
    handler.script.let_one_go_on();
    handler.script.until_finished(1).await;
    assert_eq!(handler.script.dropped.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_handler_that_is_asked_to_stop_abandons_the_preparation_and_says_so() {
    let handler = Handler::start(Course::Waits).await;
    let invocation = handler.invoke();
    let script = handler.script.clone();
    script.until_started(1).await;
    handler.stop().await.unwrap();
    let (status, body) = invocation.await.unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body["error"].as_str().unwrap().contains("asked to stop"), "{body}");
    assert_eq!(script.dropped.load(Ordering::SeqCst), 1, "nothing works on after the handler has stopped");
    assert_eq!(*script.finished.borrow(), 0);
}

#[tokio::test]
async fn an_idle_handler_stops_at_once() {
    Handler::start(Course::Waits).await.stop().await.unwrap();
}
