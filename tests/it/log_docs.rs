//! docs/LOGGING.md names every event and field of the log, and no other.

use std::collections::BTreeSet;

use super::docs::{files, first_cells, read, root, section, set};

/// Names of events in the code: `job.finished`. Three texts look like one and are not.
fn events(code: &str) -> BTreeSet<String> {
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let texts = lines.flat_map(|line| line.split('"').skip(1).step_by(2));
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let is_event = |text: &&str| {
        text.split_once('.')
            .is_some_and(|(a, b)| plain(a) && plain(b))
    };
    let others = ["evidence.json", "prompt.json", "home.arpa"];
    set(texts.filter(is_event).filter(|text| !others.contains(text)))
}

/// Names of fields: what stands first in `.with("` and `.maybe("`.
fn fields(code: &str) -> BTreeSet<String> {
    let code: String = code.split_whitespace().collect();
    let calls = [".with(\"", ".maybe(\""].map(|call| {
        code.split(call)
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    set(calls
        .concat()
        .iter()
        .map(|rest| rest.split('"').next().unwrap().to_owned()))
}

#[test]
fn every_event_and_field_of_the_log_has_a_row_and_no_other() {
    let mut code = String::new();
    for path in files(&["rs"]) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let tells = ["src/queue/", "src/http/", "src/cloudflare/", "src/log.rs"];
        if tells.iter().any(|folder| shown.starts_with(folder)) {
            code.push_str(
                read(&shown)
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap(),
            );
        }
    }
    let page = read("docs/LOGGING.md");
    assert_eq!(first_cells(section(&page, "## Events")), events(&code));
    let rows = section(&page, "## Fields").lines();
    let cells = rows.filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split(", ").map(|name| name.replace('`', "")));
    let mut expected = fields(&code);
    expected.extend(set(["event", "level", "ts", "job_id"]));
    assert_eq!(set(names), expected);
}
