//! The inputs of a node class: which are sockets, which are widgets, and what a widget holds at
//! first.

use std::sync::Arc;

use crate::workflow::json::{Json, Shared};

use super::range::Range;

/// Sockets that one growing input may start with; the largest known class starts with three.
const GROWN_AT_FIRST_MAX: usize = 1_000;

#[derive(Debug)]
pub struct InputSpec {
    pub name: String,
    /// The type of the socket.
    pub type_name: String,
    pub kind: Kind,
    /// A widget without a socket.
    pub socketless: bool,
    /// A socket where a widget would be expected; old files have a value for it.
    pub force_input: bool,
    /// Whether old files have one value more for it.
    pub has_control: bool,
}

#[derive(Debug)]
pub enum Kind {
    Socket,
    /// A socket whose type follows what is connected to the others of the same template.
    Match(MatchTemplate),
    Grow(Grow),
    Widget(WidgetSpec),
}

#[derive(Clone, Debug)]
pub struct MatchTemplate {
    pub id: String,
    pub allowed_types: String,
}

/// An input that brings a socket for every connection (`COMFY_AUTOGROW_V3`).
#[derive(Debug)]
pub struct Grow {
    pub inputs: Vec<InputSpec>,
    pub naming: Naming,
    /// How many sockets there are before anything is connected.
    pub at_first: usize,
}

#[derive(Debug)]
pub enum Naming {
    Prefix(String),
    Names(Vec<String>),
}

#[derive(Debug)]
pub struct WidgetSpec {
    pub kind: WidgetKind,
    /// The value while nothing is saved; a combo without options has none.
    pub default: Option<Shared>,
    /// Names of the widgets after it that take a saved value and are never sent.
    pub followers: Vec<String>,
}

#[derive(Debug)]
pub enum WidgetKind {
    Number(Range),
    Text {
        multiline: bool,
        dynamic: bool,
    },
    Combo {
        first: Option<Shared>,
        uploads: bool,
    },
    DynamicCombo(Vec<Choice>),
    Curve,
    /// Takes no saved value.
    ImageCompare,
    Other,
}

/// An option of a dynamic combo and the inputs that come with it.
#[derive(Debug)]
pub struct Choice {
    pub key: Shared,
    pub inputs: Vec<InputSpec>,
}

/// Reads `{required, optional}` of a class, in the order that `input_order` gives.
pub fn read_class(groups: Option<&Json>, order: Option<&Json>) -> Vec<InputSpec> {
    read_groups(groups, order, |name| matches!(name, "seed" | "noise_seed"))
}

/// Reads the inputs inside an input. Their whole names have a dot, so none counts as a seed.
fn read_inner(groups: Option<&Json>) -> Vec<InputSpec> {
    read_groups(groups, None, |_| false)
}

/// Inputs that `order` does not name come last, in the file's order.
fn read_groups(
    groups: Option<&Json>,
    order: Option<&Json>,
    is_seed: fn(&str) -> bool,
) -> Vec<InputSpec> {
    let mut specs = Vec::new();
    for group in ["required", "optional"] {
        let entries = groups
            .and_then(|g| g.get(group))
            .map_or(&[][..], Json::entries);
        let names = order
            .and_then(|o| o.get(group))
            .map_or(&[][..], Json::items);
        let places: std::collections::HashMap<&str, usize> = names
            .iter()
            .filter_map(Json::as_text)
            .enumerate()
            .map(|(place, name)| (name, place))
            .collect();
        let mut ordered: Vec<&(String, Json)> = entries.iter().collect();
        ordered.sort_by_key(|(name, _)| places.get(name.as_str()).copied().unwrap_or(usize::MAX));
        specs.extend(
            ordered
                .into_iter()
                .map(|(name, spec)| InputSpec::read(name, spec, is_seed(name))),
        );
    }
    specs
}

impl InputSpec {
    fn read(name: &str, spec: &Json, is_seed: bool) -> Self {
        let options = spec.items().get(1).unwrap_or(&Json::Null);
        let type_name = match spec.items().first().unwrap_or(spec) {
            Json::Text(type_name) => type_name.as_str(),
            _ => "COMBO",
        };
        let force_input = is_set(options, "forceInput");
        let kind = match read_kind(type_name, spec, is_seed) {
            Kind::Widget(_) if force_input => Kind::Socket,
            kind => kind,
        };
        Self {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            kind,
            socketless: is_set(options, "socketless"),
            force_input,
            has_control: is_set(options, "control_after_generate"),
        }
    }

    pub fn widget(&self) -> Option<&WidgetSpec> {
        match &self.kind {
            Kind::Widget(widget) => Some(widget),
            _ => None,
        }
    }
}

impl WidgetSpec {
    /// What the widget makes of a value: some mend `null` and JavaScript's `undefined`.
    pub fn mended(&self, value: Option<Shared>) -> Option<Shared> {
        if value.as_ref().is_some_and(|value| !value.is_null()) {
            return value;
        }
        let instead = match &self.kind {
            WidgetKind::Combo { first, .. } => first.clone(),
            WidgetKind::DynamicCombo(_) => self.default.clone(),
            WidgetKind::Text {
                multiline: true, ..
            } => {
                let shown = if value.is_some() { "" } else { "undefined" };
                Some(Arc::new(Json::Text(shown.to_owned())))
            }
            _ => None,
        };
        instead.or(value)
    }
}

fn read_kind(type_name: &str, spec: &Json, is_seed: bool) -> Kind {
    let options = spec.items().get(1).unwrap_or(&Json::Null);
    match type_name {
        "COMFY_AUTOGROW_V3" => return Kind::Grow(read_grow(options)),
        "COMFY_MATCHTYPE_V3" => return Kind::Match(read_match(options)),
        _ => {}
    }
    let widget_type = options
        .get("widgetType")
        .and_then(Json::as_text)
        .unwrap_or(type_name);
    read_widget(widget_type, spec, is_seed).map_or(Kind::Socket, Kind::Widget)
}

fn read_match(options: &Json) -> MatchTemplate {
    let part = |key: &str| {
        let template = options.get("template")?;
        template.get(key)?.as_text().map(str::to_owned)
    };
    MatchTemplate {
        id: part("template_id").unwrap_or_default(),
        allowed_types: part("allowed_types").unwrap_or_else(|| "*".to_owned()),
    }
}

fn read_grow(options: &Json) -> Grow {
    let template = options.get("template").unwrap_or(&Json::Null);
    let names = template.get("names").map(|names| {
        let names = names.items().iter().filter_map(Json::as_text);
        names.map(str::to_owned).collect::<Vec<_>>()
    });
    let count = |key: &str| template.get(key).and_then(Json::as_number);
    let most = match &names {
        Some(names) => names.len(),
        None => small_count(count("max").unwrap_or(f64::INFINITY)),
    };
    let at_first = small_count(count("min").unwrap_or(0.0) + 1.0).max(1);
    Grow {
        inputs: read_inner(template.get("input")),
        naming: names.map_or_else(
            || {
                let prefix = template.get("prefix").and_then(Json::as_text);
                Naming::Prefix(prefix.unwrap_or_default().to_owned())
            },
            Naming::Names,
        ),
        at_first: at_first.min(most),
    }
}

// The clamp makes it fit; not-a-number becomes 0.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]
fn small_count(n: f64) -> usize {
    n.clamp(0.0, GROWN_AT_FIRST_MAX as f64) as usize
}

/// The widget for a type, `None` for a type that only has a socket.
fn read_widget(widget_type: &str, spec: &Json, is_seed: bool) -> Option<WidgetSpec> {
    let options = spec.items().get(1).unwrap_or(&Json::Null);
    let default = options.get("default").cloned().map(Arc::new);
    let or = |fallback: Json| Some(default.clone().unwrap_or_else(|| Arc::new(fallback)));
    let (kind, default) = match widget_type {
        "INT" => (
            WidgetKind::Number(Range::read(options, true)),
            or(Json::Number(0.0)),
        ),
        "FLOAT" => (
            WidgetKind::Number(Range::read(options, false)),
            or(Json::Number(0.0)),
        ),
        "BOOLEAN" => (WidgetKind::Other, or(Json::Bool(false))),
        "STRING" => {
            let kind = WidgetKind::Text {
                multiline: is_set(options, "multiline"),
                dynamic: is_set(options, "dynamicPrompts"),
            };
            (kind, or(Json::Text(String::new())))
        }
        "COMBO" => read_combo(spec, options),
        "COMFY_DYNAMICCOMBO_V3" => {
            let choices = read_choices(options);
            let first = choices.first().map(|choice| choice.key.clone());
            (WidgetKind::DynamicCombo(choices), first)
        }
        "BOUNDING_BOX" => (WidgetKind::Other, or(bounding_box())),
        "CURVE" => (WidgetKind::Curve, default),
        "IMAGECOMPARE" => {
            let nothing = Json::Text(String::new());
            (
                WidgetKind::ImageCompare,
                or(Json::List(vec![nothing.clone(), nothing])),
            )
        }
        "LOAD_3D" | "AUDIO_RECORD" => (WidgetKind::Other, or(Json::Text(String::new()))),
        "COLOR" | "COLORS" | "BOUNDING_BOXES" | "PAINTER" | "COMPOSITOR" | "WEBCAM" => {
            (WidgetKind::Other, default)
        }
        _ => return None,
    };
    let followers = followers(widget_type, options, is_seed);
    Some(WidgetSpec {
        kind,
        default,
        followers,
    })
}

fn read_combo(spec: &Json, options: &Json) -> (WidgetKind, Option<Shared>) {
    const UPLOADS: [&str; 4] = [
        "image_upload",
        "video_upload",
        "audio_upload",
        "animated_image_upload",
    ];
    let choices = match spec.items().first() {
        Some(list @ Json::List(_)) => list.items(),
        _ => options.get("options").map_or(&[][..], Json::items),
    };
    let first = choices.first().cloned().map(Arc::new);
    let default = options.get("default").filter(|default| default.is_truthy());
    let remote = || is_set(options, "remote").then(|| Arc::new(Json::Text("Loading...".into())));
    let value = default
        .cloned()
        .map(Arc::new)
        .or_else(|| first.clone())
        .or_else(remote);
    let uploads = UPLOADS.iter().any(|flag| is_set(options, flag));
    (WidgetKind::Combo { first, uploads }, value)
}

fn read_choices(options: &Json) -> Vec<Choice> {
    let choices = options.get("options").map_or(&[][..], Json::items);
    choices
        .iter()
        .map(|choice| Choice {
            key: Arc::new(choice.get("key").cloned().unwrap_or(Json::Null)),
            inputs: read_inner(choice.get("inputs")),
        })
        .collect()
}

fn bounding_box() -> Json {
    let sides = [("x", 0.0), ("y", 0.0), ("width", 512.0), ("height", 512.0)];
    let entries = sides.map(|(side, n)| (side.to_owned(), Json::Number(n)));
    Json::Object(entries.into())
}

/// The control widgets and the hidden numbers: they take a saved value and are never sent.
fn followers(widget_type: &str, options: &Json, is_seed: bool) -> Vec<String> {
    let control = options.get("control_after_generate");
    let wanted = control.is_some_and(Json::is_truthy);
    let control_name = control
        .and_then(Json::as_text)
        .unwrap_or("control_after_generate");
    let names: &[&str] = match widget_type {
        "INT" if wanted || (is_seed && control.is_none()) => &[control_name],
        "FLOAT" if wanted => &[control_name],
        "COMBO" if wanted => &[control_name, "control_filter_list"],
        "BOUNDING_BOX" => &["x", "y", "width", "height"],
        _ => &[],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

fn is_set(options: &Json, key: &str) -> bool {
    options.get(key).is_some_and(Json::is_truthy)
}
