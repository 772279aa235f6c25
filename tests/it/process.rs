//! The real binary as a child process, in an environment of its own.
//!
//! Whatever a test starts ends with the test: children are killed by their own handle when it is
//! dropped, and every wait has a bound.
#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use bursar::clock;
use bursar::sandbox::story::{Story, Teller};
use bursar::sandbox::{fixture, fixture_stories};
use bursar::stripe::signature::sign;

pub(crate) const SECRET: &str = "whsec_of_the_process_tests";
pub(crate) const READER: &str = "token-of-a-reader";
pub(crate) const OPERATOR: &str = "token-of-an-operator";

/// Longer than anything here takes; reached only when something hangs.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// What a [`large_payout`] is padded with.
const LARGE_BYTES: usize = 6 << 20;
static PADDING: LazyLock<String> =
    LazyLock::new(|| std::iter::repeat_with(fastrand::alphanumeric).take(LARGE_BYTES).collect());
/// A setting that lets it pass.
pub(crate) const TAKES_LARGE: (&str, &str) = ("BURSAR_MAX_BODY_BYTES", "8388608");

const POLL: Duration = Duration::from_millis(5);

/// A folder, and the binary run in it.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// Writes a file and answers its path, as text for an argument.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("folder");
        std::fs::write(&path, content).expect("a written file");
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// The binary, with nothing in its environment.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bursar"));
        command.args(arguments).env_clear().current_dir(self.folder.path());
        command.env("TMPDIR", self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The binary with all that `serve` needs.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command
            .env("BURSAR_BIND", "127.0.0.1:0")
            .env("BURSAR_STORE", self.store())
            .env("BURSAR_ADDRESS_OUT", self.path("address"))
            .env("BURSAR_WEBHOOK_SECRETS", format!("platform={SECRET}"))
            .env("BURSAR_TOKENS", format!("reader={READER},operator/ops={OPERATOR}"))
            .env("BURSAR_LIVEMODE", "false");
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command(arguments))
    }

    #[track_caller]
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(|_| {})
    }

    /// A server, ready, with more in its environment.
    #[track_caller]
    pub(crate) fn serve_with(&self, change: impl FnOnce(&mut Command)) -> Server {
        let mut command = self.command(&["serve"]);
        change(&mut command);
        self.serve_by(command)
    }

    /// A server, ready, started in this way; it writes its address to `address` in this folder.
    #[track_caller]
    pub(crate) fn serve_by(&self, command: Command) -> Server {
        let server = self.try_serve_by(command);
        let server = server.unwrap_or_else(|ended| panic!("no address: {ended:#?}"));
        assert_eq!(server.get("/readyz", "").status, 200);
        server
    }

    /// The same, where the start may be the end.
    #[track_caller]
    pub(crate) fn try_serve_by(&self, command: Command) -> Result<Server, Ended> {
        std::fs::remove_file(self.path("address")).ok();
        let mut process = Process::start(command);
        match address_in(&self.path("address"), &mut process) {
            Some(address) if is_alive(address) => Ok(Server { process, address }),
            _ => Err(process.end()),
        }
    }
}

/// A server that answers also listens to signals.
fn is_alive(address: SocketAddr) -> bool {
    Connection::to(address).and_then(|mut connection| connection.get("/healthz", "")).is_ok()
}

/// The address that the process writes, unless it ends first.
#[track_caller]
fn address_in(path: &Path, process: &mut Process) -> Option<SocketAddr> {
    let start = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if let Some(address) = text.strip_suffix('\n') {
            return Some(address.parse().expect("an address"));
        }
        if process.child.try_wait().expect("a child to ask").is_some() {
            return None;
        }
        assert!(start.elapsed() < LIMIT, "no address: {}", process.said());
        std::thread::sleep(POLL);
    }
}

#[track_caller]
pub(crate) fn run(command: Command) -> Ended {
    Process::start(command).end()
}

#[track_caller]
pub(crate) fn run_with_input(mut command: Command, input: &[u8]) -> Ended {
    command.stdin(Stdio::piped());
    let mut process = Process::start(command);
    let mut stdin = process.child.stdin.take().expect("a piped stdin");
    stdin.write_all(input).expect("input that is read");
    drop(stdin);
    process.end()
}

/// A child process whose output is gathered; killed when dropped.
pub(crate) struct Process {
    child: Child,
    stdout: Gathered,
    stderr: Gathered,
}

impl Process {
    #[track_caller]
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = Gathered::from(child.stdout.take());
        let stderr = Gathered::from(child.stderr.take());
        Self { child, stdout, stderr }
    }

    /// Waits for its end, which must come soon.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let deadline = Instant::now() + LIMIT;
        let stdout = self.stdout.until_end(deadline);
        let stderr = self.stderr.until_end(deadline);
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            panic!("the process does not end; it said: {}", self.said());
        };
        let status = self.child.wait().expect("a child to wait for");
        Ended { status, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Closes our end of its input, as happens by itself when we end.
    pub(crate) fn hang_up(&mut self) {
        self.child.stdin = None;
    }

    pub(crate) fn kill_nine(mut self) -> Ended {
        self.child.kill().expect("a child to kill");
        self.end()
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("/bin/sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status();
        assert!(sent.expect("a shell").success(), "SIG{name} was not sent");
    }

    /// What the system tells of it in this file of /proc.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = format!("/proc/{}/{name}", self.child.id());
        std::fs::read_to_string(path).expect("a running process")
    }

    /// How many threads it has, by the system's own count.
    pub(crate) fn threads(&self) -> usize {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        tasks.expect("a running process").count()
    }

    /// Memory in use now, by the system's own count.
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = self.file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        kilobytes.map(|it: usize| it << 10).expect("a size")
    }

    /// Waits until stderr has a line with `text`.
    #[track_caller]
    pub(crate) fn until_it_says(&mut self, text: &str) {
        let deadline = Instant::now() + LIMIT;
        while !self.stderr.text.contains(text) {
            let more = self.stderr.more(deadline);
            assert!(more, "it never says {text:?}, but: {}", self.stderr.text);
        }
    }

    /// Waits until stdout has a line with `text`; all that it has by then.
    #[track_caller]
    pub(crate) fn until_it_prints(&mut self, text: &str) -> &str {
        let deadline = Instant::now() + LIMIT;
        while !self.stdout.text.contains(text) {
            let more = self.stdout.more(deadline);
            assert!(more, "it never prints {text:?}, but: {}", self.stdout.text);
        }
        &self.stdout.text
    }

    fn said(&mut self) -> String {
        let soon = Instant::now() + Duration::from_millis(200);
        while self.stderr.more(soon) {}
        self.stderr.text.clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What a child writes, read as it comes.
struct Gathered {
    lines: Receiver<String>,
    text: String,
    ended: bool,
}

impl Gathered {
    fn from(pipe: Option<impl Read + Send + 'static>) -> Self {
        let (send, lines) = channel();
        if let Some(pipe) = pipe {
            std::thread::spawn(move || {
                let mut pipe = BufReader::new(pipe);
                let mut line = Vec::new();
                while pipe.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                    if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        return;
                    }
                    line.clear();
                }
            });
        }
        Self { lines, text: String::new(), ended: false }
    }

    /// Whether there was one more line before `deadline`.
    fn more(&mut self, deadline: Instant) -> bool {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                self.text.push_str(&line);
                true
            }
            Err(error) => {
                self.ended |= error == RecvTimeoutError::Disconnected;
                false
            }
        }
    }

    fn until_end(&mut self, deadline: Instant) -> Option<String> {
        while self.more(deadline) {}
        self.ended.then(|| self.text.clone())
    }
}

/// How a process ended, and what it had said.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code; minus the signal's number for one that a signal ended.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| -self.status.signal().unwrap_or(0))
    }

    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn says(&self, texts: &[&str]) {
        for text in texts {
            let said = self.stdout.contains(text) || self.stderr.contains(text);
            assert!(said, "it does not say {text:?}: {self:#?}");
        }
    }

    #[track_caller]
    pub(crate) fn hides(&self, texts: &[&str]) {
        for text in texts {
            let said = self.stdout.contains(text) || self.stderr.contains(text);
            assert!(!said, "it says {text:?}: {self:#?}");
        }
    }
}

/// A running `bursar serve`.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::to(self.address).expect("a connection")
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str, token: &str) -> Answer {
        self.connect().get(path, token).expect("an answer")
    }

    #[track_caller]
    pub(crate) fn deliver(&self, body: &[u8]) -> Answer {
        self.connect().deliver(body).expect("an answer")
    }

    /// What a reader gets, which must be there.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> Value {
        let answer = self.get(path, READER);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// The stored events, newest first, page by page.
    #[track_caller]
    pub(crate) fn events(&self) -> Vec<Value> {
        let mut events = Vec::new();
        let mut query = String::new();
        loop {
            let page = self.read(&format!("/v1/events?limit=500{query}"));
            events.extend(page["data"].as_array().expect("a list").iter().cloned());
            match page["next_cursor"].as_str() {
                Some(cursor) => query = format!("&cursor={cursor}"),
                None => return events,
            }
        }
    }

    /// Ends it as an operator does, and expects that this goes well.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.process.signal("TERM");
        self.process.end().expect(0)
    }

    pub(crate) fn kill_nine(self) -> Ended {
        self.process.kill_nine()
    }
}

/// An HTTP connection that is kept open between requests.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn to(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Goes on with one that is open.
    pub(crate) fn over(stream: TcpStream) -> Self {
        Self(BufReader::new(stream))
    }

    pub(crate) fn get(&mut self, path: &str, token: &str) -> std::io::Result<Answer> {
        self.send(format!(
            "GET {path} HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))?;
        self.answer()
    }

    pub(crate) fn deliver(&mut self, body: &[u8]) -> std::io::Result<Answer> {
        let head = delivery_head(body);
        self.send([head.as_bytes(), body].concat())?;
        self.answer()
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    pub(crate) fn answer(&mut self) -> std::io::Result<Answer> {
        let broken = |what: &str| std::io::Error::other(what.to_owned());
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(broken("the connection ended"));
            }
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let status = head.first().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| broken("no status line"))?;
        let headers: Vec<(String, String)> = head
            .iter()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        let length = length.or((status < 200).then_some(0));
        answer.body.resize(length.ok_or_else(|| broken("no length"))?, 0);
        self.0.read_exact(&mut answer.body)?;
        Ok(answer)
    }
}

/// The head of a signed delivery; the body is to follow.
pub(crate) fn delivery_head(body: &[u8]) -> String {
    let signature = sign(SECRET, body, clock::now().signed_seconds());
    format!(
        "POST /webhooks/stripe HTTP/1.1\r\nHost: bursar\r\nStripe-Signature: {signature}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("an answer in JSON")
    }

    #[track_caller]
    pub(crate) fn outcome(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["outcome"].as_str().expect("an outcome").to_owned()
    }
}

/// A body of a payout's first event: `evt_NAME` about `po_NAME`.
pub(crate) fn payout(name: &str) -> Vec<u8> {
    let body = fixture("events/payout.created/pending.json").expect("a fixture");
    let mut event: Value = serde_json::from_slice(body).expect("a fixture in JSON");
    event["id"] = json!(format!("evt_{name}"));
    event["data"]["object"]["id"] = json!(format!("po_{name}"));
    serde_json::to_vec_pretty(&event).expect("JSON")
}

/// The same, of some megabytes: a dozen fill a file of the journal.
/// A payout of a connected account, with a text in it that is about its holder.
pub(crate) fn payout_of(account: &str, name: &str, text: &str) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&payout(name)).expect("JSON");
    event["account"] = account.into();
    event["data"]["object"]["description"] = text.into();
    event.to_string().into_bytes()
}

pub(crate) fn large_payout(name: &str) -> Vec<u8> {
    padded_payout(name, LARGE_BYTES)
}

/// The same with so many bytes more, which hardly compress.
pub(crate) fn padded_payout(name: &str, bytes: usize) -> Vec<u8> {
    let mut event: Value = serde_json::from_slice(&payout(name)).expect("a fixture in JSON");
    event["padding"] = PADDING[..bytes].into();
    serde_json::to_vec(&event).expect("JSON")
}

/// Every event of every story, shuffled, and some of them twice.
pub(crate) fn all_stories() -> Vec<Vec<u8>> {
    let start = clock::now().unix_seconds() - 10_000;
    let mut bodies = Vec::new();
    for (number, (path, text)) in fixture_stories().into_iter().enumerate() {
        let story = Story::parse(&String::from_utf8_lossy(text)).expect("a story that reads well");
        let mut teller = Teller::new(start, &format!("s{number}_"));
        for delivery in story.deliveries() {
            let told = teller.tell(delivery).unwrap_or_else(|why| panic!("{path}: {why}"));
            bodies.push(told.body);
        }
    }
    let again: Vec<Vec<u8>> = bodies.iter().step_by(5).cloned().collect();
    bodies.extend(again);
    fastrand::Rng::with_seed(7).shuffle(&mut bodies);
    bodies
}

/// The id of an event's body.
pub(crate) fn id_of(body: &[u8]) -> String {
    let event: Value = serde_json::from_slice(body).expect("an event in JSON");
    event["id"].as_str().expect("an id").to_owned()
}

/// A path as an argument.
pub(crate) fn text(path: &(impl AsRef<OsStr> + ?Sized)) -> &str {
    path.as_ref().to_str().expect("a path in UTF-8")
}
