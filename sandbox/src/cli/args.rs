//! The command line's arguments.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use sandbox::audit::Journey;
use sandbox::clock::Clock;
use sandbox::csu::CsuOptions;
use sandbox::environment::{self, EnvironmentOptions, PORT_BASE};
use sandbox::faults::FaultProfile;
use sandbox::network::{Dependency, Network, NoFaults};
use sandbox::shop;

use sandbox::app_folder::Enabled;

/// Runs Commerce Journeys on this machine with local stand-ins for all its dependencies: Commerce Scale Unit, Entra,
/// Cosmos DB, Service Bus, Dataverse and the Functions host. A demo shop sells orders. No account is needed.
#[derive(Debug, Parser)]
#[command(name = "sandbox", version)]
pub(crate) struct Args {
    /// Number of orders that the shop sells
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub(crate) orders: usize,
    /// Stop when all events are processed, instead of running until Ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
    /// Print the result as one JSON object on the last line of standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Minimum latency of each call of a dependency, in milliseconds
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) latency_ms: u64,
    /// Enabled journeys: as in the shipped journeys.json, all four, or also the examples, for whose event types the shop
    /// ships orders, takes them back and creates customers [default: examples; with --once: default]
    #[arg(long, value_enum)]
    pub(crate) journeys: Option<Journeys>,
    /// Names and addresses of the customers: common ones, or such that often cause errors [default: plain; with --faults: hard]
    #[arg(long, value_enum)]
    pub(crate) names: Option<Names>,
    /// Open the web page in the browser
    #[arg(long, conflicts_with = "once")]
    pub(crate) open: bool,
    /// Seed of the generated customers, orders and faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Orders per second, 0 for all at once [default: 12, or 50 with --once or --json]
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// Faults of the dependencies: none, rough, storm, hang, refuse, nonsense or odd, or per dependency (identity, commerce,
    /// cosmos, service-bus, dataverse), for example dataverse=hang,cosmos=rough
    #[arg(long, value_name = "PROFILE", default_value = "none")]
    pub(crate) faults: FaultProfile,
    /// Kill a handler (SIGKILL) about every N seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "no_host")]
    pub(crate) kill_every: Option<f64>,
    /// How the Functions host receives messages: in process, or over AMQP like the real host
    #[arg(long, value_enum, default_value_t = Deliver::InProcess)]
    pub(crate) deliver: Deliver,
    /// Start only the dependencies, and print the settings for `func start`
    #[arg(long)]
    pub(crate) no_host: bool,
    /// First port of a block of six [default: any free ports; 7700 with --no-host]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..65000))]
    pub(crate) port_base: Option<u16>,
    /// Port of the web page [default: 7780, or a free port if that is taken]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..), conflicts_with = "once")]
    pub(crate) page_port: Option<u16>,
    /// File for the handler's output [default: target/sandbox/handler.log, or one of its own if another sandbox runs]
    #[arg(long, value_name = "FILE")]
    pub(crate) handler_log: Option<PathBuf>,
    /// File for what the Functions host sends to Application Insights, as rows of its tables, one JSON object per line
    #[arg(long, value_name = "FILE", conflicts_with = "no_host")]
    pub(crate) telemetry: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Journeys {
    Default,
    All,
    Examples,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    Plain,
    Hard,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deliver {
    InProcess,
    Amqp,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate >= 0.0);
    rate.ok_or_else(|| "not a number of orders per second".to_owned())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| seconds.is_finite() && *seconds >= 0.1);
    seconds.ok_or_else(|| "not a number of seconds; the minimum is 0.1".to_owned())
}

impl Args {
    /// The pause between two visits, for this number of visits.
    pub(crate) fn pause(&self, visits: usize) -> Duration {
        let usual = if self.once || self.json { 50.0 } else { 12.0 };
        let rate = self.rate.unwrap_or(usual);
        if rate == 0.0 || visits == 0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(self.orders as f64 / rate / visits as f64).unwrap_or_default()
    }

    /// All journeys and the examples if the sandbox hosts the app and has a page. `func start` reads `journeys.json` as
    /// it is.
    fn journeys(&self) -> Journeys {
        let usual = if self.has_page() && !self.no_host { Journeys::Examples } else { Journeys::Default };
        self.journeys.unwrap_or(usual)
    }

    /// Whether there is a page. A run that ends by itself has none.
    pub(crate) fn has_page(&self) -> bool {
        !self.once
    }

    pub(crate) fn enabled(&self) -> Enabled {
        match self.journeys() {
            Journeys::Default => Enabled::AsShipped,
            Journeys::All => Enabled::All,
            Journeys::Examples => Enabled::WithExamples,
        }
    }

    /// The journeys that the audit expects.
    pub(crate) fn expected(&self) -> &'static [Journey] {
        match self.journeys() {
            Journeys::Default => &Journey::DEFAULT,
            Journeys::All => &Journey::ALL,
            Journeys::Examples => &Journey::WITH_EXAMPLES,
        }
    }

    /// Whether the shop also writes the events of a partner's extension.
    fn has_partner_events(&self) -> bool {
        self.journeys() == Journeys::Examples
    }

    fn names(&self) -> shop::Names {
        match self.names {
            Some(Names::Plain) => shop::Names::Plain,
            Some(Names::Hard) => shop::Names::Hard,
            None if self.faults.is_none() => shop::Names::Plain,
            None => shop::Names::Hard,
        }
    }

    pub(crate) fn environment(&self) -> EnvironmentOptions {
        let latency = Duration::from_millis(self.latency_ms);
        EnvironmentOptions {
            seed: self.seed,
            names: self.names(),
            ports: self.port_base.or(self.no_host.then_some(PORT_BASE)),
            network: Network::new(NoFaults { latency }),
            odd_contacts: self.faults.of(Dependency::Dataverse).odd,
            partner_events: self.has_partner_events(),
            shop_skew: self.faults.shop_skew(self.seed),
            csu: if self.faults.of(Dependency::Commerce).odd { CsuOptions::odd() } else { CsuOptions::default() },
            deliver: match self.deliver {
                Deliver::InProcess => environment::Deliver::InProcess,
                Deliver::Amqp => environment::Deliver::Amqp,
            },
            ..EnvironmentOptions::new(Clock::real())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(std::iter::once("sandbox").chain(text.split_whitespace()))
    }

    #[test]
    fn the_pause_depends_on_the_number_of_orders() {
        assert_eq!(parse("").unwrap().pause(400).as_millis(), 41);
        assert_eq!(parse("--once").unwrap().pause(400).as_millis(), 10);
        assert_eq!(parse("--rate 0").unwrap().pause(400), Duration::ZERO);
        assert!(parse("--rate -1").is_err());
        assert!(parse("--rate NaN").is_err());
    }

    #[test]
    fn all_journeys_and_the_examples_are_enabled_with_a_page() {
        let expected = |text| parse(text).unwrap().expected().len();
        let runs =
            ["", "--once", "--once --journeys all", "--journeys default", "--once --journeys examples", "--no-host"];
        assert_eq!(runs.map(expected), [8, 1, 4, 1, 8, 1]);
        assert_eq!(
            runs.map(|text| parse(text).unwrap().has_partner_events()),
            [true, false, false, false, true, false]
        );
        assert!(parse("--once --page-port 7781").is_err());
    }

    #[test]
    fn customers_have_plain_names_unless_something_is_to_be_tested() {
        let names = |text| parse(text).unwrap().names();
        assert_eq!(
            ["", "--names hard", "--faults rough"].map(names),
            [shop::Names::Plain, shop::Names::Hard, shop::Names::Hard]
        );
        assert_eq!(names("--faults rough --names plain"), shop::Names::Plain);
    }

    #[test]
    fn fault_options_are_parsed() {
        assert!(parse("").unwrap().faults.is_none());
        assert_eq!(parse("").unwrap().instances(), 1);
        assert_eq!(parse("--faults storm").unwrap().faults, FaultProfile::storm());
        assert!(!parse("--faults dataverse=storm,cosmos=rough").unwrap().faults.is_none());
        assert_eq!(parse("--kill-every 2").unwrap().instances(), 2);
        assert!(parse("--faults unknown").is_err());
        assert!(parse("--kill-every 0").is_err());
        // There is no handler to kill.
        assert!(parse("--no-host --kill-every 2").is_err());
    }
}
