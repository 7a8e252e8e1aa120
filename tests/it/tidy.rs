//! The rules of docs/ARCHITECTURE.md that a compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules of `src/` from the lowest layer to the highest: each uses only those before it, itself,
/// and what shares its line.
pub const LAYERS: &[&[&str]] = &[
    &["time"],
    &["id", "backoff"],
    &["media"],
    &["token"],
    &["job"],
    &["workflow"],
    &["ports"],
    &["config", "log"],
    &["providers"],
    &["store"],
    &["app"],
    &["queue"],
    &["http"],
    &["cloudflare", "testing"],
];

const FILE_LINES_MAX: usize = 400;
const LINE_COLUMNS_MAX: usize = 100;

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module of `src/` that the file belongs to.
    fn module(&self) -> String {
        let inside = self.path.strip_prefix("src").unwrap();
        let first = inside
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_string_lossy();
        first.trim_end_matches(".rs").to_owned()
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

fn sources(root: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(root)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    found
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules of the crate that a file names, in code: `crate::<module>`.
fn used(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(number, line)| {
        line.match_indices("crate::").map(move |(at, found)| {
            let rest = &line[at + found.len()..];
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            (number + 1, &rest[..end.unwrap_or(rest.len())])
        })
    })
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_module_uses_only_the_layers_below_it() {
    let mut faults = Vec::new();
    for source in sources("src") {
        let module = source.module();
        if module == "lib" {
            continue;
        }
        let own = layer(&module).unwrap_or_else(|| panic!("{module} has no layer"));
        // The tests inside a file may ask anybody.
        let code = source.text.split("#[cfg(test)]").next().unwrap_or_default();
        for (line, other) in used(code) {
            if layer(other).is_some_and(|other| other > own) {
                faults.push(format!(
                    "{}:{line} uses {other}, which is above it",
                    source.shown()
                ));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_platform_sql_and_status_codes_stay_in_their_places() {
    let rules: [(&str, &[&str]); 4] = [
        ("worker::", &["cloudflare"]),
        ("SELECT ", &["store", "testing"]),
        ("UPDATE jobs", &["store", "testing"]),
        ("StatusCode", &["http", "testing"]),
    ];
    let mut faults = Vec::new();
    for source in sources("src") {
        let module = source.module();
        for (word, places) in rules {
            let code = source
                .text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            if !places.contains(&module.as_str()) && code.clone().any(|l| l.contains(word)) {
                faults.push(format!("{} names {word}", source.shown()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn handlers_never_call_the_store() {
    let mut faults = Vec::new();
    for source in sources("src/http") {
        // Rows are what verbs answer with; functions of the store are for verbs alone.
        for call in [
            "jobs::create(",
            "jobs::find(",
            "jobs::full(",
            "jobs::list(",
            "store::ping(",
        ] {
            if source.text.contains(call) {
                faults.push(format!("{} calls {call}", source.shown()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn files_fit_in_a_head_and_lines_on_a_screen() {
    let mut faults = Vec::new();
    let roots = ["src", "scripts/src", "tests/it"];
    for source in roots.iter().flat_map(|root| sources(root)) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{} has {lines} lines", source.shown()));
        }
        for (number, line) in source.text.lines().enumerate() {
            if line.chars().count() > LINE_COLUMNS_MAX {
                faults.push(format!("{}:{} is too long", source.shown(), number + 1));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn no_module_is_a_drawer_for_everything() {
    let drawers = [
        "utils", "util", "common", "helpers", "types", "models", "misc",
    ];
    let drawer = |path: &Path| {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        drawers.contains(&stem.as_str())
    };
    let found = sources("src")
        .into_iter()
        .filter(|source| drawer(&source.path));
    assert_none(&found.map(|source| source.shown()).collect::<Vec<_>>());
}
