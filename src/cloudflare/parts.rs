//! An object of R2 that is written while it arrives, in parts of one size.
//!
//! One part is in memory, in one buffer outside of Wasm that is filled again when R2 has taken its
//! bytes: fresh buffers would pile up until they are collected. What fits into one part is put at
//! once.

use async_trait::async_trait;
use bytes::Bytes;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use worker::send::{SendFuture, SendWrapper};
use worker::wasm_bindgen_futures::JsFuture;
use worker::Bucket;

use crate::ports::{BlobError, BlobLabel, BlobWriter, PART_BYTES};

#[wasm_bindgen]
extern "C" {
    type Store;
    #[wasm_bindgen(method, catch)]
    fn put(
        this: &Store,
        key: &str,
        bytes: &Uint8Array,
        options: &JsValue,
    ) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch, js_name = createMultipartUpload)]
    fn begin(this: &Store, key: &str, options: &JsValue) -> Result<Promise, JsValue>;

    type Upload;
    #[wasm_bindgen(method, catch, js_name = uploadPart)]
    fn upload_part(this: &Upload, number: u32, bytes: &Uint8Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn complete(this: &Upload, parts: &Array) -> Result<Promise, JsValue>;
    #[wasm_bindgen(method, catch)]
    fn abort(this: &Upload) -> Result<Promise, JsValue>;

    type Stored;
    #[wasm_bindgen(method, getter)]
    fn size(this: &Stored) -> f64;
}

struct Parts {
    store: Store,
    key: String,
    options: JsValue,
    buffer: Uint8Array,
    filled: u32,
    upload: Option<Upload>,
    uploaded: Array,
}

/// [`Parts`] where `Send` is asked for: an isolate has one thread.
pub struct R2Writer(SendWrapper<Parts>);

impl R2Writer {
    pub fn new(bucket: &Bucket, key: &str, label: &BlobLabel) -> Result<Self, BlobError> {
        // The buffer's length is a constant far below 4 GiB.
        #[allow(clippy::cast_possible_truncation)]
        let buffer = Uint8Array::new_with_length(PART_BYTES as u32);
        Ok(Self(SendWrapper(Parts {
            store: JsValue::from(bucket.clone()).unchecked_into(),
            key: key.to_owned(),
            options: options(label).map_err(|error| failed(&error))?,
            buffer,
            filled: 0,
            upload: None,
            uploaded: Array::new(),
        })))
    }
}

#[async_trait]
impl BlobWriter for R2Writer {
    async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        let parts = &mut self.0 .0;
        SendFuture::new(async { parts.write(&piece).await.map_err(|error| failed(&error)) }).await
    }

    async fn finish(self: Box<Self>) -> Result<u64, BlobError> {
        let parts = self.0 .0;
        SendFuture::new(async { parts.finish().await.map_err(|error| failed(&error)) }).await
    }

    async fn abort(self: Box<Self>) {
        let parts = self.0 .0;
        SendFuture::new(async {
            if let Some(Ok(aborted)) = parts.upload.as_ref().map(Upload::abort) {
                // R2 forgets an unfinished upload within a week by itself.
                drop(JsFuture::from(aborted).await);
            }
        })
        .await;
    }
}

impl Parts {
    async fn write(&mut self, mut piece: &[u8]) -> Result<(), JsValue> {
        while !piece.is_empty() {
            let room = (self.buffer.length() - self.filled) as usize;
            let (some, rest) = piece.split_at(room.min(piece.len()));
            // At most the buffer's length.
            #[allow(clippy::cast_possible_truncation)]
            let end = self.filled + some.len() as u32;
            self.buffer.subarray(self.filled, end).copy_from(some);
            self.filled = end;
            piece = rest;
            if self.filled == self.buffer.length() {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), JsValue> {
        let bytes = self.buffer.subarray(0, self.filled);
        let number = self.uploaded.length() + 1;
        let uploading = self.upload().await?.upload_part(number, &bytes)?;
        self.uploaded.push(&JsFuture::from(uploading).await?);
        self.filled = 0;
        Ok(())
    }

    async fn upload(&mut self) -> Result<&Upload, JsValue> {
        if self.upload.is_none() {
            let begun = JsFuture::from(self.store.begin(&self.key, &self.options)?).await?;
            self.upload = Some(begun.unchecked_into());
        }
        self.upload.as_ref().ok_or(JsValue::UNDEFINED)
    }

    async fn finish(mut self) -> Result<u64, JsValue> {
        if self.upload.is_some() && self.filled > 0 {
            self.flush().await?;
        }
        let stored = if let Some(upload) = &self.upload {
            upload.complete(&self.uploaded)?
        } else {
            let bytes = self.buffer.subarray(0, self.filled);
            self.store.put(&self.key, &bytes, &self.options)?
        };
        let stored: Stored = JsFuture::from(stored).await?.unchecked_into();
        // A count of bytes: whole, and far below 2^53.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Ok(stored.size() as u64)
    }
}

fn options(label: &BlobLabel) -> Result<JsValue, JsValue> {
    let object = |name: &str, value: &JsValue| {
        let object = Object::new();
        Reflect::set(&object, &name.into(), value)?;
        Ok::<JsValue, JsValue>(object.into())
    };
    let options = object(
        "httpMetadata",
        &object("contentType", &label.content_type.as_str().into())?,
    )?;
    let own = object("name", &label.name.as_str().into())?;
    Reflect::set(&options, &"customMetadata".into(), &own)?;
    Ok(options)
}

fn failed(error: &JsValue) -> BlobError {
    let said = error.as_string();
    let message = error
        .dyn_ref::<worker::js_sys::Error>()
        .map(|error| String::from(error.message()));
    BlobError(
        said.or(message)
            .unwrap_or_else(|| "it failed without a word".into()),
    )
}
