//! A file that a caller gave, against what the input takes.

use super::super::contract::{File, MediaKind};
use super::super::violation::{quoted, Violation};
use super::{FileFact, Given};
use crate::address;
use crate::media;

/// The longest URL we pass on: what every server and proxy takes.
pub const URL_LENGTH_MAX: usize = 2_000;

/// The reference in its recorded form, or everything that is wrong with the file.
pub fn check_file(
    wanted: MediaKind,
    limits: &File,
    given: &Given,
    fact: Option<&FileFact>,
) -> Result<String, Vec<Violation>> {
    let broken = |code, message: String| vec![given.violation(code, &message)];
    let Some(reference) = given.value.as_str() else {
        let kind = wanted.as_str();
        let message = format!("the key of an uploaded {kind} is wanted here, as a text");
        return Err(broken("wrong_type", message));
    };
    if is_url(reference) {
        let url = check_url(limits, reference);
        return url.map_err(|(code, message)| broken(code, message));
    }
    let Some(fact) = fact else {
        let name = quoted(reference);
        let message = format!("there is no upload {name} of yours; upload the file first");
        return Err(broken("unknown_file", message));
    };
    let violations: Vec<_> = flaws(wanted, limits, fact)
        .into_iter()
        .map(|(code, message)| given.violation(code, &message))
        .collect();
    if violations.is_empty() {
        Ok(reference.to_owned())
    } else {
        Err(violations)
    }
}

/// Whether a reference is a URL rather than the name of an upload.
pub fn is_url(reference: &str) -> bool {
    let scheme = reference.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|s| !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// The URL as it was read and judged: another reader may find another host in its text.
fn check_url(limits: &File, url: &str) -> Result<String, (&'static str, String)> {
    let bad = |message: String| Err(("bad_url", message));
    if !limits.urls {
        let message = "this template's worker takes no URLs; upload the file and give its key";
        return Err(("url_not_accepted", message.to_owned()));
    }
    if !url.bytes().all(|b| b.is_ascii_graphic()) {
        let message = "the URL holds a character that must be escaped, such as a space as %20";
        return bad(message.to_owned());
    }
    if url.len() > URL_LENGTH_MAX {
        let length = url.len();
        return bad(format!(
            "the URL has {length} characters, the most is {URL_LENGTH_MAX}"
        ));
    }
    match address::check(url, false) {
        Ok(url) => Ok(url.into()),
        Err(forbidden) => bad(format!("the URL {forbidden}")),
    }
}

fn flaws(wanted: MediaKind, limits: &File, fact: &FileFact) -> Vec<(&'static str, String)> {
    if fact.kind != wanted {
        let (found, wanted) = (fact.kind.as_str(), wanted.as_str());
        let message = format!("the file is of kind {found}, wanted is {wanted}");
        return vec![("wrong_kind", message)];
    }
    let mut flaws = Vec::new();
    if !limits.content_types.contains(&fact.content_type) {
        let (found, known) = (quoted(&fact.content_type), limits.content_types.join(", "));
        let message = format!("the file is {found}; this input takes {known}");
        flaws.push(("wrong_content_type", message));
    }
    if fact.size_bytes > limits.size_bytes_max {
        let (size, most) = (fact.size_bytes, limits.size_bytes_max);
        flaws.push((
            "too_large",
            format!("the file has {size} bytes, the most is {most}"),
        ));
    }
    if let (Some(width), Some(height)) = (fact.width, fact.height) {
        flaws.extend(picture_flaws(limits, width, height));
    }
    flaws
}

fn picture_flaws(limits: &File, width: u32, height: u32) -> Vec<(&'static str, String)> {
    let mut flaws = Vec::new();
    let (short, long) = (width.min(height), width.max(height));
    if let Some(least) = limits.side_min_px.filter(|least| short < *least) {
        let message = format!("the picture is {width} x {height}; no side may be below {least}");
        flaws.push(("too_small", message));
    }
    let pixels = u64::from(width) * u64::from(height);
    let most = limits.pixels_max.unwrap_or(media::PIXELS_MAX);
    if pixels > most {
        let message = format!("the picture has {pixels} pixels, the most is {most}");
        flaws.push(("too_many_pixels", message));
    }
    let aspect = f64::from(long) / f64::from(short.max(1));
    if let Some(most) = limits.aspect_max.filter(|most| aspect > *most) {
        let message = format!(
            "the picture is {width} x {height}; the long side may be {most} times the short one"
        );
        flaws.push(("wrong_ratio", message));
    }
    flaws
}
