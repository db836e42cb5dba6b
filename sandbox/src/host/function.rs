//! One function: its `function.json`, with its app settings resolved.

use std::path::Path;
use std::str::FromStr as _;

use axum::http::Method;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use serde::Deserialize;

use super::app_error::{AppError, Settings, missing, read_json};

/// A function and its trigger.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name of its folder.
    pub name: String,
    /// Its trigger.
    pub trigger: Trigger,
}

/// The trigger of a function.
#[derive(Clone, Debug)]
pub enum Trigger {
    /// A timer.
    Timer(TimerTrigger),
    /// A message of a queue or subscription.
    ServiceBus(ServiceBusTrigger),
    /// An HTTP request.
    Http(HttpTrigger),
}

/// `timerTrigger`.
#[derive(Clone, Debug)]
pub struct TimerTrigger {
    /// The name of the binding.
    pub binding: String,
    /// The schedule, in UTC.
    pub schedule: Box<Cron>,
    /// Whether the host stores the last run. By default it does not for schedules under a minute.
    pub monitored: bool,
    /// Whether it also runs when the host starts.
    pub run_on_startup: bool,
}

/// `serviceBusTrigger`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceBusTrigger {
    /// The name of the binding.
    pub binding: String,
    /// The source of the messages.
    pub entity: Entity,
    /// The connection string, or the namespace for an identity.
    pub connection: Connection,
    /// Whether the function needs the body as bytes.
    pub binary: bool,
}

/// A source of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    /// A queue's name.
    Queue(String),
    /// A subscription of a topic.
    Subscription {
        /// The topic's name.
        topic: String,
        /// The subscription's name.
        subscription: String,
    },
}

/// How the host connects to a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// A connection string with a shared access key.
    String(String),
    /// A fully qualified namespace, for the managed identity.
    Namespace(String),
}

impl Connection {
    /// The fully qualified namespace.
    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Namespace(namespace) => namespace,
            Self::String(text) => {
                let endpoint = text.split(';').find_map(|part| part.trim().strip_prefix("Endpoint=sb://"));
                endpoint.unwrap_or_default().split(['/', ':']).next().unwrap_or_default()
            }
        }
    }
}

/// `httpTrigger` with its `http` output.
#[derive(Clone, Debug)]
pub struct HttpTrigger {
    /// The path after the prefix.
    pub route: String,
    /// The allowed methods; empty for all methods.
    pub methods: Vec<Method>,
    /// The required key.
    pub auth: AuthLevel,
}

/// The key that an HTTP function requires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthLevel {
    /// No key.
    Anonymous,
    /// The function key or the master key.
    #[default]
    Function,
    /// The master key.
    Admin,
}

#[derive(Deserialize)]
struct FunctionJson {
    #[serde(default)]
    disabled: bool,
    bindings: Vec<Binding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Binding {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    direction: Option<String>,
    data_type: Option<String>,
    cardinality: Option<String>,
    is_sessions_enabled: Option<bool>,
    schedule: Option<String>,
    use_monitor: Option<bool>,
    run_on_startup: Option<bool>,
    topic_name: Option<String>,
    subscription_name: Option<String>,
    queue_name: Option<String>,
    connection: Option<String>,
    route: Option<String>,
    methods: Option<Vec<String>>,
    auth_level: Option<AuthLevel>,
}

/// Reads all functions of an app, in the order of their names.
pub(super) fn read_all(root: &Path, settings: &Settings) -> Result<Vec<Function>, AppError> {
    let unreadable = |source| AppError::Unreadable { path: root.display().to_string(), source };
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.join("function.json").is_file() {
            folders.push(path);
        }
    }
    folders.sort();
    let mut functions = Vec::new();
    for folder in folders {
        functions.extend(read(&folder, settings)?);
    }
    if functions.is_empty() {
        return Err(AppError::Host("no job functions found".to_owned()));
    }
    Ok(functions)
}

/// Reads one function. A disabled function is skipped.
fn read(folder: &Path, settings: &Settings) -> Result<Option<Function>, AppError> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let error = |reason: String| AppError::Function { function: name.clone(), reason };
    if !is_function_name(&name) {
        return Err(error("this is not a valid function name".to_owned()));
    }
    check_alone(folder).map_err(error)?;
    let json: FunctionJson = read_json(&folder.join("function.json"))?;
    let off = settings.get(&format!("AzureWebJobs.{name}.Disabled"));
    if json.disabled || off.is_some_and(|off| off.eq_ignore_ascii_case("true") || off == "1") {
        return Ok(None);
    }
    let reader = Reader { function: &name, settings };
    let trigger = reader.trigger(json.bindings)?;
    Ok(Some(Function { name, trigger }))
}

/// The host may use any other file in the folder as the function's script.
fn check_alone(folder: &Path) -> Result<(), String> {
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let entry = entry.map_err(|error| error.to_string())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "function.json" {
            return Err(format!("the host may use '{name}' beside function.json as a script"));
        }
    }
    Ok(())
}

fn is_function_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

struct Reader<'a> {
    function: &'a str,
    settings: &'a Settings,
}

impl Reader<'_> {
    fn error(&self, reason: impl Into<String>) -> AppError {
        AppError::Function { function: self.function.to_owned(), reason: reason.into() }
    }

    fn missing(&self, name: &str) -> AppError {
        missing(&format!("function '{}'", self.function), name)
    }

    fn trigger(&self, bindings: Vec<Binding>) -> Result<Trigger, AppError> {
        let (mut triggers, mut outputs) = (Vec::new(), Vec::new());
        for binding in bindings {
            match (binding.kind.as_str(), binding.direction.as_deref()) {
                ("timerTrigger" | "serviceBusTrigger" | "httpTrigger", Some("in") | None) => triggers.push(binding),
                ("http", Some("out")) => outputs.push(binding),
                ("timerTrigger" | "serviceBusTrigger" | "httpTrigger" | "http", direction) => {
                    let direction = direction.unwrap_or("none");
                    return Err(self.error(format!("'{}' does not have the direction '{direction}'", binding.kind)));
                }
                (kind, _) => return Err(self.error(format!("the binding type '{kind}' is not registered"))),
            }
        }
        let (Some(trigger), true) = (triggers.pop(), triggers.is_empty()) else {
            return Err(self.error("a function must have exactly one trigger"));
        };
        match trigger.kind.as_str() {
            "timerTrigger" => self.timer(trigger).map(Trigger::Timer),
            "serviceBusTrigger" => self.service_bus(trigger).map(Trigger::ServiceBus),
            // Requests are forwarded only to functions with exactly one HTTP input and one HTTP output.
            _ if outputs.len() == 1 => self.http(trigger).map(Trigger::Http),
            _ => Err(self.error("an httpTrigger needs exactly one 'http' output in the sandbox")),
        }
    }

    fn timer(&self, binding: Binding) -> Result<TimerTrigger, AppError> {
        let text = self.required(binding.schedule.as_deref(), "schedule")?;
        let schedule = schedule(&text).map_err(|reason| self.error(format!("schedule '{text}': {reason}")))?;
        Ok(TimerTrigger {
            binding: binding.name,
            monitored: binding.use_monitor.unwrap_or(true) && !is_frequent(&schedule),
            run_on_startup: binding.run_on_startup.unwrap_or(false),
            schedule: Box::new(schedule),
        })
    }

    fn service_bus(&self, binding: Binding) -> Result<ServiceBusTrigger, AppError> {
        if binding.cardinality.as_deref().is_some_and(|cardinality| cardinality != "one") {
            return Err(self.error("only cardinality 'one' is supported in the sandbox"));
        }
        if binding.is_sessions_enabled == Some(true) {
            return Err(self.error("sessions are not supported in the sandbox"));
        }
        let binary = match binding.data_type.as_deref() {
            None | Some("string") => false,
            Some("binary") => true,
            Some(other) => return Err(self.error(format!("dataType '{other}' is not known"))),
        };
        let connection = self.connection(binding.connection.as_deref().unwrap_or("ServiceBus"))?;
        Ok(ServiceBusTrigger { entity: self.entity(&binding)?, binding: binding.name, connection, binary })
    }

    fn entity(&self, binding: &Binding) -> Result<Entity, AppError> {
        if binding.queue_name.is_some() {
            return self.required(binding.queue_name.as_deref(), "queueName").map(Entity::Queue);
        }
        Ok(Entity::Subscription {
            topic: self.required(binding.topic_name.as_deref(), "topicName")?,
            subscription: self.required(binding.subscription_name.as_deref(), "subscriptionName")?,
        })
    }

    /// A setting with the plain name takes precedence over `<name>__fullyQualifiedNamespace`. Both may have the prefix
    /// `AzureWebJobs`.
    fn connection(&self, name: &str) -> Result<Connection, AppError> {
        let find = |name: String| self.settings.get(&name).filter(|value| !value.is_empty()).cloned();
        let either = |name: &str| find(format!("AzureWebJobs{name}")).or_else(|| find(name.to_owned()));
        if let Some(text) = either(name) {
            return Ok(Connection::String(text));
        }
        either(&format!("{name}__fullyQualifiedNamespace")).map(Connection::Namespace).ok_or_else(|| self.missing(name))
    }

    fn http(&self, binding: Binding) -> Result<HttpTrigger, AppError> {
        let route = binding.route.unwrap_or_else(|| self.function.to_owned());
        if route.contains(['{', '}', '*', ':']) {
            return Err(self.error("routes with parameters are not supported in the sandbox"));
        }
        let methods = binding.methods.unwrap_or_default();
        let methods: Result<_, _> = methods.iter().map(|name| Method::from_str(&name.to_uppercase())).collect();
        Ok(HttpTrigger {
            route: self.expand(&route)?,
            methods: methods.map_err(|_| self.error("a method cannot be read"))?,
            auth: binding.auth_level.unwrap_or_default(),
        })
    }

    fn required(&self, text: Option<&str>, property: &str) -> Result<String, AppError> {
        match text.map(|text| self.expand(text)).transpose()? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => Err(self.error(format!("'{property}' is missing"))),
        }
    }

    /// Replaces `%Name%` with app settings.
    fn expand(&self, text: &str) -> Result<String, AppError> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            let (name, after) = after.split_once('%').ok_or_else(|| self.error(format!("'{text}' has one '%'")))?;
            expanded += before;
            expanded += self.settings.get(name).filter(|it| !it.is_empty()).ok_or_else(|| self.missing(name))?;
            rest = after;
        }
        Ok(expanded + rest)
    }
}

/// NCRONTAB: six fields. A day must match both the day of month and the day of week.
fn schedule(text: &str) -> Result<Cron, String> {
    if text.split_whitespace().count() != 6 || text.contains(['#', '?', '@', '+']) {
        return Err("not an expression of six fields".to_owned());
    }
    let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).sloppy_ranges(true).build();
    parser.parse(text).map_err(|error| error.to_string())
}

/// Whether any two consecutive runs are less than a minute apart, in the range that the host checks.
fn is_frequent(schedule: &Cron) -> bool {
    let times: Vec<_> = schedule.iter_after(chrono::DateTime::UNIX_EPOCH).take(5).collect();
    times.windows(2).any(|pair| pair[1] - pair[0] < chrono::TimeDelta::minutes(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_ncrontab() {
        assert!(is_frequent(&schedule("*/20 * * * * *").unwrap()));
        assert!(!is_frequent(&schedule("0 */5 * * * *").unwrap()));
        assert!(schedule("*/5 * * * *").is_err());
        assert!(schedule("00:00:20").is_err());
        // The 1st, if it is a Monday.
        let both = schedule("0 0 0 1 * 1").unwrap();
        let first = both.find_next_occurrence(&chrono::DateTime::UNIX_EPOCH, false).unwrap();
        assert_eq!(first.to_rfc3339(), "1970-06-01T00:00:00+00:00");
    }
}
