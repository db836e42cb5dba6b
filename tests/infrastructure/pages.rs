//! Pages can be found and followed: links, anchors, the index and the length of the README.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{file, repository};

/// Folders without sources.
const NOT_SEARCHED: [&str; 3] = ["target", "node_modules", ".git"];

/// Every file of the repository with one of these extensions, as a path in it.
fn files(extensions: &[&str]) -> BTreeSet<PathBuf> {
    let root = repository("");
    let mut found = BTreeSet::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
            let (path, name) = (entry.path(), entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                let is_searched = !NOT_SEARCHED.iter().any(|skipped| *skipped == name);
                folders.extend(is_searched.then_some(path));
            } else if path.extension().is_some_and(|it| extensions.iter().any(|extension| *extension == it)) {
                found.insert(path.strip_prefix(&root).unwrap().to_owned());
            }
        }
    }
    found
}

fn pages() -> BTreeSet<PathBuf> {
    files(&["md"])
}

fn text(page: &Path) -> String {
    file(page.to_str().unwrap())
}

/// The lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !is_fence && !in_block && !line.starts_with("    ")
    })
}

/// Targets of the links and pictures of a page, without those on the web.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text).collect::<Vec<_>>().join("\n");
    let targets = prose.split("](").skip(1).map(|rest| rest.split([')', ' ']).next().unwrap().to_owned());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

/// The anchors that GitHub makes of the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let slugs = headings.map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it));
        let slug: String = kept.map(|it| if it == ' ' { '-' } else { it }).collect();
        let count = seen.entry(slug.clone()).and_modify(|count| *count += 1).or_default();
        if *count == 0 { slug } else { format!("{slug}-{count}") }
    });
    slugs.collect()
}

/// Where a link of a page leads: a path in the repository and an anchor.
fn resolve(page: &Path, link: &str) -> (PathBuf, Option<String>) {
    let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor.to_owned())));
    if path.is_empty() {
        return (page.to_owned(), anchor);
    }
    let mut resolved = page.parent().unwrap().to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => assert!(resolved.pop(), "{}: {link} leaves the repository", page.display()),
            Component::Normal(name) => resolved.push(name),
            _ => {}
        }
    }
    (resolved, anchor)
}

#[test]
fn every_link_and_every_anchor_resolves() {
    let mut checked = 0;
    for page in pages() {
        for link in links(&text(&page)) {
            let (target, anchor) = resolve(&page, &link);
            let exists = repository(target.to_str().unwrap()).exists();
            assert!(exists, "{}: {link} leads nowhere", page.display());
            if let Some(anchor) = anchor {
                let known = anchors(&text(&target));
                assert!(known.contains(&anchor), "{}: {link}: the page has {known:?}", page.display());
            }
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn every_page_can_be_reached_from_the_index() {
    let start = PathBuf::from("docs/README.md");
    let mut reached = BTreeSet::from([start.clone()]);
    let mut open = VecDeque::from([start]);
    while let Some(page) = open.pop_front() {
        for link in links(&text(&page)) {
            let (target, _) = resolve(&page, &link);
            if target.extension().is_some_and(|it| it == "md") && reached.insert(target.clone()) {
                open.push_back(target);
            }
        }
    }
    let missing: Vec<PathBuf> = pages().difference(&reached).cloned().collect();
    assert!(missing.is_empty(), "docs/README.md does not lead to {missing:?}");
}

#[test]
fn the_index_links_every_page_beside_it() {
    let linked: BTreeSet<PathBuf> =
        links(&file("docs/README.md")).iter().map(|link| resolve(Path::new("docs/README.md"), link).0).collect();
    for page in pages().into_iter().filter(|page| page.parent() == Some(Path::new("docs"))) {
        assert!(page.ends_with("README.md") || linked.contains(&page), "{}", page.display());
    }
}

#[test]
fn pages_that_other_files_name_exist() {
    let is_path = |character: char| character.is_ascii_alphanumeric() || "/-_.".contains(character);
    let mut named = 0;
    for path in files(&["rs", "bicep", "bicepparam", "json", "kql", "yml", "toml", "py", "sql"]) {
        let text = text(&path);
        for rest in text.split("docs/").skip(1) {
            let name = rest.split(|character| !is_path(character)).next().unwrap().trim_end_matches('.');
            if name.ends_with(".md") {
                let page = format!("docs/{name}");
                assert!(repository(&page).exists(), "{}: there is no {page}", path.display());
                named += 1;
            }
        }
    }
    assert!(named > 10, "{named}");
}

/// A newcomer reads it in three minutes.
const README_WORDS: usize = 750;

#[test]
fn the_readme_is_short() {
    let readme = file("README.md");
    let words = readme.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).count();
    assert!(words <= README_WORDS, "{words} words");
}
