//! The prompt: every node that is sent, with its class, its inputs and its title.

use serde_json::{json, Map, Value};

use crate::workflow::graph::Mode;
use crate::workflow::json::{Json, Shared};

use super::budget::Budget;
use super::error::ConvertError;
use super::inputs::WidgetKind;
use super::loaded::{Loaded, LoadedNode, NodeKind, Socket};
use super::names::Names;
use super::resolve::{Resolved, Resolver, Scope};
use super::sockets::Types;
use super::special;
use super::text;
use super::widgets::{Role, Widget};
use super::Options;

/// Nodes in the prompt: fifty times the largest official template.
const NODES_SENT_MAX: usize = 20_000;

pub fn emit(
    loaded: &Loaded,
    options: &Options,
    budget: &mut Budget,
) -> Result<Map<String, Value>, ConvertError> {
    let scopes = open_scopes(loaded, budget)?;
    let mut emitter = Emitter {
        resolver: Resolver {
            loaded,
            scopes: &scopes,
            types: Types::new(loaded),
            budget,
        },
        names: Names::new(loaded, options),
        options,
    };
    let mut prompt = Map::new();
    for (place, scope) in scopes.iter().enumerate() {
        for (node, loaded_node) in loaded.levels[scope.level].nodes.iter().enumerate() {
            if is_sent(loaded_node) {
                let id = format!("{}{}", scope.prefix, loaded_node.id);
                emitter.resolver.budget.send(id.len())?;
                prompt.insert(id, emitter.node(place, node)?);
            }
        }
    }
    remove_dangling(&mut prompt);
    Ok(prompt)
}

fn is_sent(node: &LoadedNode) -> bool {
    let is_real = matches!(node.kind, NodeKind::Class(_) | NodeKind::Unknown);
    is_real && node.mode == Mode::Active
}

/// The root and every chain of instances. Muted or bypassed instances hide what is in them at the
/// root only: inside a definition the editor sends their nodes all the same.
fn open_scopes(loaded: &Loaded, budget: &mut Budget) -> Result<Vec<Scope>, ConvertError> {
    let mut scopes = vec![Scope {
        level: loaded.root(),
        parent: None,
        prefix: String::new(),
        children: std::collections::HashMap::new(),
    }];
    let mut nodes = 0;
    let mut next = 0;
    while next < scopes.len() {
        let level = &loaded.levels[scopes[next].level];
        nodes += level.nodes.len() + 1;
        if nodes > NODES_SENT_MAX {
            return Err(ConvertError::TooLarge {
                what: "nodes in the prompt",
                limit: NODES_SENT_MAX,
            });
        }
        for (place, node) in level.nodes.iter().enumerate() {
            let Some(instance) = node.instance() else {
                continue;
            };
            if next == 0 && node.mode != Mode::Active {
                continue;
            }
            let prefix = format!("{}{}:", scopes[next].prefix, node.id);
            budget.load(&prefix)?;
            let child = scopes.len();
            scopes[next].children.insert(place, child);
            scopes.push(Scope {
                level: instance.level,
                parent: Some((next, place)),
                prefix,
                children: std::collections::HashMap::new(),
            });
        }
        next += 1;
    }
    Ok(scopes)
}

struct Emitter<'l, 'd, 'b> {
    resolver: Resolver<'l, 'd, 'b>,
    names: Names<'l, 'd>,
    options: &'l Options<'l>,
}

impl Emitter<'_, '_, '_> {
    fn node(&mut self, scope: usize, place: usize) -> Result<Value, ConvertError> {
        let level = self.resolver.scopes[scope].level;
        let node = self.resolver.loaded.node(level, place);
        let mut inputs = Map::new();
        for widget in &node.widgets {
            self.resolver.budget.load(&widget.name)?;
            if let Some(value) = self.widget(scope, node, widget)? {
                inputs.insert(widget.name.clone(), value);
            }
        }
        for (slot, input) in node.slots.iter().enumerate() {
            if input.link.is_none() {
                continue;
            }
            self.resolver.budget.load(&input.name)?;
            match self.resolver.resolve(scope, Socket { node: place, slot })? {
                Resolved::Nothing => {}
                Resolved::Value(value) => match mended_choice(node, slot, value) {
                    Some(value) => {
                        inputs.insert(input.name.clone(), self.value(&value)?);
                    }
                    None => {
                        inputs.remove(&input.name);
                    }
                },
                Resolved::Output { scope, node, slot } => {
                    let scope = &self.resolver.scopes[scope];
                    let node = self.resolver.loaded.node(scope.level, node);
                    let id = format!("{}{}", scope.prefix, node.id);
                    self.resolver.budget.send(id.len())?;
                    inputs.insert(input.name.clone(), json!([id, slot]));
                }
            }
        }
        self.resolver
            .budget
            .send(node.title.as_ref().map_or(0, String::len))?;
        Ok(match &node.kind {
            NodeKind::Class(class) => {
                let title = node.title.as_ref().unwrap_or(&class.title);
                json!({"inputs": inputs, "class_type": class.name, "_meta": {"title": title}})
            }
            _ => match &node.title {
                Some(title) => json!({"inputs": inputs, "_meta": {"title": title}}),
                None => json!({"inputs": inputs, "_meta": {}}),
            },
        })
    }

    /// What a widget sends; `None` when nothing.
    fn widget(
        &mut self,
        scope: usize,
        node: &LoadedNode,
        widget: &Widget,
    ) -> Result<Option<Value>, ConvertError> {
        match widget.role {
            Role::Hidden => return Ok(None),
            Role::Blank => return Ok(Some(Value::from(""))),
            Role::ChoicePlace => return Ok(Some(Value::from(place_of_choice(node)))),
            Role::Extra | Role::Input { .. } => {}
        }
        if widget.name == "filename_prefix" && is_saver(node) {
            let text = widget.value.as_deref().and_then(Json::as_text);
            let text = text.ok_or_else(|| ConvertError::PrefixNotText {
                node: format!("{}{}", self.resolver.scopes[scope].prefix, node.id),
            })?;
            let name = self.names.replace(text, self.resolver.budget)?;
            return Ok(Some(Value::from(name)));
        }
        let Some(value) = &widget.value else {
            return Ok(None);
        };
        let Role::Input { spec, nested } = widget.role else {
            return self.value(value).map(Some);
        };
        let sent = match (&spec.kind, &**value) {
            (WidgetKind::Text { dynamic: true, .. }, Json::Text(text)) if !nested => {
                self.resolver.budget.send(text.len())?;
                Value::from(text::process(text, self.options, self.resolver.budget)?)
            }
            (WidgetKind::Curve, Json::List(_)) => {
                self.resolver.budget.send(size_bytes(value))?;
                json!({"__type__": "CURVE", "__value__": value.to_value()})
            }
            _ => self.value(value)?,
        };
        Ok(Some(sent))
    }

    /// A list would be taken for a link, so it is wrapped.
    fn value(&mut self, value: &Shared) -> Result<Value, ConvertError> {
        self.resolver.budget.send(size_bytes(value))?;
        Ok(match **value {
            Json::List(_) => json!({"__value__": value.to_value()}),
            _ => value.to_value(),
        })
    }
}

/// What an instance shows in place of a choice: where that is nothing, the first.
fn mended_choice(node: &LoadedNode, slot: usize, value: Option<Shared>) -> Option<Shared> {
    match node.widget_of(slot).map(|widget| widget.role) {
        Some(Role::Input { spec, .. }) if matches!(spec.kind, WidgetKind::Combo { .. }) => {
            spec.mended(value)
        }
        _ => value,
    }
}

fn is_saver(node: &LoadedNode) -> bool {
    match &node.kind {
        NodeKind::Class(class) => special::is_saver(&class.name),
        _ => false,
    }
}

/// Of a custom combo: the place of its choice among its options, -1 when it is none of them.
fn place_of_choice(node: &LoadedNode) -> i64 {
    let value = |widget: &Widget| widget.value.clone();
    let choice = node
        .widgets
        .iter()
        .find(|widget| widget.name == "choice")
        .and_then(value);
    let options = node
        .widgets
        .iter()
        .filter(|widget| widget.name.starts_with("option"));
    let place = options.map(value).position(|option| option == choice);
    place
        .and_then(|place| i64::try_from(place).ok())
        .unwrap_or(-1)
}

/// About how large a value is as JSON.
fn size_bytes(value: &Json) -> usize {
    match value {
        Json::Null | Json::Bool(_) | Json::Number(_) => 8,
        Json::Text(text) => text.len() + 8,
        Json::List(items) => items.iter().map(size_bytes).sum::<usize>() + 8,
        Json::Object(entries) => {
            let sizes = entries
                .iter()
                .map(|(key, item)| key.len() + size_bytes(item));
            sizes.sum::<usize>() + 8
        }
    }
}

/// Inputs that name a node which is not sent go.
fn remove_dangling(prompt: &mut Map<String, Value>) {
    let sent: std::collections::HashSet<String> = prompt.keys().cloned().collect();
    let nodes = prompt
        .values_mut()
        .filter_map(|node| node.get_mut("inputs"));
    for inputs in nodes.filter_map(Value::as_object_mut) {
        inputs.retain(|_, value| {
            let origin = value.get(0).and_then(Value::as_str);
            origin.is_none_or(|origin| sent.contains(origin))
        });
    }
}
