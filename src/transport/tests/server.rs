//! A server that says exactly what a test tells it to, down to the last byte, and remembers what
//! it was asked.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

/// What happens to one request.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// An answer with this status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The connection is closed without a word.
    Cut,
    /// A 200 that announces more bytes than it sends.
    Truncated(Vec<u8>),
    /// No answer for as long as the test runs.
    Hang,
}

pub(super) fn json(body: &str) -> Reply {
    status(200, body)
}

pub(super) fn status(code: u16, body: &str) -> Reply {
    Reply::Answer(code, Vec::new(), body.into())
}

impl Reply {
    pub(super) fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Answer(code, mut headers, body) => {
                headers.push((name, value.into()));
                Self::Answer(code, headers, body)
            }
            other => other,
        }
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Seen {
    /// The values of a header, in order.
    pub(super) fn header(&self, name: &str) -> Vec<&str> {
        let named = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn body(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

pub(super) struct Server {
    address: SocketAddr,
    requests: Receiver<Seen>,
    /// Released when the server is dropped, which ends what hangs.
    _hold: Sender<()>,
}

impl Server {
    /// Answers with `replies` in order; the last one stays.
    pub(super) fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let (sender, requests) = channel();
        let (hold, held) = channel::<()>();
        let held = Arc::new(Mutex::new(held));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (replies, sender, held) = (replies.clone(), sender.clone(), held.clone());
                thread::spawn(move || serve(stream, &replies, &sender, &held));
            }
        });
        Self {
            address,
            requests,
            _hold: hold,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.requests.try_iter().collect()
    }
}

fn serve(
    stream: TcpStream,
    replies: &Mutex<VecDeque<Reply>>,
    sender: &Sender<Seen>,
    held: &Mutex<Receiver<()>>,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let seen = read(&mut reader)?;
    let reply = {
        let mut replies = replies.lock().unwrap();
        match replies.len() {
            0 | 1 => replies.front().cloned().unwrap_or(Reply::Cut),
            _ => replies.pop_front().unwrap(),
        }
    };
    sender.send(seen).ok()?;
    let mut stream = stream;
    match reply {
        Reply::Answer(code, headers, body) => {
            let mut head = format!("HTTP/1.1 {code} Some Reason\r\nconnection: close\r\n");
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                head.push_str("content-type: application/json\r\n");
            }
            for (name, value) in headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
        }
        Reply::Truncated(body) => {
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                body.len() + 10
            );
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(&body).ok()?;
        }
        Reply::Cut => {}
        Reply::Hang => {
            // Ends with an error when the test drops the server.
            let _ = held.lock().unwrap().recv();
        }
    }
    Some(())
}

fn read(reader: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => break,
        }
    }
    let mut seen = Seen {
        method,
        target,
        headers,
        body: Vec::new(),
    };
    let length = seen
        .header("content-length")
        .first()
        .and_then(|length| length.parse().ok());
    seen.body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut seen.body).ok()?;
    Some(seen)
}
