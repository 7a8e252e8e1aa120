//! deny.toml, as far as it can be judged without cargo-deny: it has no key that cargo-deny 0.20
//! does not read, and nothing in it refuses the product itself.

#![cfg(test)]

use std::path::Path;

/// Table, and its keys that are read (cargo-deny 0.20.2, its root config and that of each check).
const KNOWN: [(&str, &[&str]); 5] = [
    ("graph", &["targets", "all-features"]),
    ("advisories", &["yanked", "ignore"]),
    ("licenses", &["allow", "private"]),
    (
        "bans",
        &[
            "multiple-versions",
            "wildcards",
            "allow-wildcard-paths",
            "deny",
        ],
    ),
    (
        "sources",
        &["unknown-registry", "unknown-git", "allow-registry"],
    ),
];

fn read(path: &str) -> toml::Table {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join(path)).unwrap();
    toml::from_str(&text).unwrap()
}

#[test]
fn every_key_of_deny_toml_is_one_that_cargo_deny_reads() {
    for (table, keys) in read("deny.toml") {
        let (_, known) = KNOWN.iter().find(|(name, _)| *name == table).unwrap();
        for key in keys.as_table().unwrap().keys() {
            assert!(known.contains(&key.as_str()), "[{table}] {key}");
        }
    }
}

/// A dependency on this folder has no version, which `wildcards = "deny"` takes for any version; of
/// crates that are not published it can be told to leave that alone.
#[test]
fn the_product_depends_on_itself_without_being_refused() {
    let bans = read("deny.toml")["bans"].clone();
    let own = read("scripts/Cargo.toml")["dependencies"]["edge-queue"].clone();
    assert!(own.get("path").is_some() && own.get("version").is_none());
    assert_eq!(bans["wildcards"].as_str(), Some("deny"));
    assert_eq!(bans["allow-wildcard-paths"].as_bool(), Some(true));
    let workspace = read("Cargo.toml")["workspace"]["package"].clone();
    assert_eq!(workspace["publish"].as_bool(), Some(false));
}
