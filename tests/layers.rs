//! Modules import downwards only, and no two files import each other.
//!
//! The layers stand in `LAYERS`, and in docs/architecture.md.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use syn::visit::Visit;
use syn::{Attribute, Item, ItemUse, Meta, UseTree};

/// The modules of the library. Each may import from those before it, and from no others.
const LAYERS: &[&str] = &[
    "setting",
    "limits",
    "excerpt",
    "timestamp",
    "direction",
    "pool",
    "trace",
    "clocks",
    "compact",
    "run",
    "actor",
    "query",
    "emit",
    "page",
    "cursor",
    "error",
    "walk",
    "http",
    "stream",
    "runs",
    "lists",
    "client",
    "split",
    "emulator",
    "export",
    "sync",
    "__internals",
];

/// The path of a module, from the root of its crate.
type Module = Vec<String>;

/// A source file: what it defines, and what it imports, without its tests.
#[derive(Default)]
struct Source {
    is_mod: bool,
    imports: Vec<Import>,
    modules: Vec<Module>,
}

/// A path that a file mentions, and the name by which it is known there.
struct Import {
    path: Module,
    name: String,
}

/// The source files of a crate.
struct Sources(BTreeMap<Module, Source>);

/// Which names each file uses of each other file.
type Uses = BTreeMap<(Module, Module), BTreeSet<String>>;

impl Sources {
    fn read(root: &Path) -> Self {
        let mut sources = BTreeMap::new();
        let mut folders = vec![(root.to_owned(), Module::new())];
        while let Some((folder, module)) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                let mut module = module.clone();
                let is_mod = ["lib", "main", "mod"].contains(&name.as_str());
                if !is_mod {
                    module.push(name);
                }
                if path.is_dir() {
                    folders.push((path, module));
                } else if module.last().is_none_or(|name| name != "tests") {
                    sources.insert(module.clone(), Source::read(&path, module, is_mod));
                }
            }
        }
        // The tests of a module in a folder of their own.
        sources.retain(|module: &Module, _| !module.contains(&"tests".to_owned()));
        Self(sources)
    }

    /// The file in which the item at a path is defined: through the imports of the files on the
    /// way, for a module may export what one of its own files defines.
    fn definition(&self, path: &[String], depth: u32) -> Option<Module> {
        let end = (0..=path.len())
            .rev()
            .find(|end| self.0.contains_key(&path[..*end]))?;
        let file = &path[..end];
        let Some(name) = path.get(end).filter(|_| depth < 8) else {
            return Some(file.to_vec());
        };
        let imports = self.0[file].imports.iter();
        let import = imports
            .clone()
            .find(|import| import.name == *name && import.path != path);
        let import = import.and_then(|import| self.definition(&import.path, depth + 1));
        Some(import.unwrap_or_else(|| file.to_vec()))
    }

    fn uses(&self) -> Uses {
        let mut uses = Uses::new();
        for (module, source) in &self.0 {
            for import in &source.imports {
                let Some(file) = self.definition(&import.path, 0) else {
                    continue;
                };
                if file != *module {
                    let names = uses.entry((module.clone(), file)).or_default();
                    names.insert(import.path.last().cloned().unwrap_or_default());
                }
            }
        }
        uses
    }

    /// Whether one is the `mod.rs` of a folder, and the other one of its files.
    fn is_folder_and_file(&self, one: &Module, other: &Module) -> bool {
        let is_in = |file: &Module, folder: &Module| {
            self.0[folder].is_mod
                && file
                    .split_last()
                    .is_some_and(|(_, parent)| parent == folder)
        };
        is_in(one, other) || is_in(other, one)
    }

    /// Files that import each other, directly or through others.
    fn circles(&self) -> String {
        let mut uses = self.uses();
        uses.retain(|(from, to), _| !self.is_folder_and_file(from, to));
        let mut circles = String::new();
        for ((from, to), names) in &uses {
            if let Some(way) = way(&uses, to, from) {
                let way: Vec<_> = way.iter().map(|module| shown(module)).collect();
                let (from, names) = (shown(from), joined(names));
                writeln!(
                    circles,
                    "{from} uses {names} of {}",
                    way.join(", which uses ")
                )
                .unwrap();
            }
        }
        circles
    }
}

/// Names with commas in between.
fn joined(names: &BTreeSet<String>) -> String {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

/// The shortest way from one file to another along what they use, both included.
fn way(uses: &Uses, from: &Module, to: &Module) -> Option<Vec<Module>> {
    let mut ways = vec![vec![from.clone()]];
    let mut seen = BTreeSet::from([from.clone()]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last()?.clone();
            if last == *to {
                return Some(way);
            }
            for (_, next) in uses.keys().filter(|(user, _)| *user == last) {
                if seen.insert(next.clone()) {
                    longer.push(way.iter().chain([next]).cloned().collect());
                }
            }
        }
        ways = longer;
    }
    None
}

fn shown(module: &[String]) -> String {
    match module.is_empty() {
        true => "the root".into(),
        false => module.join("/"),
    }
}

impl Source {
    fn read(path: &PathBuf, module: Module, is_mod: bool) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let file = syn::parse_file(&text).unwrap();
        let mut source = Self {
            is_mod,
            imports: Vec::new(),
            modules: vec![module],
        };
        source.visit_file(&file);
        source
    }

    /// The path of the module that is being read.
    fn module(&self) -> &Module {
        self.modules.last().unwrap()
    }

    /// Notes a path if it is one of this crate.
    fn note(&mut self, path: &[String], name: String) {
        let mut absolute = match path.first().map(String::as_str) {
            Some("crate") => Module::new(),
            Some("self" | "super") => self.module().clone(),
            // A module of this file: `mod a; use a::A;`.
            Some(_) => self.module().clone(),
            None => return,
        };
        for segment in path {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(absolute.pop()),
                other => absolute.push(other.into()),
            }
        }
        let path = absolute;
        self.imports.push(Import { path, name });
    }

    fn note_tree(&mut self, tree: &UseTree, path: &mut Module) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.note_tree(&tree.tree, path);
                path.pop();
            }
            UseTree::Name(tree) => {
                let name = tree.ident.to_string();
                let known_as = match name.as_str() {
                    "self" => path.last().cloned().unwrap_or_default(),
                    name => name.to_owned(),
                };
                path.push(name);
                self.note(path, known_as);
                path.pop();
            }
            UseTree::Rename(tree) => {
                path.push(tree.ident.to_string());
                self.note(path, tree.rename.to_string());
                path.pop();
            }
            UseTree::Glob(_) => self.note(path, "*".into()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.note_tree(tree, path);
                }
            }
        }
    }
}

/// Whether something is compiled for tests only.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => {
            list.path.is_ident("cfg") && {
                let condition = list.tokens.to_string();
                condition == "test" || condition == "doctest"
            }
        }
        _ => false,
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_for_tests(attributes(item)) {
            return;
        }
        match item {
            // A module within the file: `super` in it is the file.
            Item::Mod(module) if module.content.is_some() => {
                let mut path = self.module().clone();
                path.push(module.ident.to_string());
                self.modules.push(path);
                syn::visit::visit_item(self, item);
                self.modules.pop();
            }
            _ => syn::visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            syn::visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.note_tree(&item.tree, &mut Module::new());
    }

    /// A path in the code. Of those that an import begins, the import says enough.
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        if segments.len() > 1 && ["crate", "super"].contains(&segments[0].as_str()) {
            self.note(&segments, String::new());
        }
        syn::visit::visit_path(self, path);
    }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

#[test]
fn modules_import_downwards_only() {
    let sources = Sources::read(&root().join("src"));
    let layer = |module: &str| LAYERS.iter().position(|layer| *layer == module);
    let mut upwards = String::new();
    for ((from, to), names) in sources.uses() {
        // The root only says what is public.
        let (Some(upper), Some(lower)) = (from.first(), to.first()) else {
            continue;
        };
        let names = joined(&names);
        match (layer(upper), layer(lower)) {
            (Some(upper), Some(lower)) if upper >= lower => {}
            (Some(_), Some(_)) => {
                let (from, to) = (shown(&from), shown(&to));
                writeln!(upwards, "{from} uses {names} of {to}, which is above it").unwrap();
            }
            _ => writeln!(upwards, "{upper} or {lower} is missing in LAYERS").unwrap(),
        }
    }
    assert!(upwards.is_empty(), "\n{upwards}");
}

#[test]
fn no_two_files_of_the_library_import_each_other() {
    let circles = Sources::read(&root().join("src")).circles();
    assert!(circles.is_empty(), "\n{circles}");
}

#[test]
fn no_two_files_of_the_program_import_each_other() {
    let circles = Sources::read(&root().join("crates/cli/src")).circles();
    assert!(circles.is_empty(), "\n{circles}");
}
