//! The layers as `ARCHITECTURE.md` shows them.

use std::collections::BTreeMap;

/// One block: the modules of a folder, each with the number of its layer, the highest first.
pub(crate) struct Layers {
    pub(crate) folder: String,
    layer_of: BTreeMap<String, usize>,
}

impl Layers {
    /// The blocks of a page.
    pub(crate) fn of_page(page: &str) -> Vec<Self> {
        let blocks = page.split("\n```layers ").skip(1);
        blocks
            .map(|block| {
                let (folder, rest) = block.split_once('\n').unwrap();
                let lines = rest.split("\n```").next().unwrap().lines();
                Self::new(folder.trim(), lines)
            })
            .collect()
    }

    fn new<'a>(folder: &str, lines: impl Iterator<Item = &'a str>) -> Self {
        let mut layer_of = BTreeMap::new();
        for (layer, line) in lines.enumerate() {
            for name in line.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                assert!(layer_of.insert(name.to_owned(), layer).is_none(), "{folder}: {name} is in two layers");
            }
        }
        Self { folder: folder.to_owned(), layer_of }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.layer_of.keys().map(String::as_str)
    }

    pub(crate) fn contains(&self, module: &str) -> bool {
        self.layer_of.contains_key(module)
    }

    /// The name under which the folder's own file is in the block, if it is.
    pub(crate) fn own_file(&self) -> Option<&'static str> {
        self.contains("mod").then_some("mod")
    }

    /// Whether `from` may use `to`. What is not a module of the folder has no layer.
    pub(crate) fn check(&self, from: &str, to: &str) -> Result<(), String> {
        let (Some(above), Some(below)) = (self.layer_of.get(from), self.layer_of.get(to)) else { return Ok(()) };
        if from == to || above < below {
            return Ok(());
        }
        Err(format!("{from} uses {to}, which is not in a lower layer of {}", self.folder))
    }
}

#[test]
fn only_lower_layers_may_be_used() {
    let page = "text\n\n```layers src\nmain\nhost, check\nevents\n```\n\n```layers other\na\n```\n";
    let blocks = Layers::of_page(page);
    assert_eq!(blocks.iter().map(|block| block.folder.as_str()).collect::<Vec<_>>(), ["src", "other"]);
    let src = &blocks[0];
    assert!(
        src.check("main", "events").is_ok() && src.check("host", "host").is_ok() && src.check("host", "std").is_ok()
    );
    assert!(src.check("events", "host").is_err() && src.check("check", "host").is_err());
}
