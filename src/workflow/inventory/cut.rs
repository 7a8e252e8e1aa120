//! One class's entry without what nobody reads: prose, prices, the names of its outputs.
//!
//! Works on text, so that numbers stay as they were written and members in their order, on which
//! the order of widgets depends.

use serde_json::value::RawValue;
use serde_json::Value;

use crate::parse::{self, Members};
use crate::workflow::schema::LEFT_OUT;

/// What `schema` and `convert` read of an entry.
const KEPT: [&str; 7] = [
    "input",
    "input_order",
    "output",
    "output_matchtypes",
    "output_node",
    "api_node",
    "display_name",
];

/// Hidden inputs are filled in by the server.
const GROUPS: [&str; 2] = ["required", "optional"];

/// In the options of an input: a text for people.
const PROSE: [&str; 1] = ["tooltip"];

/// What is left of one entry.
#[derive(Debug, Default)]
pub struct Cut {
    pub text: String,
    pub lists: usize,
    /// The inputs whose choices were left out.
    pub left_out: Vec<String>,
}

/// `None`: this is no class. Lists of choices above `list_bytes_max` are left out.
pub fn class(entry: &RawValue, list_bytes_max: usize) -> Option<Cut> {
    let entry = members(entry)?;
    entry.get("input").and_then(members)?;
    let mut cut = Cut::default();
    let mut object = Object::begin(&mut cut.text);
    let mut lists = Lists {
        bytes_max: list_bytes_max,
        kept: 0,
        left_out: Vec::new(),
    };
    for name in KEPT {
        let Some(value) = entry.get(name) else {
            continue;
        };
        let out = object.member(name);
        match members(value) {
            Some(groups) if name == "input" => write_groups(out, &groups, &mut lists),
            _ => compact(out, value.get()),
        }
    }
    object.end();
    cut.lists = lists.kept;
    cut.left_out = lists.left_out;
    Some(cut)
}

struct Lists {
    bytes_max: usize,
    kept: usize,
    left_out: Vec<String>,
}

/// `None`: it is no object.
fn members(json: &RawValue) -> Option<Members<'_>> {
    parse::json(json.get()).ok()
}

fn write_groups(out: &mut String, groups: &Members<'_>, lists: &mut Lists) {
    let mut object = Object::begin(out);
    for name in GROUPS {
        let Some(group) = groups.get(name) else {
            continue;
        };
        let out = object.member(name);
        let Some(inputs) = members(group) else {
            compact(out, group.get());
            continue;
        };
        let mut object = Object::begin(out);
        for (input, spec) in &inputs.0 {
            write_spec(object.member(input), input, spec, lists);
        }
        object.end();
    }
    object.end();
}

/// `[type]` or `[type, options]`; the type of an older choice is the list itself.
fn write_spec(out: &mut String, input: &str, spec: &RawValue, lists: &mut Lists) {
    let parts: Option<Vec<&RawValue>> = parse::json(spec.get()).ok();
    let Some([kind, rest @ ..]) = parts.as_deref() else {
        return compact(out, spec.get());
    };
    let options = rest.first().and_then(|options| members(options));
    let list = if kind.get() == "\"COMBO\"" {
        options.as_ref().and_then(|options| options.get("options"))
    } else {
        Some(*kind)
    };
    let list = list.filter(|list| list.get().starts_with('['));
    let Some(list) = list.filter(|list| list.get().len() > lists.bytes_max) else {
        lists.kept += usize::from(list.is_some());
        out.push('[');
        compact(out, kind.get());
        if let Some(options) = &options {
            out.push(',');
            write_options(out, options, &[]).end();
        }
        return out.push(']');
    };
    lists.left_out.push(input.to_owned());
    out.push_str("[\"COMBO\",");
    let mut object = write_options(out, &options.unwrap_or_default(), &["options", LEFT_OUT]);
    // The first choice is what the editor shows where nothing was chosen.
    let first: Vec<&RawValue> = parse::json(list.get()).unwrap_or_default();
    let text = object.member("options");
    text.push('[');
    compact(text, first.first().map_or("", |first| first.get()));
    text.push(']');
    object.member(LEFT_OUT).push_str("true");
    object.end();
    out.push(']');
}

fn write_options<'o>(out: &'o mut String, options: &Members<'_>, but: &[&str]) -> Object<'o> {
    let mut object = Object::begin(out);
    for (name, value) in &options.0 {
        if !PROSE.contains(&&**name) && !but.contains(&&**name) {
            compact(object.member(name), value.get());
        }
    }
    object
}

/// JSON without the blanks between its parts.
fn compact(out: &mut String, json: &str) {
    let mut in_text = false;
    let mut is_escaped = false;
    out.extend(json.chars().filter(|&c| {
        let was_in_text = in_text;
        if !is_escaped && c == '"' {
            in_text = !in_text;
        }
        is_escaped = was_in_text && !is_escaped && c == '\\';
        was_in_text || !matches!(c, ' ' | '\n' | '\r' | '\t')
    }));
}

/// An object that is being written.
struct Object<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl<'o> Object<'o> {
    fn begin(out: &'o mut String) -> Self {
        out.push('{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// Where the value of the next member is to be written.
    fn member(&mut self, name: &str) -> &mut String {
        if !self.is_empty {
            self.out.push(',');
        }
        self.is_empty = false;
        self.out.push_str(&Value::from(name).to_string());
        self.out.push(':');
        self.out
    }

    fn end(self) {
        self.out.push('}');
    }
}
