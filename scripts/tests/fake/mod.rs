//! A server on this machine that answers as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

/// Its origin. `answer` is given the head of a request and its body, and says status and body.
pub fn serve(answer: impl Fn(&str, &[u8]) -> (u16, Vec<u8>) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let begin = head.len();
                if stream.read_line(&mut head).unwrap_or(0) == 0 {
                    break;
                }
                let line = head[begin..].to_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let (status, answer) = answer(&head, &body);
            let head = format!(
                "HTTP/1.1 {status} -\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            let _ = stream
                .get_mut()
                .write_all(&[head.as_bytes(), &answer].concat());
        }
    });
    origin
}
