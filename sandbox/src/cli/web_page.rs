//! The web page: opens it, and shows it in the browser on request.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::Arc;

use sandbox::environment::{Environment, FunctionApp};
use sandbox::page::{Page, PageOptions};

use super::Failure;
use super::args::Args;
use super::output::{note, say};

/// Fails if the port that was chosen for the page is taken. Otherwise that would be found only after a long build.
pub(crate) fn check_port(args: &Args) -> Result<(), Failure> {
    let Some(port) = args.page_port else { return Ok(()) };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(drop).map_err(|error| on_port(port, &error).into())
}

fn on_port(port: u16, error: &io::Error) -> String {
    format!("the page cannot be opened on port {port}: {error}; choose another --page-port")
}

/// Opens the page, unless the sandbox ends by itself.
pub(crate) async fn open(
    args: &Args,
    environment: &Arc<Environment>,
    apps: &[FunctionApp],
) -> Result<Option<Page>, Failure> {
    if !args.has_page() {
        return Ok(None);
    }
    let (enabled, port) = (args.expected(), args.page_port);
    let options = PageOptions { environment: environment.clone(), apps, enabled, port };
    let page = Page::open(options).await.map_err(|error| match port {
        Some(port) => on_port(port, &error),
        None => format!("the page cannot be opened: {error}"),
    })?;
    say(&format!("Watch the run and inject faults here: {}", page.url()))?;
    if args.open {
        show(&page.url());
    }
    Ok(Some(page))
}

/// Shows the page in the browser. The address is printed in any case.
fn show(url: &str) {
    let (program, arguments): (&str, &[&str]) = match std::env::consts::OS {
        "windows" => ("cmd", &["/C", "start", "", url]),
        "macos" => ("open", &[url]),
        _ => ("xdg-open", &[url]),
    };
    let started = Command::new(program).args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    if let Err(error) = started {
        note(&format!("The browser cannot be started ({program}: {error}). Open the address by hand."));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn a_port_that_is_taken_is_named_before_the_build() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let args = Args::try_parse_from(["sandbox", "--page-port", &port]).unwrap();
        let error = check_port(&args).unwrap_err().to_string();
        assert!(error.contains(&format!("port {port}")) && error.contains("--page-port"), "{error}");
        drop(taken);
        check_port(&args).unwrap();
    }
}
