//! Sends one webhook, to this machine and nowhere else.

use std::time::Duration;

use anyhow::{bail, Context};
use bytes::Bytes;
use edge_queue::testing::runpod::Delivery;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A slow receiver of RunPod saw repeats about every twelve seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The status the receiver answered with.
pub(super) async fn send(delivery: Delivery) -> anyhow::Result<u16> {
    let url: Uri = delivery
        .url
        .parse()
        .context("the webhook URL is not a URL")?;
    let answered = tokio::time::timeout(TIMEOUT, post(&url, delivery));
    answered.await.context("no answer in time")?
}

async fn post(url: &Uri, delivery: Delivery) -> anyhow::Result<u16> {
    let (host, port) = loopback(url)?;
    let stream = TcpStream::connect((host, port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::post(path).header("host", format!("{host}:{port}"));
    for (name, value) in &delivery.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::<Bytes>::new(delivery.body))?;
    let status = sender.send_request(request).await?.status().as_u16();
    connection.abort();
    Ok(status)
}

/// Where to connect, if that is this machine.
fn loopback(url: &Uri) -> anyhow::Result<(&str, u16)> {
    if url.scheme_str() != Some("http") {
        bail!("webhooks go out over plain http only, not to {url}");
    }
    match url.host() {
        Some("127.0.0.1" | "localhost") => {}
        Some("[::1]") => return Ok(("::1", url.port_u16().unwrap_or(80))),
        _ => bail!("webhooks go to this machine only, not to {url}"),
    }
    Ok((url.host().unwrap_or_default(), url.port_u16().unwrap_or(80)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_go_to_this_machine_only() {
        for (url, expected) in [
            ("http://127.0.0.1:8787/hook?x=1", Some(("127.0.0.1", 8787))),
            ("http://localhost/hook", Some(("localhost", 80))),
            ("http://[::1]:9/hook", Some(("::1", 9))),
            ("https://127.0.0.1/hook", None),
            ("http://127.0.0.1.evil.example/hook", None),
            ("http://127.0.0.1@evil.example/hook", None),
            ("http://10.0.0.1/hook", None),
            ("/hook", None),
        ] {
            let uri: Uri = url.parse().unwrap();
            assert_eq!(loopback(&uri).ok(), expected, "{url}");
        }
    }
}
