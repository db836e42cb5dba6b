//! Partial updates: <https://learn.microsoft.com/azure/cosmos-db/partial-document-update>.

use serde::Deserialize;
use serde_json::Value;

use super::query;
use super::reply::{ServiceError, ServiceResult};

/// Most operations of one patch.
const MOST_OPERATIONS: usize = 10;

/// A list of changes, made if a condition is met.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Patch {
    #[serde(default)]
    condition: Option<String>,
    operations: Vec<Change>,
}

#[derive(Clone, Debug, Deserialize)]
struct Change {
    op: Op,
    path: String,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    value: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Op {
    Add,
    Set,
    Replace,
    Remove,
    #[serde(alias = "increment")]
    Incr,
    Move,
}

impl Patch {
    pub(super) fn parse(body: Value) -> ServiceResult<Self> {
        let patch: Self = serde_json::from_value(body).map_err(|error| invalid(&error.to_string()))?;
        if patch.operations.is_empty() || patch.operations.len() > MOST_OPERATIONS {
            return Err(invalid(&format!("a patch has between 1 and {MOST_OPERATIONS} operations")));
        }
        Ok(patch)
    }

    /// The item after the changes. Neither the id nor the partition key can be changed.
    pub(super) fn apply(&self, mut item: Value, partition_key: &[String]) -> ServiceResult<Value> {
        if let Some(condition) = &self.condition
            && !query::parse_condition(condition)?.matches(&item)
        {
            return Err(ServiceError::precondition_failed());
        }
        for change in &self.operations {
            let path = names(&change.path)?;
            let is_fixed = path.first().is_some_and(|name| name == "id" || name.starts_with('_'))
                || partition_key.starts_with(&path);
            if is_fixed {
                return Err(invalid(&format!("the property at '{}' cannot be changed", change.path)));
            }
            change.apply(&mut item, &path)?;
        }
        Ok(item)
    }
}

impl Change {
    fn apply(&self, item: &mut Value, path: &[String]) -> ServiceResult<()> {
        if self.op == Op::Move {
            let from = self.from.as_deref().ok_or_else(|| invalid("a move needs 'from'"))?;
            let value = take(item, &names(from)?).ok_or_else(|| self.missing(from))?;
            return put(item, path, value, true).ok_or_else(|| self.missing(&self.path));
        }
        let current = path.iter().try_fold(&*item, |value, name| member(value, name)).cloned();
        let done = match (self.op, current) {
            (Op::Add, _) => put(item, path, self.value.clone(), true),
            (Op::Set, _) | (Op::Replace, Some(_)) => put(item, path, self.value.clone(), false),
            (Op::Remove, Some(_)) => take(item, path).map(|_| ()),
            (Op::Incr, current) => {
                let sum = add(&current.unwrap_or_else(|| 0.into()), &self.value);
                put(item, path, sum.ok_or_else(|| invalid("only numbers can be incremented"))?, false)
            }
            (Op::Replace | Op::Remove | Op::Move, _) => None,
        };
        done.ok_or_else(|| self.missing(&self.path))
    }

    fn missing(&self, path: &str) -> ServiceError {
        invalid(&format!("there is nothing at '{path}', which the operation {:?} needs", self.op))
    }
}

fn invalid(why: &str) -> ServiceError {
    ServiceError::bad_request(format!("The patch is invalid: {why}."))
}

/// The names of a JSON pointer.
fn names(pointer: &str) -> ServiceResult<Vec<String>> {
    let rest = pointer.strip_prefix('/').ok_or_else(|| invalid(&format!("'{pointer}' is not a path")))?;
    Ok(rest.split('/').map(|name| name.replace("~1", "/").replace("~0", "~")).collect())
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Array(list) => list.get(name.parse::<usize>().ok()?),
        other => other.get(name),
    }
}

fn parent<'a>(item: &'a mut Value, path: &'a [String]) -> Option<(&'a mut Value, &'a str)> {
    let (last, parents) = path.split_last()?;
    let parent = parents.iter().try_fold(item, |value, name| match value {
        Value::Array(list) => list.get_mut(name.parse::<usize>().ok()?),
        other => other.get_mut(name),
    })?;
    Some((parent, last))
}

/// Puts a value at a path whose parent exists. In an array it either goes between the elements or replaces one.
fn put(item: &mut Value, path: &[String], value: Value, inserts: bool) -> Option<()> {
    match parent(item, path)? {
        (Value::Object(fields), name) => {
            fields.insert(name.to_owned(), value);
        }
        (Value::Array(list), "-") => list.push(value),
        (Value::Array(list), index) => match index.parse::<usize>().ok()? {
            index if index == list.len() => list.push(value),
            index if inserts && index < list.len() => list.insert(index, value),
            index => *list.get_mut(index)? = value,
        },
        _ => return None,
    }
    Some(())
}

fn take(item: &mut Value, path: &[String]) -> Option<Value> {
    match parent(item, path)? {
        (Value::Object(fields), name) => fields.remove(name),
        (Value::Array(list), index) => {
            let index = index.parse::<usize>().ok()?;
            (index < list.len()).then(|| list.remove(index))
        }
        _ => None,
    }
}

fn add(left: &Value, right: &Value) -> Option<Value> {
    match (left.as_i64(), right.as_i64()) {
        (Some(a), Some(b)) => a.checked_add(b).map(Value::from),
        _ => Some(Value::from(left.as_f64()? + right.as_f64()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn patched(operations: Value) -> ServiceResult<Value> {
        let item = json!({ "id": "a", "pk": "p", "n": 1, "list": [1, 2], "o": { "x": true } });
        Patch::parse(json!({ "operations": operations }))?.apply(item, &["pk".to_owned()])
    }

    #[test]
    fn every_operation_changes_the_item() {
        let item = patched(json!([
            { "op": "add", "path": "/list/1", "value": 9 },
            { "op": "set", "path": "/list/0", "value": 8 },
            { "op": "replace", "path": "/o/x", "value": "y" },
            { "op": "remove", "path": "/list/2" },
            { "op": "incr", "path": "/n", "value": 2 },
            { "op": "incr", "path": "/m", "value": 0.5 },
            { "op": "move", "from": "/o/x", "path": "/x" },
        ]));
        let expected = json!({ "id": "a", "pk": "p", "n": 3, "m": 0.5, "list": [8, 9], "o": {}, "x": "y" });
        assert_eq!(item.unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_changed_is_refused() {
        for change in [
            json!({ "op": "set", "path": "/id", "value": "b" }),
            json!({ "op": "set", "path": "/pk", "value": "b" }),
            json!({ "op": "set", "path": "/_ts", "value": 1 }),
            json!({ "op": "replace", "path": "/none", "value": 1 }),
            json!({ "op": "remove", "path": "/none" }),
            json!({ "op": "incr", "path": "/o", "value": 1 }),
            json!({ "op": "set", "path": "/none/deeper", "value": 1 }),
            json!({ "op": "set", "path": "n", "value": 1 }),
            json!({ "op": "test", "path": "/n", "value": 1 }),
        ] {
            assert_eq!(patched(json!([change])).unwrap_err().status, 400, "{change}");
        }
        assert_eq!(patched(json!([])).unwrap_err().status, 400);
    }
}
