//! The files in whatever a worker returned.
//!
//! There is no standard: each handler has its own keys. This reader walks the output and takes
//! what can only be a file; everything else (prompts, paths, numbers, hosts) is left alone. It
//! judges no file: what the bytes are, and whether they are enough, is for others to say.

use bytes::Bytes;

use super::json::Json;
use super::recognise::{recognise, recognise_declared, Data};
use crate::providers::{Output, OutputData};

/// Objects and lists inside each other. The deepest shape seen in the wild has four levels
/// (output, result, images, image).
const DEPTH_MAX: usize = 8;

/// Files of one job. RunPod loses results above about 20 MB, which is 256 files of 80 KB.
const FILES_MAX: usize = 256;

/// Names a worker may give are cut off here: the longest name a file system takes.
const NAME_BYTES_MAX: usize = 255;

/// Keys that hold files, in groups. The keys of one group name the same files in different
/// clothes, so the first that yields anything wins: bytes before links, because links expire.
const GROUPS: [&[&str]; 4] = [
    &["images", "image_base64", "image", "image_url"],
    &["videos", "gifs", "video", "video_base64", "video_url"],
    &["audios", "audio", "audio_base64", "audio_url"],
    &["files", "file"],
];

/// Keys that may hold files and often hold something else: asked only when no group had any.
const FALLBACK: &[&str] = &[
    "data",
    "result",
    "output",
    "links",
    "urls",
    "url",
    "result_url",
    "message",
];

/// Where a worker puts the name of the file, best first.
const NAME_KEYS: [&str; 3] = ["filename", "file_name", "name"];

/// A file found in the tree, still borrowed.
struct Found<'j> {
    name: Option<&'j str>,
    data: Data<'j>,
}

/// The files of an output that was parsed from `body`, in its order, each value once.
pub(super) fn read(output: &Json, body: &Bytes) -> Vec<Output> {
    let mut found = Vec::new();
    walk(output, None, DEPTH_MAX, &mut found);
    found.iter().map(|found| own(found, body)).collect()
}

fn own(found: &Found, body: &Bytes) -> Output {
    Output {
        name: found.name.map(str::to_owned),
        data: match found.data {
            Data::Base64(text) => OutputData::Base64(shared(text, body)),
            Data::Url(url) => OutputData::Url(url.to_owned()),
        },
    }
}

/// The text without copying it, unless escapes in it made the parser copy it before.
fn shared(text: &str, body: &Bytes) -> Bytes {
    let (inside, text) = (body.as_ptr_range(), text.as_bytes());
    let is_inside = inside.contains(&text.as_ptr());
    if is_inside {
        body.slice_ref(text)
    } else {
        Bytes::copy_from_slice(text)
    }
}

fn walk<'j>(json: &'j Json, name: Option<&'j str>, depth: usize, found: &mut Vec<Found<'j>>) {
    if depth == 0 {
        return;
    }
    match json {
        Json::Text(text) => {
            if let Some(data) = recognise(text) {
                push(found, Found { name, data });
            }
        }
        Json::List(items) => {
            for item in items {
                walk(item, None, depth - 1, found);
            }
        }
        Json::Object(members) => {
            let name = NAME_KEYS
                .iter()
                .find_map(|key| json.get(key)?.text())
                .and_then(base_name)
                .or(name);
            if !push_declared(json, name, found) {
                walk_object(json, members, name, depth - 1, found);
            }
        }
        Json::Other | Json::Whole(_) | Json::Real(_) => {}
    }
}

/// `{"filename":…, "type":"base64", "data":…}` says itself that its data is a file, so it need not
/// look like one: text and latent files have no signature.
fn push_declared<'j>(json: &'j Json, name: Option<&'j str>, found: &mut Vec<Found<'j>>) -> bool {
    if json.get("type").and_then(Json::text) != Some("base64") || name.is_none() {
        return false;
    }
    let Some(text) = json.get("data").and_then(Json::text) else {
        return false;
    };
    match recognise_declared(text) {
        Some(data) => {
            push(found, Found { name, data });
            true
        }
        None => false,
    }
}

fn walk_object<'j>(
    json: &'j Json,
    members: &'j [(std::borrow::Cow<'_, str>, Json<'_>)],
    name: Option<&'j str>,
    depth: usize,
    found: &mut Vec<Found<'j>>,
) {
    let before = found.len();
    let mut done = [false; GROUPS.len()];
    for (key, _) in members {
        let group = GROUPS.iter().position(|keys| keys.contains(&&**key));
        if let Some(group) = group.filter(|group| !done[*group]) {
            done[group] = true;
            walk_first(json, GROUPS[group], name, depth, found);
        }
    }
    if found.len() == before {
        walk_first(json, FALLBACK, name, depth, found);
    }
}

fn walk_first<'j>(
    json: &'j Json,
    keys: &[&str],
    name: Option<&'j str>,
    depth: usize,
    found: &mut Vec<Found<'j>>,
) {
    let before = found.len();
    for value in keys.iter().filter_map(|key| json.get(key)) {
        match (value, json.get("filenames")) {
            (Json::List(items), Some(Json::List(names))) if items.len() == names.len() => {
                for (item, name) in items.iter().zip(names) {
                    walk(item, name.text().and_then(base_name), depth, found);
                }
            }
            _ => walk(value, name, depth, found),
        }
        if found.len() > before {
            return;
        }
    }
}

/// The same value is the same file, unless two names say that two nodes made it.
fn push<'j>(found: &mut Vec<Found<'j>>, new: Found<'j>) {
    let twin = found.iter().position(|old| {
        let one_file = old.name == new.name || old.name.is_none() || new.name.is_none();
        one_file && old.data == new.data
    });
    match twin {
        Some(twin) => found[twin].name = found[twin].name.or(new.name),
        None if found.len() < FILES_MAX => found.push(new),
        None => {}
    }
}

/// The last part of a path, as every download would be called.
fn base_name(text: &str) -> Option<&str> {
    let name = text.rsplit(['/', '\\']).next()?.trim();
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    (fits && !name.chars().any(char::is_control)).then_some(name)
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use base64::Engine;

    use super::*;

    /// The real PNG signature and enough behind it.
    fn png(seed: u8) -> String {
        let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
        bytes.extend([seed; 100]);
        STANDARD.encode(bytes)
    }

    fn mp4() -> String {
        let mut bytes = b"\0\0\0\x18ftypisom".to_vec();
        bytes.extend([0; 100]);
        STANDARD.encode(bytes)
    }

    /// `$A`, `$B` stand for pictures, `$V` for a video; in the expectation a name goes before `=`.
    fn check(output: &str, expected: &[&str]) {
        let real = |text: &str| {
            text.replace("$A", &png(1))
                .replace("$B", &png(2))
                .replace("$V", &mp4())
        };
        let output = real(output);
        let body = Bytes::from(output.clone());
        let json: Json = serde_json::from_slice(&body).unwrap();
        let found: Vec<String> = read(&json, &body)
            .into_iter()
            .map(|file| {
                let data = match file.data {
                    OutputData::Base64(text) => String::from_utf8(text.into()).unwrap(),
                    OutputData::Url(url) => url,
                    OutputData::Inline(_) => panic!("RunPod has no inline files"),
                };
                format!("{}={data}", file.name.unwrap_or_default())
            })
            .collect();
        let expected: Vec<String> = expected.iter().map(|text| real(text)).collect();
        assert_eq!(found, expected, "{output}");
    }

    #[test]
    fn the_stock_workers_shapes_are_read() {
        check(
            r#"{"images":[{"filename":"a_00001_.png","type":"base64","data":"$A"},
                          {"filename":"b_00001_.png","type":"base64","data":"$B"}]}"#,
            &["a_00001_.png=$A", "b_00001_.png=$B"],
        );
        check(
            r#"{"images":[{"filename":"a.png","type":"s3_url","data":"https://s/b?X=1"}]}"#,
            &["a.png=https://s/b?X=1"],
        );
        check(
            r#"{"errors":["one failed"],
                "images":[{"filename":"v.mp4","type":"base64","data":"$V"}]}"#,
            &["v.mp4=$V"],
        );
        check(r#"{"status":"success_no_images","images":[]}"#, &[]);
        check(
            r#"{"status":"success","message":"$A","refresh_worker":false}"#,
            &["=$A"],
        );
        check(
            r#"{"status":"success","message":"https://s/a.png"}"#,
            &["=https://s/a.png"],
        );
    }

    #[test]
    fn other_workers_shapes_are_read() {
        check(r#"{"images":["$A","$B"]}"#, &["=$A", "=$B"]);
        check(
            r#"{"images":["$A","$B"],"filenames":["x.png","y.png"]}"#,
            &["x.png=$A", "y.png=$B"],
        );
        check(r#"{"video":"$V"}"#, &["=$V"]);
        check(
            r#"{"images":[],"videos":[{"filename":"v.mp4","type":"base64","data":"$V"}]}"#,
            &["v.mp4=$V"],
        );
        check(
            r#"{"gifs":[{"filename":"v.mp4","data":"$V"}]}"#,
            &["v.mp4=$V"],
        );
        check(
            r#"{"links":["https://s/1","https://s/2"],"job_id":"x","storage_type":"s3",
                "local_paths":["/tmp/1.png"],"total_images":2}"#,
            &["=https://s/1", "=https://s/2"],
        );
        check(
            r#"{"image_url":"https://s/1.png","cost":0.1}"#,
            &["=https://s/1.png"],
        );
        check(r#"{"video_url":"https://s/1.mp4"}"#, &["=https://s/1.mp4"]);
        check(r#"{"result_url":"https://s/1"}"#, &["=https://s/1"]);
        check(r#"{"image_base64":"data:image/png;base64,$A"}"#, &["=$A"]);
        check(r#"{"output":{"result":{"image":"$A"}}}"#, &["=$A"]);
        check(r#"[{"image":"https://s/1","seed":7}]"#, &["=https://s/1"]);
        check(r#""$A""#, &["=$A"]);
        check(r#"["https://s/1","$A"]"#, &["=https://s/1", "=$A"]);
        check(r#"{"urls":["https://s/1"]}"#, &["=https://s/1"]);
        check(
            r#"{"image":{"url":"https://s/1","name":"out/n.png"}}"#,
            &["n.png=https://s/1"],
        );
        check(r#"{"videos":["$V"],"images":["$A"]}"#, &["=$V", "=$A"]);
    }

    #[test]
    fn what_is_not_a_file_is_left_alone() {
        let hash = "0123456789abcdef".repeat(8);
        for output in [
            "null",
            "true",
            "7",
            "{}",
            r#"{"images":[{"type":"s3_url","data":"simulated_uploaded/ccbb8f11.png"}]}"#,
            r#"{"message":"saved to /workspace/out/1.png"}"#,
            r#"{"message":"see https://docs.example for help"}"#,
            r#"{"prompt_id":"https://not.a/file","seed":"$A"}"#,
            r#"{"images":["aGk="]}"#,
            r#"{"image":"data:text/html,hello"}"#,
            r#"{"url":"ftp://s/1.png"}"#,
            r#"{"url":"https://"}"#,
        ] {
            check(output, &[]);
        }
        check(&format!("{{\"data\":\"{hash}\"}}"), &[]);
    }

    #[test]
    fn the_same_value_counts_once_unless_two_nodes_made_it() {
        check(r#"{"images":["$A","$A"]}"#, &["=$A"]);
        check(
            r#"{"images":["$A",{"filename":"x.png","data":"$A"}],"video":"$A"}"#,
            &["x.png=$A"],
        );
        check(
            r#"{"images":[{"filename":"x.png","data":"$A"},{"filename":"y.png","data":"$A"}]}"#,
            &["x.png=$A", "y.png=$A"],
        );
        check(
            r#"{"image":"$A","image_url":"https://s/1","url":"https://s/2"}"#,
            &["=$A"],
        );
    }

    #[test]
    fn a_declared_file_needs_no_signature() {
        let text = STANDARD.encode("plain words ".repeat(20));
        check(
            &format!(r#"{{"files":[{{"filename":"a.txt","type":"base64","data":"{text}"}}]}}"#),
            &[&format!("a.txt={text}")],
        );
        check(&format!(r#"{{"files":["{text}"]}}"#), &[]);
    }

    #[test]
    fn base64_broken_into_lines_is_recognised() {
        let text = png(3);
        let (head, tail) = text.split_at(76);
        check(
            &format!(r#"{{"image":"{head}\n{tail}\n"}}"#),
            &[&format!("={head}\n{tail}")],
        );
    }

    #[test]
    fn files_are_slices_of_the_answer_and_not_copies() {
        let body = Bytes::from(format!(r#"{{"image":"{}"}}"#, png(1)));
        let json: Json = serde_json::from_slice(&body).unwrap();
        let [file] = read(&json, &body).try_into().unwrap();
        let OutputData::Base64(text) = file.data else {
            panic!("{file:?}");
        };
        assert!(body.as_ptr_range().contains(&text.as_ptr()));
    }

    #[test]
    fn depth_and_count_are_limited() {
        let deep = format!("{}\"$A\"{}", "[".repeat(20), "]".repeat(20));
        check(&deep, &[]);
        let many: Vec<String> = (0..1000).map(|n| format!("\"https://s/{n}\"")).collect();
        let text = format!("[{}]", many.join(","));
        let json: Json = serde_json::from_str(&text).unwrap();
        let body = Bytes::from(text.clone());
        assert_eq!(read(&json, &body).len(), FILES_MAX);
    }
}
