//! How far an attempt is, as its worker tells it. News of the moment: never stored, never a reason
//! to change a job.

use serde::{Deserialize, Serialize};

/// A complete snapshot: one alone says everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// From 0 to 1.
    pub value: f64,
    /// 0 of 0 where the worker tells no nodes.
    #[serde(default)]
    pub nodes_done: u32,
    #[serde(default)]
    pub nodes_total: u32,
    #[serde(default)]
    pub current_node: Option<String>,
    #[serde(default)]
    pub current_node_class: Option<String>,
    #[serde(default)]
    pub step: Option<u32>,
    #[serde(default)]
    pub steps: Option<u32>,
    #[serde(default)]
    pub message: Option<String>,
}

impl Progress {
    /// Where the worker tells a share and nothing else.
    pub fn of_share(value: f64) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }
}

/// A picture of what is being made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    pub node_id: String,
    pub content_type: String,
    pub data_base64: String,
}

/// A file that is done before its job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Early {
    pub key: String,
    /// As those who listen are shown it.
    pub shown: String,
}

/// What the worker of one attempt tells at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    pub attempt: u32,
    /// It is the first sign of work, and the row says so since: listeners hear of that, too.
    pub has_begun: bool,
    pub progress: Option<Progress>,
    pub preview: Option<Preview>,
    pub early: Option<Early>,
}
