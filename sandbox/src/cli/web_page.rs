//! The web page: opens it, and shows it in the browser on request.

use std::process::{Command, Stdio};
use std::sync::Arc;

use sandbox::environment::{Environment, FunctionApp};
use sandbox::page::{Page, PageOptions};

use super::Failure;
use super::args::Args;
use super::output::{note, say};

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
        Some(port) => format!("the page cannot be opened on port {port}: {error}; choose another --page-port"),
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
