//! The errors of the Scale Unit: what each means for the request, why, and where that is known from.
//!
//! An error body contains the name of a member of the Commerce runtime's error enumerations. Statuses and body formats are
//! not documented, so the name decides, and the status only if there is no known name.

use reqwest::StatusCode;

use crate::clients::Reply;

/// What an error means for the request that received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The requested entity does not exist, or not any more.
    Absent,
    /// The Scale Unit, or something behind it, is not available now.
    Unavailable,
    /// The token is not accepted.
    Unauthenticated,
    /// Our role may not make this call.
    Forbidden,
    /// There is no such operation at this address.
    NoSuchOperation,
    /// The request stays wrong until somebody changes a setting or the Scale Unit.
    Refused,
    /// Nothing is known about it. It counts as temporary.
    Unknown,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CodeInfo {
    /// What it means.
    pub(crate) meaning: Meaning,
    /// The reason, and for a lasting error the remedy.
    pub(crate) reason: &'static str,
    /// Where it is known from.
    pub(crate) source: &'static str,
}

macro_rules! codes {
    ($($code:ident: $meaning:ident, $reason:literal, $source:ident;)*) => {
        /// A known error of the Scale Unit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Code { $($code),* }

        impl Code {
            /// All known errors.
            pub(crate) const ALL: &[Self] = &[$(Self::$code),*];

            /// The name without the prefix that the names share.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$code => stringify!($code)),* }
            }

            /// The line of the table.
            pub(crate) fn info(self) -> CodeInfo {
                match self { $(Self::$code => CodeInfo { meaning: Meaning::$meaning, reason: $reason, source: $source }),* }
            }
        }
    };
}

const DATA: &str = "DataValidationErrors of the Commerce runtime";
const STORAGE: &str = "StorageErrors of the Commerce runtime";
const SECURITY: &str = "SecurityErrors of the Commerce runtime";
const COMMUNICATION: &str = "CommunicationErrors of the Commerce runtime";
const CONFIGURATION: &str = "ConfigurationErrors of the Commerce runtime";
const SERVER: &str = "errors of the Retail Server itself";

codes! {
    ObjectNotFound: Absent, "no row has this key", DATA;
    CustomerNotFound: Absent, "no customer has this account number", DATA;
    CartNotFound: Absent, "no cart has this id", DATA;
    SuspendedTransactionNotFound: Absent, "the cart is not suspended any more", DATA;
    CartAlreadyCheckedOut: Absent, "the cart is an order now", DATA;
    CartNotActive: Absent, "the cart was voided or suspended", DATA;

    InvalidRequest: Refused, "the request is not valid for this entity; the event framework's lookup of operating units answers this for a channel it does not know", DATA;
    InvalidFormat: Refused, "a value has the wrong format; compare the Scale Unit's version", DATA;
    MissingParameter: Refused, "a parameter is missing; compare the Scale Unit's version", DATA;
    ValueOutOfRange: Refused, "a value is out of range; check PollPageSize", DATA;
    IdMismatch: Refused, "the key of the address is not that of the entity", DATA;
    UnknownRequest: Refused, "the extension is not deployed completely; deploy it again", DATA;
    CustomerAccountIsBlocked: Refused, "the customer is blocked in headquarters", DATA;
    LoadingActiveCartFromAnotherTerminalNotAllowed: Refused, "the cart is in use at another register", DATA;
    InvalidChannel: Refused, "the operating unit number is unknown; check OperatingUnitNumber", CONFIGURATION;
    RequestWasNotHandled: Refused, "the extension is not deployed completely; deploy it again", CONFIGURATION;
    RetailServerApiVersionNotSupported: Refused, "the Scale Unit does not serve api-version 7.3; update it", SERVER;
    WrongEndpoint: NoSuchOperation, "check that CSUEndpoint is the Retail Server URL, and that the Scale Unit's version and extension serve the operation", SERVER;

    StorageRequestTimeout: Unavailable, "the channel database did not answer in time", STORAGE;
    CriticalStorageError: Unavailable, "the channel database failed", STORAGE;
    ChannelDatabaseConnectionFailed: Unavailable, "the channel database cannot be reached", SECURITY;
    InternalServerError: Unavailable, "the Retail Server failed", SERVER;
    AggregateCommunicationError: Unavailable, "a service behind the Scale Unit failed", COMMUNICATION;
    ExternalProviderError: Unavailable, "a service behind the Scale Unit failed", COMMUNICATION;
    HeadquarterCommunicationFailure: Unavailable, "headquarters cannot be reached", COMMUNICATION;
    HeadquarterResponseParsingError: Unavailable, "headquarters gave an unusable answer", COMMUNICATION;
    HeadquarterTransactionServiceMethodCallFailure: Unavailable, "headquarters rejected the real-time call", COMMUNICATION;
    TransactionServiceTimeOut: Unavailable, "headquarters did not answer in time", COMMUNICATION;
    TransactionServiceException: Unavailable, "the real-time service failed", COMMUNICATION;

    AuthenticationFailed: Unauthenticated, "the token is not accepted", SECURITY;
    InvalidAudience: Unauthenticated, "the token is for another audience", SECURITY;
    InvalidIssuer: Unauthenticated, "the token is from another tenant", SECURITY;
    TenantIdNotFound: Unauthenticated, "the tenant is not known", SECURITY;
    InvalidAADTenantId: Unauthenticated, "the token is from another tenant", SECURITY;
    AADTokenIssuedForDifferentEnvironment: Unauthenticated, "the token is for another environment", SECURITY;
    CommerceIdentityNotFound: Unauthenticated, "the application is not a relying party", SECURITY;
    InvalidUserToken: Unauthenticated, "the token is not accepted", SECURITY;
    AuthorizationFailed: Forbidden, "the role Application may not make this call", SECURITY;
    CustomerAccountAuthorizationFailure: Forbidden, "the role Application may not read this customer", SECURITY;
}

/// The prefix of all names.
const PREFIX: &str = "microsoft_dynamics_";

impl Code {
    /// The known error with this full name, in any case: some layers write the names in upper case.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        let mut short = lower.strip_prefix(PREFIX)?;
        for part in ["commerce_", "runtime_"] {
            short = short.strip_prefix(part).unwrap_or(short);
        }
        let plain = short.replace('_', "");
        Self::ALL.iter().copied().find(|code| code.name().eq_ignore_ascii_case(&plain))
    }
}

/// What an error reply means.
pub(crate) fn meaning(reply: &Reply) -> Meaning {
    // A gateway answers for the Scale Unit, whatever the status.
    if is_page(reply) {
        return Meaning::Unavailable;
    }
    let name = error_name(&reply.body);
    match Code::of_name(&name) {
        Some(code) => code.info().meaning,
        None => of_status(reply, &name),
    }
}

/// A status without a known name. Statuses are not documented.
fn of_status(reply: &Reply, name: &str) -> Meaning {
    match reply.status {
        _ if reply.is_transient() => Meaning::Unavailable,
        StatusCode::UNAUTHORIZED => Meaning::Unauthenticated,
        StatusCode::FORBIDDEN => Meaning::Forbidden,
        StatusCode::NOT_FOUND | StatusCode::GONE => Meaning::Absent,
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => Meaning::NoSuchOperation,
        // An entity without a line of its own.
        _ if name.ends_with("NotFound") => Meaning::Absent,
        _ => Meaning::Unknown,
    }
}

/// Whether the reply is a page for people and not one of the Scale Unit.
pub(crate) fn is_page(reply: &Reply) -> bool {
    let content_type = reply.headers.get(reqwest::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let text = crate::json::without_mark(&reply.body);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("html")) || first == Some(&b'<')
}

/// What came back, for people: the status, and the name or the reason of the error.
pub(crate) fn describe(reply: &Reply) -> String {
    let status = reply.status.as_u16();
    if is_page(reply) {
        return format!("{status} with a page of a gateway");
    }
    let name = error_name(&reply.body);
    match Code::of_name(&name) {
        Some(code) => format!("{status} {name}: {}", code.info().reason),
        None => format!("{status} {name}").trim_end().to_owned(),
    }
}

/// What is known about the error in a reply.
pub(crate) fn known_error(reply: &Reply) -> Option<CodeInfo> {
    Code::of_name(&error_name(&reply.body)).map(Code::info)
}

/// The name of the error. Error bodies differ between versions, but each contains the name.
pub(crate) fn error_name(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Some(start) = text.to_ascii_lowercase().find(PREFIX) else { return String::new() };
    text[start..]
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
        .take(120)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        let status = StatusCode::from_u16(status).unwrap();
        Reply { status, retry_after: None, headers: Default::default(), body: body.to_owned().into() }
    }

    #[test]
    fn every_name_is_found_and_has_a_reason_and_a_source() {
        for code in Code::ALL {
            let name = format!("Microsoft_Dynamics_Commerce_Runtime_{}", code.name());
            assert_eq!(Code::of_name(&name), Some(*code));
            assert_eq!(Code::of_name(&name.to_uppercase()), Some(*code));
            let info = code.info();
            assert!(!info.reason.is_empty() && !info.source.is_empty(), "{name}");
        }
        assert_eq!(Code::of_name("Microsoft_Dynamics_Internal_Server_Error"), Some(Code::InternalServerError));
        assert_eq!(Code::of_name("Microsoft_Dynamics_Commerce_WrongEndpoint"), Some(Code::WrongEndpoint));
        assert_eq!(Code::of_name("Other_ObjectNotFound"), None);
    }

    #[test]
    fn the_name_decides_and_then_the_status() {
        let named =
            |name: &str| format!(r#"{{"Error":{{"ErrorResourceId":"Microsoft_Dynamics_Commerce_Runtime_{name}"}}}}"#);
        let cases = [
            (400, named("CustomerNotFound"), Meaning::Absent),
            (500, named("ObjectNotFound"), Meaning::Absent),
            (400, named("SomethingNotFound"), Meaning::Absent),
            (400, named("CommerceIdentityNotFound"), Meaning::Unauthenticated),
            (400, named("CartAlreadyCheckedOut"), Meaning::Absent),
            (400, named("InvalidRequest"), Meaning::Refused),
            (400, named("StorageRequestTimeout"), Meaning::Unavailable),
            (400, named("Unheard"), Meaning::Unknown),
            (404, String::new(), Meaning::Absent),
            (404, "<html>no such site</html>".to_owned(), Meaning::Unavailable),
            (403, "\u{feff} <!DOCTYPE html>".to_owned(), Meaning::Unavailable),
            (403, String::new(), Meaning::Forbidden),
            (302, String::new(), Meaning::Unavailable),
            (429, String::new(), Meaning::Unavailable),
            (503, String::new(), Meaning::Unavailable),
        ];
        for (status, body, expected) in cases {
            assert_eq!(meaning(&reply(status, &body)), expected, "{status} {body}");
        }
    }
}
