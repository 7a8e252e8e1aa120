//! `ops golden` from its command line: what is compared, told and written, and how it ends.

#![cfg(test)]

mod fake;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{json, Value};

/// The product's folder with cases of its own, which a test may change.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        fs::copy(root.join("wrangler.toml"), folder.at("wrangler.toml")).unwrap();
        copy(&root.join("tests/golden"), &folder.at("tests/golden"));
        folder
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn golden(&self, words: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_ops"))
            .arg("golden")
            .args(words)
            .current_dir(self.0.path())
            .env_remove("ADMIN_KEY")
            .output()
            .unwrap()
    }

    /// The exit status, and what was told.
    fn json(&self, words: &[&str]) -> (i32, Value) {
        let output = self.golden(&[words, &["--json"]].concat());
        let told = serde_json::from_slice(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), told.expect(&said))
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &place);
        } else {
            fs::copy(&path, &place).unwrap();
        }
    }
}

fn picture(shade: u8) -> Vec<u8> {
    let mut png = std::io::Cursor::new(Vec::new());
    let paint = |x: u32, y: u32| Rgb([u8::try_from((x * x + y) % 256).unwrap() ^ shade; 3]);
    let picture = RgbImage::from_fn(64, 64, paint);
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

/// Answers as a deployment that makes two pictures of everything and none of `broken`.
fn deployment(broken: &'static str, shade: u8) -> String {
    fake::serve(move |head, body| answered(head, body, broken, shade))
}

fn answered(head: &str, body: &[u8], broken: &str, shade: u8) -> (u16, Vec<u8>) {
    if head.starts_with("GET /picture") {
        return (200, picture(shade));
    }
    if head.starts_with("GET /api/queue/status") {
        let output = json!({"content_type": "image/png", "url": "/picture"});
        let film = json!({"content_type": "video/mp4", "url": "/film"});
        let job = json!({"status": "succeeded", "completed_at": "now",
            "outputs": [output, film, output]});
        return (200, json!({ "job": job }).to_string().into());
    }
    let asked: Value = serde_json::from_slice(body).unwrap();
    // Every file that a contract wants comes along.
    if asked["template"] == "qwen-image-edit" {
        let image = asked["inputs"]["image"].as_str().unwrap();
        assert!(image.starts_with("data:image/png;base64,"), "{image}");
    }
    let seed = asked["inputs"]["seed"].as_u64();
    assert!(seed.is_none_or(|seed| seed < 1 << 53), "{asked}");
    if asked["template"] == broken {
        let refusal = json!({"message": "no such model"});
        return (422, refusal.to_string().into());
    }
    (200, json!({"job_id": "1"}).to_string().into())
}

const PICTURES: [&str; 6] = [
    "director-edit",
    "flux-portrait",
    "lens-character",
    "qwen-image-edit",
    "rescue-focus",
    "text-to-image",
];

#[test]
fn a_prompt_that_changed_is_told_and_recorded_when_somebody_says_so() {
    let folder = Folder::new();
    assert_eq!(folder.json(&["run"]).0, 0);
    let case = folder.at("tests/golden/text-to-image/prompt_alone/prompt.json");
    let written = fs::read_to_string(&case).unwrap();
    fs::write(&case, written.replacen("\"steps\": 4", "\"steps\": 5", 1)).unwrap();
    let page = folder.at("report.html");
    let (status, told) = folder.json(&["run", "--report", page.to_str().unwrap()]);
    assert_eq!((status, &told["ok"]), (1, &json!(false)), "{told}");
    let says = told["prompts"][0].as_str().unwrap();
    assert!(says.starts_with("text-to-image/prompt_alone: "), "{says}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("text-to-image/prompt_alone"), "{page}");

    let (status, told) = folder.json(&["record", "--dry-run"]);
    assert_eq!((status, told["written"].as_array().unwrap().len()), (0, 1));
    assert_ne!(fs::read_to_string(&case).unwrap(), written, "a rehearsal");
    assert_eq!(folder.json(&["record"]).0, 0);
    assert_eq!(fs::read_to_string(&case).unwrap(), written);
    assert_eq!(folder.json(&["run"]).0, 0);
}

/// The first one that failed ended the run, and only templates without files were recorded.
#[test]
fn every_template_with_pictures_is_recorded_and_one_that_fails_does_not_stop_the_others() {
    let folder = Folder::new();
    let sound = deployment("none", 0);
    let (status, told) = folder.json(&["record", "--base-url", &sound, "--pictures", "before"]);
    assert_eq!((status, &told["errors"]), (0, &json!([])), "{told}");
    assert_eq!(told["pictures"], 2 * PICTURES.len());
    let names = fs::read_dir(folder.at("before")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut templates: Vec<_> = names
        .map(|name| name.split('~').next().unwrap().to_owned())
        .collect();
    templates.sort();
    templates.dedup();
    assert_eq!(templates, PICTURES);

    let poor = deployment("flux-portrait", 0);
    let (status, told) = folder.json(&["record", "--base-url", &poor, "--pictures", "poor"]);
    let errors = json!(["flux-portrait/one_mockup: 422: no such model"]);
    assert_eq!((status, &told["errors"]), (1, &errors), "{told}");
    assert_eq!(told["pictures"], 2 * (PICTURES.len() - 1));
    let run = ["run", "--base-url", &poor, "--pictures", "before"];
    let (status, told) = folder.json(&run);
    assert_eq!((status, &told["errors"]), (1, &errors), "{told}");
    let one = folder.json(&[&run[..], &["--template", "text-to-image"]].concat());
    assert_eq!((one.0, one.1["pictures"].as_array().unwrap().len()), (0, 2));
}

#[test]
fn pictures_that_look_otherwise_are_shown_side_by_side_and_end_with_1() {
    let folder = Folder::new();
    for (name, shade) in [("before", 0), ("same", 0), ("other", 255)] {
        let url = deployment("none", shade);
        let record = ["record", "--base-url", &url, "--pictures", name];
        let one = [&record[..], &["--template", "text-to-image"]].concat();
        assert_eq!(folder.json(&one).0, 0);
    }
    let diff = |after: &str| {
        let output = folder.golden(&["diff", "before", after, "--report", "page.html"]);
        let said = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), said)
    };
    let (status, said) = diff("same");
    assert_eq!(status, 0, "{said}");
    assert!(
        said.contains("text-to-image/prompt_alone/0: looks the same (0 of 64)"),
        "{said}"
    );
    let (status, said) = diff("other");
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("LOOKS OTHERWISE"), "{said}");
    let page = fs::read_to_string(folder.at("page.html")).unwrap();
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert_eq!(page.matches("<tr class=\"other\">").count(), 2);
    assert_eq!(page.matches("src=\"data:image/png;base64,").count(), 4);
    assert_eq!(diff("nowhere").0, 2, "it could not be compared");
    let run = [
        "run",
        "--base-url",
        "http://127.0.0.1:9",
        "--pictures",
        "nowhere",
    ];
    assert_eq!(folder.json(&run).0, 2, "and nothing was ordered");
}

/// Nothing compared was nothing that differs: a misspelt name made a green pipeline.
#[test]
fn a_comparison_of_nothing_is_refused() {
    let folder = Folder::new();
    for name in ["before", "after"] {
        fs::create_dir(folder.at(name)).unwrap();
    }
    let url = deployment("none", 0);
    let misspelt = [
        "--base-url",
        &url,
        "--pictures",
        "new",
        "--template",
        "misspelt",
    ];
    let film = [
        "--base-url",
        &url,
        "--pictures",
        "new",
        "--template",
        "wan-text-to-video",
    ];
    for (words, why) in [
        (vec!["diff", "before", "after"], "before has no pictures"),
        (
            [&["record"], &misspelt[..]].concat(),
            "there is no template misspelt",
        ),
        (
            [&["record"], &film[..]].concat(),
            "no case of wan-text-to-video makes a picture",
        ),
        (vec!["run", "--pictures", "before"], "--url"),
        (vec!["record", "--pictures", "before"], "--url"),
    ] {
        let output = folder.golden(&words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(said.contains(why), "{words:?}: {said}");
    }
    assert!(!folder.at("new").exists());
}

/// It said nothing of what is paid for.
#[test]
fn a_rehearsal_names_the_cases_that_would_be_ordered_and_orders_none() {
    let folder = Folder::new();
    let words = ["record", "--dry-run", "--base-url", "http://127.0.0.1:9"];
    let words = [&words[..], &["--pictures", "new"]].concat();
    let (status, told) = folder.json(&words);
    let ordered = told["ordered"].as_array().unwrap();
    assert_eq!((status, ordered.len()), (0, PICTURES.len()), "{told}");
    let said = String::from_utf8(folder.golden(&words).stdout).unwrap();
    let line = "would order the pictures of text-to-image/";
    assert!(said.contains(line), "{said}");
    assert!(!folder.at("new").exists());
}

/// It was asked again at once, for twelve minutes.
#[test]
fn a_status_that_is_refused_ends_the_case() {
    let folder = Folder::new();
    let locked = fake::serve(|head, _| {
        if head.starts_with("GET ") {
            return (401, json!({"message": "no key"}).to_string().into());
        }
        (200, json!({"job_id": "1"}).to_string().into())
    });
    let words = ["record", "--base-url", &locked, "--pictures", "new"];
    let words = [&words[..], &["--template", "text-to-image"]].concat();
    let (status, told) = folder.json(&words);
    assert_eq!(status, 1, "{told}");
    let why = told["errors"][0].as_str().unwrap();
    assert!(why.ends_with("the job 1: 401: no key"), "{why}");
}
