//! What differs, as text and as a page with both pictures side by side.

use std::fmt::Write as _;

use anyhow::Context;
use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;

use super::pictures::Seen;
use super::Found;
use crate::files;

pub fn text(found: &Found<'_>) -> String {
    let (prompts, seen) = (found.prompts, found.seen);
    let mut text = String::new();
    for line in prompts.iter().chain(found.errors) {
        text.push_str(line);
        text.push('\n');
    }
    for seen in seen {
        let Seen {
            case,
            distance,
            same,
            ..
        } = seen;
        let says = match (distance, same) {
            (None, _) => "one of the two is not there".to_owned(),
            (Some(distance), true) => format!("looks the same ({distance} of 64)"),
            (Some(distance), false) => format!("LOOKS OTHERWISE ({distance} of 64)"),
        };
        // A text takes whatever is written to it.
        let _ = writeln!(text, "{case}: {says}");
    }
    let others = seen.iter().filter(|seen| !seen.same).count();
    let end = format!(
        "{} prompts differ; {others} of {} pictures look otherwise; {} templates made none\n",
        prompts.len(),
        seen.len(),
        found.errors.len()
    );
    text + &end
}

/// Readable without a network: the pictures are inside.
pub fn page(found: &Found<'_>) -> anyhow::Result<String> {
    let (prompts, seen) = (found.prompts, found.seen);
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Golden run</title>\n\
         <style>body{font:16px system-ui;margin:2rem}img{max-width:40vw;border:1px solid #888}\
         td{vertical-align:top;padding:.5rem}.other{background:#fdd}</style>\n\
         <h1>Golden run</h1>\n",
    );
    let count = found.errors.len();
    writeln!(
        page,
        "<p>{} prompts differ; {count} templates made no picture.</p>\n<ul>",
        prompts.len()
    )?;
    for prompt in prompts.iter().chain(found.errors) {
        writeln!(page, "<li><code>{}</code></li>", escaped(prompt))?;
    }
    page.push_str("</ul>\n<table>\n<tr><th>case<th>before<th>after</tr>\n");
    for seen in seen {
        let class = if seen.same { "same" } else { "other" };
        let distance = seen
            .distance
            .map_or("-".to_owned(), |distance| distance.to_string());
        let case = escaped(&seen.case);
        let (before, after) = (
            picture(seen.before.as_deref())?,
            picture(seen.after.as_deref())?,
        );
        writeln!(
            page,
            "<tr class=\"{class}\"><td>{case}<br>{distance} of 64<td>{before}<td>{after}</tr>"
        )?;
    }
    page.push_str("</table>\n</html>\n");
    Ok(page)
}

fn picture(file: Option<&std::path::Path>) -> anyhow::Result<String> {
    let Some(file) = file else {
        return Ok("not there".to_owned());
    };
    let bytes = files::read(file)?;
    let media = edge_queue::media::sniff(&bytes).context("a recorded file is no picture")?;
    let data = STANDARD.encode(&bytes);
    Ok(format!(
        "<img alt=\"\" src=\"data:{};base64,{data}\">",
        media.content_type
    ))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
