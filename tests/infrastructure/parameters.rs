//! The parameter file fits the parameters.

use std::collections::BTreeMap;

use tree_sitter::Node;

use crate::bicep::{Bicep, Declaration, Kind};

/// The members of a type, with whether each must be given.
fn members<'a>(types: &'a Bicep, name: &str) -> Option<BTreeMap<&'a str, Node<'a>>> {
    let kind = types.declared(Kind::Type).into_iter().find(|it| it.name == name)?;
    let members = types.body(&kind);
    (!members.is_empty()).then_some(members)
}

fn type_of<'a>(file: &'a Bicep, parameter: &Declaration<'a>) -> &'a str {
    file.text_of(parameter.node.named_child(1).unwrap())
}

/// Whether a deployment must set it: it has no default and is not nullable.
fn is_required(file: &Bicep, parameter: &Declaration<'_>) -> bool {
    parameter.node.named_child_count() == 2 && !type_of(file, parameter).ends_with('?')
}

fn check(types: &Bicep, kind: &str, file: &Bicep, value: Node<'_>) {
    let Some(members) = members(types, kind.trim_end_matches('?')) else { return };
    let given = file.properties(value);
    for name in given.keys() {
        assert!(members.contains_key(name) || kind == "Triggers", "{kind} has no {name}");
    }
    for (name, member) in members {
        let member = types.text_of(member);
        match given.get(name) {
            Some(value) => check(types, member, file, *value),
            None => assert!(member.ends_with('?') || name == "*", "{kind}: {name} is missing"),
        }
    }
}

#[test]
fn the_parameter_file_gives_what_is_required_and_nothing_else() {
    let (main, types, file) = (Bicep::read("main.bicep"), Bicep::read("types.bicep"), Bicep::read("main.bicepparam"));
    let parameters = main.declared(Kind::Parameter);
    let given = file.declared(Kind::Variable);
    for parameter in &parameters {
        let value = given.iter().find(|it| it.name == parameter.name);
        assert!(value.is_some() || !is_required(&main, parameter), "{} is missing", parameter.name);
    }
    for value in &given {
        let parameter = parameters.iter().find(|it| it.name == value.name);
        let parameter = parameter.unwrap_or_else(|| panic!("{} is no parameter", value.name));
        check(&types, type_of(&main, parameter), &file, value.node.named_child(1).unwrap());
    }
    assert!(given.len() > 5);
}

#[test]
fn every_parameter_is_explained() {
    let main = Bicep::read("main.bicep");
    for parameter in main.declared(Kind::Parameter) {
        assert!(parameter.decorators.contains("@description("), "{}", parameter.name);
    }
}

#[test]
fn a_secret_is_in_no_file() {
    let main = Bicep::read("main.bicep");
    assert!(main.find(Kind::Parameter, "commerceClientSecret").decorators.contains("@secure()"));
    let file = Bicep::read("main.bicepparam");
    let value = file.find(Kind::Variable, "commerceClientSecret").node.named_child(1).unwrap();
    assert_eq!(file.text_of(value), "readEnvironmentVariable('COMMERCE_CLIENT_SECRET', '')");
}
