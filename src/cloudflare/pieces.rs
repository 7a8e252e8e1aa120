//! A body in pieces of 64 KiB: the runtime's ordinary reader gives 4 KiB, and every piece
//! crosses the border of Wasm.

use bytes::Bytes;
use futures::stream::{self, Stream};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{ArrayBuffer, Error, Object, Promise, Reflect, Uint8Array};
use worker::send::{IntoSendFuture, SendWrapper};
use worker::wasm_bindgen_futures::{spawn_local, JsFuture};
use worker::web_sys;

use crate::ports::Broken;

const PIECE_BYTES: u32 = 64 << 10;

#[wasm_bindgen]
extern "C" {
    type Reader;
    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    fn read_at_least(this: &Reader, least: u32, view: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = releaseLock)]
    fn release_lock(this: &Reader) -> Result<(), JsValue>;

    type Aborter;
    #[wasm_bindgen(method, catch)]
    fn cancel(this: &Aborter) -> Result<Promise, JsValue>;

    type Source;
    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn get_reader(this: &Source, options: &JsValue) -> Result<Reader, JsValue>;
}

/// What becomes of a body that is not read to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Of a request: it must stay free for the runtime to drain.
    Left,
    /// Of an answer: unread it would hold its connection, of which there are six.
    Canceled,
}

/// Takes the body only when it is first read, and lets go of it when dropped.
struct Pieces {
    source: Source,
    reader: Option<Reader>,
    /// The buffer travels back and forth; it is here between two reads.
    buffer: Option<ArrayBuffer>,
    rest: Rest,
    ended: bool,
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
            self.ended = true;
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
        if self.rest == Rest::Canceled && !self.ended {
            let source: &Aborter = self.source.unchecked_ref();
            if let Ok(canceled) = source.cancel() {
                // A body that had failed before fails to be canceled, which concerns nobody.
                spawn_local(async move { drop(JsFuture::from(canceled).await) });
            }
        }
    }
}

/// A request's body as a stream that ordinary `Send` code can read.
pub fn of_request(
    body: &web_sys::ReadableStream,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send + 'static {
    pieces(body, Rest::Left)
}

/// The same of an answer to us.
pub fn of_answer(
    body: &web_sys::ReadableStream,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send + 'static {
    pieces(body, Rest::Canceled)
}

fn pieces(
    body: &web_sys::ReadableStream,
    rest: Rest,
) -> impl Stream<Item = Result<Bytes, Broken>> + Send + 'static {
    let pieces = Pieces {
        source: body.clone().unchecked_into(),
        reader: None,
        buffer: None,
        rest,
        ended: false,
    };
    stream::try_unfold(SendWrapper(pieces), |mut pieces| {
        async move {
            let next = pieces.0.next().await;
            let next = next.map_err(|error| Broken::Cut(said(&error)))?;
            Ok(next.map(|bytes| (bytes, pieces)))
        }
        .into_send()
    })
}

/// What an error says, without its stack.
pub fn said(error: &JsValue) -> String {
    let error = error.dyn_ref::<Error>();
    error.map_or_else(String::new, |error| error.message().into())
}
