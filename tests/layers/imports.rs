//! Which modules of its own crate a file uses: in `use` declarations and in paths.

use std::collections::BTreeSet;

use syn::visit::{self, Visit};
use syn::{ItemMod, ItemUse, UseTree};

/// Paths of the crate that the file of module `module` names, without the ones in its tests. The first parts of each are
/// modules; the rest may be an item.
pub(crate) fn imports(text: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let file = syn::parse_file(text).unwrap();
    let mut visitor = Visitor { module: module.to_vec(), found: BTreeSet::new() };
    visitor.visit_file(&file);
    visitor.found
}

struct Visitor {
    module: Vec<String>,
    found: BTreeSet<Vec<String>>,
}

impl Visitor {
    /// Adds a path if it leads into this crate.
    fn add(&mut self, path: &[String]) {
        let Some(first) = path.first() else { return };
        let absolute = match first.as_str() {
            // A binary names the library of its package by its name.
            "crate" | "commerce_journeys" | "sandbox" | "prepare_data" => path[1..].to_vec(),
            "self" => [self.module.clone(), path[1..].to_vec()].concat(),
            "super" => {
                let ups = path.iter().take_while(|part| *part == "super").count();
                let keep = self.module.len().saturating_sub(ups);
                [self.module[..keep].to_vec(), path[ups..].to_vec()].concat()
            }
            _ => return,
        };
        if !absolute.is_empty() {
            self.found.insert(absolute);
        }
    }

    fn add_tree(&mut self, prefix: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [prefix.to_vec(), vec![name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) if name.ident == "self" => self.add(prefix),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            UseTree::Glob(_) => self.add(prefix),
            UseTree::Group(group) => group.items.iter().for_each(|item| self.add_tree(prefix, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.add(&parts);
        }
        visit::visit_path(self, path);
    }

    /// The tokens of a macro call are not parsed; paths in them are found as text.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let text = call.tokens.to_string().replace(" :: ", "::");
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        for path in text.split(|c| !is_path(c)).filter(|path| path.contains("::")) {
            let parts: Vec<String> = path.split("::").map(str::to_owned).collect();
            self.add(&parts);
        }
        visit::visit_macro(self, call);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let is_test = item.attrs.iter().any(|attribute| {
            attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|it| it.is_ident("test"))
        });
        if !is_test && item.content.is_some() {
            self.module.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.module.pop();
        }
    }
}

#[test]
fn imports_are_found_wherever_they_stand() {
    let text = "
        use std::fmt;
        use crate::host::{self, reply::Reply};
        use super::record::Record;
        fn body() { crate::telemetry::log(); super::super::app::App::new(); }
        fn told() { vec![crate::clock::now()] }
        mod inner { use super::super::id; }
        #[cfg(test)]
        mod tests { use crate::functions::Poll; }
    ";
    let module = ["events".to_owned(), "message".to_owned()];
    let found: Vec<String> = imports(text, &module).into_iter().map(|path| path.join("::")).collect();
    let expected = [
        "app::App::new",
        "clock::now",
        "events::id",
        "events::record::Record",
        "host",
        "host::reply::Reply",
        "telemetry::log",
    ];
    assert_eq!(found, expected);
}
