//! The rows of the tables.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::host::{HostEvent, Level, Outcome};

/// `cloud_RoleName`: the name of the function app.
const ROLE: &str = "sandbox";

/// A row without the columns that all rows have.
pub(super) struct Row {
    columns: Map<String, Value>,
    /// How long before its writing it began.
    took: TimeDelta,
}

impl Row {
    fn new(item_type: &str, columns: Value) -> Self {
        let mut row = Map::from_iter([("itemType".to_owned(), item_type.into())]);
        if let Value::Object(columns) = columns {
            row.extend(columns);
        }
        Self { columns: row, took: TimeDelta::zero() }
    }

    /// The row as it is written. `timestamp` is the time at which it began.
    pub(super) fn complete(self, now: DateTime<Utc>, instance: &str) -> Value {
        let mut columns = self.columns;
        let timestamp = (now - self.took).to_rfc3339_opts(SecondsFormat::Micros, true);
        columns.extend([
            ("timestamp".to_owned(), timestamp.into()),
            ("cloud_RoleName".to_owned(), ROLE.into()),
            ("cloud_RoleInstance".to_owned(), instance.into()),
        ]);
        Value::Object(columns)
    }
}

/// A line of the handler. The host reads it independently of invocations, so it belongs to no operation.
pub(super) fn console(level: Level, line: &str) -> Row {
    let (severity, name) = match level {
        Level::Information => (1, "Information"),
        Level::Warning => (2, "Warning"),
        Level::Error => (3, "Error"),
    };
    let dimensions = json!({"Category": "Host.Function.Console", "LogLevel": name, "prop__{OriginalFormat}": line});
    let columns =
        json!({"message": line, "severityLevel": severity, "operation_Id": "", "customDimensions": dimensions});
    Row::new("trace", columns)
}

/// The rows of an event of the host.
pub(super) fn of_event(event: &HostEvent) -> Vec<Row> {
    match event {
        HostEvent::Started { function, id } => vec![executing(function, *id)],
        HostEvent::Ended { function, id, outcome, took } => match outcome {
            // The instance is gone, and with it what it would have written.
            Outcome::Lost => Vec::new(),
            Outcome::Succeeded => ended(function, *id, true, *took),
            Outcome::Failed(_) => ended(function, *id, false, *took),
        },
        HostEvent::HandlerStarted { .. }
        | HostEvent::HandlerDied(_)
        | HostEvent::Stopped
        | HostEvent::Delivered { .. }
        | HostEvent::Unsettled { .. } => Vec::new(),
    }
}

fn executing(function: &str, id: Uuid) -> Row {
    of_function(function, id, 1, &format!("Executing 'Functions.{function}' (Reason='', Id={id})"))
}

/// The line of the log, the request, and the settlement of a message.
fn ended(function: &str, id: Uuid, success: bool, took: TimeDelta) -> Vec<Row> {
    let (result, severity) = if success { ("Succeeded", 1) } else { ("Failed", 3) };
    let milliseconds = took.num_milliseconds();
    let text = format!("Executed 'Functions.{function}' ({result}, Id={id}, Duration={milliseconds}ms)");
    let mut rows = vec![of_function(function, id, severity, &text), request(function, id, success, took)];
    rows.extend((function == "process-message").then(|| settlement(function, id, success)));
    rows
}

fn of_function(function: &str, id: Uuid, severity: u8, message: &str) -> Row {
    let dimensions = json!({"Category": format!("Function.{function}"), "InvocationId": id});
    let columns = json!({
        "message": message,
        "severityLevel": severity,
        "operation_Id": operation(id),
        "operation_Name": function,
        "customDimensions": dimensions,
    });
    Row::new("trace", columns)
}

fn request(function: &str, id: Uuid, success: bool, took: TimeDelta) -> Row {
    let dimensions = json!({
        "Category": "Host.Results",
        "FullName": format!("Functions.{function}"),
        "InvocationId": id,
        "LogLevel": if success { "Information" } else { "Error" },
    });
    let columns = json!({
        "id": &operation(id)[..16],
        "name": function,
        "success": if success { "True" } else { "False" },
        "resultCode": "0",
        "duration": milliseconds(took),
        "operation_Id": operation(id),
        "operation_Name": function,
        "customDimensions": dimensions,
    });
    Row { took, ..Row::new("request", columns) }
}

/// The host completes a message or gives it back.
fn settlement(function: &str, id: Uuid, success: bool) -> Row {
    let columns = json!({
        "name": if success { "ServiceBusReceiver.Complete" } else { "ServiceBusReceiver.Abandon" },
        "type": "Azure Service Bus",
        "success": "True",
        "operation_Id": operation(id),
        "operation_Name": function,
        "customDimensions": {"Category": "Host.Bindings"},
    });
    Row::new("dependency", columns)
}

/// One operation for each invocation.
fn operation(invocation: Uuid) -> String {
    invocation.simple().to_string()
}

fn milliseconds(took: TimeDelta) -> f64 {
    took.to_std().map_or(0.0, |took| took.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_handler_is_a_trace_of_its_severity() {
        for (level, severity) in [(Level::Information, 1), (Level::Warning, 2), (Level::Error, 3)] {
            let row = console(level, r#"{"event":"x"}"#).complete(DateTime::UNIX_EPOCH, "one");
            assert_eq!((&row["itemType"], &row["severityLevel"]), (&json!("trace"), &json!(severity)));
            assert_eq!(row["message"], r#"{"event":"x"}"#);
            assert_eq!(row["customDimensions"]["Category"], "Host.Function.Console");
            assert_eq!(
                (&row["cloud_RoleInstance"], &row["timestamp"]),
                (&json!("one"), &json!("1970-01-01T00:00:00.000000Z"))
            );
        }
    }

    #[test]
    fn an_invocation_is_a_request_that_began_before_it_ended() {
        let (id, took) = (Uuid::from_u128(7), TimeDelta::milliseconds(1500));
        let event = |outcome| HostEvent::Ended { function: "process-message".to_owned(), id, outcome, took };
        let rows: Vec<Value> = of_event(&event(Outcome::Succeeded))
            .into_iter()
            .map(|row| row.complete(DateTime::UNIX_EPOCH, "one"))
            .collect();
        let [trace, request, dependency] = &rows[..] else { panic!("{rows:?}") };
        assert!(trace["message"].as_str().unwrap().contains("Succeeded"), "{trace}");
        assert_eq!((&request["name"], &request["success"]), (&json!("process-message"), &json!("True")));
        assert_eq!(
            (&request["duration"], &request["timestamp"]),
            (&json!(1500.0), &json!("1969-12-31T23:59:58.500000Z"))
        );
        assert_eq!(dependency["name"], "ServiceBusReceiver.Complete");
        assert_eq!(dependency["operation_Id"], request["operation_Id"]);
        assert!(of_event(&event(Outcome::Lost)).is_empty(), "a lost instance writes nothing");
    }
}
