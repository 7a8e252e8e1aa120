//! `ops contract` and `ops compile`, as the author of a template uses them.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{json, Map, Value};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A folder for one test, empty at its start.
fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn ops(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ops"));
    command.args(arguments).current_dir(folder);
    command.output().unwrap()
}

/// What a command prints when it ends with this status.
fn said(folder: &Path, status: i32, arguments: &[&str]) -> String {
    let output = ops(folder, arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap() + &error
}

fn json_of(folder: &Path, arguments: &[&str]) -> Value {
    let output = ops(folder, arguments);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The node classes of all templates that are built in, as one server would list them.
fn object_info(folder: &Path) {
    let templates = fs::read_dir(root().join("src/workflow/templates")).unwrap();
    let mut templates: Vec<PathBuf> = templates.map(|entry| entry.unwrap().path()).collect();
    // A folder lists its entries in no order, and templates may show one class differently.
    templates.sort();
    let mut classes = Map::new();
    for template in templates {
        let schema = fs::read(template.join("schema.json")).unwrap();
        let schema: Map<String, Value> = serde_json::from_slice(&schema).unwrap();
        classes.extend(schema);
    }
    let text = Value::Object(classes).to_string();
    fs::write(folder.join("object_info.json"), text).unwrap();
}

/// The editor's graph of a street in the rain, and what the server knows.
fn with_graph(test: &str) -> PathBuf {
    let folder = folder(test);
    object_info(&folder);
    let graph = root().join("tests/drafts/rainy-street/graph.json");
    fs::copy(graph, folder.join("graph.json")).unwrap();
    folder
}

const NEW: [&str; 7] = [
    "contract",
    "new",
    "graph.json",
    "--object-info",
    "object_info.json",
    "--out",
    "rainy-street",
];

#[test]
fn a_graph_of_the_editor_becomes_a_template_by_the_steps_of_the_page() {
    let folder = with_graph("steps");
    assert!(said(&folder, 0, &NEW).contains("prompt (required), negative_prompt, ratio"));
    assert!(said(&folder, 0, &["contract", "check", "rainy-street"]).contains("no flaw"));

    // The author decides that callers leave cfg alone.
    let path = folder.join("rainy-street/contract.json");
    let mut contract: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let inputs = contract["inputs"].as_array_mut().unwrap();
    inputs.retain(|input| input["name"] != "cfg");
    fs::write(&path, contract.to_string()).unwrap();

    said(
        &folder,
        0,
        &["contract", "check", "rainy-street/contract.json"],
    );
    let arguments = [
        "compile",
        "rainy-street",
        "--input",
        "prompt=2024",
        "--seed",
        "7",
    ];
    let prompt: Value = serde_json::from_str(&said(&folder, 0, &arguments)).unwrap();
    let inputs = |id: &str| &prompt[id]["inputs"];
    assert_eq!(inputs("6")["text"], "2024");
    assert_eq!(inputs("8")["width"], 1664);
    assert_eq!(
        (&inputs("9")["seed"], &inputs("9")["cfg"]),
        (&json!(7), &json!(4))
    );
    assert_eq!(inputs("11")["filename_prefix"], "eq0");
}

#[test]
fn the_draft_of_a_graph_is_what_is_written_down() {
    // A test may read its own switch.
    #[allow(clippy::disallowed_methods)]
    let update = std::env::var("UPDATE").is_ok_and(|value| value == "1");
    // As in the tree of the project: among the templates, with the editor's schema in its place.
    let folder = with_graph("golden");
    let schema = "docs/contract.schema.json";
    fs::create_dir_all(folder.join("docs")).unwrap();
    fs::copy(root().join(schema), folder.join(schema)).unwrap();
    let out = "src/workflow/templates/rainy-street";
    let mut new = NEW;
    new[6] = out;
    said(&folder, 0, &new);
    for file in ["contract.json", "template.json"] {
        let made = fs::read_to_string(folder.join(out).join(file)).unwrap();
        let kept = root().join("tests/drafts/rainy-street").join(file);
        if update {
            fs::write(&kept, &made).unwrap();
        }
        let written = fs::read_to_string(&kept).unwrap_or_default();
        assert_eq!(made, written, "review {file}, then UPDATE=1");
    }
}

#[test]
fn a_graph_without_the_servers_classes_is_refused_with_what_to_do() {
    let folder = with_graph("classes");
    let refused = said(
        &folder,
        2,
        &["contract", "new", "graph.json", "--out", "street"],
    );
    assert!(refused.contains("--object-info") && refused.contains("/object_info"));
    assert!(!folder.join("street").exists());
}

#[test]
fn a_contract_that_an_author_has_worked_on_is_never_overwritten() {
    let folder = with_graph("again");
    said(&folder, 0, &NEW);
    assert!(said(&folder, 2, &NEW).contains("rainy-street/contract.json is there already"));
}

#[test]
fn a_prompt_in_api_format_needs_no_server() {
    let folder = folder("api");
    let template = root().join("src/workflow/templates/text-to-image/template.json");
    fs::copy(template, folder.join("api.json")).unwrap();
    let told = said(&folder, 0, &["contract", "new", "api.json", "--out", "fox"]);
    assert!(told.contains("no schema.json"), "{told}");
    said(&folder, 0, &["contract", "check", "fox"]);
}

#[test]
fn without_a_folder_the_draft_goes_where_the_workflow_is_named() {
    let folder = with_graph("unnamed");
    fs::rename(folder.join("graph.json"), folder.join("street.json")).unwrap();
    let arguments = [
        "contract",
        "new",
        "street.json",
        "--object-info",
        "object_info.json",
    ];
    said(&folder, 0, &arguments);
    assert!(folder.join("street/contract.json").exists());
    // A folder that is renamed has a contract of another name.
    fs::rename(folder.join("street"), folder.join("road")).unwrap();
    assert!(said(&folder, 1, &["contract", "check", "road"]).contains("/name  bad_name"));
}

#[test]
fn what_the_rules_make_of_a_template_is_judged_too() {
    let folder = with_graph("switched");
    said(&folder, 0, &NEW);
    let path = folder.join("rainy-street/contract.json");
    let mut contract: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let when = json!({"input": "ratio", "equals": "9:16"});
    contract["rules"] = json!([{"when": when, "set": {"/9/inputs/model": ["6", 7]}}]);
    fs::write(&path, contract.to_string()).unwrap();
    let told = said(&folder, 1, &["contract", "check", "rainy-street"]);
    assert!(
        told.contains("tuple index out of range, when the inputs are"),
        "{told}"
    );
}

#[test]
fn a_file_that_cannot_be_read_leaves_no_other_unanswered() {
    let folder = with_graph("batch");
    let arguments = |verb| {
        let files = ["--out", "out", "gone.json", "graph.json", "lost.json"];
        [&[verb, "--object-info", "object_info.json"], &files[..]].concat()
    };
    for verb in ["convert", "validate"] {
        let told = said(&folder, 2, &arguments(verb));
        assert!(
            told.contains("gone.json") && told.contains("lost.json"),
            "{told}"
        );
        assert!(folder.join("out/graph.json").exists(), "{verb}");
        fs::remove_dir_all(folder.join("out")).unwrap();
    }
}

#[test]
fn every_flaw_of_a_folder_is_told_with_its_place() {
    let folder = with_graph("flaws");
    said(&folder, 0, &NEW);
    let spoil = |file: &str, from: &str, to: &str| {
        let path = folder.join("rainy-street").join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    };
    spoil("contract.json", "/6/inputs/text", "/6/inputs/words");
    spoil("template.json", "\"euler\"", "\"euclid\"");
    let reports = json_of(&folder, &["contract", "check", "--json", "rainy-street"]);
    let flaws = reports[0]["flaws"].as_array().unwrap().iter();
    let places: Vec<_> = flaws.map(|flaw| (&flaw["path"], &flaw["code"])).collect();
    let wanted = [
        (&json!("/inputs/0/to/0"), &json!("bad_place")),
        (
            &json!("template:/9/inputs/sampler_name"),
            &json!("value_not_in_list"),
        ),
    ];
    assert_eq!(places, wanted);
    said(&folder, 1, &["contract", "check", "rainy-street"]);

    spoil("contract.json", "\"max\"", "\"maximum\"");
    let told = said(&folder, 1, &["contract", "check", "rainy-street"]);
    assert!(
        told.contains("unreadable") && told.contains("maximum"),
        "{told}"
    );
    let told = said(&folder, 2, &["contract", "check", "rainy-stret"]);
    assert!(told.contains("no file or folder"), "{told}");
}

#[test]
fn every_contract_that_is_built_in_has_no_flaw() {
    let told = said(Path::new("."), 0, &["contract", "check"]);
    assert_eq!(told.lines().count(), 11);
    assert!(
        told.lines().all(|line| line.ends_with(": no flaw")),
        "{told}"
    );
}

#[test]
fn wrong_inputs_are_told_at_once_and_give_no_prompt() {
    let folder = folder("wrong");
    let arguments = [
        "compile",
        "text-to-image",
        "--input",
        "steps=many",
        "--input",
        "size=2",
    ];
    let output = ops(&folder, &arguments);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let told = String::from_utf8(output.stderr).unwrap();
    for code in ["wrong_type", "unknown_input", "missing_required"] {
        assert!(told.contains(code), "{told}");
    }
    let told = json_of(&folder, &[&arguments[..], &["--json"]].concat());
    assert_eq!(
        (&told["ok"], told["details"].as_array().unwrap().len()),
        (&json!(false), 3)
    );
}

#[test]
fn a_file_is_described_by_its_bytes() {
    let folder = folder("file");
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    png.extend([0, 0, 0, 64, 0, 0, 0, 48, 8, 2, 0, 0, 0]);
    fs::write(folder.join("photo.png"), png).unwrap();
    fs::write(folder.join("letter.txt"), "Dear operator").unwrap();
    let compile = |file: &str| {
        let inputs = json!({"image": file, "prompt": "add a hat"}).to_string();
        fs::write(folder.join("inputs.json"), inputs).unwrap();
        let arguments = [
            "compile",
            "qwen-image-edit",
            "--inputs",
            "inputs.json",
            "--json",
        ];
        json_of(&folder, &arguments)
    };
    let made = compile("@photo.png");
    let file = &made["files"][0];
    assert_eq!(
        (&file["content_type"], &file["size_bytes"]),
        (&json!("image/png"), &json!(29))
    );
    assert_eq!(made["prompt"]["7"]["inputs"]["image"], file["name"]);
    assert_eq!(compile("@letter.txt")["details"][0]["code"], "wrong_kind");
    assert_eq!(compile("photo.png")["details"][0]["code"], "unknown_file");
    fs::write(folder.join("cut.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let inputs = ["--input", "image=@cut.png", "--input", "prompt=a"];
    let told = said(
        &folder,
        2,
        &[&["compile", "qwen-image-edit"], &inputs[..]].concat(),
    );
    assert!(told.contains("cut.png: the picture is broken"), "{told}");
}

#[test]
fn the_printed_bytes_are_those_that_the_hash_is_of() {
    let folder = folder("hash");
    let arguments = ["compile", "text-to-image", "--input", "prompt=a fox"];
    let bytes = ops(&folder, &arguments).stdout;
    let answer = json_of(&folder, &[&arguments[..], &["--json"]].concat());
    assert_eq!(
        answer["prompt_hash"],
        blake3::hash(&bytes).to_hex().to_string()
    );
}
