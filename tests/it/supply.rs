//! What bursar is made of, held against `deny.toml`: where cargo-deny is not installed, this is
//! what looks at licences, sources and versions. Advisories are `scripts/audit`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use toml::Table;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";
const LOCKS: [&str; 3] = ["Cargo.lock", "fuzz/Cargo.lock", "benches/homegrown/Cargo.lock"];

fn read(path: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap().parse().unwrap()
}

/// Texts of a list in `deny.toml`, entries that give a reason by their `crate`.
fn listed(section: &str, list: &str) -> BTreeSet<String> {
    let deny = read("deny.toml");
    let texts = deny[section][list].as_array().unwrap().iter().map(|entry| {
        let Some(entry) = entry.as_table() else { return entry.as_str().unwrap().to_owned() };
        let reason = entry["reason"].as_str().unwrap();
        assert!(reason.len() > 5, "{entry:?}: say why");
        entry.get("crate").unwrap_or_else(|| &entry["id"]).as_str().unwrap().to_owned()
    });
    texts.collect()
}

/// The packages that are compiled here, dependencies of tests included. Nothing is downloaded:
/// who runs this test has them.
fn packages() -> Vec<Value> {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = cargo(&["metadata", "--format-version=1", "--filter-platform", host]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap().clone();
    assert!(packages.len() > 100, "only {} packages", packages.len());
    packages
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Whether an SPDX expression lets one choose licences of this list only.
fn admits(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut rest = words.as_slice();
    let admitted = any_of(&mut rest, allowed);
    assert!(rest.is_empty(), "`{expression}` is no licence expression");
    admitted
}

fn any_of(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut admitted = all_of(rest, allowed);
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        admitted |= all_of(rest, allowed);
    }
    admitted
}

fn all_of(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut admitted = one(rest, allowed);
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        admitted &= one(rest, allowed);
    }
    admitted
}

fn one(rest: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let (first, after) = rest.split_first().expect("a licence");
    *rest = after;
    match (*first, after) {
        ("(", _) => {
            let admitted = any_of(rest, allowed);
            assert_eq!(rest.first(), Some(&")"));
            *rest = &rest[1..];
            admitted
        }
        (licence, ["WITH", exception, after @ ..]) => {
            *rest = after;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        (licence, _) => allowed.contains(licence),
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_has_them() {
    let allowed: BTreeSet<String> = ["MIT", "ISC"].map(str::to_owned).into();
    for (expression, admitted) in [
        ("MIT", true),
        ("GPL-3.0-only", false),
        ("MIT/Apache-2.0", true),
        ("GPL-3.0-only OR MIT", true),
        ("GPL-3.0-only AND MIT", false),
        ("MIT AND ISC", true),
        ("MIT OR GPL-3.0-only AND BSL-1.0", true),
        ("(MIT OR Apache-2.0) AND Unicode-3.0", false),
        ("(GPL-3.0-only OR ISC) AND MIT", true),
        ("MIT WITH LLVM-exception OR ISC", true),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(admits(expression, &allowed), admitted, "{expression}");
    }
}

#[test]
fn every_licence_is_an_allowed_one() {
    let allowed = listed("licenses", "allow");
    for package in packages() {
        let name = &package["name"];
        let licence = package["license"].as_str().unwrap_or_else(|| panic!("{name}: no licence"));
        assert!(admits(licence, &allowed), "{name}: {licence} is not allowed by deny.toml");
    }
}

#[test]
fn everything_comes_from_crates_io_with_a_checksum() {
    for lock in LOCKS {
        let packages = read(lock)["package"].as_array().unwrap().clone();
        for package in packages {
            let package = package.as_table().unwrap();
            let name = package["name"].as_str().unwrap();
            if ["bursar", "bursar-fuzz", "homegrown"].contains(&name) {
                continue;
            }
            let source = package.get("source").and_then(toml::Value::as_str);
            assert_eq!(source, Some(CRATES_IO), "{lock}: {name}");
            assert!(package.contains_key("checksum"), "{lock}: {name} has no checksum");
        }
    }
}

#[test]
fn a_second_version_of_a_package_has_a_reason_in_deny_toml() {
    // Unlike the metadata it leaves out what no feature asks for.
    let tree = cargo(&["tree", "--prefix=none", "--edges=normal,build,dev"]);
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in tree.lines() {
        let [name, version] = line.split(' ').take(2).collect::<Vec<_>>()[..] else { continue };
        versions.entry(name).or_default().insert(version.trim_start_matches('v'));
    }
    assert!(versions.len() > 100, "only {} packages", versions.len());
    let mut older = BTreeSet::new();
    for (name, versions) in versions {
        let mut versions: Vec<&str> = versions.into_iter().collect();
        versions.sort_by_key(|version| {
            let numbers = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
            numbers.take(3).collect::<Vec<u64>>()
        });
        versions.pop();
        older.extend(versions.into_iter().map(|version| format!("{name}@{version}")));
    }
    assert_eq!(older, listed("bans", "skip"), "deny.toml lists the older ones, each with a reason");
}

#[test]
fn what_is_banned_is_not_there() {
    let banned = listed("bans", "deny");
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(!banned.contains(name), "{name} is banned by deny.toml");
    }
    assert!(listed("advisories", "ignore").iter().all(|id| id.starts_with("RUSTSEC-")));
}
