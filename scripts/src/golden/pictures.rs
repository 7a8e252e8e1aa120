//! Pictures that a deployment makes of golden inputs, and how much two of them look alike.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context};
use edge_queue::testing::golden::{cases, outcome, Case};
use image_hasher::{HashAlg, HasherConfig};
use serde::Serialize;
use serde_json::{json, Value};

use crate::files;
use crate::smoke::wire::Wire;

/// Of 64 bits. The same picture in another compression differs in two or three; another one in some
/// thirty.
pub const DISTANCE_MAX: u32 = 8;

/// A cold GPU and a slow template.
const TIME_MAX: Duration = Duration::from_mins(10);

/// Two pictures of one case.
#[derive(Serialize)]
pub struct Seen {
    pub case: String,
    /// `None`: one of them is not there.
    pub distance: Option<u32>,
    pub same: bool,
    #[serde(skip)]
    pub before: Option<PathBuf>,
    #[serde(skip)]
    pub after: Option<PathBuf>,
}

/// Makes one picture of each template that takes no file, into `folder`. Answers how many.
pub fn record(root: &Path, url: &str, folder: &Path) -> anyhow::Result<usize> {
    files::make_folder(folder)?;
    let mut templates = BTreeSet::new();
    let mut count = 0;
    for case in cases(&root.join("tests/golden"))? {
        let is_prompt = outcome(&case)?.file == "prompt.json";
        if !is_prompt || case.takes_files() || templates.contains(&case.template) {
            continue;
        }
        eprintln!("{} ...", case.name());
        match make(url, &case)? {
            None => eprintln!("   no picture: {} makes something else", case.template),
            Some((extension, bytes)) => {
                let file = folder.join(format!("{}.{extension}", case.name().replace('/', "~")));
                std::fs::write(&file, bytes)
                    .with_context(|| format!("cannot write {}", file.display()))?;
                count += 1;
            }
        }
        templates.insert(case.template);
    }
    Ok(count)
}

fn make(url: &str, case: &Case) -> anyhow::Result<Option<(&'static str, Vec<u8>)>> {
    let wire = Wire::new(url, TIME_MAX);
    let mut inputs = case.given.shorthands.clone();
    inputs.extend(case.given.inputs.clone());
    // The same seed both times, or no two pictures are alike.
    if !inputs.contains_key("seed") && case.takes_seed() {
        inputs.insert("seed".into(), case.given.seed_if_random.into());
    }
    let body = json!({ "template": case.template, "inputs": inputs });
    let answer = wire.post("/api/queue/create", &[], &body)?;
    if answer.status != 200 {
        bail!("{}: {}", case.name(), answer.complaint());
    }
    let id = answer.json()["job_id"]
        .as_str()
        .context("no job_id")?
        .to_owned();
    let job = loop {
        let job = wire.get(&format!("/api/queue/status/{id}?wait=20"))?.json()["job"].take();
        if job["completed_at"].is_string() {
            break job;
        }
    };
    if job["status"] != "succeeded" {
        bail!(
            "{}: the job {id} is {}: {}",
            case.name(),
            job["status"],
            job["error"]
        );
    }
    picture(&wire, &job)
}

fn picture(wire: &Wire, job: &Value) -> anyhow::Result<Option<(&'static str, Vec<u8>)>> {
    let output = &job["outputs"][0];
    let extension = match output["content_type"].as_str() {
        Some("image/png") => "png",
        Some("image/jpeg") => "jpg",
        Some("image/webp") => "webp",
        _ => return Ok(None),
    };
    let url = output["url"].as_str().context("an output without a link")?;
    Ok(Some((extension, wire.get(url)?.bytes)))
}

/// Every picture of two folders, by its name.
pub fn compare(before: &Path, after: &Path, tolerance: u32) -> anyhow::Result<Vec<Seen>> {
    let (before, after) = (pictures(before)?, pictures(after)?);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let see = |name: &String| {
        let (before, after) = (before.get(name), after.get(name));
        let distance = match (before, after) {
            (Some(before), Some(after)) => Some(distance(before, after)?),
            _ => None,
        };
        Ok(Seen {
            case: name.replace('~', "/"),
            distance,
            same: distance.is_some_and(|distance| distance <= tolerance),
            before: before.cloned(),
            after: after.cloned(),
        })
    };
    names.into_iter().map(see).collect()
}

fn pictures(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let entries = std::fs::read_dir(folder);
    let entries = entries.with_context(|| format!("no folder {}", folder.display()))?;
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
        let name = path
            .file_stem()
            .map(|name| name.to_string_lossy().into_owned());
        found.extend(name.map(|name| (name, path)));
    }
    Ok(found)
}

/// Bits of 64 in which the gradients of two pictures differ.
fn distance(before: &Path, after: &Path) -> anyhow::Result<u32> {
    let hasher = HasherConfig::new()
        .hash_alg(HashAlg::Gradient)
        .hash_size(8, 8)
        .to_hasher();
    let hash = |file: &Path| {
        let picture = image::load_from_memory(&files::read(file)?);
        let picture = picture.with_context(|| format!("{} is no picture", file.display()))?;
        Ok::<_, anyhow::Error>(hasher.hash_image(&picture))
    };
    Ok(hash(before)?.dist(&hash(after)?))
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, Rgb, RgbImage};

    use super::*;

    fn write(folder: &Path, name: &str, paint: impl Fn(u32, u32) -> u8) {
        let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([paint(x, y); 3]));
        let format = ImageFormat::from_path(name).unwrap();
        picture.save_with_format(folder.join(name), format).unwrap();
    }

    #[test]
    fn another_compression_looks_the_same_and_another_picture_does_not() {
        let [before, after] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let waves = |x: u32, y: u32| u8::try_from((x * x + y * 3) % 256).unwrap();
        let slope = |x: u32, _: u32| u8::try_from(x * 4 % 256).unwrap();
        write(before.path(), "t~waves.png", waves);
        write(after.path(), "t~waves.jpg", waves);
        write(before.path(), "t~other.png", slope);
        write(after.path(), "t~other.png", |x, y| 255 - slope(x, y));
        write(before.path(), "t~gone.png", slope);
        let seen = compare(before.path(), after.path(), DISTANCE_MAX).unwrap();
        let same: Vec<(&str, bool)> = seen
            .iter()
            .map(|seen| (seen.case.as_str(), seen.same))
            .collect();
        assert_eq!(
            same,
            [("t/gone", false), ("t/other", false), ("t/waves", true)]
        );
        let page = super::super::report::page(&["a < b".to_owned()], &seen).unwrap();
        assert_eq!(page.matches("data:image/").count(), 5);
        assert!(page.contains("a &lt; b") && page.contains("not there"));
        let text = super::super::report::text(&[], &seen);
        assert!(text.contains("t/other: LOOKS OTHERWISE"), "{text}");
    }
}
