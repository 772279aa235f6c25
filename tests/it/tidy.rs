//! The architecture as a test: which module may name which, what stands in one place only, and
//! that the documents speak of what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bursar::config::SETTINGS;

/// A module may name itself and those beside it, nothing else.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("secret", &[]),
    ("current", &[]),
    ("clock", &["domain"]),
    ("tls", &["clock"]),
    ("telemetry", &["clock", "domain", "tls"]),
    ("token", &[]),
    ("meters", &["domain"]),
    ("stripe", &["domain", "meters", "secret", "tls"]),
    ("config", &["domain", "secret", "stripe", "token"]),
    ("store", &["domain", "clock"]),
    ("pipeline", &["current", "domain", "meters", "stripe", "store"]),
    ("sandbox", &["stripe", "clock"]),
    ("sample", &["clock", "secret"]),
    (
        "http",
        &["domain", "meters", "stripe", "store", "pipeline", "tls", "token", "clock", "current"],
    ),
    (
        "app",
        &[
            "clock", "current", "domain", "http", "meters", "pipeline", "store", "stripe", "tls",
            "token",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "clock",
            "config",
            "current",
            "domain",
            "pipeline",
            "sample",
            "sandbox",
            "secret",
            "store",
            "stripe",
            "telemetry",
            "tls",
            "token",
        ],
    ),
];

/// What the domain, which is pure, has no use for.
const IMPURE: &[&str] = &[
    "async ",
    "tokio",
    "actix",
    "SystemTime",
    "Instant",
    "std::fs",
    "std::net",
    "std::env",
    "std::io",
    "std::thread",
    "tracing::",
    "serde_json",
    "sled",
    "rand",
    "unsafe",
];

/// Each of these words stands in the sources of one place only, and why.
const ONLY_IN: &[(&str, &str, &str)] = &[
    ("SystemTime::now", "clock.rs", "time is an argument; only the clock reads it"),
    ("std::env::var", "config.rs", "settings are read once"),
    ("StatusCode", "http/error.rs", "one place knows what a failure means in HTTP"),
    ("println!", "cli/", "stdout belongs to the command line"),
    ("stdout()", "cli/", "stdout belongs to the command line"),
    ("sled::", "store/views/rows.rs", "what is derived has one engine, in one place"),
    ("bearer_auth", "cli/client.rs", "the command line calls servers in one place"),
];

/// Lines of the longest file without its tests. Only ever lowered.
const LONGEST_FILE: usize = 394;
const LONGEST_LINE: usize = 100;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of ours, by its path below the package.
struct Source {
    path: String,
    text: String,
}

/// Every file below `folder` that ends like this.
fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut queue = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(path) = queue.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("a readable folder");
            queue.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|is| is == ending) {
            files.push(file(&path));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

fn file(path: &Path) -> Source {
    let text =
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let path = path.strip_prefix(root()).expect("a path of the package");
    Source { path: path.to_str().expect("UTF-8").to_owned(), text }
}

impl Source {
    /// The module it belongs to, of those directly below the root.
    fn module(&self) -> &str {
        let path = self.path.trim_start_matches("src/");
        path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// What is compiled into the program: no unit tests, no comments.
    fn code(&self) -> String {
        let tests = self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text.split_at(tests).0.lines();
        let code = lines.filter(|line| !line.trim_start().starts_with("//"));
        code.collect::<Vec<_>>().join("\n")
    }
}

fn sources() -> Vec<Source> {
    let sources = files("src", "rs");
    assert!(sources.len() > 30, "the sources were not found");
    sources
}

#[test]
fn modules_import_only_what_lies_below_them() {
    for source in sources().iter().filter(|source| !source.is_test()) {
        let module = source.module();
        if matches!(module, "lib" | "main") {
            continue;
        }
        let rule = MAY_IMPORT.iter().find(|(name, _)| *name == module);
        let (_, allowed) =
            rule.unwrap_or_else(|| panic!("{}: say here what it may import", source.path));
        for named in source.code().split("crate::").skip(1) {
            assert!(!named.starts_with('{'), "{}: one `use crate::` a module", source.path);
            let end = named.find(|c: char| !c.is_alphanumeric() && c != '_');
            let named = named.split_at(end.unwrap_or(named.len())).0;
            assert!(
                named == module || allowed.contains(&named),
                "{}: `{module}` must not import `{named}`",
                source.path,
            );
        }
    }
}

#[test]
fn modules_lie_in_layers() {
    let mut above: BTreeSet<&str> = MAY_IMPORT.iter().map(|(module, _)| *module).collect();
    for (module, below) in MAY_IMPORT {
        above.remove(module);
        for named in *below {
            assert!(!above.contains(named), "`{module}` imports `{named}`, which lies above it");
        }
    }
}

#[test]
fn the_domain_does_no_io() {
    for source in sources().iter().filter(|source| source.module() == "domain") {
        for banned in IMPURE {
            let found = source.code().contains(banned);
            assert!(!found, "{}: `{banned}` has no place in the domain", source.path);
        }
    }
}

#[test]
fn what_belongs_in_one_place_stands_nowhere_else() {
    for (word, place, why) in ONLY_IN {
        let mut found = false;
        for source in sources().iter().filter(|source| !source.is_test()) {
            let code = source.code().replace("eprint", "");
            if !code.contains(word) {
                continue;
            }
            let path = source.path.trim_start_matches("src/");
            // Stripe's statuses are its own: its stand-in answers with them in one place, too.
            if *word == "StatusCode" && path == "sandbox/server/calls.rs" {
                continue;
            }
            let is_there = path == *place || (place.ends_with('/') && path.starts_with(place));
            assert!(is_there, "{}: `{word}` belongs in {place}: {why}", source.path);
            found = true;
        }
        assert!(found || *word == "StatusCode", "`{word}` is nowhere: this rule holds nothing");
    }
}

#[test]
fn what_is_served_stands_in_the_table_of_endpoints() {
    for source in sources().iter().filter(|source| source.module() == "http") {
        let routes = ["web::resource", "web::scope", ".service("];
        let found = routes.into_iter().find(|word| source.code().contains(word));
        let is_table = source.path == "src/http/endpoint.rs";
        assert!(is_table || found.is_none(), "{}: {found:?} belongs in the table", source.path);
    }
}

#[test]
fn no_file_grows_beyond_the_longest() {
    let mut longest = 0;
    for source in sources().iter().filter(|source| !source.is_test()) {
        let lines = source.text.lines().take_while(|line| *line != "mod tests {").count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines: divide it", source.path);
        longest = longest.max(lines);
    }
    assert!(longest + 50 >= LONGEST_FILE, "lower LONGEST_FILE to {longest}");
}

#[test]
fn no_line_of_code_is_too_long() {
    for source in sources().into_iter().chain(files("tests", "rs")).chain(files("benches", "rs")) {
        for (number, line) in source.text.lines().enumerate() {
            let text = line.contains('"');
            let short = line.chars().count() <= LONGEST_LINE;
            assert!(short || text, "{}:{} is too long", source.path, number + 1);
        }
    }
}

/// The README and everything in `docs/`.
fn documents() -> Vec<Source> {
    let mut documents = files("docs", "md");
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let path = root().join(name);
        documents.extend(path.exists().then(|| file(&path)));
    }
    documents
}

#[test]
fn the_readme_names_every_setting_with_its_default() {
    let readme = root().join("README.md");
    if !readme.exists() {
        return;
    }
    let readme = file(&readme).text;
    let mut rows = BTreeSet::new();
    for setting in SETTINGS {
        let variable = format!("BURSAR_{}", setting.name.to_ascii_uppercase());
        let cell = format!("`{variable}`");
        let row =
            readme.lines().find(|line| line.trim_start_matches(['|', ' ']).starts_with(&cell));
        let row = row.unwrap_or_else(|| panic!("README.md has no row for {variable}"));
        let default = row.split('|').nth(2).unwrap_or_default().trim();
        if let Some(expected) = setting.default {
            assert_eq!(default.trim_matches('`'), expected, "README.md: default of {variable}");
        } else {
            let none = default.starts_with("none") || matches!(default, "" | "-" | "required");
            assert!(none, "README.md: {variable} has no default, but it says {default}");
        }
        rows.insert(variable);
    }
    for line in readme.lines().filter(|line| line.starts_with("| `BURSAR_")) {
        let variable = line.split('`').nth(1).unwrap_or_default();
        assert!(rows.contains(variable), "README.md: {variable} is not a setting");
    }
}

/// Links, and paths in backquotes that begin with a folder of ours.
fn paths_in(document: &Source) -> Vec<String> {
    let mut paths = Vec::new();
    for link in document.text.split("](").skip(1) {
        let target = link.split([')', '#']).next().unwrap_or_default();
        if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
            let folder = Path::new(&document.path).parent().expect("a folder");
            paths.push(folder.join(target).to_str().expect("UTF-8").to_owned());
        }
    }
    let folders = ["src/", "tests/", "fixtures/", "docs/", "scripts/", "benches/", "fuzz/", ".ci/"];
    for quoted in document.text.split('`').skip(1).step_by(2) {
        let is_path = folders.iter().any(|folder| quoted.starts_with(folder));
        let is_whole = !quoted.contains(|c: char| c.is_whitespace() || "*<{$".contains(c));
        let is_pattern = quoted.split('/').any(|part| {
            part.trim_end_matches(".json").len() > 2
                && part
                    .trim_end_matches(".json")
                    .trim_end_matches(".txt")
                    .chars()
                    .all(|c| c.is_ascii_uppercase())
        });
        if is_path && is_whole && !is_pattern {
            paths.push(quoted.split(':').next().unwrap_or_default().to_owned());
        }
    }
    paths
}

#[test]
fn documents_name_only_files_that_exist() {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for document in documents().into_iter().chain(files("fixtures", "md")) {
        for path in paths_in(&document) {
            found.push((document.path.clone(), root().join(path)));
        }
    }
    assert!(!found.is_empty(), "no document names a file: the paths are not found");
    for (document, path) in found {
        assert!(path.exists(), "{document} names {}, which is not there", path.display());
    }
}
