//! Errors that a compiler would find: undeclared names, missing or unknown parameters, outputs that do not exist.

use std::collections::BTreeSet;

use tree_sitter::Node;

use crate::bicep::{Bicep, Kind, unquoted};

/// The functions that the files use; others are likely to be slips of the pen.
const FUNCTIONS: [&str; 37] = [
    "concat",
    "contains",
    "description",
    "discriminator",
    "empty",
    "environment",
    "export",
    "fail",
    "filter",
    "guid",
    "join",
    "length",
    "loadTextContent",
    "map",
    "maxLength",
    "maxValue",
    "minLength",
    "minValue",
    "range",
    "readEnvironmentVariable",
    "replace",
    "resourceGroup",
    "resourceId",
    "secure",
    "split",
    "string",
    "subscription",
    "subscriptionResourceId",
    "substring",
    "take",
    "tenant",
    "toLower",
    "union",
    "uniqueString",
    "metadata",
    "allowed",
    "sealed",
];

/// Names that a file may use: what it declares and imports, and the variables of its loops and lambdas.
fn declared(file: &Bicep) -> BTreeSet<&str> {
    let declarations = file.declarations().into_iter().map(|declaration| declaration.name);
    let imports = file.imports().into_iter().map(|(name, _)| name);
    // As `for item in`, or `for (item, index) in`.
    let is_of_loop = |node: &Node<'_>| ["loop_variable", "loop_enumerator"].contains(&node.kind());
    let pairs = file.nodes().into_iter().filter(is_of_loop);
    let loops = file.nodes().into_iter().filter_map(|node| node.child_by_field_name("initializer")).chain(pairs);
    let lambdas = file.nodes().into_iter().filter(|node| node.kind() == "lambda_expression");
    let of_lambdas = lambdas.filter_map(|node| node.named_child(0));
    declarations.chain(imports).chain(loops.chain(of_lambdas).map(|node| file.text_of(node))).collect()
}

/// Whether an identifier is a name and not a reference to a declaration.
fn is_name(node: Node<'_>) -> bool {
    let Some(parent) = node.parent() else { return false };
    let is_first = parent.named_child(0) == Some(node);
    match parent.kind() {
        "object_property" | "metadata_declaration" => is_first,
        "call_expression" => parent.child_by_field_name("function") == Some(node),
        kind => is_first && kind.ends_with("_declaration"),
    }
}

#[test]
fn every_name_is_declared() {
    for file in Bicep::all() {
        let known = declared(&file);
        for node in file.nodes() {
            let name = file.text_of(node);
            let path = file.path.display();
            match node.kind() {
                "identifier" if is_name(node) => {}
                "identifier" => assert!(known.contains(name), "{path}: {name} is not declared"),
                "call_expression" => {
                    let function = file.text_of(node.child_by_field_name("function").unwrap());
                    assert!(FUNCTIONS.contains(&function), "{path}: {function} is no function that is used here");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_declaration_is_used() {
    for file in Bicep::all().into_iter().filter(|file| !file.path.ends_with("main.bicepparam")) {
        let tokens = file.tokens();
        for declaration in file.declarations() {
            let expected = matches!(declaration.kind, Kind::Parameter | Kind::Variable);
            let exported = declaration.decorators.contains("@export()");
            let uses = tokens.iter().filter(|token| **token == declaration.name).count();
            assert!(!expected || exported || uses > 1, "{}: {} is not used", file.path.display(), declaration.name);
        }
    }
}

#[test]
fn every_import_is_exported() {
    for file in Bicep::all() {
        for (name, from) in file.imports() {
            let source = Bicep::read(from.trim_start_matches("../"));
            let exported =
                source.declarations().into_iter().any(|it| it.name == name && it.decorators.contains("@export()"));
            assert!(exported, "{}: {from} does not export {name}", file.path.display());
        }
    }
}

#[test]
fn every_resource_has_a_stable_api_version() {
    for file in Bicep::all() {
        for resource in file.declared(Kind::Resource) {
            let kind = unquoted(file.text_of(resource.node.named_child(1).unwrap()));
            // A nested resource has the version of its parent.
            let Some((_, version)) = kind.split_once('@') else { continue };
            let is_date = version.len() == 10 && version.chars().all(|c| c.is_ascii_digit() || c == '-');
            assert!(is_date, "{}: {kind}", file.path.display());
        }
    }
}

/// The file that a module declaration names: relative to the file that it is in.
fn module_file(file: &Bicep, module: Node<'_>) -> Bicep {
    let name = unquoted(file.text_of(module.named_child(1).unwrap()));
    Bicep::open(&file.path.parent().unwrap().join(name))
}

fn file_name(file: &Bicep) -> String {
    file.path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// All files that use others.
fn with_modules() -> Vec<Bicep> {
    let mut files = Bicep::all();
    files.retain(|file| !file.declared(Kind::Module).is_empty());
    assert!(files.len() > 2);
    files
}

#[test]
fn every_module_gets_its_parameters() {
    for file in with_modules() {
        for module in file.declared(Kind::Module) {
            let target = module_file(&file, module.node);
            let given: BTreeSet<&str> = file.properties(file.body(&module)["params"]).into_keys().collect();
            let declared: BTreeSet<&str> = target.declared(Kind::Parameter).into_iter().map(|it| it.name).collect();
            // No parameter has a default, so that none is forgotten.
            assert_eq!(given, declared, "{}", target.path.display());
        }
    }
}

/// Each module is a deployment of its own. A name that is written down would collide when two deployments run at once in
/// one resource group; the compiler makes one from the name of the outer deployment.
#[test]
fn no_module_has_a_name() {
    for file in with_modules() {
        for module in file.declared(Kind::Module) {
            assert!(!file.body(&module).contains_key("name"), "{}: {}", file.path.display(), module.name);
        }
    }
}

#[test]
fn every_module_is_used() {
    let mut used = BTreeSet::new();
    for file in with_modules() {
        used.extend(file.declared(Kind::Module).iter().map(|module| file_name(&module_file(&file, module.node))));
    }
    let modules = std::fs::read_dir(crate::repository("infra/modules")).unwrap();
    let there: BTreeSet<String> = modules.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(used, there);
}

#[test]
fn every_output_that_is_read_exists_and_the_other_way_round() {
    let (mut made, mut read) = (BTreeSet::new(), BTreeSet::new());
    for file in with_modules() {
        outputs(&file, &mut made, &mut read);
    }
    assert!(made.len() > 10, "{made:?}");
    assert_eq!(read, made);
}

/// The outputs of the modules that a file uses, and those that it reads, as file and name.
fn outputs(main: &Bicep, made: &mut BTreeSet<(String, String)>, read: &mut BTreeSet<(String, String)>) {
    let tokens = main.tokens();
    for module in main.declared(Kind::Module) {
        let target = module_file(main, module.node);
        let name = |output: &str| (file_name(&target), output.to_owned());
        made.extend(target.declared(Kind::Output).into_iter().map(|output| name(output.name)));
        for window in tokens.windows(6) {
            let place = window.iter().position(|token| *token == "outputs").filter(|place| *place < 4);
            // As `module.outputs.name`, or `module!.outputs.name` where the module has a condition.
            if let Some(place) = place
                && window[0] == module.name
                && window[1..place].iter().all(|token| [".", "!"].contains(token))
            {
                read.insert(name(window[place + 2]));
            }
        }
    }
}

#[test]
fn every_member_that_is_read_is_in_its_type() {
    let types = Bicep::read("types.bicep");
    let mut read = 0;
    for file in Bicep::all() {
        let tokens = file.tokens();
        for parameter in file.declared(Kind::Parameter) {
            let kind = file.text_of(parameter.node.named_child(1).unwrap()).trim_end_matches('?');
            let Some(kind) = types.declared(Kind::Type).into_iter().find(|it| it.name == kind) else { continue };
            let members = types.body(&kind);
            for window in tokens.windows(3).filter(|window| window[0] == parameter.name) {
                if [".", ".?"].contains(&window[1]) {
                    let path = file.path.display();
                    assert!(members.contains_key(window[2]), "{path}: {} has no {}", parameter.name, window[2]);
                    read += 1;
                }
            }
        }
    }
    assert!(read > 20, "{read}");
}
