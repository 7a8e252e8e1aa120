//! `%Node.widget%` and `%date:…%` in the names of files.

use std::collections::HashMap;

use crate::workflow::json::Json;

use super::budget::Budget;
use super::error::ConvertError;
use super::loaded::{Loaded, LoadedNode, NodeKind};
use super::Options;

/// A name may grow to this size; a file name of a thousand characters is useless already.
const NAME_BYTES_MAX: usize = 1 << 20;

/// Nodes are searched through instances, each of which repeats its definition.
const NODES_SEARCHED_MAX: usize = 100_000;

/// Finds nodes by name, from the root, in file order, inner nodes right after their instance.
pub struct Names<'l, 'd> {
    loaded: &'l Loaded<'d>,
    options: &'l Options<'l>,
    /// The first node of each search name and of each title; made when first needed.
    index: Option<Index<'l, 'd>>,
}

#[derive(Default)]
struct Index<'l, 'd> {
    by_search_name: HashMap<&'l str, &'l LoadedNode<'d>>,
    by_title: HashMap<&'l str, &'l LoadedNode<'d>>,
}

impl<'l, 'd> Names<'l, 'd> {
    pub const fn new(loaded: &'l Loaded<'d>, options: &'l Options<'l>) -> Self {
        Self {
            loaded,
            options,
            index: None,
        }
    }

    /// The text with every known name replaced; unknown ones stay.
    pub fn replace(&mut self, text: &str, budget: &mut Budget) -> Result<String, ConvertError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            out.push_str(before);
            // An empty name is no name: the second sign may begin one.
            let name = after.split_once('%').filter(|(name, _)| !name.is_empty());
            let Some((name, behind)) = name else {
                out.push('%');
                rest = after;
                continue;
            };
            if let Some(value) = self.value_of(name, budget)? {
                out.push_str(&value);
            } else {
                out.push('%');
                out.push_str(name);
                out.push('%');
            }
            if out.len() > NAME_BYTES_MAX {
                return Err(ConvertError::TooLarge {
                    what: "bytes in a filename_prefix",
                    limit: NAME_BYTES_MAX,
                });
            }
            rest = behind;
        }
        out.push_str(rest);
        budget.send(out.len())?;
        Ok(out)
    }

    fn value_of(
        &mut self,
        name: &str,
        budget: &mut Budget,
    ) -> Result<Option<String>, ConvertError> {
        let parts: Vec<&str> = name.split('.').collect();
        let [node, widget] = parts[..] else {
            let format = parts.first().and_then(|part| part.strip_prefix("date:"));
            let date = format.zip(self.options.now);
            return Ok(date.map(|(format, now)| super::dates::format(format, now)));
        };
        let loaded = self.loaded;
        let index = self.index.get_or_insert_with(|| Index::of(loaded));
        let by_name = index.by_search_name.get(node);
        let Some(node) = by_name.or_else(|| index.by_title.get(node)) else {
            return Ok(None);
        };
        budget.walk(node.slots.len() + node.widgets.len())?;
        let value = widget_value(loaded, node, widget);
        Ok(value.map(|value| {
            let letters = value.chars();
            letters
                .map(|c| if is_unsafe(c) { '_' } else { c })
                .collect()
        }))
    }
}

/// Characters that no file name may have everywhere.
fn is_unsafe(c: char) -> bool {
    matches!(
        c,
        '/' | '?' | '<' | '>' | '\\' | ':' | '*' | '|' | '"' | '\0'..='\x1f' | '\x7f'
    )
}

fn widget_value(loaded: &Loaded, node: &LoadedNode, name: &str) -> Option<String> {
    let value = match &node.kind {
        NodeKind::Instance(instance) => {
            let k = node
                .slots
                .iter()
                .position(|slot| slot.widget.is_some() && slot.name == name)?;
            loaded.promoted(instance, k)?.0
        }
        _ => node
            .widgets
            .iter()
            .find(|widget| widget.name == name)?
            .value
            .clone(),
    };
    Some(value.as_deref().map_or_else(String::new, Json::plain_text))
}

impl<'l, 'd> Index<'l, 'd> {
    fn of(loaded: &'l Loaded<'d>) -> Self {
        let mut index = Self::default();
        let mut left = NODES_SEARCHED_MAX;
        // Depth is bounded where definitions are ordered; what is left of each level waits here.
        let mut waiting = vec![loaded.levels[loaded.root()].nodes.iter()];
        while let Some(nodes) = waiting.last_mut() {
            let Some(node) = nodes.next() else {
                waiting.pop();
                continue;
            };
            left -= 1;
            if left == 0 {
                break;
            }
            if let Some(name) = &node.search_name {
                index.by_search_name.entry(name).or_insert(node);
            }
            index.by_title.entry(title_of(node)).or_insert(node);
            if let Some(instance) = node.instance() {
                waiting.push(loaded.levels[instance.level].nodes.iter());
            }
        }
        index
    }
}

/// What the editor shows as the node's title.
fn title_of<'l>(node: &'l LoadedNode) -> &'l str {
    match (&node.title, &node.kind) {
        (Some(title), _) => title,
        (None, NodeKind::Class(class)) => &class.title,
        (None, NodeKind::Primitive { .. }) => "Primitive",
        (None, NodeKind::Reroute) => "Reroute",
        (None, NodeKind::Note | NodeKind::Unknown | NodeKind::Instance(_)) => "",
    }
}
