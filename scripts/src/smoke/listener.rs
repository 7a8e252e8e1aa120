//! A receiver of outbound webhooks on this machine, for a deployment on this machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver};
use std::time::Duration;

use anyhow::Context;

/// A body of an event is below 20 kB.
const BODY_BYTES_MAX: u64 = 64 << 10;

/// A sender that stands still is not waited for.
const READ_TIME_MAX: Duration = Duration::from_secs(10);

pub struct Listener {
    pub url: String,
    heard: Receiver<Heard>,
}

/// One delivery, as it came.
pub struct Heard {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Heard {
    pub fn has(&self, name: &str) -> bool {
        self.headers
            .iter()
            .any(|(known, value)| known == name && !value.is_empty())
    }
}

impl Listener {
    /// Listens until this process ends.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on 127.0.0.1")?;
        let url = format!("http://{}/smoke", listener.local_addr()?);
        let (tell, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(delivery) = read(stream) else {
                    continue;
                };
                if tell.send(delivery).is_err() {
                    return;
                }
            }
        });
        Ok(Self { url, heard })
    }

    pub fn wait(&self, time: Duration) -> Option<Heard> {
        self.heard.recv_timeout(time).ok()
    }
}

fn read(stream: TcpStream) -> Option<Heard> {
    stream.set_read_timeout(Some(READ_TIME_MAX)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader
            .by_ref()
            .take(BODY_BYTES_MAX)
            .read_line(&mut line)
            .ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = Vec::new();
    let mut rest = reader.by_ref().take(BODY_BYTES_MAX.min(length));
    rest.read_to_end(&mut body).ok()?;
    let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    reader.get_mut().write_all(answer).ok()?;
    Some(Heard { headers, body })
}
