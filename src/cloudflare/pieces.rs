//! A request's body in pieces of 64 KiB: the runtime's ordinary reader gives 4 KiB, and every piece
//! crosses the border of Wasm.

use bytes::Bytes;
use futures::stream::{self, Stream};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{ArrayBuffer, Object, Promise, Reflect, Uint8Array};
use worker::send::{IntoSendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;
use worker::web_sys;

const PIECE_BYTES: u32 = 64 << 10;

#[wasm_bindgen]
extern "C" {
    type Reader;
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &Reader, least: u32, view: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = releaseLock)]
    fn release_lock(this: &Reader) -> Result<(), JsValue>;

    type Source;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn get_reader(this: &Source, options: &JsValue) -> Result<Reader, JsValue>;
}

/// Takes the body only when it is first read, and lets go of it when dropped: a body that is
/// refused unread must stay free for the runtime to drain.
struct Pieces {
    source: Source,
    reader: Option<Reader>,
    /// The buffer travels back and forth; it is here between two reads.
    buffer: Option<ArrayBuffer>,
}

impl Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, JsValue> {
        let buffer = self
            .buffer
            .take()
            .unwrap_or_else(|| ArrayBuffer::new(PIECE_BYTES));
        let view = Uint8Array::new(&buffer);
        let reader = self.reader()?;
        let read = JsFuture::from(reader.read_at_least(PIECE_BYTES, &view)?).await?;
        let value: Uint8Array = Reflect::get(&read, &"value".into())?.unchecked_into();
        if value.is_undefined() || value.length() == 0 {
            return Ok(None);
        }
        let bytes = Bytes::from(value.to_vec());
        self.buffer = Some(value.buffer());
        Ok(Some(bytes))
    }

    fn reader(&mut self) -> Result<&Reader, JsValue> {
        if self.reader.is_none() {
            let options = Object::new();
            Reflect::set(&options, &"mode".into(), &"byob".into())?;
            self.reader = Some(self.source.get_reader(&options)?);
        }
        self.reader.as_ref().ok_or(JsValue::UNDEFINED)
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            // Fails only while a read is under way, and then the body is gone anyway.
            drop(reader.release_lock());
        }
    }
}

/// The body as a stream that ordinary `Send` code can read.
pub fn stream(
    body: &web_sys::ReadableStream,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let pieces = Pieces {
        source: body.clone().unchecked_into(),
        reader: None,
        buffer: None,
    };
    stream::try_unfold(SendWrapper(pieces), |mut pieces| {
        async move {
            let next = pieces.0.next().await;
            let next = next.map_err(|_| std::io::Error::other("the body broke off"))?;
            Ok(next.map(|bytes| (bytes, pieces)))
        }
        .into_send()
    })
}
