//! TLS that the service itself serves: what it speaks, what it refuses, and another certificate
//! while connections go on.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar::app::Patience;
use bursar::clock;
use bursar::pipeline::commit::Limits;
use bursar::tls::{Certificate, Trust, client};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, StreamOwned};
use tempfile::TempDir;

use crate::process::{Ended, OPERATOR, Place, Process, READER, SECRET, payout, run};
use crate::support::certificates::{Authority, Pair};
use crate::support::events::account;
use crate::support::{Answer, Request, TestApp, assert_problem, raw, signed};

/// Nothing here takes long; who waits longer waits for ever.
const LIMIT: Duration = Duration::from_secs(30);

/// An authority, and the files of a certificate of it.
struct Files {
    folder: TempDir,
    authority: Authority,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), authority: Authority::new() };
        std::fs::write(files.path("ca.pem"), &files.authority.pem).unwrap();
        files.install(&files.authority.issue());
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn install(&self, pair: &Pair) {
        std::fs::write(self.path("cert.pem"), &pair.cert).unwrap();
        std::fs::write(self.path("key.pem"), &pair.key).unwrap();
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn app(&self, patience: Patience) -> TestApp {
        let (cert, key) = (self.text("cert.pem"), self.text("key.pem"));
        let variables = [("TLS_CERT", cert.as_str()), ("TLS_KEY", key.as_str())];
        TestApp::start_as(&variables, Limits::default(), patience)
    }

    /// A client that trusts this authority.
    fn client(&self) -> ClientConfig {
        client(Trust::roots_and(&self.path("ca.pem")).unwrap()).unwrap()
    }

    fn certificate(&self) -> Certificate {
        Certificate::load(&self.path("cert.pem"), &self.path("key.pem")).unwrap()
    }
}

type Secured = StreamOwned<ClientConnection, TcpStream>;

fn socket(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A connection on which the handshake has succeeded.
fn connect(to: SocketAddr, config: ClientConfig) -> std::io::Result<Secured> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, socket(to));
    stream.conn.complete_io(&mut stream.sock)?;
    Ok(stream)
}

fn ask(stream: &mut Secured, request: &[u8]) -> Answer {
    stream.write_all(request).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    Answer::of(&bytes).expect("an answer")
}

#[test]
fn deliveries_and_reads_go_over_both_versions_of_tls_and_nothing_else() {
    let files = Files::new();
    let app = files.app(Patience::default());
    for (version, negotiated) in
        [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)]
    {
        let mut config = files.client();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pem_of(&files.authority.pem)).unwrap();
        let of_version = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.clone_from(&of_version);
        let mut stream = connect(app.address(), config).unwrap();
        assert_eq!(stream.conn.protocol_version(), Some(negotiated));
        let event = account(&format!("acct_{negotiated:?}"));
        let answer = ask(&mut stream, &signed(event.to_string()).bytes());
        assert_eq!(answer.json()["outcome"], "applied");
        let mut stream = connect(app.address(), files.client()).unwrap();
        let path = format!("/v1/accounts/{}", event["data"]["object"]["id"].as_str().unwrap());
        let read = Request::get(&path).token(crate::support::READER);
        assert_eq!(ask(&mut stream, &read.bytes()).status, 200);
    }
}

fn pem_of(text: &str) -> CertificateDer<'static> {
    use rustls::pki_types::pem::PemObject;
    CertificateDer::from_pem_slice(text.as_bytes()).unwrap()
}

#[test]
fn only_http_1_is_agreed_on_and_who_wants_another_protocol_gets_no_connection() {
    let files = Files::new();
    let app = files.app(Patience::default());
    for (offered, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"http/1.1"[..])),
        (&[], None),
        (&[b"http/1.1"], Some(b"http/1.1")),
    ] {
        let mut config = files.client();
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let mut stream = connect(app.address(), config).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), agreed, "{offered:?}");
        assert_eq!(ask(&mut stream, &Request::get("/healthz").bytes()).status, 200);
    }
    let mut config = files.client();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let refused = connect(app.address(), config).expect_err("no protocol in common");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[test]
fn a_client_that_does_not_know_the_authority_is_not_fooled() {
    let files = Files::new();
    let app = files.app(Patience::default());
    let refused = connect(app.address(), client(Trust::roots()).unwrap());
    assert!(refused.expect_err("unknown").to_string().contains("UnknownIssuer"));
}

#[test]
fn plain_http_on_a_port_of_tls_is_told_so() {
    let files = Files::new();
    let app = files.app(Patience::default());
    for bytes in [
        Request::get("/healthz").bytes(),
        signed(account("acct_1").to_string()).bytes(),
        b"G".to_vec(),
        b"\x16".repeat(3),
    ] {
        let is_http = bytes[0] != 22;
        let mut stream = socket(app.address());
        stream.write_all(&bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        if is_http {
            let answer = Answer::of(&answer).expect("an answer");
            assert_problem(&answer, 400, "tls_required", "plain");
        } else {
            assert_eq!(Answer::of(&answer).map(|answer| answer.status), None);
        }
    }
    let mut stream = connect(app.address(), files.client()).unwrap();
    let read = Request::get("/v1/accounts/acct_1").token(crate::support::READER);
    assert_eq!(ask(&mut stream, &read.bytes()).status, 404, "nothing was stored");
}

#[test]
fn tls_on_a_port_of_plain_http_is_refused_and_ends() {
    let files = Files::new();
    let app = TestApp::start();
    let refused = connect(app.address(), files.client()).expect_err("no TLS there");
    assert!(refused.to_string().contains("InvalidContentType"), "{refused}");
    let answer = raw(app.address(), &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]);
    assert_eq!(Answer::of(&answer).map(|answer| answer.status), Some(400));
}

/// The time that a connection lives on which only these bytes are sent.
fn lives(to: SocketAddr, bytes: &[u8]) -> Duration {
    let start = Instant::now();
    let mut stream = socket(to);
    stream.write_all(bytes).unwrap();
    stream.read_to_end(&mut Vec::new()).ok();
    start.elapsed()
}

#[test]
fn a_handshake_that_never_ends_is_cut_off_with_the_time_of_the_first_head() {
    let files = Files::new();
    let head = Duration::from_secs(1);
    let app = files.app(Patience { request_head: head, ..Patience::default() });
    // Nothing at all; half a record; a whole record header that announces more than comes.
    for bytes in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let lived = lives(app.address(), bytes);
        assert!(lived >= head && lived < LIMIT, "{bytes:?}: {lived:?}");
    }
}

#[test]
fn the_time_of_a_handshake_counts_towards_the_first_head() {
    let files = Files::new();
    let head = Duration::from_secs(2);
    let app = files.app(Patience { request_head: head, ..Patience::default() });
    let start = Instant::now();
    let slow = socket(app.address());
    // The handshake takes most of the time; what is left of it is for the head.
    let deadline = start + head.mul_f64(0.7);
    while Instant::now() < deadline {
        std::thread::park_timeout(deadline.saturating_duration_since(Instant::now()));
    }
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(files.client()), name).unwrap();
    let mut stream = StreamOwned::new(connection, slow);
    stream.conn.complete_io(&mut stream.sock).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    assert_problem(&Answer::of(&bytes).expect("an answer"), 408, "request_timeout", "slow");
    let lived = start.elapsed();
    assert!(lived < head.mul_f64(1.6), "the time began anew after the handshake: {lived:?}");
}

#[test]
fn a_large_body_and_a_large_answer_go_through_whole() {
    let files = Files::new();
    let app = files.app(Patience::default());
    let filler = "x".repeat(900_000);
    let event = crate::support::with(account("acct_1"), "data.object.filler", filler.into());
    let mut stream = connect(app.address(), files.client()).unwrap();
    assert_eq!(ask(&mut stream, &signed(event.to_string()).bytes()).json()["outcome"], "applied");
    let mut stream = connect(app.address(), files.client()).unwrap();
    let path = format!("/v1/events/{}/body", event["id"].as_str().unwrap());
    let body = Request::get(&path).token(crate::support::OPERATOR);
    assert_eq!(ask(&mut stream, &body.bytes()).body, event.to_string().into_bytes());
}

// Another certificate.

fn shown(stream: &Secured) -> CertificateDer<'static> {
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn a_new_pair_is_for_new_handshakes_and_a_bad_one_for_none() {
    let files = Files::new();
    let certificate = Arc::new(files.certificate());
    let config = Arc::new(certificate.server_config().unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // A server of one line: what is tried is which certificate it shows.
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, socket.unwrap());
            std::thread::spawn(move || {
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() {
                    stream.write_all(&byte).unwrap();
                }
            });
        }
    });
    let still_there = |stream: &mut Secured| {
        let mut byte = [0];
        stream.write_all(b"?").unwrap();
        stream.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"?");
    };
    let mut old = connect(address, files.client()).unwrap();
    let first = shown(&old);
    assert!(!certificate.reload().unwrap().changed, "the same files");

    files.install(&files.authority.issue());
    let installed = certificate.reload().unwrap();
    assert!(installed.changed && installed.warning().is_none(), "{installed:?}");
    let second = shown(&connect(address, files.client()).unwrap());
    assert_ne!(first, second);
    still_there(&mut old);

    // The certificate of one pair with the key of another, as while files are being copied.
    std::fs::write(files.path("cert.pem"), files.authority.issue().cert).unwrap();
    let problems = certificate.reload().unwrap_err();
    assert!(problems.len() == 1 && problems[0].contains("is not that of"), "{problems:?}");
    assert_eq!(shown(&connect(address, files.client()).unwrap()), second);
    std::fs::remove_file(files.path("key.pem")).unwrap();
    std::fs::write(files.path("cert.pem"), "nothing").unwrap();
    assert_eq!(certificate.reload().unwrap_err().len(), 2);
    assert_eq!(shown(&connect(address, files.client()).unwrap()), second);
    still_there(&mut old);
}

/// Waits until a new handshake shows another certificate than these.
fn shown_anew(to: SocketAddr, config: &ClientConfig, known: &[CertificateDer<'_>]) {
    let start = Instant::now();
    while known.contains(&shown(&connect(to, config.clone()).unwrap())) {
        assert!(start.elapsed() < LIMIT, "the same certificate is still shown");
    }
}

#[test]
fn a_running_server_takes_a_new_certificate_at_a_signal_and_when_the_file_changes() {
    let (place, files) = (Place::new(), Files::new());
    let mut command = place.command(&["serve"]);
    command.env("BURSAR_TLS_CERT", files.path("cert.pem")).env("BURSAR_RELOAD_SECONDS", "1");
    command.env("BURSAR_TLS_KEY", files.path("key.pem"));
    let mut server = start(&place, command, &files.text("cert.pem"));
    let address = std::fs::read_to_string(place.path("address")).unwrap();
    let address: SocketAddr = address.trim().parse().unwrap();
    let config = files.client();
    let mut kept = connect(address, config.clone()).unwrap();
    let first = shown(&kept);

    files.install(&files.authority.issue());
    shown_anew(address, &config, std::slice::from_ref(&first));
    let second = shown(&connect(address, config.clone()).unwrap());

    std::fs::write(files.path("cert.pem"), files.authority.issue().cert).unwrap();
    server.signal("HUP");
    server.until_it_says("is not that of the first certificate");
    assert_eq!(shown(&connect(address, config.clone()).unwrap()), second);

    files.install(&files.authority.issue());
    server.signal("HUP");
    shown_anew(address, &config, &[first, second]);

    // Through all of it the first connection has gone on.
    let delivery = crate::process::delivery_head(&payout("kept_open"));
    kept.write_all(&[delivery.as_bytes(), &payout("kept_open")].concat()).unwrap();
    let mut answer = [0; 12];
    kept.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    server.signal("TERM");
    let ended = server.end().expect(0);
    ended.says(&["another certificate is served", "what was loaded before stays in use"]);
}

// What a start says.

fn refused(place: &Place, cert: &str, key: &str) -> Ended {
    let mut command = place.command(&["serve"]);
    command.env("BURSAR_TLS_CERT", cert).env("BURSAR_TLS_KEY", key);
    // Another problem: all are told at once.
    command.env("BURSAR_TOLERANCE_SECONDS", "0");
    let ended = run(command).expect(2);
    ended.says(&["BURSAR_TOLERANCE_SECONDS"]);
    ended
}

#[test]
fn what_is_wrong_with_certificate_and_key_is_told_with_everything_else() {
    let place = Place::new();
    let authority = Authority::new();
    let (pair, other) = (authority.issue(), authority.issue());
    let cert = place.write("cert.pem", &pair.cert);
    let key = place.write("key.pem", &pair.key);
    let broken = place.write("broken.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    let rubbish = pair.cert.replacen("MII", "AII", 1);
    let rubbish = place.write("rubbish.pem", rubbish);
    let other = place.write("other.pem", &other.key);

    let ended = refused(&place, "nowhere.pem", "nowhere-else.pem");
    ended.says(&["BURSAR_TLS_CERT must", "nowhere.pem", "BURSAR_TLS_KEY must", "nowhere-else.pem"]);
    refused(&place, &cert, &cert).says(&["BURSAR_TLS_KEY names", "has no private key"]);
    refused(&place, &key, &key).says(&["BURSAR_TLS_CERT names", "has no certificate"]);
    refused(&place, &broken, &key).says(&["BURSAR_TLS_CERT names", "not whole PEM"]);
    refused(&place, &rubbish, &key).says(&["BURSAR_TLS_CERT names", "cannot be read"]);
    let ended = refused(&place, &cert, &other);
    ended.says(&["is not that of the first certificate", "BURSAR_TLS_KEY"]);
    refused(&place, &cert, "").says(&["BURSAR_TLS_CERT is set without BURSAR_TLS_KEY"]);
    refused(&place, "", &key).says(&["BURSAR_TLS_KEY is set without BURSAR_TLS_CERT"]);
    let ended = refused(&place, &cert, &pair.key);
    ended.says(&["BURSAR_TLS_KEY must be the path of a PEM file"]);
    for line in pair.key.lines().filter(|line| !line.starts_with('-')) {
        ended.hides(&[line]);
    }
}

#[test]
fn a_certificate_that_has_ended_or_is_not_valid_yet_is_served_with_a_warning() {
    for (years, says) in [(2010..2020, "has expired"), (2085..2090, "not valid yet")] {
        let place = Place::new();
        let pair = Authority::new().issue_for_years(years);
        let (cert, key) = (place.write("cert.pem", &pair.cert), place.write("key.pem", &pair.key));
        let server = serve(&place, &cert, &key);
        server.signal("TERM");
        server.end().expect(0).says(&[says, "BURSAR_TLS_CERT"]);
    }
}

#[test]
fn a_certificate_that_ends_soon_is_worth_a_word() {
    let now = clock::now().unix_seconds();
    let day = 86_400;
    let installed =
        |end: u64| bursar::tls::Installed { changed: false, not_after: Some(end), not_yet: false };
    let in_days = installed(now + 5 * day + 100).warning().unwrap();
    assert!(in_days.contains("expires in 5 days"), "{in_days}");
    assert_eq!(installed(now + 15 * day).warning(), None);
    let files = Files::new();
    // 2090-01-01.
    assert_eq!(files.certificate().installed().not_after, Some(3_786_912_000));
}

#[test]
fn the_doctor_looks_at_the_certificate_and_finds_the_server_behind_it() {
    let place = Place::new();
    let authority = Authority::new();
    let (pair, old) = (authority.issue(), authority.issue_for_years(2010..2020));
    let (cert, key) = (place.write("cert.pem", &pair.cert), place.write("key.pem", &pair.key));
    let (old, its_key) = (place.write("old.pem", &old.cert), place.write("old-key.pem", &old.key));
    let ca = place.write("ca.pem", &authority.pem);
    let server = serve(&place, &cert, &key);
    let address = std::fs::read_to_string(place.path("address")).unwrap();
    let doctor = |arguments: &[&str], cert: &str, key: &str| {
        let mut command = place.command(&[&["doctor", "--offline"], arguments].concat());
        command.env("BURSAR_BIND", address.trim());
        command.env("BURSAR_TLS_CERT", cert).env("BURSAR_TLS_KEY", key);
        run(command)
    };
    doctor(&[], &cert, &key).expect(0).says(&["it is valid", "bursar answers at https://"]);
    let named = ["--url", &format!("https://{}", address.trim()), "--ca", &ca];
    doctor(&named, &old, &its_key).expect(0).says(&["has expired", "bursar answers at https://"]);
    doctor(&[], &cert, &its_key).expect(1).says(&["WRONG   settings", "is not that of the first"]);
    server.signal("TERM");
    server.end().expect(0);
}

// The commands that ask a server.

/// The real binary, serving TLS; it is asked through `healthcheck` whether it is there.
fn serve(place: &Place, cert: &str, key: &str) -> Process {
    let mut command = place.command(&["serve"]);
    command.env("BURSAR_TLS_CERT", cert).env("BURSAR_TLS_KEY", key);
    start(place, command, cert)
}

fn start(place: &Place, command: Command, cert: &str) -> Process {
    let mut process = Process::start(command);
    process.until_it_says("listening on https://127.0.0.1");
    // Who answers also listens to signals.
    let address = std::fs::read_to_string(place.path("address")).unwrap();
    let mut ask = place.command(&["healthcheck", "--bind", address.trim()]);
    ask.env("BURSAR_TLS_CERT", cert);
    run(ask).expect(0);
    process
}

#[test]
fn commands_ask_a_server_over_tls() {
    let place = Place::new();
    let authority = Authority::new();
    let pair = authority.issue();
    let (cert, key) = (place.write("cert.pem", &pair.cert), place.write("key.pem", &pair.key));
    let ca = place.write("ca.pem", &authority.pem);
    let events = place.write("events.json", payout("over_tls"));
    let server = serve(&place, &cert, &key);
    let address = std::fs::read_to_string(place.path("address")).unwrap();
    let (address, port) = (address.trim(), address.trim().rsplit(':').next().unwrap());
    let beside = |arguments: &[&str], cert: &str| {
        let mut command = place.command(arguments);
        command.env("BURSAR_BIND", address).env("BURSAR_TLS_CERT", cert);
        command.env("BURSAR_TOKEN", OPERATOR);
        run(command)
    };
    let from_afar = |arguments: &[&str], url: &str, ca: &str| {
        let mut command = place.bare(arguments);
        command.env("BURSAR_URL", url).env("BURSAR_TOKEN", OPERATOR).env("BURSAR_CA", ca);
        command.env("BURSAR_WEBHOOK_SECRETS", SECRET);
        run(command)
    };
    beside(&["healthcheck"], &cert).expect(0);
    beside(&["replay", &events], &cert).expect(0).says(&["1 applied"]);
    beside(&["history", "po_over_tls"], &cert);

    // A certificate that the server does not show: a token is not sent to it.
    let other = place.write("other.pem", Authority::new().issue().cert);
    beside(&["replay", &events], &other).expect(1).says(&["certificate"]);
    beside(&["healthcheck"], &other).expect(0);
    beside(&["replay", &events], "nowhere.pem").expect(2).says(&["nowhere.pem"]);

    for host in ["127.0.0.1", "localhost"] {
        let url = format!("https://{host}:{port}");
        from_afar(&["healthcheck"], &url, &ca).expect(0);
        from_afar(&["replay", &events], &url, &ca).expect(0).says(&["1 duplicate"]);
        from_afar(&["replay", &events, "--sign"], &url, &ca).expect(0).says(&["1 duplicate"]);
        from_afar(&["healthcheck"], &url, "").expect(1).says(&["BURSAR_CA", "certificate"]);
    }
    let url = format!("https://127.0.0.1:{port}");
    from_afar(&["replay", &events], &url, &events).expect(2).says(&["BURSAR_CA names"]);
    let plain = format!("http://127.0.0.1:{port}");
    from_afar(&["healthcheck"], &plain, "").expect(1).says(&["tls_required", "https"]);
    server.signal("TERM");
    server.end().expect(0).hides(&[READER, OPERATOR]);
}
