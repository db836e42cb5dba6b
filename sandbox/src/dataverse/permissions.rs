//! The application user and the privileges of its security role.
//!
//! Pages: "WhoAmI Function" and "RetrieveUserPrivilegeByPrivilegeName Function". The sandbox has one user.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::{self, ODataError};
use super::request::ApiRequest;
use super::schema::Table;

/// The user's id.
pub(super) const USER: Uuid = Uuid::from_u128(0x6d1f_8b0a_93c4_4e57_a2d8_05be_7c41_f936);

/// The default privileges: everything that the handler and its check need.
const ALL: [&str; 10] = [
    "prvReadContact",
    "prvCreateContact",
    "prvWriteContact",
    "prvAppendContact",
    "prvReadcdm_company",
    "prvAppendTocdm_company",
    "prvReadmsdyn_customergroup",
    "prvAppendTomsdyn_customergroup",
    "prvReadCustomAPI",
    "prvReadCustomAPIRequestParameter",
];

/// The application user's security role.
pub(super) struct SecurityRole {
    /// Whether the user exists.
    pub(super) is_user: bool,
    pub(super) privileges: BTreeSet<&'static str>,
}

impl Default for SecurityRole {
    fn default() -> Self {
        Self { is_user: true, privileges: ALL.into() }
    }
}

impl SecurityRole {
    /// Rejects callers that are not a user of the environment.
    pub(super) fn admit(&self) -> Result<(), ODataError> {
        if self.is_user {
            return Ok(());
        }
        let message = "The user is not a member of the organization.";
        Err(ODataError::new(StatusCode::FORBIDDEN, error::NOT_A_MEMBER, message))
    }

    /// Rejects callers without the privilege for `action` (`Read`, `Create`, `Write`) on a table.
    pub(super) fn demand(&self, action: &str, table: &str) -> Result<(), ODataError> {
        let wanted = format!("prv{action}{table}");
        if self.holds(&wanted) {
            return Ok(());
        }
        let message = format!(
            "Principal user (Id={USER}, type=8, roleCount={}, privilegeCount={}) is missing {wanted} privilege for entity '{}'.",
            u8::from(!self.privileges.is_empty()),
            self.privileges.len(),
            table.to_lowercase()
        );
        Err(ODataError::new(StatusCode::FORBIDDEN, error::PRIVILEGE, message))
    }

    fn holds(&self, name: &str) -> bool {
        self.privileges.iter().any(|held| held.eq_ignore_ascii_case(name))
    }

    /// `WhoAmI()`
    pub(super) fn who_am_i(request: &ApiRequest) -> Value {
        json!({
            "@odata.context": format!("{}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse", request.base),
            "BusinessUnitId": Uuid::from_u128(1), "UserId": USER, "OrganizationId": Uuid::from_u128(2),
        })
    }

    /// `RetrieveUserPrivilegeByPrivilegeName(PrivilegeName=…)` of the user: the privilege, if the user has it.
    pub(super) fn privilege(&self, request: &ApiRequest, argument: &str) -> Result<Value, ODataError> {
        let literal = match argument.strip_prefix('@') {
            Some(_) => request.options.iter().find(|(name, _)| name == argument).map(|(_, value)| value.as_str()),
            None => Some(argument),
        };
        let name = literal.and_then(|text| text.strip_prefix('\'')?.strip_suffix('\''));
        let name = name.ok_or_else(|| ODataError::syntax("PrivilegeName must be a text."))?;
        if !ALL.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(ODataError::new(
                StatusCode::NOT_FOUND,
                error::NO_ROW,
                format!("There is no privilege {name}."),
            ));
        }
        let held = json!({
            "Depth": "Global", "PrivilegeId": Uuid::from_u128(3), "BusinessUnitId": Uuid::from_u128(1), "PrivilegeName": name,
        });
        let held = if self.holds(name) { vec![held] } else { Vec::new() };
        Ok(json!({
            "@odata.context": format!(
                "{}$metadata#Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeNameResponse", request.base),
            "RolePrivileges": held,
        }))
    }
}

/// The table's name in privilege names, which is its schema name.
pub(super) fn schema_name(table: Table) -> &'static str {
    match table {
        Table::Contacts => "Contact",
        Table::Companies => "cdm_company",
        Table::CustomerGroups => "msdyn_customergroup",
    }
}
