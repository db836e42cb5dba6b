//! The kinds of requests that an event causes.

use std::fmt;

use sandbox::network::{Call, Dependency};
use serde_json::Value;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    CommerceToken,
    DataverseToken,
    Search,
    OperatingUnit,
    Order,
    Cart,
    Customer,
    Connect,
    ReadItem,
    MoveCursor,
    DueRecords,
    FindRecords,
    LostMessages,
    AddRecords,
    SaveRecords,
    AssignContact,
    Claim,
    TakeOver,
    Settle,
    Send,
    FindContact,
    CreateContact,
    Company,
    CustomerGroup,
    Trigger,
    Other,
}

impl Kind {
    pub(crate) fn of(call: &Call) -> Self {
        match call.dependency {
            Dependency::Entra => Self::of_token(call),
            Dependency::Commerce => Self::of_commerce(&call.path),
            Dependency::Cosmos => Self::of_store(call),
            Dependency::ServiceBus => Self::Send,
            Dependency::Dataverse => Self::of_dataverse(call),
        }
    }

    fn of_token(call: &Call) -> Self {
        // The port of the audience differs, its application does not.
        let is_dataverse = text(call).contains("5a9d14c3-82e7-4b06-9f3d-e60c7b2a1f48");
        if is_dataverse { Self::DataverseToken } else { Self::CommerceToken }
    }

    fn of_commerce(path: &str) -> Self {
        let parts = [
            ("Search", Self::Search),
            ("GetOperatingUnitNumber", Self::OperatingUnit),
            ("SalesOrders", Self::Order),
            ("Carts", Self::Cart),
            ("Customers", Self::Customer),
        ];
        first(path, &parts)
    }

    fn of_dataverse(call: &Call) -> Self {
        let parts = [
            ("msdyn_customergroups", Self::CustomerGroup),
            ("cdm_companies", Self::Company),
            ("/contacts(", Self::CreateContact),
            ("/contacts", Self::FindContact),
            ("/v9.2/", Self::Trigger),
        ];
        first(&call.path, &parts)
    }

    fn of_store(call: &Call) -> Self {
        if !call.path.contains("/docs") {
            return Self::Connect;
        }
        let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
        match (call.method.as_str(), &body) {
            ("GET", _) => Self::ReadItem,
            (_, Value::Array(operations)) => Self::of_batch(operations),
            (_, Value::Object(item)) if item.contains_key("query") => {
                let query = item["query"].as_str().unwrap_or_default();
                first(query, &QUERIES)
            }
            (_, Value::Object(item)) if item.contains_key("position") => Self::MoveCursor,
            (_, Value::Object(item)) if item.contains_key("contactId") => Self::AssignContact,
            _ => Self::Other,
        }
    }

    fn of_batch(operations: &[Value]) -> Self {
        let has = |kind: &str| operations.iter().any(|operation| operation["operationType"] == kind);
        let is_claim = |operation: &Value| {
            [&operation["id"], &operation["resourceBody"]["id"]]
                .into_iter()
                .any(|id| id.as_str().is_some_and(|id| id.ends_with("~claim")))
        };
        match operations.iter().any(is_claim) {
            true if has("Delete") => Self::Settle,
            true if has("Replace") => Self::TakeOver,
            true => Self::Claim,
            false if has("Create") => Self::AddRecords,
            false => Self::SaveRecords,
        }
    }
}

/// What a query is for, by a part of its text.
const QUERIES: [(&str, Kind); 3] =
    [("ARRAY_CONTAINS", Kind::FindRecords), ("c.due", Kind::DueRecords), ("c._ts", Kind::LostMessages)];

fn text(call: &Call) -> String {
    String::from_utf8_lossy(&call.body).into_owned()
}

fn first(text: &str, parts: &[(&str, Kind)]) -> Kind {
    parts.iter().find(|(part, _)| text.contains(part)).map_or(Kind::Other, |(_, kind)| *kind)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CommerceToken => "Entra: token for the Scale Unit",
            Self::DataverseToken => "Entra: token for Dataverse",
            Self::Search => "Scale Unit: search events",
            Self::OperatingUnit => "Scale Unit: operating unit",
            Self::Order => "Scale Unit: order",
            Self::Cart => "Scale Unit: cart",
            Self::Customer => "Scale Unit: customer",
            Self::Connect => "Cosmos DB: connect",
            Self::ReadItem => "Cosmos DB: read a cursor or record",
            Self::MoveCursor => "Cosmos DB: move a cursor",
            Self::DueRecords => "Cosmos DB: query due records",
            Self::FindRecords => "Cosmos DB: query existing records",
            Self::LostMessages => "Cosmos DB: query lost messages",
            Self::AddRecords => "Cosmos DB: add records",
            Self::SaveRecords => "Cosmos DB: save records",
            Self::AssignContact => "Cosmos DB: assign a contact",
            Self::Claim => "Cosmos DB: claim",
            Self::TakeOver => "Cosmos DB: take over a claim",
            Self::Settle => "Cosmos DB: outcome",
            Self::Send => "Service Bus: send",
            Self::FindContact => "Dataverse: find the contact",
            Self::CreateContact => "Dataverse: create the contact",
            Self::Company => "Dataverse: company",
            Self::CustomerGroup => "Dataverse: customer group",
            Self::Trigger => "Dataverse: trigger",
            Self::Other => "other",
        })
    }
}
