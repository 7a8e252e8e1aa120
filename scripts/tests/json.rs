//! `--json` is one JSON document on standard output for every verb, done, rehearsed or failed.

#![cfg(test)]

mod account;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use account::Account;
use serde_json::Value;

/// Nothing listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A command line of each verb that needs neither a network nor an account, and how it ends.
const LINES: [(&str, i32); 34] = [
    ("backup --env production --into kept --dry-run", 0),
    ("backup --env production --into tests", 2),
    ("backup verify missing", 2),
    ("compile text-to-image --input prompt=fox", 0),
    ("compile text-to-image --input steps=-1", 1),
    ("contract check", 0),
    ("contract new missing.json", 2),
    ("convert --object-info missing --out prompts graph.json", 2),
    ("deploy --env staging --dry-run", 1),
    ("golden diff missing missing", 2),
    ("golden record --dry-run", 0),
    ("golden run", 0),
    ("inventory core --from missing --out core.json", 2),
    ("inventory pull --from object_info.json --dry-run", 0),
    ("keys create --owner shop --name web --dry-run", 0),
    ("keys list", 2),
    ("keys revoke 0a --dry-run", 0),
    ("keys rotate 0a --dry-run", 0),
    ("load --base-url http://127.0.0.1:9 --dry-run", 0),
    ("load --base-url https://queue.example.com", 2),
    ("models check --manifest missing", 2),
    ("models fill --manifest missing", 2),
    ("reconcile", 2),
    ("recover", 2),
    ("restore missing --env production", 2),
    ("runpod check --without-job", 1),
    ("runpod submit --prompt prompt.json --dry-run", 0),
    ("setup --env staging --dry-run", 0),
    ("smoke --base-url http://127.0.0.1:9", 1),
    ("stats", 2),
    ("validate --object-info missing --out answers body.json", 2),
    ("webhooks list", 2),
    ("webhooks replay --dry-run", 0),
    ("webhooks secret --rotate --dry-run", 0),
];

fn start(account: &Account, line: &str) -> Child {
    let words: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    let mut command = account.command(&words);
    command
        .env("EDGE_QUEUE_URL", NOBODY)
        .env("RUNPOD_BASE_URL", format!("{NOBODY}/v2"))
        .env("RUNPOD_ENDPOINT_ID", "mock")
        .env("RUNPOD_API_KEY", "mock-key")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// `backup --dry-run --json` printed sentences, and whatever failed printed nothing at all.
#[test]
fn every_verb_answers_one_document_of_json_however_it_ends() {
    let account = Account::new(str::to_owned);
    account.write(
        "prompt.json",
        r#"{"1": {"class_type": "SaveImage", "inputs": {}}}"#,
    );
    let class = r#"{"A": {"input": {"required": {}}, "output": []}}"#;
    account.write("object_info.json", class);
    // Beside each other: some are patient with who does not answer.
    let started = LINES.map(|(line, status)| (line, status, start(&account, line)));
    for (line, status, child) in started {
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{line}: {said}{error}");
        let told: Value = serde_json::from_str(&said)
            .unwrap_or_else(|why| panic!("{line}: {why}:\n{said}{error}"));
        assert!(told.is_object() || told.is_array(), "{line}: {told}");
        assert_eq!(said.lines().count(), 1, "{line}: {said}");
        if status == 2 {
            let why = (&told["ok"], &told["error"]);
            assert!(why.0 == false && why.1.is_string(), "{line}: {told}");
        }
    }
}

fn help(words: &[String]) -> String {
    let ops = Command::new(env!("CARGO_BIN_EXE_ops"))
        .args(words)
        .arg("--help")
        .output()
        .unwrap();
    String::from_utf8(ops.stdout).unwrap()
}

/// Every verb that has `--json`, by what the command line says of itself.
fn verbs(words: &[String], found: &mut BTreeSet<String>) {
    let help = help(words);
    let inner = help.split_once("\nCommands:\n");
    // A backup is made by the verb itself, and verified by one below it.
    let acts = inner.is_none() || words == ["backup"];
    if acts && help.contains("--json") {
        found.insert(words.join(" "));
    }
    let Some((_, commands)) = inner else { return };
    let lines = commands.lines().take_while(|line| !line.is_empty());
    // What a verb is about goes on in lines that are further in.
    let names = lines.filter_map(|line| line.strip_prefix("  "));
    for name in names.filter(|name| !name.starts_with([' ', '\t'])) {
        let name = name.split(' ').next().unwrap();
        if name != "help" {
            verbs(&[words, &[name.to_owned()]].concat(), found);
        }
    }
}

#[test]
fn no_verb_is_left_out_above() {
    let mut all = BTreeSet::new();
    verbs(&[], &mut all);
    let has_line = |verb: &&String| {
        let begins = format!("{verb} ");
        let mut lines = LINES.iter().map(|(line, _)| *line);
        lines.any(|line| line == verb.as_str() || line.starts_with(&begins))
    };
    let left_out: Vec<&String> = all.iter().filter(|verb| !has_line(verb)).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
    assert!(all.len() > 25, "{all:?}");
}
