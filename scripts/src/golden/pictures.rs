//! Pictures that a deployment makes of golden inputs, and how much two of them look alike.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{bail, Context};
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use edge_queue::testing::golden::{cases, outcome, Case};
use edge_queue::workflow::check::FileFact;
use edge_queue::workflow::contract::{MediaKind, Protocol};
use edge_queue::workflow::template;
use image::{ImageFormat, Rgb, RgbImage};
use image_hasher::{HashAlg, HasherConfig};
use serde::Serialize;
use serde_json::{json, Map, Value};

use crate::clock::wait;
use crate::files;
use crate::smoke::wire::Wire;
use crate::templates::expect_known;

/// Of 64 bits. The same picture in another compression differs in two or three; another one in some
/// thirty.
pub const DISTANCE_MAX: u32 = 8;

/// A cold GPU and a slow template.
const TIME_MAX: Duration = Duration::from_mins(12);

/// The longest that a status is held, below what a call may take.
const HOLD_S: u64 = 10;

/// A deployment that cannot answer now is asked again after this pause.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// The largest that JSON carries exactly: a create takes no larger one.
const SEED_MAX: u64 = (1 << 53) - 1;

/// A side of an input picture of which a case does not tell the size.
const PHOTO_PIXELS: u32 = 512;

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

/// What a deployment made, and what it did not.
#[derive(Default)]
pub struct Recorded {
    pub pictures: usize,
    /// A sentence for each case without its picture; the others went on.
    pub errors: Vec<String>,
}

/// The first sound case of each template that makes pictures; those of `only` alone, if any are
/// named.
pub fn wanted(root: &Path, only: &[String]) -> anyhow::Result<Vec<Case>> {
    expect_known(only)?;
    let (mut templates, mut wanted) = (BTreeSet::new(), Vec::new());
    for case in cases(&root.join("tests/golden"))? {
        let is_wanted = only.is_empty() || only.contains(&case.template);
        if !is_wanted || !makes_pictures(&case) || templates.contains(&case.template) {
            continue;
        }
        if outcome(&case)?.file != "prompt.json" || wants_links(&case) {
            continue;
        }
        templates.insert(case.template.clone());
        wanted.push(case);
    }
    if let Some(name) = only.iter().find(|name| !templates.contains(*name)) {
        bail!("no case of {name} makes a picture");
    }
    if wanted.is_empty() {
        bail!("no case makes a picture");
    }
    Ok(wanted)
}

/// Writes the pictures of these cases into `folder`.
pub fn record(url: &str, folder: &Path, cases: &[Case]) -> anyhow::Result<Recorded> {
    files::make_folder(folder)?;
    let mut recorded = Recorded::default();
    for case in cases {
        eprintln!("{} ...", case.name());
        match make(url, case).and_then(|made| write(folder, case, &made)) {
            Ok(pictures) => recorded.pictures += pictures,
            Err(error) => {
                let error = format!("{}: {error:#}", case.name());
                eprintln!("   {error}");
                recorded.errors.push(error);
            }
        }
    }
    Ok(recorded)
}

fn makes_pictures(case: &Case) -> bool {
    let outputs = template::find(&case.template).map(|found| &found.contract.outputs);
    let mut outputs = outputs.into_iter().flatten();
    outputs.any(|output| output.kind == MediaKind::Image)
}

/// A task's worker fetches its files itself, and pictures of ours have no address.
fn wants_links(case: &Case) -> bool {
    let template = template::find(&case.template);
    let is_task = template.is_some_and(|found| found.contract.protocol == Protocol::Task);
    is_task && case.takes_files()
}

/// A picture's extension, and its bytes.
type Picture = (&'static str, Vec<u8>);

fn write(folder: &Path, case: &Case, made: &[Picture]) -> anyhow::Result<usize> {
    if made.is_empty() {
        bail!("the job has no picture");
    }
    for (i, (extension, bytes)) in made.iter().enumerate() {
        let name = case.name().replace('/', "~");
        let file = folder.join(format!("{name}~{i}.{extension}"));
        std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(made.len())
}

fn make(url: &str, case: &Case) -> anyhow::Result<Vec<Picture>> {
    let wire = Wire::new(url, TIME_MAX);
    let body = json!({ "template": case.template, "inputs": inputs(case)? });
    let answer = wire.post("/api/queue/create", &[], &body)?;
    if answer.status != 200 {
        bail!(answer.complaint());
    }
    let id = answer.json()["job_id"]
        .as_str()
        .context("no job_id")?
        .to_owned();
    let path = format!("/api/queue/status/{id}?wait={HOLD_S}");
    let job = loop {
        let answer = wire.get(&path)?;
        let job = answer.json()["job"].take();
        match answer.status {
            200 if job["completed_at"].is_string() => break job,
            200 => {}
            429 | 500.. => wait(ASK_AGAIN),
            _ => bail!("the job {id}: {}", answer.complaint()),
        }
    };
    if job["status"] != "succeeded" {
        let (status, error) = (&job["status"], &job["error"]);
        bail!("the job {id} is {status}: {error}");
    }
    let outputs = job["outputs"].as_array().into_iter().flatten();
    let pictures = outputs.filter_map(|output| picture(&wire, output).transpose());
    pictures.collect()
}

/// What the case gives, with the same seed and the same pictures every time: else no two are alike.
fn inputs(case: &Case) -> anyhow::Result<Map<String, Value>> {
    let mut inputs = case.given.shorthands.clone();
    inputs.extend(case.given.inputs.clone());
    if !inputs.contains_key("seed") && case.takes_seed() {
        let seed = case.given.seed_if_random & SEED_MAX;
        inputs.insert("seed".into(), seed.into());
    }
    let contract = &template::find(&case.template)
        .context("no such template")?
        .contract;
    for (name, fact) in &case.given.files {
        let is_other = |given: &str| {
            let input = contract.resolve(given);
            input.is_none_or(|input| input.name != *name)
        };
        inputs.retain(|given, _| is_other(given));
        inputs.insert(name.clone(), photo(fact)?.into());
    }
    Ok(inputs)
}

/// A picture of the size that the case tells of, made of nothing but its size.
fn photo(fact: &FileFact) -> anyhow::Result<String> {
    let size = |side: Option<u32>| side.unwrap_or(PHOTO_PIXELS).max(1);
    let (width, height) = (size(fact.width), size(fact.height));
    // A share of 256 fits into a byte.
    let share = |at: u32, of: u32| u8::try_from(at * 255 / of).unwrap_or(u8::MAX);
    let paint = |x, y| Rgb([share(x, width), share(y, height), 255 - share(x, width)]);
    let mut png = Cursor::new(Vec::new());
    RgbImage::from_fn(width, height, paint).write_to(&mut png, ImageFormat::Png)?;
    let data = STANDARD.encode(png.into_inner());
    Ok(format!("data:image/png;base64,{data}"))
}

/// `None`: it is something else.
fn picture(wire: &Wire, output: &Value) -> anyhow::Result<Option<Picture>> {
    let extension = match output["content_type"].as_str() {
        Some("image/png") => "png",
        Some("image/jpeg") => "jpg",
        Some("image/webp") => "webp",
        _ => return Ok(None),
    };
    let url = output["url"].as_str().context("an output without a link")?;
    let answer = wire.get(url)?;
    if answer.status != 200 {
        bail!("its picture: {}", answer.complaint());
    }
    Ok(Some((extension, answer.bytes)))
}

/// A folder with pictures to compare with.
pub fn are_there(folder: &Path) -> anyhow::Result<()> {
    if pictures(folder)?.is_empty() {
        bail!("{} has no pictures to compare with", folder.display());
    }
    Ok(())
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
    use super::super::Found;
    use super::*;

    fn paint(folder: &Path, name: &str, shade: impl Fn(u32, u32) -> u8) {
        let picture = RgbImage::from_fn(64, 64, |x, y| Rgb([shade(x, y); 3]));
        let format = ImageFormat::from_path(name).unwrap();
        picture.save_with_format(folder.join(name), format).unwrap();
    }

    #[test]
    fn another_compression_looks_the_same_and_another_picture_does_not() {
        let [before, after] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let waves = |x: u32, y: u32| u8::try_from((x * x + y * 3) % 256).unwrap();
        let slope = |x: u32, _: u32| u8::try_from(x * 4 % 256).unwrap();
        paint(before.path(), "t~waves.png", waves);
        paint(after.path(), "t~waves.jpg", waves);
        paint(before.path(), "t~other.png", slope);
        paint(after.path(), "t~other.png", |x, y| 255 - slope(x, y));
        paint(before.path(), "t~gone.png", slope);
        let seen = compare(before.path(), after.path(), DISTANCE_MAX).unwrap();
        let same: Vec<(&str, bool)> = seen
            .iter()
            .map(|seen| (seen.case.as_str(), seen.same))
            .collect();
        assert_eq!(
            same,
            [("t/gone", false), ("t/other", false), ("t/waves", true)]
        );
        let prompts = ["a < b".to_owned()];
        let found = Found {
            prompts: &prompts,
            seen: &seen,
            errors: &[],
        };
        let page = super::super::report::page(&found).unwrap();
        assert_eq!(page.matches("data:image/").count(), 5);
        assert!(page.contains("a &lt; b") && page.contains("not there"));
        let text = super::super::report::text(&found);
        assert!(text.contains("t/other: LOOKS OTHERWISE"), "{text}");
    }
}
