//! Reads a function app's folder like the Functions host does, and rejects what the host would reject.
//!
//! Formats: <https://learn.microsoft.com/azure/azure-functions/functions-host-json> and
//! <https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers>.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::app_error::{AppError, Settings, missing, read_json};
use super::function::{self, Function, Trigger};
use super::host_json::{ExtensionBundle, HostJson, duration, function_timeout};

/// A function app that can be hosted.
#[derive(Clone, Debug)]
pub struct App {
    /// The app's folder.
    pub root: PathBuf,
    /// The app settings.
    pub settings: Settings,
    /// The handler's executable, relative to `directory` unless absolute.
    pub executable: PathBuf,
    /// The handler's arguments.
    pub arguments: Vec<String>,
    /// The handler's working directory.
    pub directory: PathBuf,
    /// The time-out of an invocation; `None` for no time-out.
    pub function_timeout: Option<Duration>,
    /// The number of messages that are processed at the same time; `None` is 16 for each core.
    pub max_concurrent_calls: Option<usize>,
    /// How long a message's lock is renewed during its invocation.
    pub max_auto_lock_renewal: Duration,
    /// The first segment of the paths of HTTP functions, usually `api`.
    pub route_prefix: String,
    /// The functions, by name.
    pub functions: Vec<Function>,
}

impl App {
    /// Reads `host.json` and every `*/function.json` under `root`.
    ///
    /// # Errors
    ///
    /// When the host or one of its functions could not start. The real host starts without a function whose settings
    /// are missing. Here that is an error, so that it is noticed.
    pub fn read(root: &Path, settings: &Settings) -> Result<Self, AppError> {
        let host: HostJson = read_json(&root.join("host.json"))?;
        if host.version.as_deref() != Some("2.0") {
            return Err(AppError::Host("version must be \"2.0\"".to_owned()));
        }
        let handler = host.custom_handler.ok_or_else(|| AppError::Host("there is no customHandler".to_owned()))?;
        if handler.description.default_executable_path.is_empty() {
            return Err(AppError::Host("customHandler.description.defaultExecutablePath is empty".to_owned()));
        }
        check_runtime(settings)?;
        let app = Self {
            root: root.to_owned(),
            settings: settings.clone(),
            executable: handler.description.default_executable_path.into(),
            arguments: handler.description.arguments,
            directory: root.join(handler.description.working_directory),
            function_timeout: function_timeout(host.function_timeout.as_deref())?,
            max_concurrent_calls: host.extensions.service_bus.max_concurrent_calls,
            max_auto_lock_renewal: duration(&host.extensions.service_bus.max_auto_lock_renewal_duration)?,
            route_prefix: host.extensions.http.route_prefix,
            functions: function::read_all(root, settings)?,
        };
        app.check_bundle(host.extension_bundle.as_ref(), host.extensions.service_bus.auto_complete_messages)?;
        app.check_forwarding(handler.enable_forwarding_http_request)?;
        app.check_storage()?;
        Ok(app)
    }

    /// Whether the host itself reports to Application Insights.
    pub(super) fn has_application_insights(&self) -> bool {
        let names = ["APPLICATIONINSIGHTS_CONNECTION_STRING", "APPINSIGHTS_INSTRUMENTATIONKEY"];
        names.iter().any(|name| self.settings.get(*name).is_some_and(|value| !value.is_empty()))
    }

    fn any(&self, wanted: impl Fn(&Trigger) -> bool) -> bool {
        self.functions.iter().any(|function| wanted(&function.trigger))
    }

    fn check_bundle(&self, bundle: Option<&ExtensionBundle>, auto_complete: bool) -> Result<(), AppError> {
        if !self.any(|trigger| matches!(trigger, Trigger::ServiceBus(_))) {
            return Ok(());
        }
        // Only HTTP and timer triggers are part of the host itself.
        if !bundle.is_some_and(|it| it.id == "Microsoft.Azure.Functions.ExtensionBundle" && !it.version.is_empty()) {
            return Err(AppError::Host("a Service Bus trigger needs the extensionBundle".to_owned()));
        }
        if !auto_complete {
            // A custom handler cannot settle messages itself, so each message would be delivered until it is
            // dead-lettered.
            return Err(AppError::Host("autoCompleteMessages must stay on for a custom handler".to_owned()));
        }
        if self.max_concurrent_calls == Some(0) {
            return Err(AppError::Host("maxConcurrentCalls must be at least 1".to_owned()));
        }
        Ok(())
    }

    fn check_forwarding(&self, forwarding: bool) -> Result<(), AppError> {
        if !forwarding && self.any(|trigger| matches!(trigger, Trigger::Http(_))) {
            return Err(AppError::Host(
                "HTTP functions are served only with customHandler.enableForwardingHttpRequest here".to_owned(),
            ));
        }
        Ok(())
    }

    /// The lock and the status of a timer are stored in the host's storage account.
    fn check_storage(&self) -> Result<(), AppError> {
        let names = ["AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__blobServiceUri"];
        let stored = names.iter().any(|name| self.settings.get(*name).is_some_and(|value| !value.is_empty()));
        if !stored && self.any(|trigger| matches!(trigger, Trigger::Timer(_))) {
            return Err(missing("the timer trigger", names[0]));
        }
        Ok(())
    }
}

fn check_runtime(settings: &Settings) -> Result<(), AppError> {
    match settings.get("FUNCTIONS_WORKER_RUNTIME").map(String::as_str) {
        None | Some("custom") => Ok(()),
        Some(other) => Err(AppError::Host(format!("FUNCTIONS_WORKER_RUNTIME is '{other}' instead of 'custom'"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{ALL, Folder, settings};

    fn error(files: &[(&str, &str)], settings: &Settings) -> String {
        App::read(Folder::new(files).path(), settings).unwrap_err().to_string()
    }

    #[test]
    fn a_missing_setting_is_reported() {
        for name in ["PollSchedule", "ServiceBusTopicName", "ServiceBusConnection", "AzureWebJobsStorage"] {
            let mut settings = settings();
            settings.remove(name);
            assert!(error(&ALL, &settings).contains(&format!("'{name}'")), "{name}");
        }
        let mut identity = settings();
        identity.remove("ServiceBusConnection");
        identity.insert("ServiceBusConnection__fullyQualifiedNamespace".to_owned(), "n".to_owned());
        assert!(App::read(Folder::new(&ALL).path(), &identity).is_ok());
    }

    #[test]
    fn an_app_that_the_host_would_not_start_is_rejected() {
        let changed = |file: &str, from: &str, to: &str| {
            let files = ALL.map(|(name, text)| {
                let text = if name.starts_with(file) { text.replace(from, to) } else { text.to_owned() };
                (name, text)
            });
            error(&files.each_ref().map(|(name, text)| (*name, text.as_str())), &settings())
        };
        for (file, from, to, says) in [
            ("poll", "timerTrigger", "timeTrigger", "'timeTrigger' is not registered"),
            ("poll", "%PollSchedule%", "every minute", "not an expression of six fields"),
            ("process", "serviceBusTrigger", "timerTrigger", "'schedule' is missing"),
            ("host", "extensionBundle", "extensionBunde", "needs the extensionBundle"),
            ("host", "\"enableForwardingHttpRequest\": true", "\"x\": 1", "enableForwardingHttpRequest"),
            ("host", "\"2.0\"", "\"1.0\"", "version must be"),
            ("host", "00:10:00", "10 minutes", "is not a duration"),
            ("trigger", "\"direction\": \"out\"", "\"direction\": \"in\"", "does not have the direction 'in'"),
        ] {
            let reason = changed(file, from, to);
            assert!(reason.contains(says), "{reason}");
        }
        let extra = ALL.iter().copied().chain([("poll-events/notes.txt", "")]).collect::<Vec<_>>();
        assert!(error(&extra, &settings()).contains("'notes.txt'"));
    }
}
