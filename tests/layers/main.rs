//! Imports point one way: no module uses a module of its own layer or of a layer above.
//!
//! The layers are the blocks ` ```layers <folder> ` of `ARCHITECTURE.md`. Each line of a block is a layer, the highest first;
//! its names are the modules that the folder contains. `mod` stands for what the folder's own `mod.rs` defines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod imports;
mod layers;

use std::fs;
use std::path::{Path, PathBuf};

use crate::imports::imports;
use crate::layers::Layers;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blocks() -> Vec<Layers> {
    Layers::of_page(&fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap())
}

/// All Rust files of a folder, with their module paths relative to it.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if name == "tests" {
            continue; // unit tests may use everything
        }
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(file, module)| (file, [vec![name.clone()], module].concat())));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let is_folder = ["mod", "lib"].contains(&name.as_str());
            found.push((path, if is_folder { Vec::new() } else { vec![name] }));
        }
    }
    found
}

/// The folder of the crate that a folder belongs to: where its `main.rs` or `lib.rs` is.
fn crate_root(folder: &Path) -> &Path {
    let is_root = |folder: &&Path| ["lib.rs", "main.rs"].iter().any(|file| folder.join(file).is_file());
    folder.ancestors().find(is_root).unwrap_or_else(|| panic!("{} is in no crate", folder.display()))
}

#[test]
fn imports_point_down() {
    let blocks = blocks();
    assert!(blocks.len() >= 4, "ARCHITECTURE.md shows the layers of the handler, sandbox, lake side and benchmark");
    let mut wrong = Vec::new();
    for block in &blocks {
        let folder = repository().join(&block.folder);
        let root = crate_root(&folder);
        let prefix: Vec<String> =
            folder.strip_prefix(root).unwrap().iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        for (file, module) in files(&folder) {
            // The folder's own `lib.rs` or `mod.rs` only lists the modules, unless the block names it.
            let Some(from) = module.first().map_or_else(|| block.own_file(), |name| Some(name.as_str())) else {
                continue;
            };
            let path = [prefix.clone(), module.clone()].concat();
            for import in imports(&fs::read_to_string(&file).unwrap(), &path) {
                let Some(below) = import.strip_prefix(prefix.as_slice()) else { continue };
                let to = below.first().map_or("mod", String::as_str);
                wrong.extend(block.check(from, to).err().map(|why| format!("{}: {why}", file.display())));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_module_is_in_a_layer() {
    for block in blocks() {
        let folder = repository().join(&block.folder);
        let modules: Vec<String> =
            files(&folder).into_iter().filter_map(|(_, module)| module.into_iter().next()).collect();
        for module in &modules {
            assert!(block.contains(module), "ARCHITECTURE.md: {} has no layer in {}", module, block.folder);
        }
        for name in block.names().filter(|name| *name != "mod") {
            assert!(
                modules.iter().any(|module| module == name),
                "ARCHITECTURE.md: {} has no module {name}",
                block.folder
            );
        }
    }
}
