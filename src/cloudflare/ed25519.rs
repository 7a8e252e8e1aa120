//! The platform's Ed25519 behind the port of this name.

use async_trait::async_trait;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;
use worker::js_sys::{Promise, Uint8Array};
use worker::send::SendFuture;
use worker::wasm_bindgen_futures::JsFuture;

use crate::ports::Ed25519;

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn sign(seed: &[u8], text: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = publicKey)]
    fn public_key(seed: &[u8]) -> Result<Promise, JsValue>;
}

pub struct RuntimeEd25519;

#[async_trait]
impl Ed25519 for RuntimeEd25519 {
    async fn sign(&self, seed: &[u8; 32], text: &str) -> Option<Vec<u8>> {
        SendFuture::new(bytes(sign(seed, text))).await
    }

    async fn public_key(&self, seed: &[u8; 32]) -> Option<Vec<u8>> {
        SendFuture::new(bytes(public_key(seed))).await
    }
}

async fn bytes(promise: Result<Promise, JsValue>) -> Option<Vec<u8>> {
    let bytes = JsFuture::from(promise.ok()?).await.ok()?;
    Some(Uint8Array::new(&bytes).to_vec())
}
