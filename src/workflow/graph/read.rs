//! Reading what the editor saves. What is missing or of another kind counts as absent.

use std::sync::Arc;

use super::{
    Graph, GraphError, GroupLink, GroupNode, Id, Input, Link, Mode, Node, Port, ProxyWidget,
    Subgraph, WidgetsValues, NODES_MAX,
};
use crate::parse;
use crate::workflow::json::{self, Json};

/// The longest official type has 300 characters; what is longer counts as anything.
pub const TYPE_BYTES_MAX: usize = 4_096;

impl Graph {
    pub(super) fn read(value: &Json) -> Result<Self, GraphError> {
        let Some(Json::List(nodes)) = value.get("nodes") else {
            return Err(GraphError::NotAGraph("it has no list of nodes"));
        };
        let subgraphs = member(value, &["definitions", "subgraphs"]).map_or(&[][..], Json::items);
        let graph = Self {
            nodes: nodes.iter().filter_map(Node::read).collect(),
            links: read_links(value),
            subgraphs: subgraphs.iter().filter_map(Subgraph::read).collect(),
            group_nodes: member(value, &["extra", "groupNodes"])
                .map_or(&[][..], Json::entries)
                .iter()
                .map(|(name, group)| (name.clone(), GroupNode::read(group)))
                .collect(),
            last_node_id: value
                .get("last_node_id")
                .or_else(|| member(value, &["state", "lastNodeId"]))
                .and_then(whole)
                .map_or(0, |id| id as u64),
        };
        let inner: usize = graph.subgraphs.iter().map(|s| s.nodes.len()).sum();
        if graph.nodes.len() + inner > NODES_MAX {
            return Err(GraphError::TooLarge {
                what: "nodes",
                limit: NODES_MAX,
            });
        }
        Ok(graph)
    }
}

impl Id {
    fn read(value: Option<&Json>) -> Option<Self> {
        match value? {
            Json::Text(text) => Some(Self(text.clone())),
            Json::Number(n) => Some(Self(json::number_text(*n))),
            _ => None,
        }
    }
}

impl Node {
    fn read(value: &Json) -> Option<Self> {
        if !matches!(value, Json::Object(_)) {
            return None;
        }
        let properties = value.get("properties").unwrap_or(&Json::Null);
        Some(Self {
            id: Id::read(value.get("id")).filter(|id| id.as_str() != "-1"),
            type_name: text(value, "type").unwrap_or_default(),
            mode: match value.get("mode").and_then(whole) {
                Some(2) => Mode::Muted,
                Some(4) => Mode::Bypassed,
                _ => Mode::Active,
            },
            title: text(value, "title").filter(|title| !title.is_empty()),
            inputs: members(value, "inputs").filter_map(Input::read).collect(),
            outputs: members(value, "outputs").map(type_of).collect(),
            first_links: members(value, "outputs")
                .next()
                .map_or_else(Vec::new, |output| {
                    let links = members(output, "links");
                    links.filter_map(|id| Id::read(Some(id))).collect()
                }),
            widgets_values: match value.get("widgets_values") {
                Some(Json::List(values)) => {
                    WidgetsValues::List(values.iter().cloned().map(Arc::new).collect())
                }
                Some(named @ Json::Object(_)) => WidgetsValues::Named(Arc::new(named.clone())),
                _ => WidgetsValues::Absent,
            },
            search_name: text(properties, "Node name for S&R"),
            replaces_names: properties
                .get("Run widget replace on values")
                .is_some_and(Json::is_truthy),
            proxy_widgets: {
                let mut proxies = read_proxy_widgets(properties.get("proxyWidgets"));
                let kept = members(properties, "proxyWidgetErrorQuarantine");
                proxies.extend(kept.filter_map(ProxyWidget::read_kept));
                proxies
            },
        })
    }
}

/// The list itself, or the same list as a JSON text, as some versions saved it. Entries begin with
/// two texts; one that does not spoils the whole list.
fn read_proxy_widgets(value: Option<&Json>) -> Vec<ProxyWidget> {
    let parsed: Option<Json> = value
        .and_then(Json::as_text)
        .and_then(|text| parse::json(text).ok());
    let entries = parsed.as_ref().or(value).map_or(&[][..], Json::items);
    let read = entries.iter().map(ProxyWidget::read);
    read.collect::<Option<_>>().unwrap_or_default()
}

impl ProxyWidget {
    fn read(entry: &Json) -> Option<Self> {
        let [Json::Text(node), Json::Text(widget), ..] = entry.items() else {
            return None;
        };
        Some(Self {
            node: Id(node.clone()),
            widget: widget.clone(),
            value: None,
        })
    }

    /// An entry that the editor could not place when it was read the last time, kept with its
    /// value. Those without a node are tried again.
    fn read_kept(kept: &Json) -> Option<Self> {
        let entry = Self::read(kept.get("originalEntry")?)?;
        let value = Some(Arc::new(kept.get("hostValue")?.clone()));
        (entry.node.as_str() == "-1").then_some(Self { value, ..entry })
    }
}

impl Input {
    fn read(value: &Json) -> Option<Self> {
        Some(Self {
            name: text(value, "name")?,
            type_name: type_of(value),
            label: text(value, "label"),
            link: Id::read(value.get("link")),
            widget: value.get("widget").and_then(|widget| text(widget, "name")),
        })
    }
}

fn read_links(graph: &Json) -> Vec<Link> {
    members(graph, "links").filter_map(Link::read).collect()
}

impl Link {
    fn read(value: &Json) -> Option<Self> {
        const NAMES: [&str; 5] = ["id", "origin_id", "origin_slot", "target_id", "target_slot"];
        let part = |i: usize| match value {
            Json::List(items) => items.get(i),
            _ => value.get(NAMES[i]),
        };
        let id_or_nobody = |i| Id::read(part(i)).unwrap_or_else(|| Id::new(""));
        Some(Self {
            id: Id::read(part(0))?,
            origin: id_or_nobody(1),
            origin_slot: part(2).and_then(sent_slot),
            target: id_or_nobody(3),
            target_slot: part(4).and_then(slot),
        })
    }
}

impl Subgraph {
    fn read(value: &Json) -> Option<Self> {
        Some(Self {
            id: Id::read(value.get("id"))?,
            name: text(value, "name").unwrap_or_default(),
            nodes: members(value, "nodes").filter_map(Node::read).collect(),
            links: read_links(value),
            inputs: members(value, "inputs").map(Port::read).collect(),
            outputs: members(value, "outputs").map(Port::read).collect(),
        })
    }
}

impl Port {
    fn read(value: &Json) -> Self {
        Self {
            name: text(value, "name").unwrap_or_default(),
            type_name: type_of(value),
            links: members(value, "linkIds")
                .filter_map(|id| Id::read(Some(id)))
                .collect(),
        }
    }
}

impl GroupNode {
    fn read(value: &Json) -> Self {
        let place = |link: &Json, i: usize| link.items().get(i).and_then(slot);
        Self {
            nodes: members(value, "nodes").filter_map(Node::read).collect(),
            links: members(value, "links")
                .filter_map(|link| {
                    Some(GroupLink {
                        origin: place(link, 0)?,
                        origin_slot: place(link, 1)?,
                        target: place(link, 2)?,
                        target_slot: place(link, 3)?,
                    })
                })
                .collect(),
            external: members(value, "external")
                .filter_map(|entry| Some((place(entry, 0)?, place(entry, 1)?)))
                .collect(),
        }
    }
}

fn member<'a>(value: &'a Json, path: &[&str]) -> Option<&'a Json> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

fn members<'a>(value: &'a Json, key: &str) -> impl Iterator<Item = &'a Json> {
    value.get(key).map_or(&[][..], Json::items).iter()
}

fn text(value: &Json, key: &str) -> Option<String> {
    value.get(key)?.as_text().map(str::to_owned)
}

/// The type of a socket; a list of options is a combo, and the old number for "anything" is `*`.
fn type_of(socket: &Json) -> String {
    match socket.get("type") {
        Some(Json::Text(name)) if name.len() <= TYPE_BYTES_MAX => name.clone(),
        Some(Json::List(_)) => "COMBO".to_owned(),
        _ => "*".to_owned(),
    }
}

/// A number without a fraction and not below zero, small enough to count with.
fn whole(value: &Json) -> Option<usize> {
    let n = value.as_number()?;
    // In range and whole by the comparison.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (n.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(&n)).then_some(n as usize)
}

/// Slots below this are numbers that a double writes without an exponent.
const SLOT_END: f64 = 4_294_967_296.0;

/// A slot as it is sent: whatever whole number the value begins with.
fn sent_slot(value: &Json) -> Option<i64> {
    let n = match value {
        Json::Text(text) => text.trim().parse().ok()?,
        _ => value.as_number()?,
    };
    // In range by the comparison, and meant to be cut.
    #[allow(clippy::cast_possible_truncation)]
    (n.abs() < SLOT_END).then_some(n as i64)
}

/// A slot is a number; some old files have it as a text.
fn slot(value: &Json) -> Option<usize> {
    match value {
        Json::Text(text) => text.trim().parse().ok(),
        _ => whole(value),
    }
}
