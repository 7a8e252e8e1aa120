//! The binding `send_email` behind the port [`Mailer`].

use async_trait::async_trait;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::JsValue;
use worker::js_sys::Promise;
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;

use crate::ports::{Mail, MailError, Mailer};

#[wasm_bindgen(module = "/src/cloudflare/border.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn mail(
        binding: &JsValue,
        from: &str,
        to: &str,
        subject: &str,
        text: &str,
    ) -> Result<Promise, JsValue>;
}

pub struct EmailBinding(pub SendWrapper<JsValue>);

#[async_trait]
impl Mailer for EmailBinding {
    async fn send(&self, letter: Mail) -> Result<(), MailError> {
        let binding = &self.0 .0;
        let sent = async {
            let sent = mail(
                binding,
                &letter.from,
                &letter.to,
                &letter.subject,
                &letter.text,
            )?;
            JsFuture::from(sent).await
        };
        let sent = SendFuture::new(sent).await;
        // The platform's words may name the addresses: they go into no log.
        sent.map(drop)
            .map_err(|_| MailError("the platform refused it".to_owned()))
    }
}
