//! A headless browser, driven over the `WebDriver` protocol.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Connection, Process};

const NOT_THERE: &str = "chromedriver cannot be started: scripts/test installs it";
/// The key, in a text that is typed.
pub(crate) const ENTER: &str = "\u{e007}";
/// Longer than anything on the pages takes.
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// What a browser needs to run as root, without a screen, and without talking to its maker.
const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Becomes the driver. Beside it something waits for the other end of the pipe to be closed, which
/// the system does however this process ends, and then ends the whole process group: the browser
/// does not end with its driver.
const GUARD: &str = "exec 3<&0; { cat <&3; kill -s KILL 0; } >/dev/null 2>&1 & \
                     exec chromedriver --port=0 </dev/null 3<&-";

pub(crate) struct Browser {
    driver: SocketAddr,
    session: String,
    process: Process,
    _profile: TempDir,
}

impl Browser {
    /// A window of this size, with a profile of its own.
    #[track_caller]
    pub(crate) fn open(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", GUARD]).process_group(0).env("HOME", profile.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let found = Command::new("chromedriver").arg("--version").output();
        assert!(found.is_ok(), "{NOT_THERE}");
        let mut process = Process::start(command);
        let said = process.until_it_prints("started successfully on port");
        let port = said.rsplit("on port ").next().expect("a port").trim().trim_end_matches('.');
        let driver = SocketAddr::from(([127, 0, 0, 1], port.parse().expect("a port")));
        let mut flags: Vec<String> = FLAGS.iter().map(|&flag| flag.to_owned()).collect();
        flags.push(format!("--user-data-dir={}", profile.path().join("profile").display()));
        flags.push(format!("--window-size={width},{height}"));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": { "args": flags },
        }}});
        let mut browser = Self { driver, session: String::new(), process, _profile: profile };
        let session = browser.command("POST", "/session", &wanted);
        session["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        browser
    }

    /// As if this process were no more; the process group that must end then.
    pub(crate) fn abandon(&mut self) -> u32 {
        self.process.hang_up();
        self.process.id()
    }

    fn command(&self, method: &'static str, path: &str, body: &Value) -> Value {
        self.try_command(method, path, body).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The value of the answer, or the error that it names.
    fn try_command(&self, method: &'static str, path: &str, body: &Value) -> Result<Value, Value> {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        // It keeps connections open whatever it is asked, and so must be read by the length.
        let answer = Connection::to(self.driver).and_then(|mut connection| {
            connection.send(head + &body)?;
            connection.answer()
        });
        let answer = answer.map_err(|error| json!(error.to_string()))?;
        let value = answer.json()["value"].clone();
        if answer.status == 200 { Ok(value) } else { Err(value) }
    }

    fn at(&self, path: &str) -> String {
        format!("/session/{}{path}", self.session)
    }

    #[track_caller]
    pub(crate) fn go_to(&self, url: &str) {
        self.command("POST", &self.at("/url"), &json!({ "url": url }));
    }

    pub(crate) fn url(&self) -> String {
        let url = self.command("GET", &self.at("/url"), &Value::Null);
        url.as_str().expect("a URL").to_owned()
    }

    /// What a script in the page returns.
    #[track_caller]
    pub(crate) fn run(&self, script: &str) -> Value {
        let order = json!({ "script": script, "args": [] });
        self.command("POST", &self.at("/execute/sync"), &order)
    }

    /// Clicks as a person does: on what is there to be seen.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let wanted = json!({ "using": "css selector", "value": selector });
        let deadline = Instant::now() + PATIENCE;
        loop {
            let clicked = self.try_command("POST", &self.at("/element"), &wanted).and_then(|it| {
                let id = it.as_object().and_then(|it| it.values().next()).cloned();
                let id = id.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
                let path = self.at(&format!("/element/{id}/click"));
                self.try_command("POST", &path, &json!({}))
            });
            let Err(error) = clicked else { return };
            // It is not there yet, or was replaced meanwhile.
            assert!(Instant::now() < deadline, "{selector}: {error}; {}", self.text());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    /// Types into a field as a person does; `ENTER` ends with that key.
    #[track_caller]
    pub(crate) fn enter(&self, selector: &str, text: &str) {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.command("POST", &self.at("/element"), &wanted);
        let id = found.as_object().and_then(|found| found.values().next()).cloned();
        let id = id.as_ref().and_then(Value::as_str).expect("an element").to_owned();
        self.command("POST", &self.at(&format!("/element/{id}/value")), &json!({ "text": text }));
    }

    /// All that can be read on the page.
    pub(crate) fn text(&self) -> String {
        self.run("return document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    pub(crate) fn until_it_reads(&self, text: &str) {
        self.until(text, |browser| browser.text().contains(text));
    }

    #[track_caller]
    pub(crate) fn until_it_is_at(&self, url: &str) {
        self.until(url, |browser| browser.url() == url);
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "no {what} at {}: {}", self.url(), self.text());
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    #[track_caller]
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let order = json!({ "width": width, "height": height });
        self.command("POST", &self.at("/window/rect"), &order);
    }

    /// Keeps a picture of the page, when `BURSAR_SCREENSHOTS` names a folder for it.
    pub(crate) fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("BURSAR_SCREENSHOTS") else { return };
        let picture = self.command("GET", &self.at("/screenshot"), &Value::Null);
        let picture = BASE64_STANDARD.decode(picture.as_str().expect("a picture"));
        let path = Path::new(&folder).join(format!("{name}.png"));
        std::fs::write(path, picture.expect("base64")).expect("a written file");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends the browser; the driver is killed with its handle.
        self.try_command("DELETE", &self.at(""), &Value::Null).ok();
    }
}
