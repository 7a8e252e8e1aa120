//! `multipart/form-data`, so that `curl -F` and a plain HTML form can create a job.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{header, HeaderMap};
use futures::{stream, Stream, StreamExt};
use multer::{Field, Multipart};
use serde_json::{Map, Value};

use super::create_body::upload;
use super::error::{ApiError, Code};
use super::{limits, parsed};
use crate::app::App;
use crate::parse;
use crate::ports::{Broken, ByteStream};
use crate::queue::create::Upload;
use crate::room::{Room, Share};
use crate::workflow::{check, template};

/// Parts of one form; a contract has fewer inputs.
const PARTS_MAX: usize = 128;

/// What a form may have around its file: boundaries, names and short texts.
pub const FRAME_BYTES_MAX: u64 = 64 << 10;

pub const ONE_FILE: &str = "a form with exactly one file is wanted here";

/// Fields whose value is JSON by nature.
const JSON_FIELDS: [&str; 6] = [
    "inputs",
    "labels",
    "workflow",
    "images",
    "priority",
    "webhook_events_filter",
];

/// Fields as a JSON body would have them: files by their hash, numbers as numbers.
#[derive(Default)]
pub struct Form {
    pub fields: Map<String, Value>,
    pub uploads: Vec<Upload>,
}

/// Reads a form to its end, with the room for what its JSON becomes.
pub async fn read(
    room: &Room,
    headers: &HeaderMap,
    bytes: Bytes,
) -> Result<(Form, Share), ApiError> {
    let whole = stream::iter([Ok::<_, std::io::Error>(bytes)]);
    let mut parts = Multipart::new(whole, boundary(headers)?);
    let mut form = Form::default();
    let mut texts = Vec::new();
    for _ in 0..PARTS_MAX {
        let Some(part) = parts.next_field().await.map_err(|e| unreadable(&e))? else {
            let share = form.take_texts(room, texts)?;
            return Ok((form, share));
        };
        let Some(name) = part.name().map(str::to_owned) else {
            return Err(broken("a part has no name"));
        };
        let is_file = part.file_name().is_some();
        let content = part.bytes().await.map_err(|e| unreadable(&e))?;
        if is_file {
            form.take_file(name, content);
        } else {
            let text = String::from_utf8(content.into());
            texts.push((name, text.map_err(|_| broken("a field is not UTF-8"))?));
        }
    }
    Err(broken(&format!("the form has more than {PARTS_MAX} parts")))
}

/// The only file of a form, as it comes, and the texts around it.
pub struct OneFile {
    /// A second file breaks it at its end.
    pub file: ByteStream,
    /// What the form itself calls the file.
    pub name: String,
    pub texts: Texts,
}

/// The texts of a form, which may stand on either side of its file: complete when that has ended.
#[derive(Clone, Default)]
pub struct Texts(Arc<Mutex<Map<String, Value>>>);

impl Texts {
    pub fn take(&self) -> Map<String, Value> {
        // No step under this lock leaves the texts in parts.
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, name: String, text: String) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        texts.insert(name, text.into());
    }
}

/// The inner error: the form has no file, only these texts.
pub async fn one_file(
    app: &App,
    headers: &HeaderMap,
    body: Body,
) -> Result<Result<OneFile, Map<String, Value>>, ApiError> {
    let frame = Frame::default();
    let pieces = frame.count(limits::stream(app, body));
    let mut reader = Reader {
        parts: Multipart::new(pieces, boundary(headers)?),
        texts: Texts::default(),
        frame,
    };
    let texts = reader.texts.clone();
    let next = reader.next_file().await;
    let Some(file) = next.map_err(|broken| limits::unreadable(&broken))? else {
        return Ok(Err(texts.take()));
    };
    let name = file.file_name().unwrap_or_default().to_owned();
    let pieces = stream::try_unfold((reader, file), |(mut reader, mut file)| async move {
        if let Some(piece) = reader.chunk(&mut file).await? {
            reader.frame.less(&piece);
            return Ok(Some((piece, (reader, file))));
        }
        drop(file);
        match reader.next_file().await? {
            Some(_) => Err(Broken::Refused(ONE_FILE.into())),
            None => Ok(None),
        }
    });
    let file = pieces.boxed();
    Ok(Ok(OneFile { file, name, texts }))
}

struct Reader {
    parts: Multipart<'static>,
    texts: Texts,
    frame: Frame,
}

/// What a form holds in memory, whether the parser keeps it, because it has no end yet, or we do:
/// all that has come and was not given on as a part of the file.
#[derive(Clone, Default)]
struct Frame(Arc<Held>);

#[derive(Default)]
struct Held {
    bytes: AtomicU64,
    /// The parser has looked at all of them, and may have one piece more.
    wants_more: AtomicBool,
}

impl Frame {
    /// The same pieces, one each time the parser wants more: by itself it takes in all there are
    /// before it looks at any.
    fn count(&self, mut pieces: ByteStream) -> impl Stream<Item = Result<Bytes, Broken>> {
        let frame = self.clone();
        stream::poll_fn(move |context| {
            let held = &frame.0;
            if !held.wants_more.load(Ordering::Relaxed) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Err(broken) = frame.fits() {
                return Poll::Ready(Some(Err(broken)));
            }
            let next = pieces.poll_next_unpin(context);
            if let Poll::Ready(Some(Ok(piece))) = &next {
                held.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
                held.wants_more.store(false, Ordering::Relaxed);
            }
            next
        })
    }

    /// Whether it does when the parser has looked at all there is.
    fn fits(&self) -> Result<(), Broken> {
        if self.0.bytes.load(Ordering::Relaxed) <= FRAME_BYTES_MAX {
            return Ok(());
        }
        let why = "the form has more than 64 KiB around its file";
        Err(Broken::Refused(why.into()))
    }

    /// What the parser makes of what it has, or else of one piece more, and so on.
    async fn ask<T>(&self, mut parser: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let mut has_looked = false;
        let ask = poll_fn(|context| {
            let wants_more = std::mem::replace(&mut has_looked, true);
            self.0.wants_more.store(wants_more, Ordering::Relaxed);
            parser(context)
        });
        ask.await
    }

    fn less(&self, piece: &Bytes) {
        let bytes = piece.len() as u64;
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Reader {
    /// The next file, with or without a name; texts before it are taken.
    async fn next_file(&mut self) -> Result<Option<Field<'static>>, Broken> {
        for _ in 0..PARTS_MAX {
            let next = self
                .frame
                .ask(|context| self.parts.poll_next_field(context));
            match next.await.map_err(unread)? {
                None => return self.frame.fits().map(|()| None),
                Some(part) if part.file_name().is_some() || part.name() == Some("file") => {
                    return Ok(Some(part));
                }
                Some(part) => self.take_text(part).await?,
            }
        }
        Err(Broken::Refused("the form has more than 128 parts".into()))
    }

    async fn chunk(&self, part: &mut Field<'static>) -> Result<Option<Bytes>, Broken> {
        let next = self.frame.ask(|context| part.poll_next_unpin(context));
        next.await.transpose().map_err(unread)
    }

    async fn take_text(&mut self, mut part: Field<'static>) -> Result<(), Broken> {
        let name = part.name().unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(piece) = self.chunk(&mut part).await? {
            bytes.extend_from_slice(&piece);
        }
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| Broken::Refused("a field is not UTF-8".into()))?;
        self.texts.add(name, text);
        Ok(())
    }
}

/// A body that broke off, or a form that is none.
fn unread(error: multer::Error) -> Broken {
    match error {
        multer::Error::StreamReadFailed(cause) => match cause.downcast::<Broken>() {
            Ok(broken) => *broken,
            Err(cause) => Broken::Cut(cause.to_string()),
        },
        multer::Error::IncompleteStream
        | multer::Error::IncompleteHeaders
        | multer::Error::IncompleteFieldData { .. } => Broken::Cut(error.to_string()),
        _ => Broken::Refused(format!("the form cannot be read: {error}")),
    }
}

fn boundary(headers: &HeaderMap) -> Result<String, ApiError> {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| multer::parse_boundary(value).ok())
        .ok_or_else(|| broken("the content type names no boundary"))
}

impl Form {
    fn take_file(&mut self, name: String, content: Bytes) {
        let upload = upload(format!("/{name}"), content);
        self.fields.insert(name, upload.reference.clone().into());
        self.uploads.push(upload);
    }

    /// A form knows texts only: the contract says which of them are numbers.
    fn take_texts(&mut self, room: &Room, texts: Vec<(String, String)>) -> Result<Share, ApiError> {
        let (json, plain): (Vec<_>, Vec<_>) = texts
            .into_iter()
            .partition(|(name, _)| JSON_FIELDS.contains(&name.as_str()));
        let weights = json.iter().map(|(_, text)| parsed::weight(text.as_bytes()));
        let share = parsed::make_room(room, weights.sum())?;
        for (name, text) in json {
            let value = parse::json(&text).unwrap_or(Value::String(text));
            self.fields.insert(name, value);
        }
        let chosen = plain.iter().find(|(name, _)| name == "template");
        let template = chosen.map_or(template::DEFAULT, |(_, text)| text.as_str());
        match template::find(template) {
            Some(template) => self
                .fields
                .extend(check::from_form(&template.contract, plain)),
            None => self
                .fields
                .extend(plain.into_iter().map(|(name, text)| (name, text.into()))),
        }
        Ok(share)
    }
}

fn unreadable(error: &multer::Error) -> ApiError {
    broken(&format!("the form cannot be read: {error}"))
}

pub fn broken(message: &str) -> ApiError {
    ApiError::new(Code::InvalidRequest, message)
}
