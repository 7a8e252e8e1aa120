//! What is asked for, read.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::RAW;
use crate::id::{RequestKey, Secret};
use crate::time::UnixMillis;
use crate::workflow::violation::Violation;

/// Bytes that came with the request itself.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Where they stood in the request, for violations.
    pub path: String,
    /// What the inputs call them: their hash.
    pub reference: String,
    pub bytes: Bytes,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Work {
    Template {
        name: String,
        inputs: Map<String, Value>,
        shorthands: Map<String, Value>,
    },
    /// A caller's own workflow, a prompt or an editor graph, with the files its nodes name.
    Raw {
        workflow: Value,
        images: Vec<(String, Upload)>,
    },
}

impl Work {
    /// As its job will call it.
    pub(super) fn template(&self) -> &str {
        match self {
            Self::Template { name, .. } => name,
            Self::Raw { .. } => RAW,
        }
    }

    /// For whoever does it: a workflow may be too large to be in memory twice.
    pub(super) fn take(&mut self) -> Self {
        let nothing = Self::Raw {
            workflow: Value::Null,
            images: Vec::new(),
        };
        std::mem::replace(self, nothing)
    }
}

#[derive(Clone, Debug)]
pub struct Request {
    pub key: Option<RequestKey>,
    /// blake3 of the canonical request.
    pub fingerprint: String,
    pub work: Work,
    pub uploads: Vec<Upload>,
    pub labels: BTreeMap<String, String>,
    pub priority: i32,
    /// The caller's key for partner nodes: no part of the fingerprint, and never in a row.
    pub partner_key: Option<Secret>,
    pub webhook_url: Option<String>,
    /// Comma-separated statuses; `None`: all.
    pub webhook_events: Option<String>,
    /// When the job expires unstarted.
    pub start_by: Option<UnixMillis>,
    /// When the job is stopped if it has not ended.
    pub deadline: Option<UnixMillis>,
    /// What was found wrong while reading the request; reported with everything else.
    pub violations: Vec<Violation>,
}
