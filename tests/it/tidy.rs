//! The rules of docs/ARCHITECTURE.md that a compiler does not check.

use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
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

    /// The file up to the tests inside it, which may ask anybody.
    fn code(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..end.unwrap_or(self.text.len())]
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

/// The modules from the lowest layer to the highest, as `src/lib.rs` declares them: each block uses
/// only the blocks above it.
pub fn layers() -> Vec<Vec<String>> {
    let map = fs::read_to_string("src/lib.rs").unwrap();
    let declared = |line: &str| {
        let name = line.trim_start_matches("pub ").strip_prefix("mod ")?;
        name.strip_suffix(';').map(str::to_owned)
    };
    let blocks = map.split("\n\n");
    blocks
        .map(|block| block.lines().filter_map(declared).collect::<Vec<_>>())
        .filter(|block| !block.is_empty())
        .collect()
}

/// The lines that are not comments, numbered from 1.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The modules of the crate that a file names, in code: `crate::<module>`; empty for `crate::{`.
fn used(text: &str) -> impl Iterator<Item = (usize, &str)> {
    code_lines(text).flat_map(|(number, line)| {
        line.match_indices("crate::").map(move |(at, found)| {
            let rest = &line[at + found.len()..];
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_');
            (number, &rest[..end.unwrap_or(rest.len())])
        })
    })
}

/// The functions of a file: line, and how many lines each has, from `fn` to its closing brace,
/// which rustfmt puts at the same indentation.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let start = line.trim_start();
        let words = start.split_whitespace();
        let is_function = words
            .take_while(|word| {
                word.starts_with("pub") || ["const", "async", "unsafe", "fn"].contains(word)
            })
            .any(|word| word == "fn");
        if !is_function || line.ends_with(['}', ';']) {
            continue;
        }
        let indent = &line[..line.len() - start.len()];
        let (brace, declared) = (format!("{indent}}}"), format!("{indent})"));
        let ends =
            |line: &&str| **line == brace || (line.starts_with(&declared) && line.ends_with(';'));
        let length = lines[i..].iter().position(ends);
        found.push((
            i + 1,
            length.unwrap_or_else(|| panic!("{line} never ends")) + 1,
        ));
    }
    found
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_module_uses_only_the_layers_below_it() {
    let layers = layers();
    let layer = |module: &str| {
        layers
            .iter()
            .position(|l| l.iter().any(|name| name == module))
    };
    let mut faults = Vec::new();
    for source in sources("src") {
        let module = source.module();
        if module == "lib" {
            continue;
        }
        let own = layer(&module).unwrap_or_else(|| panic!("{module} has no layer"));
        for (line, other) in used(source.code()) {
            let at = format!("{}:{line}", source.shown());
            if other.is_empty() {
                faults.push(format!(
                    "{at} uses several modules at once: one `use` for each"
                ));
            } else if other != module && layer(other).is_some_and(|other| other >= own) {
                faults.push(format!("{at} uses {other}, which is not below it"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_platform_sql_and_status_codes_stay_in_their_places() {
    let rules: [(&str, &[&str]); 6] = [
        ("worker::", &["cloudflare"]),
        ("SELECT ", &["store", "testing"]),
        ("INSERT INTO", &["store", "testing"]),
        ("DELETE FROM", &["store", "testing"]),
        ("UPDATE jobs", &["store", "testing"]),
        ("StatusCode", &["http", "testing"]),
    ];
    let mut faults = Vec::new();
    for source in sources("src") {
        let module = source.module();
        for (word, places) in rules {
            let named = code_lines(&source.text).any(|(_, line)| line.contains(word));
            if named && !places.contains(&module.as_str()) {
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
fn handlers_reach_the_world_through_verbs_alone() {
    let mut faults = Vec::new();
    for source in sources("src/http") {
        // Without blanks, so that a chain over several lines is read as one.
        let code: String = code_lines(source.code())
            .flat_map(|(_, line)| line.split_whitespace())
            .collect();
        for port in ["db", "blobs", "http", "watchers", "providers"] {
            if code.contains(&format!("app.{port}")) {
                faults.push(format!("{} uses app.{port}", source.shown()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn every_statement_is_listed() {
    let all = fs::read_to_string("src/store/mod.rs").unwrap();
    let list = all.split("STATEMENTS: &[&str] = &[").nth(1).unwrap();
    let list: Vec<&str> = list.split(']').next().unwrap().split(',').collect();
    let mut faults = Vec::new();
    let mut found = 0;
    for source in sources("src/store") {
        for (at, _) in source.text.match_indices("\"-- ") {
            // A name, rather than the two dashes that are taken off one.
            if source.text[at + 4..].starts_with('"') {
                continue;
            }
            found += 1;
            let name = source.text[..at].rsplit("const ").next().unwrap();
            let name = name.split(':').next().unwrap();
            let is_listed = list
                .iter()
                .any(|entry| entry.trim().rsplit("::").next() == Some(name));
            if !is_listed {
                faults.push(format!("{}: {name} is not in STATEMENTS", source.shown()));
            }
        }
    }
    assert_none(&faults);
    let listed = list.iter().filter(|entry| !entry.trim().is_empty()).count();
    assert_eq!(found, listed, "statements found and listed");
}

#[test]
fn functions_fit_on_a_screen() {
    let mut faults = Vec::new();
    for source in ["src", "scripts/src"].iter().flat_map(|root| sources(root)) {
        for (line, length) in functions(&source.text) {
            if length > FUNCTION_LINES_MAX {
                faults.push(format!("{}:{line} has {length} lines", source.shown()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn files_fit_in_a_head_and_lines_on_a_screen() {
    let mut faults = Vec::new();
    let roots = ["src", "scripts/src", "scripts/tests", "tests/it", "benches"];
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
