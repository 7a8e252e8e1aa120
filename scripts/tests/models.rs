//! `ops models fill` and gpu/fetch.py, with a host of files on this machine.

#![cfg(test)]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use edge_queue::workflow::template;
use serde_json::{json, Value};

/// Four bytes, and their sha256.
const BYTES: &[u8] = b"fox\n";
const SHA256: &str = "6b11f0c75173495bf8df6bebde95939d85332e466418b084deb6aa3b5a6a5c80";

/// Answers as Hugging Face does to HEAD, and with the bytes to GET, as often as asked.
fn host() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && stream.read_line(&mut head).is_ok_and(|n| n > 0) {}
            let answer = if head.starts_with("HEAD /renamed/") {
                "HTTP/1.1 307 Temporary Redirect\r\nlocation: /a.safetensors\r\n\
                 connection: close\r\n\r\n"
                    .to_owned()
            } else if head.starts_with("HEAD") {
                format!(
                    "HTTP/1.1 302 Found\r\nlocation: /storage\r\nx-linked-size: 4\r\n\
                     x-linked-etag: \"{SHA256}\"\r\nconnection: close\r\n\r\n"
                )
            } else {
                "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfox\n".to_owned()
            };
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    origin
}

fn manifest(folder: &Path, origin: &str) -> std::path::PathBuf {
    let path = folder.join("models.json");
    let models = json!({"models": [{
        "folder": "vae", "file": "a.safetensors", "url": format!("{origin}/a.safetensors"),
        "size_bytes": null, "sha256": null, "templates": ["text-to-image"],
    }]});
    std::fs::write(&path, models.to_string()).unwrap();
    path
}

fn models(verb: &str, manifest: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ops"))
        .args(["models", verb, "--manifest"])
        .arg(manifest)
        .args(words)
        .output()
        .unwrap()
}

fn fill(manifest: &Path, words: &[&str]) -> Output {
    models("fill", manifest, words)
}

fn fetch(manifest: &Path, into: &Path, words: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gpu/fetch.py");
    Command::new("python3")
        .arg(script)
        .arg("--manifest")
        .arg(manifest)
        .arg("--into")
        .arg(into)
        .args(words)
        .output()
        .unwrap()
}

fn model(manifest: &Path) -> Value {
    let text = std::fs::read(manifest).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["models"][0].clone()
}

#[test]
fn sizes_and_hashes_are_filled_from_their_hosts_and_from_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(folder.path(), &host());
    let rehearsal = fill(&manifest, &["--dry-run"]);
    assert_eq!(rehearsal.status.code(), Some(0), "{rehearsal:?}");
    assert!(model(&manifest)["sha256"].is_null());
    assert_eq!(fill(&manifest, &[]).status.code(), Some(0));
    assert_eq!(model(&manifest)["size_bytes"], 4);
    assert_eq!(model(&manifest)["sha256"], SHA256);
    // The same from a volume; and a file that is another is told, and not written down.
    let volume = folder.path().join("volume");
    std::fs::create_dir_all(volume.join("vae")).unwrap();
    let file = volume.join("vae/a.safetensors");
    std::fs::write(&file, BYTES).unwrap();
    let from = ["--from", volume.to_str().unwrap()];
    assert_eq!(fill(&manifest, &from).status.code(), Some(0));
    std::fs::write(&file, b"ox\n\n").unwrap();
    let other = fill(&manifest, &from);
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stdout).contains("another is written down"));
    assert_eq!(model(&manifest)["sha256"], SHA256);
}

/// Nobody was told that no file is compared until one was fetched; and a host that first says the
/// repository's new name was taken for one that says nothing.
#[test]
fn what_is_not_filled_in_is_told_until_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(folder.path(), &format!("{}/renamed", host()));
    let bare = models("check", &manifest, &[]);
    assert_eq!(bare.status.code(), Some(1), "{bare:?}");
    let told = String::from_utf8(bare.stdout).unwrap();
    assert!(
        told.starts_with("vae/a.safetensors\n1 of 1 model files have no size"),
        "{told}"
    );
    let bare = models("check", &manifest, &["--json"]);
    let expected = json!({"ok": false, "files": 1, "unfilled": ["vae/a.safetensors"]});
    assert_eq!(
        serde_json::from_slice::<Value>(&bare.stdout).unwrap(),
        expected
    );
    let filled = fill(&manifest, &[]);
    assert_eq!(filled.status.code(), Some(0), "{filled:?}");
    assert_eq!(models("check", &manifest, &[]).status.code(), Some(0));
}

/// One file that its host does not know is told; what the others are is written down all the same.
#[test]
fn a_file_that_nobody_knows_does_not_keep_the_others_from_being_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = manifest(folder.path(), &host());
    let mut all: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let mut lost = all["models"][0].clone();
    lost["file"] = "lost.safetensors".into();
    lost["url"] = "http://127.0.0.1:9/lost.safetensors".into();
    all["models"].as_array_mut().unwrap().push(lost);
    std::fs::write(&path, all.to_string()).unwrap();
    let told = fill(&path, &["--json"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["ok"], &told["filled"]), (&json!(false), &json!(1)));
    let problem = told["problems"][0].as_str().unwrap();
    assert!(
        problem.starts_with("vae/lost.safetensors: its host does not answer"),
        "{problem}"
    );
    assert_eq!(model(&path)["sha256"], SHA256);
}

#[test]
fn a_model_is_fetched_once_and_one_that_is_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = manifest(folder.path(), &host());
    let into = folder.path().join("models");
    let says = |output: Output| {
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap(), text)
    };
    let (status, text) = says(fetch(&manifest, &into, &["--dry-run"]));
    assert_eq!(status, 0, "{text}");
    assert!(text.starts_with("would get vae/a.safetensors"), "{text}");
    assert!(!into.exists());
    let (status, text) = says(fetch(&manifest, &into, &["text-to-image"]));
    assert_eq!(status, 0, "{text}");
    assert!(text.contains("its hash is not in models.json"), "{text}");
    assert_eq!(
        std::fs::read(into.join("vae/a.safetensors")).unwrap(),
        BYTES
    );
    assert_eq!(fill(&manifest, &[]).status.code(), Some(0));
    let (_, text) = says(fetch(&manifest, &into, &[]));
    assert!(text.starts_with("there     vae/a.safetensors"), "{text}");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace(SHA256, &"0".repeat(64))).unwrap();
    let (status, text) = says(fetch(&manifest, &folder.path().join("other"), &[]));
    assert_eq!(status, 1);
    assert!(text.contains("is wanted"), "{text}");
    assert!(!folder.path().join("other/vae/a.safetensors").exists());
}

/// What smoke and setup order is the default template, and the image had another one's models: the
/// first job of a fresh account failed.
#[test]
fn what_is_built_and_fetched_by_default_serves_what_a_smoke_run_orders() {
    let gpu = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gpu");
    let read = |name: &str| std::fs::read_to_string(gpu.join(name)).unwrap();
    let models: Value = serde_json::from_str(&read("models.json")).unwrap();
    let models = models["models"].as_array().unwrap();
    let has_models = |template: &str| {
        let needs = |model: &&Value| {
            let mut templates = model["templates"].as_array().unwrap().iter();
            templates.any(|known| known == template)
        };
        models.iter().any(|model| needs(&model))
    };
    let (dockerfile, page) = (read("Dockerfile"), read("README.md"));
    let arguments = dockerfile.lines().chain(page.lines());
    let chosen = arguments.filter_map(|line| {
        let after = line.split_once("MODELS=\"")?.1;
        after.split_once('"').map(|(names, _)| names.to_owned())
    });
    let fetched = page.lines().filter_map(|line| {
        let after = line.strip_prefix("python3 gpu/fetch.py --into /runpod-volume/models ")?;
        let names = after.split('#').next().unwrap();
        Some(names.replace("--dry-run", ""))
    });
    let lists: Vec<String> = chosen.chain(fetched).collect();
    assert_eq!(lists.len(), 4, "{lists:?}");
    for list in lists {
        let names: Vec<&str> = list.split_whitespace().collect();
        assert!(names.contains(&template::DEFAULT), "{list}");
        assert!(names.iter().all(|name| has_models(name)), "{list}");
    }
}
