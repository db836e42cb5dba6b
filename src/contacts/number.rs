//! Which account numbers identify a person.

use uuid::Uuid;

/// Whether an account number is temporary. Commerce gives a customer who is created asynchronously a GUID, until headquarters
/// has created the account.
pub fn is_temporary_number(number: &str) -> bool {
    Uuid::parse_str(number.trim()).is_ok()
}

/// Whether an account number is that of one person. Blank and temporary numbers, and the `default_customers` of stores, are
/// not.
pub fn identifies_person(number: &str, default_customers: &[String]) -> bool {
    let number = number.trim();
    !number.is_empty() && !is_temporary_number(number) && !is_default_customer(number, default_customers)
}

/// Whether an account number is that of a store's default customer, which many people's sales carry.
pub fn is_default_customer(number: &str, default_customers: &[String]) -> bool {
    default_customers.iter().any(|default| default.eq_ignore_ascii_case(number.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_in_any_notation_is_temporary() {
        for number in [
            "2cf6659a-a87e-4603-b4a9-4438ccb27fad",
            "{2CF6659A-A87E-4603-B4A9-4438CCB27FAD}",
            "2cf6659aa87e4603b4a94438ccb27fad",
            " 2cf6659a-a87e-4603-b4a9-4438ccb27fad ",
        ] {
            assert!(is_temporary_number(number) && !identifies_person(number, &[]), "{number}");
        }
        for number in ["004007", "DE-000007", "O'0059", "2cf6659a"] {
            assert!(identifies_person(number, &[]), "{number}");
        }
    }

    #[test]
    fn a_default_customer_is_no_person() {
        let default = ["c-100".to_owned()];
        assert!(!identifies_person("C-100 ", &default) && !identifies_person("  ", &default));
        assert!(identifies_person("C-1001", &default));
    }
}
