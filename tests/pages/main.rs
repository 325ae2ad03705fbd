//! The Rust code in README.md, `docs/` and the other pages.
//!
//! Each file beside this one is a whole program that a page shows: it compiles here, and a test
//! compares the page with it. A page names the file in a comment before the code block. What
//! follows `#[cfg(test)]` in a file is not shown.

#![allow(dead_code, reason = "no test calls the `main` of a program")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod actors;
mod alerts;
mod costs;
mod cursor;
mod database;
mod errors;
mod example;
mod export;
mod migration;
mod split;
mod tls;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{ItemUse, UseTree};

/// A file that people read on GitHub.
struct Page {
    /// From the root of the repository.
    name: String,
    text: String,
}

/// A fenced code block.
struct Block {
    /// The number of its first line, the one with the language.
    line: usize,
    /// The heading above is the so many-th of the page.
    section: usize,
    language: String,
    /// The file that the comment before the block names.
    program: Option<String>,
    /// Where the code stands in the text of the page.
    code: Range<usize>,
}

impl Page {
    /// Every page of the repository.
    fn all() -> Vec<Self> {
        let mut pages = Vec::new();
        for folder in ["", "crates/cli/", "docs/"] {
            for entry in fs::read_dir(root().join(folder)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                if name.ends_with(".md") {
                    pages.push(Self::read(format!("{folder}{name}")));
                }
            }
        }
        pages.sort_by(|a, b| a.name.cmp(&b.name));
        pages
    }

    fn read(name: String) -> Self {
        let text = read(&root().join(&name));
        Self { name, text }
    }

    fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let (mut is_open, mut section, mut place, mut before) = (false, 0, 0, "");
        for (index, line) in self.text.split_inclusive('\n').enumerate() {
            let start = place;
            place += line.len();
            match line.trim_end().strip_prefix("```") {
                Some(_) if is_open => {
                    is_open = false;
                    blocks.last_mut().unwrap().code.end = start;
                }
                Some(language) => {
                    is_open = true;
                    blocks.push(Block {
                        line: index + 1,
                        section,
                        language: language.to_owned(),
                        program: program_of(before),
                        code: place..place,
                    });
                }
                None => section += usize::from(!is_open && line.starts_with('#')),
            }
            before = line;
        }
        assert!(!is_open, "{}: a code block has no end", self.name);
        blocks
    }

    fn code(&self, block: &Block) -> &str {
        &self.text[block.code.clone()]
    }

    /// Copies the programs into the page.
    fn update(&mut self, programs: &BTreeSet<String>) {
        let before = self.text.clone();
        // The last block first: the places of the others stay.
        for block in self.blocks().into_iter().rev() {
            let program = block.program.filter(|name| programs.contains(name));
            if let Some(program) = program.filter(|_| block.language == "rust") {
                self.text.replace_range(block.code, &shown(&program));
            }
        }
        if self.text != before {
            fs::write(root().join(&self.name), &self.text).unwrap();
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    text.replace("\r\n", "\n")
}

/// The file that a comment names: `<!-- tests/pages/example.rs -->`.
fn program_of(line: &str) -> Option<String> {
    let name = line.trim().strip_prefix("<!-- ")?.strip_suffix(" -->")?;
    name.ends_with(".rs").then(|| name.to_owned())
}

/// The names of the files beside this one.
fn programs() -> BTreeSet<String> {
    let names = fs::read_dir(root().join("tests/pages")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter(|name| name.ends_with(".rs") && name != "main.rs");
    names.map(|name| format!("tests/pages/{name}")).collect()
}

/// What a page shows of a file: all but its tests.
fn shown(program: &str) -> String {
    let text = read(&root().join(program));
    match text.split_once("\n#[cfg(test)]") {
        Some((shown, _)) => shown.to_owned(),
        None => text,
    }
}

/// What is wrong with a code block, if anything is.
fn check(page: &Page, block: &Block, programs: &BTreeSet<String>) -> Option<String> {
    let at = |line: usize, message: &str| Some(format!("{}:{line}: {message}", page.name));
    let language = &block.language;
    // `no_run` and `rust,ignore` are for rustdoc: GitHub does not know them.
    let is_plain = language.bytes().all(|byte| byte.is_ascii_lowercase());
    if !is_plain || ["", "ignore"].contains(&language.as_str()) {
        return at(block.line, "``` needs one language, such as `rust`");
    }
    if language != "rust" {
        return None;
    }
    let Some(program) = &block.program else {
        return at(
            block.line,
            "needs `<!-- tests/pages/NAME.rs -->` in the line before",
        );
    };
    if !programs.contains(program) {
        return at(block.line, &format!("{program} is not there"));
    }
    let (found, expected) = (page.code(block), shown(program));
    if found == expected {
        return None;
    }
    let mut lines = found.lines().zip(expected.lines());
    let same = lines.position(|(found, expected)| found != expected);
    let same = same.unwrap_or_else(|| found.lines().count().min(expected.lines().count()));
    let message = format!("differs from {program}:{}", same + 1);
    at(block.line + same + 1, &message)
}

#[test]
fn each_page_shows_the_programs_that_compile_here() {
    let (programs, mut errors) = (programs(), Vec::new());
    let mut unused = programs.clone();
    for mut page in Page::all() {
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            page.update(&programs);
        }
        for block in page.blocks() {
            errors.extend(check(&page, &block, &programs));
            unused.retain(|program| Some(program) != block.program.as_ref());
        }
    }
    errors.extend(unused.iter().map(|name| format!("{name}: is on no page")));
    assert!(
        errors.is_empty(),
        "{}\nUPDATE_SNAPSHOTS=1 copies the files into the pages",
        errors.join("\n")
    );
}

#[test]
fn each_program_is_compiled() {
    let modules = read(&root().join("tests/pages/main.rs"));
    for program in programs() {
        let name = Path::new(&program).file_stem().unwrap().display();
        let module = format!("\nmod {name};\n");
        assert!(
            modules.contains(&module),
            "{program} is no module of main.rs"
        );
    }
}

/// The crates that a program names.
#[derive(Default)]
struct Crates {
    named: BTreeSet<String>,
    /// What `use` brings in is no crate.
    imported: BTreeSet<String>,
}

impl Crates {
    fn of(code: &str) -> BTreeSet<String> {
        let mut crates = Self::default();
        crates.visit_file(&syn::parse_file(code).unwrap());
        let is_crate = |name: &String| {
            let of_the_language = ["std", "core", "alloc", "crate", "self", "super"];
            name.starts_with(|first: char| first.is_lowercase())
                && !of_the_language.contains(&name.as_str())
                && !crates.imported.contains(name)
        };
        crates
            .named
            .iter()
            .filter(|name| is_crate(name))
            .cloned()
            .collect()
    }
}

impl<'a> Visit<'a> for Crates {
    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if let UseTree::Path(path) = &item.tree {
            self.named.insert(path.ident.to_string());
        }
        visit::visit_item_use(self, item);
    }

    fn visit_use_name(&mut self, name: &'a syn::UseName) {
        self.imported.insert(name.ident.to_string());
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.segments.len() > 1 {
            self.named.insert(path.segments[0].ident.to_string());
        }
        visit::visit_path(self, path);
    }
}

/// The crates that a code block adds: `cargo add …`, or `[dependencies]` of a `Cargo.toml`.
fn added(language: &str, code: &str) -> BTreeSet<String> {
    let mut added = BTreeSet::new();
    match language {
        "toml" if code.starts_with("[dependencies]\n") => {
            added.extend(
                code.lines()
                    .filter_map(|line| line.split_once(" ="))
                    .map(|(name, _)| name),
            );
        }
        "sh" | "console" => {
            let commands = code
                .lines()
                .map(|line| line.strip_prefix("$ ").unwrap_or(line));
            for names in commands.filter_map(|line| line.strip_prefix("cargo add ")) {
                let names = names.split(' ');
                added.extend(names.take_while(|word| !word.starts_with('-')));
            }
        }
        _ => {}
    }
    added.iter().map(|name| name.replace('-', "_")).collect()
}

#[test]
fn each_recipe_adds_the_crates_that_its_programs_name() {
    let mut errors = Vec::new();
    for page in Page::all() {
        let (mut section, mut crates) = (0, BTreeSet::new());
        for block in page.blocks() {
            if section != block.section {
                section = block.section;
                crates.clear();
            }
            let code = page.code(&block);
            if block.language != "rust" {
                crates.extend(added(&block.language, code));
                continue;
            }
            for missing in Crates::of(code).difference(&crates) {
                let place = format!("{}:{}", page.name, block.line);
                errors.push(format!(
                    "{place}: no `cargo add {missing}` in its section above"
                ));
            }
        }
    }
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}

#[test]
fn crates_are_found() {
    let code = "use std::fs;
        use apify_runs::{Client, chrono};
        #[tokio::main]
        async fn main() {
            fs::write(chrono::Utc::now(), Client::new(reqwest::get(x)));
        }";
    let crates: Vec<_> = Crates::of(code).into_iter().collect();
    assert_eq!(crates, ["apify_runs", "reqwest", "tokio"]);
    let commands = "cargo add apify-runs chrono --features csv\n$ cargo add tokio -F full";
    let crates: Vec<_> = added("sh", commands).into_iter().collect();
    assert_eq!(crates, ["apify_runs", "chrono", "tokio"]);
}
