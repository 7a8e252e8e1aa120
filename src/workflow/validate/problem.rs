//! One error, with the type, message, details and extra information that ComfyUI gives.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::workflow::python::{repr, text, Dict, Raised, Value};
use crate::workflow::schema::{Conversion, Spec};

/// ComfyUI leaves longer lists of choices out of "value not in list". Here that holds for every
/// error, so that a thousand errors do not repeat a thousand file names each.
const CHOICES_SHOWN_MAX: usize = 20;

/// What went wrong; the names on the wire are ComfyUI's, except the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    NoPrompt,
    InvalidPromptId,
    MissingNodeType,
    PromptNoOutputs,
    PromptOutputsFailedValidation,
    RequiredInputMissing,
    BadLinkedInput,
    ReturnTypeMismatch,
    InvalidInputType,
    ValueSmallerThanMin,
    ValueBiggerThanMax,
    ValueNotInList,
    CustomValidationFailed,
    DependencyCycle,
    ExceptionDuringValidation,
    ExceptionDuringInnerValidation,
    /// Ours: ComfyUI breaks down with a 500 here and says nothing.
    UnreadablePrompt,
}

impl Kind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoPrompt => "no_prompt",
            Self::InvalidPromptId => "invalid_prompt_id",
            Self::MissingNodeType => "missing_node_type",
            Self::PromptNoOutputs => "prompt_no_outputs",
            Self::PromptOutputsFailedValidation => "prompt_outputs_failed_validation",
            Self::RequiredInputMissing => "required_input_missing",
            Self::BadLinkedInput => "bad_linked_input",
            Self::ReturnTypeMismatch => "return_type_mismatch",
            Self::InvalidInputType => "invalid_input_type",
            Self::ValueSmallerThanMin => "value_smaller_than_min",
            Self::ValueBiggerThanMax => "value_bigger_than_max",
            Self::ValueNotInList => "value_not_in_list",
            Self::CustomValidationFailed => "custom_validation_failed",
            Self::DependencyCycle => "dependency_cycle",
            Self::ExceptionDuringValidation => "exception_during_validation",
            Self::ExceptionDuringInnerValidation => "exception_during_inner_validation",
            Self::UnreadablePrompt => "unreadable_prompt",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: Kind,
    pub message: String,
    pub details: String,
    pub extra_info: Extra,
}

/// `extra_info`, in the order in which it was put together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra(pub(super) Vec<(&'static str, Value<'static>)>);

impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// An input of a node that is being judged: its full name and what may be given to it.
#[derive(Clone, Copy)]
pub(super) struct At<'v> {
    pub name: &'v str,
    pub spec: Option<&'v Spec>,
}

impl Problem {
    pub(super) fn new(
        kind: Kind,
        message: impl Into<String>,
        details: impl Into<String>,
        extra: Vec<(&'static str, Value<'static>)>,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            details: details.into(),
            extra_info: Extra(extra),
        }
    }

    /// The input that the error is about, if it is about one.
    pub fn input_name(&self) -> Option<&str> {
        let found = self
            .extra_info
            .0
            .iter()
            .find(|(key, _)| *key == "input_name");
        found.and_then(|(_, value)| value.as_text())
    }

    pub(super) fn no_prompt() -> Self {
        let text = "No prompt provided";
        Self::new(Kind::NoPrompt, text, text, Vec::new())
    }

    pub(super) fn unreadable(details: impl Into<String>) -> Self {
        let message = "The request cannot be read as a prompt";
        Self::new(Kind::UnreadablePrompt, message, details, Vec::new())
    }

    pub(super) fn required_input_missing(name: &str, shown: &str) -> Self {
        let message = "Required input is missing";
        let extra = vec![("input_name", name.into())];
        Self::new(Kind::RequiredInputMissing, message, shown, extra)
    }

    pub(super) fn bad_link(at: At<'_>, link: &Value<'_>) -> Self {
        let message = "Bad linked input, must be a length-2 list of [node_id, slot_index]";
        let extra = at.extra([("received_value", link.clone().into_owned())]);
        Self::new(Kind::BadLinkedInput, message, at.name, extra)
    }

    pub(super) fn type_mismatch(at: At<'_>, received: &Value<'_>, link: &Value<'_>) -> Self {
        let expected = at.spec.map(|spec| text(&spec.kind)).unwrap_or_default();
        let shown = text(received);
        let name = at.name;
        let details = format!("{name}, received_type({shown}) mismatch input_type({expected})");
        let extra = at.extra([
            ("received_type", received.clone().into_owned()),
            ("linked_node", link.clone().into_owned()),
        ]);
        let message = "Return type mismatch between linked nodes";
        Self::new(Kind::ReturnTypeMismatch, message, details, extra)
    }

    pub(super) fn not_convertible(
        at: At<'_>,
        value: &Value<'_>,
        to: Conversion,
        why: Raised,
    ) -> Self {
        let to = match to {
            Conversion::Int => "INT",
            Conversion::Float => "FLOAT",
            Conversion::Text => "STRING",
            Conversion::Bool => "BOOLEAN",
        };
        let message = format!("Failed to convert an input value to a {to} value");
        let details = format!("{}, {}, {}", at.name, text(value), why.text);
        let extra = at.extra([
            ("received_value", value.clone().into_owned()),
            ("exception_message", why.text.into()),
        ]);
        Self::new(Kind::InvalidInputType, message, details, extra)
    }

    pub(super) fn too_small(at: At<'_>, value: &Value<'_>, min: &Value<'_>) -> Self {
        let message = format!("Value {} smaller than min of {}", text(value), text(min));
        let extra = at.extra([("received_value", value.clone().into_owned())]);
        Self::new(Kind::ValueSmallerThanMin, message, at.name, extra)
    }

    pub(super) fn too_big(at: At<'_>, value: &Value<'_>, max: &Value<'_>) -> Self {
        let message = format!("Value {} bigger than max of {}", text(value), text(max));
        let extra = at.extra([("received_value", value.clone().into_owned())]);
        Self::new(Kind::ValueBiggerThanMax, message, at.name, extra)
    }

    /// `wrong` are those parts of `value` that are not among the choices.
    pub(super) fn not_a_choice(at: At<'_>, value: &Value<'_>, wrong: &[&Value<'_>]) -> Self {
        let choices = at.spec.and_then(Spec::choices).unwrap_or_default();
        let list = if choices.len() > CHOICES_SHOWN_MAX {
            format!("(list of length {})", choices.len())
        } else {
            repr(&Value::List(choices.to_vec()))
        };
        let wrong: Vec<_> = wrong.iter().map(|value| repr(value)).collect();
        let details = format!("{}: {} not in {list}", at.name, wrong.join(", "));
        let extra = at.extra([("received_value", value.clone().into_owned())]);
        Self::new(Kind::ValueNotInList, "Value not in list", details, extra)
    }

    pub(super) fn custom(name: &str, sentence: &str) -> Self {
        let message = "Custom validation failed for node";
        let extra = vec![("input_name", name.into())];
        Self::new(
            Kind::CustomValidationFailed,
            message,
            format!("{name} - {sentence}"),
            extra,
        )
    }

    pub(super) fn raised(raised: &Raised) -> Self {
        let extra = vec![
            ("exception_type", raised.exception.into()),
            ("traceback", Value::List(Vec::new())),
        ];
        let message = "Exception when validating node";
        Self::new(
            Kind::ExceptionDuringValidation,
            message,
            raised.text.clone(),
            extra,
        )
    }

    /// An exception in the node that `link`, given to the input `at`, leads to.
    pub(super) fn raised_inside(raised: &Raised, at: At<'_>, link: &Value<'_>) -> Self {
        let extra = at.extra([
            ("exception_message", raised.text.clone().into()),
            ("exception_type", raised.exception.into()),
            ("traceback", Value::List(Vec::new())),
            ("linked_node", link.clone().into_owned()),
        ]);
        let message = "Exception when validating inner node";
        Self::new(
            Kind::ExceptionDuringInnerValidation,
            message,
            raised.text.clone(),
            extra,
        )
    }
}

impl At<'_> {
    fn extra<const N: usize>(
        self,
        rest: [(&'static str, Value<'static>); N],
    ) -> Vec<(&'static str, Value<'static>)> {
        let mut extra = vec![
            ("input_name", self.name.into()),
            ("input_config", self.config()),
        ];
        extra.extend(rest);
        extra
    }

    /// `[type, options]`, or null where that would be long.
    fn config(self) -> Value<'static> {
        let Some(spec) = self.spec else {
            return Value::List(vec!["*".into(), Value::Dict(Dict::default())]);
        };
        if spec
            .choices()
            .is_some_and(|choices| choices.len() > CHOICES_SHOWN_MAX)
        {
            return Value::None;
        }
        Value::List(vec![spec.kind.clone(), Value::Dict(spec.options.clone())])
    }
}
