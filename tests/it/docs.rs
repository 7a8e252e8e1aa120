//! The documents name what the code has: every route, error code, column, module and link.
//!
//! What they say about each is for readers to judge; that nothing is missing or left over is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use edge_queue::job::Cause;

use super::tidy::layers;

/// Folders that are not ours, or are made by building.
const SKIPPED: [&str; 3] = ["node_modules", "target", "build"];

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn set<T: Into<String>>(items: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    items.into_iter().map(Into::into).collect()
}

/// The part of a page under one heading, up to the next heading of the same or a higher level.
pub fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let level = heading.bytes().take_while(|b| *b == b'#').count();
    let start = page.find(&format!("\n{heading}\n"));
    let start = start.unwrap_or_else(|| panic!("no heading {heading:?}")) + heading.len() + 2;
    let ends = (1..=level).filter_map(|n| page[start..].find(&format!("\n{} ", "#".repeat(n))));
    &page[start..ends.min().map_or(page.len(), |end| start + end)]
}

/// What stands in backticks at the beginning of each row of the tables in a section.
pub fn first_cells(section: &str) -> BTreeSet<String> {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    set(rows.map(|row| row.split('`').next().unwrap()))
}

/// `POST /api/queue/create`, as the router has it.
fn routes() -> BTreeSet<String> {
    let source = read("src/http/mod.rs");
    let calls = source.split(".route(\"").skip(1);
    set(calls.map(|call| {
        let (path, rest) = call.split_once('"').unwrap();
        let method = rest.trim_start_matches([',', ' ', '\n']);
        let method = method.split('(').next().unwrap().to_uppercase();
        format!("{method} {}", path.replace("{*", "{"))
    }))
}

/// `not_found 404`, as the error module has it.
fn errors() -> BTreeSet<String> {
    let source = read("src/http/error.rs");
    let start = source.find("const fn parts").unwrap();
    let end = start + source[start..].find("\n    }\n").unwrap();
    let parts: Vec<&str> = source[start..end].split('"').collect();
    set(parts.windows(2).filter_map(|pair| {
        let status = pair[1].strip_prefix(',')?.trim_start().split(',').next()?;
        status.parse::<u16>().ok()?;
        Some(format!("{} {status}", pair[0]))
    }))
}

/// The columns of every table, as the schema has them.
fn tables() -> Vec<(String, BTreeSet<String>)> {
    let schema = read("schema.sql");
    let blocks = schema.split("CREATE TABLE ").skip(1);
    let table = |block: &str| {
        let (name, rest) = block.split_once(" (").unwrap();
        let body = rest.split("\n) STRICT").next().unwrap();
        let column = |line: &str| {
            let mut words = line.split_whitespace();
            let (name, kind) = (words.next()?, words.next()?);
            ["TEXT", "INTEGER", "REAL", "BLOB"]
                .contains(&kind.trim_end_matches(','))
                .then(|| name.to_owned())
        };
        (name.to_owned(), set(body.lines().filter_map(column)))
    };
    blocks.map(table).collect()
}

/// The files with one of these extensions, by their path.
pub fn files(extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let path = entry.path();
            if name.starts_with('.') || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if extensions.iter().any(|wanted| {
                path.extension()
                    .is_some_and(|extension| extension == *wanted)
            }) {
                found.push(path);
            }
        }
    }
    found
}

/// What a text names as `<folder><path><ending>`, from the root or from where the text lies.
fn named<'t>(text: &'t str, folder: &str, ending: &str) -> Vec<&'t str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/_-.".contains(c);
    let starts = text.match_indices(folder).map(|(at, _)| at);
    starts
        .filter(|at| !text[..*at].ends_with(is_path))
        .filter_map(|at| {
            let rest = &text[at..];
            let end = rest.find(|c| !is_path(c)).unwrap_or(rest.len());
            // A sentence may end behind the name.
            let name = rest[..end].trim_end_matches('.');
            name.ends_with(ending).then_some(name)
        })
        .collect()
}

/// A page without its fenced blocks.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Where the links of a page lead, web addresses left out.
fn links(page: &str) -> Vec<String> {
    let text = prose(page);
    let targets = text.split("](").skip(1);
    targets
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// The anchor that a heading gets.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

fn has_anchor(page: &str, wanted: &str) -> bool {
    let text = prose(page);
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    headings.any(|line| anchor(line.trim_start_matches('#').trim()) == wanted)
}

#[test]
fn every_route_has_a_section_and_no_other() {
    let page = read("docs/API.md");
    let headings = page.lines().filter_map(|line| line.strip_prefix("### `"));
    let described = set(headings.map(|line| line.split('`').next().unwrap()));
    assert_eq!(described, routes());
}

/// `GET /api/v2/jobs`, as the router of the Comfy API has it.
fn comfy_routes() -> BTreeSet<String> {
    let source = read("src/http/v2/mod.rs");
    let calls = source.split(".route(").skip(1);
    set(calls.flat_map(|call| {
        let (path, rest) = call.split_once('"').unwrap().1.split_once('"').unwrap();
        let methods = ["get", "head", "post", "delete"].into_iter();
        let methods = methods.filter(|method| rest.contains(&format!("{method}(")));
        let shown = methods.map(|method| format!("{} {path}", method.to_uppercase()));
        shown.collect::<Vec<_>>()
    }))
}

#[test]
fn every_operation_of_the_comfy_api_has_a_row_and_no_other() {
    let page = read("docs/COMPAT.md");
    let rows = first_cells(section(&page, "## Operations"));
    assert_eq!(rows, comfy_routes());
}

#[test]
fn every_route_is_an_operation_of_openapi_json_and_no_other() {
    let spec: serde_json::Value = serde_json::from_str(&read("public/openapi.json")).unwrap();
    let paths = spec["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let mut all = routes();
    all.extend(comfy_routes());
    assert_eq!(set(operations), all);
}

#[test]
fn every_error_code_has_a_row_and_no_other() {
    let page = read("docs/API.md");
    let rows = section(&page, "## Errors")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let described = rows.map(|row| {
        let mut cells = row.split(" | ");
        let code = cells.next().unwrap().trim_end_matches('`');
        format!("{code} {}", cells.next().unwrap())
    });
    assert_eq!(set(described), errors());
}

#[test]
fn every_error_type_of_a_workflow_is_named() {
    let source = read("src/workflow/validate/problem.rs");
    let types = source.split("fn as_str").nth(1).unwrap();
    let types = types.split("\n    }\n").next().unwrap();
    let types: Vec<&str> = types.split('"').skip(1).step_by(2).collect();
    assert!(types.len() > 10, "{types:?}");
    let page = read("docs/API.md");
    let errors = section(&page, "## Errors");
    for name in types {
        assert!(errors.contains(&format!("`{name}`")), "{name} is not named");
    }
}

/// Names that the Comfy API's surface answers: our own, but for those that it calls otherwise.
fn comfy_errors() -> BTreeSet<String> {
    let ours = read("src/http/error.rs");
    let ours = ours.split("const fn parts").nth(1).unwrap();
    let name_of = |variant: &str| {
        let rest = ours.split(&format!("Self::{variant} =>")).nth(1).unwrap();
        rest.split('"').nth(1).unwrap().to_owned()
    };
    let mut names = set(errors()
        .iter()
        .map(|error| error.split(' ').next().unwrap()));
    let theirs = read("src/http/v2/error.rs");
    let arms = theirs.split("match code {").nth(1).unwrap();
    let arms = arms.split("other =>").next().unwrap();
    for (codes, name) in arms.lines().filter_map(|line| line.split_once(" => ")) {
        // What depends on the fault has its own name besides.
        if !codes.contains(" if ") {
            for variant in codes.split('|').map(str::trim) {
                names.remove(&name_of(variant.strip_prefix("Code::").unwrap()));
            }
        }
        names.insert(name.trim_matches(['"', ',']).to_owned());
    }
    names
}

#[test]
fn every_error_of_the_comfy_api_has_its_row_and_no_other() {
    let page = read("docs/COMPAT.md");
    let rows = section(&page, "## Errors").lines();
    let cells = rows.filter_map(|row| row.strip_prefix("| `")?.split(" | ").next());
    let named = cells.flat_map(|cell| cell.trim_end_matches('`').split("`, `"));
    let named = set(named);
    assert_eq!(named, comfy_errors());
}

#[test]
fn every_column_has_a_row_in_its_tables_section_and_no_other() {
    let page = read("docs/DATA_MODEL.md");
    for (table, columns) in tables() {
        assert!(!columns.is_empty(), "{table}");
        let described = first_cells(section(&page, &format!("### `{table}`")));
        assert_eq!(described, columns, "{table}");
    }
}

#[test]
fn the_table_of_failures_is_that_of_the_code() {
    let page = read("docs/DATA_MODEL.md");
    let rows = section(&page, "## Failures")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"));
    let described = rows.map(|row| {
        let cells: Vec<&str> = row
            .split('|')
            .map(|cell| cell.trim_matches(['`', ' ']))
            .collect();
        cells[..5].join(" ")
    });
    let known = Cause::ALL.map(|cause| {
        let wait = match cause.wait_ms() {
            0 => String::new(),
            ms => format!("{} s", ms / 1_000),
        };
        let retryable = if cause.is_retryable() { "yes" } else { "no" };
        let (name, code) = (cause.as_str(), cause.code().as_str());
        format!("{name} {code} {} {wait} {retryable}", cause.attempts_max())
    });
    assert_eq!(set(described), set(known));
}

#[test]
fn every_attack_names_tests_that_are_there() {
    let sources: String = files(&["rs"])
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect();
    let page = read("docs/SECURITY.md");
    let table = section(&page, "## Attacks, and the tests that try them");
    let rows: Vec<&str> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    assert!(rows.len() > 25, "{}", rows.len());
    for row in &rows[2..] {
        let tests = row.rsplit(" | ").next().unwrap();
        for test in tests.split('`').skip(1).step_by(2) {
            let is_code = test.contains("::");
            let is_there = sources.contains(&format!("fn {test}()"));
            assert!(is_code || is_there, "{test} is not there");
        }
    }
}

#[test]
fn the_layers_are_those_that_are_enforced() {
    let page = read("docs/ARCHITECTURE.md");
    let block = page.split("```layers\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let shown: Vec<Vec<&str>> = block
        .lines()
        .map(|line| line.split(' ').collect())
        .collect();
    assert_eq!(shown, layers());
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    for path in files(&["md"]) {
        let page = std::fs::read_to_string(&path).unwrap();
        for link in links(&page) {
            let (file, wanted) = link.split_once('#').unwrap_or((&link, ""));
            let target = match file {
                "" => path.clone(),
                file => path.parent().unwrap().join(file),
            };
            assert!(target.exists(), "{}: {link}", path.display());
            if !wanted.is_empty() {
                let page = std::fs::read_to_string(&target).unwrap();
                assert!(has_anchor(&page, wanted), "{}: {link}", path.display());
            }
        }
    }
}

#[test]
fn every_document_and_source_that_is_named_is_there() {
    let texts = [
        "md", "rs", "toml", "sql", "sh", "mjs", "js", "json", "html", "yml",
    ];
    let mut found = 0;
    for path in files(&texts) {
        let text = std::fs::read_to_string(&path).unwrap();
        let documents = named(&text, "docs/", ".md");
        for name in documents.iter().chain(&named(&text, "src/", ".rs")) {
            found += 1;
            let near = path.parent().unwrap().join(name);
            let is_there = root().join(name).exists() || near.exists();
            assert!(is_there, "{} names {name}", path.display());
        }
    }
    assert!(found > 10, "{found} names were found");
}
