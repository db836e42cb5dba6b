//! Reads Bicep files with the tree-sitter grammar: declarations, objects, and the plain order of tokens, which does not
//! depend on how the grammar groups operators.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tree_sitter::{Node, Parser, Tree};

use crate::repository;

/// A parsed file.
pub(crate) struct Bicep {
    pub(crate) path: PathBuf,
    text: String,
    tree: Tree,
}

/// What a file declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Parameter,
    Variable,
    Resource,
    Module,
    Output,
    Type,
}

impl Kind {
    fn of(node: Node<'_>) -> Option<Self> {
        match node.kind() {
            "parameter_declaration" => Some(Self::Parameter),
            "variable_declaration" => Some(Self::Variable),
            "resource_declaration" => Some(Self::Resource),
            "module_declaration" => Some(Self::Module),
            "output_declaration" => Some(Self::Output),
            "type_declaration" => Some(Self::Type),
            _ => None,
        }
    }
}

/// A declaration; nested resources too.
#[derive(Clone, Copy)]
pub(crate) struct Declaration<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
    pub(crate) node: Node<'a>,
    /// Its decorators, as `@description('…')`.
    pub(crate) decorators: &'a str,
}

impl Bicep {
    /// Reads a file of `infra/`.
    pub(crate) fn read(name: &str) -> Self {
        Self::open(&repository("infra").join(name))
    }

    pub(crate) fn open(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        // The grammar knows `using` but not the parameters of a .bicepparam file, which are assigned like variables.
        let is_parameters = path.extension() == Some(OsStr::new("bicepparam"));
        let text = if is_parameters { text.replace("\nparam ", "\nvar ") } else { text };
        let mut parser = Parser::new();
        parser.set_language(&tree_sitter_bicep::LANGUAGE.into()).unwrap();
        let tree = parser.parse(&text, None).unwrap();
        Self { path: path.to_owned(), text, tree }
    }

    /// All Bicep files of `infra/`, the parameter file last.
    pub(crate) fn all() -> Vec<Self> {
        let infra = repository("infra");
        let folders = [infra.clone(), infra.join("modules")];
        let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension() == Some(OsStr::new("bicep")));
        paths.sort();
        paths.push(infra.join("main.bicepparam"));
        paths.iter().map(|path| Self::open(path)).collect()
    }

    pub(crate) fn text_of(&self, node: Node<'_>) -> &str {
        node.utf8_text(self.text.as_bytes()).unwrap()
    }

    /// Every node, in the order of the text.
    pub(crate) fn nodes(&self) -> Vec<Node<'_>> {
        below(self.tree.root_node())
    }

    /// Syntax errors, as `line: text`.
    pub(crate) fn syntax_errors(&self) -> Vec<String> {
        let wrong = self.nodes().into_iter().filter(|node| node.is_error() || node.is_missing());
        let line = |node: Node<'_>| self.text_of(node).lines().next().unwrap_or_default().to_owned();
        wrong.map(|node| format!("{}: {}", node.start_position().row + 1, line(node))).collect()
    }

    /// The tokens of the file in order, without comments; each fixed part of a string is one token.
    pub(crate) fn tokens(&self) -> Vec<&str> {
        let leaves =
            self.nodes().into_iter().filter(|node| node.child_count() == 0 && !node.kind().contains("comment"));
        leaves.map(|node| self.text_of(node)).filter(|text| !text.trim().is_empty()).collect()
    }

    pub(crate) fn declarations(&self) -> Vec<Declaration<'_>> {
        let nodes = self.nodes().into_iter();
        nodes
            .filter_map(|node| Some((Kind::of(node)?, node)))
            .map(|(kind, node)| self.declaration(kind, node))
            .collect()
    }

    fn declaration<'a>(&'a self, kind: Kind, node: Node<'a>) -> Declaration<'a> {
        let before = node.prev_named_sibling().filter(|node| node.kind() == "decorators");
        let decorators = before.map_or("", |node| self.text_of(node));
        Declaration { kind, name: self.text_of(node.named_child(0).unwrap()), node, decorators }
    }

    pub(crate) fn declared(&self, kind: Kind) -> Vec<Declaration<'_>> {
        self.declarations().into_iter().filter(|declaration| declaration.kind == kind).collect()
    }

    pub(crate) fn find(&self, kind: Kind, name: &str) -> Declaration<'_> {
        let mut all = self.declared(kind).into_iter();
        all.find(|declaration| declaration.name == name)
            .unwrap_or_else(|| panic!("{} declares no {kind:?} {name}", self.path.display()))
    }

    /// The names that the file imports, with the file that they come from.
    pub(crate) fn imports(&self) -> Vec<(&str, String)> {
        let mut imports = Vec::new();
        for node in self.nodes().into_iter().filter(|node| node.kind() == "import_functionality") {
            let mut cursor = node.walk();
            let parts: Vec<&str> = node.named_children(&mut cursor).map(|part| self.text_of(part)).collect();
            let (from, names) = parts.split_last().unwrap();
            imports.extend(names.iter().map(|name| (*name, unquoted(from).to_owned())));
        }
        imports
    }

    /// The outermost object of a declaration: its body, without the conditions and loops around it.
    pub(crate) fn body<'a>(&'a self, declaration: &Declaration<'a>) -> BTreeMap<&'a str, Node<'a>> {
        let object =
            below(declaration.node).into_iter().find(|node| node.kind() == "object" && node.named_child_count() > 0);
        object.map(|object| self.properties(object)).unwrap_or_default()
    }

    /// The properties of an object, by name.
    pub(crate) fn properties<'a>(&'a self, object: Node<'a>) -> BTreeMap<&'a str, Node<'a>> {
        let mut cursor = object.walk();
        let properties = object.named_children(&mut cursor).filter(|node| node.kind() == "object_property");
        // A nested resource is counted among them, without a name and a colon.
        let named = properties.filter(|node| node.child(1).is_some_and(|colon| colon.kind() == ":"));
        named.map(|node| (unquoted(self.text_of(node.child(0).unwrap())), node.child(2).unwrap())).collect()
    }

    /// The value at this path of property names below a declaration, as written.
    pub(crate) fn value<'a>(&'a self, declaration: &Declaration<'a>, path: &str) -> &'a str {
        let mut properties = self.body(declaration);
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let node = *properties.get(name).unwrap_or_else(|| panic!("{} has no {path}", declaration.name));
            if names.peek().is_none() {
                return self.text_of(node);
            }
            properties = self.properties(node);
        }
        panic!("no path")
    }
}

fn below(node: Node<'_>) -> Vec<Node<'_>> {
    let mut nodes = vec![node];
    let mut cursor = node.walk();
    for child in node.children(&mut cursor) {
        nodes.extend(below(child));
    }
    nodes
}

/// `'text'` without its quotes.
pub(crate) fn unquoted(text: &str) -> &str {
    text.trim_matches('\'')
}

#[test]
fn every_file_is_bicep() {
    for file in Bicep::all() {
        assert_eq!(file.syntax_errors(), Vec::<String>::new(), "{}", file.path.display());
    }
}
