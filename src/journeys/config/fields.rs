//! Reads JSON value by value and collects every mistake with its path, so that one start reports all of them.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::{ConfigError, error_at};
use crate::json::{RawObject, string};
use crate::text::similar;

/// All mistakes of a file.
#[derive(Debug, Default)]
pub(super) struct Mistakes(pub(super) Vec<ConfigError>);

impl Mistakes {
    pub(super) fn add(&mut self, path: &str, message: impl Into<String>) {
        self.0.push(error_at(path, message));
    }
}

/// The fields of a JSON object, in the order in which they were written.
pub(super) struct Fields {
    path: String,
    values: Vec<(String, Box<RawValue>)>,
    known: Vec<&'static str>,
}

impl Fields {
    /// Splits an object. The path of the file's root is empty.
    pub(super) fn split(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Self> {
        let Some(object) = RawObject::split(value) else {
            mistakes.add(if path.is_empty() { "(file)" } else { path }, "must be an object");
            return None;
        };
        let mut values: Vec<(String, Box<RawValue>)> = Vec::new();
        for (name, value) in object.0 {
            if values.iter().any(|(other, _)| *other == name) {
                mistakes.add(&joined(path, &name), "occurs twice");
            }
            values.push((name.into_owned(), value.into_owned()));
        }
        Some(Self { path: path.to_owned(), values, known: Vec::new() })
    }

    /// The path of a field.
    pub(super) fn path(&self, name: &str) -> String {
        joined(&self.path, name)
    }

    /// Reads a field, if it is there.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&RawValue, &str, &mut Mistakes) -> Option<T>,
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        self.known.push(name);
        let (_, value) = self.values.iter().find(|(field, _)| field == name)?;
        read(value, &self.path(name), mistakes)
    }

    /// Reads a field that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&RawValue, &str, &mut Mistakes) -> Option<T>,
        mistakes: &mut Mistakes,
    ) -> Option<T> {
        if !self.values.iter().any(|(field, _)| field == name) {
            mistakes.add(&self.path(name), "is missing");
        }
        self.optional(name, read, mistakes)
    }

    /// Reports the fields that nobody has read.
    pub(super) fn finish(self, mistakes: &mut Mistakes) {
        let names: BTreeSet<&str> = self.values.iter().map(|(name, _)| name.as_str()).collect();
        for name in names.into_iter().filter(|name| !self.known.contains(name)) {
            let hint = match similar(name, self.known.iter().copied()) {
                Some(known) => format!("the name of a similar field is {known:?}"),
                None => format!("known fields are {}", self.known.join(", ")),
            };
            mistakes.add(&self.path(name), format!("is not known; {hint}"));
        }
    }

    /// The fields, if their names are free.
    pub(super) fn into_values(self) -> impl Iterator<Item = (String, Box<RawValue>)> {
        self.values.into_iter()
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A text.
pub(super) fn text(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<String> {
    let text = string(value.get());
    if text.is_none() {
        mistakes.add(path, "must be a text");
    }
    text
}

/// A text that is not blank, without the blanks around it.
pub(super) fn name(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<String> {
    let name = text(value, path, mistakes)?.trim().to_owned();
    if name.is_empty() {
        mistakes.add(path, "must not be empty");
        return None;
    }
    Some(name)
}

/// `true` or `false`.
pub(super) fn flag(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<bool> {
    let flag = value.get().parse().ok();
    if flag.is_none() {
        mistakes.add(path, "must be true or false");
    }
    flag
}

/// The items of a list, each with its path.
pub(super) fn list(value: &RawValue, path: &str, mistakes: &mut Mistakes) -> Option<Vec<(String, Box<RawValue>)>> {
    let Ok(items) = serde_json::from_str::<Vec<Box<RawValue>>>(value.get()) else {
        mistakes.add(path, "must be a list");
        return None;
    };
    Some(items.into_iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect())
}

/// One of these texts, and what it stands for.
pub(super) fn one_of<T: Copy>(choices: &[(&str, T)]) -> impl FnOnce(&RawValue, &str, &mut Mistakes) -> Option<T> {
    move |value, path, mistakes| {
        let text = string(value.get());
        let found = choices.iter().find(|(name, _)| text.as_deref() == Some(name)).map(|(_, choice)| *choice);
        if found.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            mistakes.add(path, format!("must be one of {}", names.join(", ")));
        }
        found
    }
}
