//! `ops mock-runpod`, for the tests of what speaks to it.

#![allow(dead_code)] // Each test binary uses a part of it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

pub struct Mock {
    process: Child,
    /// Held open, so that the mock can print.
    _stdout: BufReader<ChildStdout>,
    pub address: String,
}

impl Mock {
    pub fn start(plan: &str) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_ops"))
            .args(["mock-runpod", "--port", "0", "--plan", plan])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("ready http://")
            .unwrap()
            .to_owned();
        Self {
            process,
            _stdout: stdout,
            address,
        }
    }

    /// Everything that comes back until the connection ends.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer mock-key\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A connection that is closed unanswered may also end in a reset.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub fn json(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = self.ask(method, path, body);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        serde_json::from_str(body).unwrap()
    }

    /// Asks the process to stop, and says whether it did so cleanly.
    pub fn stop(mut self) -> bool {
        let pid = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        asked.success() && self.process.wait().unwrap().success()
    }
}

/// Nothing a test starts outlives it.
impl Drop for Mock {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
