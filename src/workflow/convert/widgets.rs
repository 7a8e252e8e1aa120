//! The widgets and sockets of one node, and the saved values dealt out to them.

use std::borrow::Cow;
use std::sync::Arc;

use crate::workflow::graph::{Id, Node, WidgetsValues};
use crate::workflow::json::{Json, Shared};

use super::budget::Budget;
use super::deal::{Dealer, Dealt};
use super::definitions::Class;
use super::error::ConvertError;
use super::inputs::{Choice, Grow, InputSpec, Kind, MatchTemplate, Naming, WidgetKind, WidgetSpec};
use super::special;

#[derive(Debug)]
pub struct Widget<'d> {
    pub name: String,
    /// `None` is JavaScript's `undefined`: such an input is left out.
    pub value: Option<Shared>,
    pub role: Role<'d>,
}

/// How a widget's value gets into the prompt.
#[derive(Clone, Copy, Debug)]
pub enum Role<'d> {
    Input {
        spec: &'d WidgetSpec,
        /// An input of a dynamic combo's option.
        nested: bool,
    },
    /// No input of the class, yet sent.
    Extra,
    Hidden,
    /// Sent as an empty text, whatever it holds.
    Blank,
    /// Sent as the place of the choice among the options.
    ChoicePlace,
}

#[derive(Clone, Debug)]
pub struct Slot<'d> {
    pub name: String,
    pub kind: SlotKind<'d>,
    pub link: Option<Id>,
    /// The place of its widget; of an instance's input that has a value, the input's own place.
    pub widget: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum SlotKind<'d> {
    Plain(Cow<'d, str>),
    Match(&'d MatchTemplate),
}

impl Widget<'_> {
    /// Whether a saved value is dealt to it.
    pub fn takes_value(&self) -> bool {
        let Role::Input { spec, .. } = self.role else {
            return true;
        };
        !matches!(spec.kind, WidgetKind::ImageCompare)
    }
}

/// What [`build`] makes of a class and saved values.
#[derive(Default)]
pub struct Built<'d> {
    pub widgets: Vec<Widget<'d>>,
    pub slots: Vec<Slot<'d>>,
}

/// Sockets first, then the sockets of widgets in the widgets' order.
pub fn build<'d>(
    class: &'d Class,
    values: &WidgetsValues,
    budget: &mut Budget,
) -> Result<Built<'d>, ConvertError> {
    let mut builder = Builder {
        dealer: Dealer::new(class, values),
        widgets: Vec::new(),
        slots: Vec::new(),
        budget,
    };
    for spec in class.inputs.iter().filter(|spec| spec.widget().is_none()) {
        builder.add(spec, Cow::Borrowed(&spec.name), false)?;
    }
    for spec in class.inputs.iter().filter(|spec| spec.widget().is_some()) {
        builder.add(spec, Cow::Borrowed(&spec.name), false)?;
        special::after_input(&class.name, &spec.name, &mut builder)?;
    }
    special::after_all(class, &mut builder)?;
    Ok(Built {
        widgets: builder.widgets,
        slots: builder.slots,
    })
}

pub struct Builder<'d, 'v, 'b> {
    dealer: Dealer<'v>,
    pub widgets: Vec<Widget<'d>>,
    slots: Vec<Slot<'d>>,
    budget: &'b mut Budget,
}

impl<'d> Builder<'d, '_, '_> {
    fn add(
        &mut self,
        spec: &'d InputSpec,
        name: Cow<str>,
        nested: bool,
    ) -> Result<(), ConvertError> {
        match &spec.kind {
            Kind::Socket | Kind::Match(_) => self.add_slot(spec, name.into_owned()),
            Kind::Grow(grow) => self.add_grown(grow, &name),
            Kind::Widget(widget) => {
                if !spec.socketless {
                    self.add_slot(spec, name.clone().into_owned())?;
                }
                self.add_widget(widget, &name, nested)
            }
        }
    }

    fn add_slot(&mut self, spec: &'d InputSpec, name: String) -> Result<(), ConvertError> {
        self.budget.load(&name)?;
        self.slots.push(Slot {
            name,
            kind: slot_kind(spec),
            link: None,
            // The widget is pushed next.
            widget: spec.widget().map(|_| self.widgets.len()),
        });
        Ok(())
    }

    fn add_grown(&mut self, grow: &'d Grow, name: &str) -> Result<(), ConvertError> {
        for place in 0..grow.at_first {
            for (spec, grown) in grown_names(grow, name, place) {
                self.budget.load(&grown)?;
                self.slots.push(Slot {
                    name: grown,
                    kind: slot_kind(spec),
                    link: None,
                    widget: None,
                });
            }
        }
        Ok(())
    }

    fn add_widget(
        &mut self,
        spec: &'d WidgetSpec,
        name: &str,
        nested: bool,
    ) -> Result<(), ConvertError> {
        let dealt = match spec.kind {
            WidgetKind::ImageCompare => Dealt::Missing,
            _ => self.dealer.take(),
        };
        let is_null = dealt.is_nothing();
        let value = dealt.value_for(spec);
        let role = Role::Input { spec, nested };
        self.push(name, value.clone(), role)?;
        for follower in &spec.followers {
            let value = self.dealer.take().saved();
            self.push(follower, value, Role::Hidden)?;
        }
        match (&spec.kind, value) {
            (WidgetKind::DynamicCombo(choices), Some(key)) => {
                self.add_choice(choices, &key, name, is_null)
            }
            _ => Ok(()),
        }
    }

    /// The inputs of the chosen option. Where `null` chose it, they keep what they hold at first:
    /// the saved values were dealt to the widgets behind before the editor mended the choice.
    fn add_choice(
        &mut self,
        choices: &'d [Choice],
        key: &Json,
        name: &str,
        is_null: bool,
    ) -> Result<(), ConvertError> {
        self.budget.walk(choices.len())?;
        let Some(choice) = choices.iter().find(|choice| *choice.key == *key) else {
            return Ok(());
        };
        let dealer = is_null.then(|| std::mem::replace(&mut self.dealer, Dealer::empty()));
        for spec in &choice.inputs {
            self.add(spec, Cow::Owned(format!("{name}.{}", spec.name)), true)?;
        }
        if let Some(dealer) = dealer {
            self.dealer = dealer;
        }
        Ok(())
    }

    pub fn push(
        &mut self,
        name: &str,
        value: Option<Shared>,
        role: Role<'d>,
    ) -> Result<(), ConvertError> {
        self.budget.load(name)?;
        self.widgets.push(Widget {
            name: name.to_owned(),
            value,
            role,
        });
        Ok(())
    }

    /// A widget that is no input of the class: it takes a saved value, or holds `default`.
    pub fn push_extra(
        &mut self,
        name: &str,
        default: &str,
        role: Role<'d>,
    ) -> Result<(), ConvertError> {
        let value = match self.dealer.take() {
            Dealt::Missing => Some(Arc::new(Json::Text(default.to_owned()))),
            dealt => dealt.saved(),
        };
        self.push(name, value, role)
    }
}

fn slot_kind(spec: &InputSpec) -> SlotKind<'_> {
    match &spec.kind {
        Kind::Match(template) => SlotKind::Match(template),
        _ => SlotKind::Plain(Cow::Borrowed(&spec.type_name)),
    }
}

/// The sockets of one place of a growing input.
fn grown_names<'d, 'n>(
    grow: &'d Grow,
    name: &'n str,
    place: usize,
) -> impl Iterator<Item = (&'d InputSpec, String)> + use<'d, 'n> {
    let is_alone = grow.inputs.len() == 1;
    grow.inputs.iter().map(move |spec| {
        let end = match &grow.naming {
            _ if !is_alone => format!("{}{place}", spec.name),
            Naming::Prefix(prefix) => format!("{prefix}{place}"),
            Naming::Names(names) => names.get(place).cloned().unwrap_or_default(),
        };
        (spec, format!("{name}.{end}"))
    })
}

/// The type of a socket that the class may grow, for saved sockets beyond those it starts with.
pub fn grown_kind<'d>(class: &'d Class, name: &str) -> Option<SlotKind<'d>> {
    class.inputs.iter().find_map(|spec| {
        let Kind::Grow(grow) = &spec.kind else {
            return None;
        };
        let end = name.strip_prefix(spec.name.as_str())?.strip_prefix('.')?;
        let first = grow.inputs.first()?;
        let grows = match &grow.naming {
            Naming::Prefix(prefix) => end.starts_with(prefix.as_str()),
            Naming::Names(names) => names.iter().any(|name| name == end),
        };
        grows.then(|| slot_kind(first))
    })
}

/// A class that nobody has: the file's own sockets, and a nameless widget for every saved value.
pub fn build_unknown<'d>(node: &Node, budget: &mut Budget) -> Result<Built<'d>, ConvertError> {
    let mut built = Built::default();
    for input in &node.inputs {
        budget.load(&input.name)?;
        built.slots.push(Slot {
            name: input.name.clone(),
            kind: SlotKind::Plain(Cow::Owned(input.type_name.clone())),
            link: input.link.clone(),
            widget: None,
        });
    }
    let WidgetsValues::List(values) = &node.widgets_values else {
        return Ok(built);
    };
    for (place, value) in values.iter().enumerate() {
        let name = match place {
            0 => "UNKNOWN".to_owned(),
            _ => format!("UNKNOWN_{place}"),
        };
        budget.load(&name)?;
        let value = match **value {
            Json::Null | Json::List(_) | Json::Object(_) => Arc::new(Json::Text(value.json_text())),
            _ => value.clone(),
        };
        built.widgets.push(Widget {
            name,
            value: Some(value),
            role: Role::Extra,
        });
    }
    Ok(built)
}

/// A primitive or a note has one widget, which holds the first saved value.
pub fn first<'d>(node: &Node, name: &str) -> Vec<Widget<'d>> {
    let WidgetsValues::List(values) = &node.widgets_values else {
        return Vec::new();
    };
    let first = values.first().map(|value| Widget {
        name: name.to_owned(),
        value: Some(value.clone()),
        role: Role::Hidden,
    });
    first.into_iter().collect()
}
