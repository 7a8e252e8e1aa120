//! Callers' secrets as they are stored: sealed by the platform's own AES-GCM, under keys derived
//! from `TOKEN_SECRETS`. The newest one seals, every valid one opens.

use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;
use worker::js_sys::Promise;
use worker::wasm_bindgen_futures::JsFuture;

use crate::id::Secret;
use crate::token::Signer;

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = seal)]
    fn begin_seal(key: &[u8], text: &str) -> Result<Promise, JsValue>;
    #[wasm_bindgen(catch, js_name = unseal)]
    fn begin_unseal(key: &[u8], sealed: &str) -> Result<Promise, JsValue>;
}

/// `None`: the platform would not.
pub async fn seal(signer: &Signer, secret: &str) -> Option<String> {
    let key = signer.sealing_keys().next()?;
    let sealed = JsFuture::from(begin_seal(&key, secret).ok()?).await;
    sealed.ok()?.as_string()
}

/// `None`: none of our keys opens it any more.
pub async fn unseal(signer: &Signer, sealed: &str) -> Option<Secret> {
    for key in signer.sealing_keys() {
        let opened = JsFuture::from(begin_unseal(&key, sealed).ok()?).await;
        let opened = opened.ok().and_then(|text| text.as_string());
        if let Some(secret) = opened.as_deref().and_then(Secret::parse) {
            return Some(secret);
        }
    }
    None
}
