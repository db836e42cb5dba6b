//! Time to live: <https://learn.microsoft.com/azure/cosmos-db/nosql/time-to-live>.

use serde_json::Value;

use super::reply::{ServiceError, ServiceResult};

const NEVER: i64 = -1;

/// The second at which an item written at `now` expires. An item's `ttl` counts only where the container has a default.
pub(super) fn expires_at(item: &Value, default: Option<i64>, now: i64) -> ServiceResult<Option<i64>> {
    let own = item.get("ttl").map(seconds).transpose()?;
    let lives = default.map(|default| own.unwrap_or(default));
    Ok(lives.filter(|seconds| *seconds != NEVER).map(|seconds| now + seconds))
}

/// Reads a time to live: -1 or a number of seconds.
pub(super) fn seconds(value: &Value) -> ServiceResult<i64> {
    let seconds = value.as_i64().filter(|seconds| *seconds == NEVER || (1..=i64::from(i32::MAX)).contains(seconds));
    seconds.ok_or_else(|| {
        ServiceError::bad_request(format!(
            "The input ttl '{value}' is invalid. Ensure to provide a nonzero positive integer less than or equal to \
             '2147483647', or -1."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_item_overrides_the_container() {
        let at = |item, default| expires_at(&item, default, 100).unwrap();
        assert_eq!(at(json!({ "ttl": 5 }), Some(-1)), Some(105));
        assert_eq!(at(json!({ "ttl": -1 }), Some(7)), None);
        assert_eq!(at(json!({}), Some(7)), Some(107));
        assert_eq!(at(json!({ "ttl": 5 }), None), None);
    }

    #[test]
    fn other_values_are_refused() {
        for ttl in [json!(0), json!("x"), json!(-5), json!(1.5), json!(2_147_483_648_u32)] {
            assert_eq!(expires_at(&json!({ "ttl": ttl }), None, 0).unwrap_err().status, 400, "{ttl}");
        }
    }
}
