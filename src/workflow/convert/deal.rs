//! Dealing out `widgets_values`: in order, to the widgets that take one.

use std::borrow::Cow;
use std::sync::Arc;

use crate::workflow::graph::WidgetsValues;
use crate::workflow::json::{Json, Shared};

use super::definitions::Class;
use super::inputs::WidgetSpec;

/// Hands out saved values in order.
pub struct Dealer<'v> {
    values: Cow<'v, [Shared]>,
    named: Option<&'v Json>,
    next: usize,
}

pub enum Dealt {
    /// There are no more values: the widget keeps its own.
    Missing,
    /// There is one, and it is JavaScript's `undefined`.
    Undefined,
    Saved(Shared),
}

impl<'v> Dealer<'v> {
    pub fn new(class: &Class, values: &'v WidgetsValues) -> Self {
        match values {
            WidgetsValues::Absent => Self::empty(),
            WidgetsValues::List(values) => Self {
                values: without_forced(class, values),
                named: None,
                next: 0,
            },
            WidgetsValues::Named(values) => Self {
                named: Some(values),
                ..Self::empty()
            },
        }
    }

    pub const fn empty() -> Self {
        Self {
            values: Cow::Borrowed(&[]),
            named: None,
            next: 0,
        }
    }

    pub fn take(&mut self) -> Dealt {
        let place = self.next;
        self.next += 1;
        match self.named {
            // The editor asks the object for "0", "1" and so on, and nearly always gets nothing.
            Some(named) => match named.get(&place.to_string()) {
                Some(value) => Dealt::Saved(Arc::new(value.clone())),
                None => Dealt::Undefined,
            },
            None => self
                .values
                .get(place)
                .map_or(Dealt::Missing, |v| Dealt::Saved(v.clone())),
        }
    }
}

impl Dealt {
    /// Whether the editor mends what was saved.
    pub fn is_nothing(&self) -> bool {
        match self {
            Self::Missing => false,
            Self::Undefined => true,
            Self::Saved(value) => value.is_null(),
        }
    }

    /// What the widget holds then.
    pub fn value_for(self, spec: &WidgetSpec) -> Option<Shared> {
        match self {
            Self::Missing => spec.default.clone(),
            Self::Undefined => spec.mended(None),
            Self::Saved(value) => spec.mended(Some(value)),
        }
    }

    pub fn saved(self) -> Option<Shared> {
        match self {
            Self::Saved(value) => Some(value),
            Self::Missing | Self::Undefined => None,
        }
    }
}

/// Old files have a value for every `forceInput` socket too. Their number gives them away.
fn without_forced<'v>(class: &Class, values: &'v [Shared]) -> Cow<'v, [Shared]> {
    let mut is_forced = Vec::new();
    for spec in &class.inputs {
        if spec.force_input || spec.widget().is_some() {
            is_forced.push(spec.force_input);
            is_forced.extend(spec.has_control.then_some(false));
        }
    }
    if is_forced.len() != values.len() || !is_forced.contains(&true) {
        return Cow::Borrowed(values);
    }
    let kept = values.iter().zip(is_forced).filter(|(_, forced)| !forced);
    Cow::Owned(kept.map(|(value, _)| value.clone()).collect())
}
