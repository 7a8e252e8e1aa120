//! `EndpointGate`: the durable object that admits jobs to one endpoint, and the port that asks it.
//!
//! It stores nothing: what it knows may be lost at any moment and is read back from D1. Asking
//! twice is the same as once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use wasm_bindgen::{JsCast, JsValue};
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;
use worker::{durable_object, web_sys, DurableObject, Env, Request, Response, Result, State};

use super::watchers::{call, text};
use crate::app::App;
use crate::gate::{Answer, Ask};
use crate::parse;
use crate::ports::{Gate, GateError};
use crate::queue::gate::Keeper;

#[durable_object]
pub struct EndpointGate {
    app: AssertUnwindSafe<std::result::Result<Arc<App>, String>>,
    keeper: AssertUnwindSafe<Keeper>,
}

impl DurableObject for EndpointGate {
    fn new(state: State, env: Env) -> Self {
        let app = super::app(&env).map_err(|_| "the service is not configured".to_owned());
        let endpoint = state.id().name().unwrap_or_default();
        Self {
            app: AssertUnwindSafe(app),
            keeper: AssertUnwindSafe(Keeper::new(&endpoint)),
        }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let app = self.app.as_ref().map_err(Clone::clone)?;
        let ask: Ask = parse::json_bytes(&request.bytes().await?)?;
        let answer = self.keeper.answer(app, ask).await;
        let answer = answer.map_err(|error| error.to_string())?;
        Response::ok(serde_json::to_string(&answer)?)
    }
}

/// The namespace's binding.
pub struct DurableGates(pub SendWrapper<JsValue>);

#[async_trait]
impl Gate for DurableGates {
    async fn ask(&self, endpoint: &str, ask: Ask) -> std::result::Result<Answer, GateError> {
        let namespace = &self.0 .0;
        let answer = async move {
            let ask = serde_json::to_string(&ask).map_err(|error| error.to_string())?;
            let response =
                JsFuture::from(call(namespace, endpoint, "/", "[]", Some(&ask))?).await?;
            let response: web_sys::Response = response.unchecked_into();
            let text = text(&response).await?;
            parse::json(&text).map_err(|error| JsValue::from(format!("{error}: {text}")))
        };
        let answer: std::result::Result<Answer, JsValue> = SendFuture::new(answer).await;
        answer.map_err(|error| GateError(format!("{error:?}")))
    }
}
