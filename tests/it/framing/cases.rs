//! The table: each line is one way of framing a request.

use bursar::stripe::signature::sign;

use crate::support::events::account;
use crate::support::{SECRETS, now};

/// Stands behind every case. It is answered when the case is over and the connection goes on.
pub(super) const PROBE: &[u8] =
    b"GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n";

#[derive(Clone, Copy, Debug)]
pub(super) enum Expect {
    /// A 4xx; nothing after it is answered, and the connection ends.
    Refused(u16),
    /// Read in one certain way, and the last of the connection all the same.
    Ends(u16),
    /// Read in one certain way, and what follows is a part of it; the request behind that is
    /// answered.
    Swallows(u16),
    /// Read in one certain way; the next request is answered.
    GoesOn(u16),
}

use Expect::{Ends, GoesOn, Refused, Swallows};

pub(super) struct Case {
    pub(super) group: &'static str,
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) expect: Expect,
    /// The event that is stored, of a case that is a whole delivery.
    pub(super) stores: Option<String>,
}

impl Case {
    fn new(group: &'static str, name: &str, bytes: impl AsRef<[u8]>, expect: Expect) -> Self {
        let (name, bytes) = (name.to_owned(), bytes.as_ref().to_owned());
        Self { group, name, bytes, expect, stores: None }
    }
}

pub(super) fn all() -> Vec<Case> {
    [lengths(), codings(), chunks(), lines(), request_lines(), targets(), connections()]
        .into_iter()
        .flatten()
        .collect()
}

/// A signed event, which would be stored if it were read as it stands.
struct Delivery {
    id: String,
    body: String,
    signature: String,
}

fn delivery(name: &str) -> Delivery {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut event = account(&format!("acct_{letters}"));
    let id = format!("evt_{letters}");
    event["id"] = id.as_str().into();
    let body = event.to_string();
    let signature = sign(SECRETS[0].1, body.as_bytes(), now());
    Delivery { id, body, signature }
}

impl Delivery {
    /// With these framing headers, each with its end, and this for a body.
    fn framed(&self, version: &str, framing: &str, body: &str) -> String {
        format!(
            "POST /webhooks/stripe {version}\r\nHost: b\r\nStripe-Signature: {}\r\n{framing}\r\n{body}",
            self.signature
        )
    }

    fn chunked(&self) -> String {
        format!("{:x}\r\n{}\r\n0\r\n\r\n", self.body.len(), self.body)
    }
}

/// What a delivery's framing leads to; a 200 stores it.
fn posted(
    group: &'static str,
    name: &str,
    expect: Expect,
    bytes: impl Fn(&Delivery) -> String,
) -> Case {
    let delivery = delivery(&format!("{group}{name}"));
    let stores =
        matches!(expect, Ends(200) | Swallows(200) | GoesOn(200)).then(|| delivery.id.clone());
    Case { stores, ..Case::new(group, name, bytes(&delivery), expect) }
}

fn lengths() -> Vec<Case> {
    let group = "Content-Length";
    // `N` is the right length.
    let headers = [
        ("the right length", "Content-Length: N\r\n", GoesOn(200)),
        ("leading zeros", "Content-Length: 000N\r\n", GoesOn(200)),
        ("blanks around it", "Content-Length:  \t N \t\r\n", GoesOn(200)),
        ("lower case", "content-length: N\r\n", GoesOn(200)),
        ("two equal lengths", "Content-Length: N\r\nContent-Length: N\r\n", Refused(400)),
        ("two different lengths", "Content-Length: N\r\nContent-Length: 5\r\n", Refused(400)),
        ("the smaller one first", "Content-Length: 5\r\nContent-Length: N\r\n", Refused(400)),
        ("zero and another", "Content-Length: 0\r\nContent-Length: N\r\n", Refused(400)),
        ("a list of equal lengths", "Content-Length: N, N\r\n", Refused(400)),
        ("a list of different lengths", "Content-Length: N,5\r\n", Refused(400)),
        ("a list that ends early", "Content-Length: N,\r\n", Refused(400)),
        ("a plus", "Content-Length: +N\r\n", Refused(400)),
        ("a minus", "Content-Length: -N\r\n", Refused(400)),
        ("minus zero", "Content-Length: -0\r\n", Refused(400)),
        ("hexadecimal", "Content-Length: 0xN\r\n", Refused(400)),
        ("a fraction", "Content-Length: N.0\r\n", Refused(400)),
        ("an exponent", "Content-Length: 1e3\r\n", Refused(400)),
        ("digits apart", "Content-Length: N 0\r\n", Refused(400)),
        ("an underscore", "Content-Length: 1_0\r\n", Refused(400)),
        ("quotes", "Content-Length: \"N\"\r\n", Refused(400)),
        ("a parameter", "Content-Length: N;q=1\r\n", Refused(400)),
        ("a word", "Content-Length: five\r\n", Refused(400)),
        ("nothing", "Content-Length:\r\n", Refused(400)),
        ("wide digits", "Content-Length: \u{ff11}\r\n", Refused(400)),
        ("just beyond 64 bits", "Content-Length: 18446744073709551616\r\n", Refused(400)),
        ("far beyond 64 bits", "Content-Length: 99999999999999999999999999\r\n", Refused(400)),
        ("the most of 64 bits", "Content-Length: 18446744073709551615\r\n", Refused(413)),
        ("just beyond 63 bits", "Content-Length: 9223372036854775808\r\n", Refused(413)),
        ("no length at all", "", GoesOn(400)),
        ("zero", "Content-Length: 0\r\n", GoesOn(400)),
    ];
    let of_header = |(name, framing, expect): &(&str, &str, Expect)| {
        posted(group, name, *expect, |delivery| {
            let length = delivery.body.len().to_string();
            // Without a length there is no body; what stood there would be the next request.
            let has_body = !matches!(expect, GoesOn(400));
            let body = if has_body { delivery.body.as_str() } else { "" };
            delivery.framed("HTTP/1.1", &framing.replace('N', &length), body)
        })
    };
    let mut cases: Vec<Case> = headers.iter().map(of_header).collect();
    cases.push(posted(group, "without one in HTTP/1.0", Refused(400), |delivery| {
        delivery.framed("HTTP/1.0", "", &delivery.body)
    }));
    cases.push(posted(group, "the right one in HTTP/1.0", Ends(200), |delivery| {
        let framing = format!("Content-Length: {}\r\n", delivery.body.len());
        delivery.framed("HTTP/1.0", &framing, &delivery.body)
    }));
    cases
}

/// Each with a body in chunks; `N` is its length.
const CODINGS: &[(&str, &str, Expect)] = &[
    ("chunked", "Transfer-Encoding: chunked\r\n", GoesOn(200)),
    ("capitals", "Transfer-Encoding: CHUnKED\r\n", GoesOn(200)),
    ("blanks around it", "Transfer-Encoding: \t chunked \r\n", GoesOn(200)),
    ("with a length behind", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Refused(400)),
    ("with the right length", "Content-Length: N\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
    ("with length zero", "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
    ("twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
    ("and identity", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Refused(400)),
    (
        "identity first",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        Refused(400),
    ),
    (
        "identity with a length",
        "Transfer-Encoding: identity\r\nContent-Length: N\r\n",
        Refused(400),
    ),
    ("a list ending in chunked", "Transfer-Encoding: gzip, chunked\r\n", Refused(400)),
    ("a list beginning with it", "Transfer-Encoding: chunked, gzip\r\n", Refused(400)),
    ("a list of it twice", "Transfer-Encoding: chunked, chunked\r\n", Refused(400)),
    ("gzip", "Transfer-Encoding: gzip\r\n", Refused(400)),
    ("an unknown word", "Transfer-Encoding: xchunked\r\n", Refused(400)),
    ("a part of the word", "Transfer-Encoding: chunk\r\n", Refused(400)),
    ("quotes", "Transfer-Encoding: \"chunked\"\r\n", Refused(400)),
    ("a parameter", "Transfer-Encoding: chunked;q=0.5\r\n", Refused(400)),
    ("nothing", "Transfer-Encoding:\r\n", Refused(400)),
    ("a vertical tab before", "Transfer-Encoding: \u{b}chunked\r\n", Refused(400)),
    ("a form feed behind", "Transfer-Encoding: chunked\u{c}\r\n", Refused(400)),
    ("a wide blank behind", "Transfer-Encoding: chunked\u{a0}\r\n", Refused(400)),
    ("a blank before the colon", "Transfer-Encoding : chunked\r\n", Refused(400)),
    ("a tab before the colon", "Transfer-Encoding\t: chunked\r\n", Refused(400)),
    ("folded", "Transfer-Encoding:\r\n chunked\r\n", Refused(400)),
    ("hidden by a fold", "X: y\r\n Transfer-Encoding: chunked\r\n", Refused(400)),
    ("hidden by a bare CR", "X: y\rTransfer-Encoding: chunked\r\n", Refused(400)),
    ("hidden by a NUL", "X: y\0Transfer-Encoding: chunked\r\n", Refused(400)),
];

fn codings() -> Vec<Case> {
    let group = "Transfer-Encoding";
    let mut cases: Vec<Case> = CODINGS
        .iter()
        .map(|(name, framing, expect)| {
            posted(group, name, *expect, |delivery| {
                let framing = framing.replace('N', &delivery.chunked().len().to_string());
                delivery.framed("HTTP/1.1", &framing, &delivery.chunked())
            })
        })
        .collect();
    cases.push(posted(group, "content-length and transfer-encoding", Refused(400), |delivery| {
        let framing = "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n";
        delivery.framed("HTTP/1.1", framing, &delivery.chunked())
    }));
    cases.push(posted(group, "in HTTP/1.0", Refused(400), |delivery| {
        delivery.framed("HTTP/1.0", "Transfer-Encoding: chunked\r\n", &delivery.chunked())
    }));
    cases.push(posted(group, "an underscore is another header", GoesOn(200), |delivery| {
        let length = delivery.body.len();
        let framing = format!("Transfer_Encoding: chunked\r\nContent-Length: {length}\r\n");
        delivery.framed("HTTP/1.1", &framing, &delivery.body)
    }));
    cases
}

fn chunks() -> Vec<Case> {
    let group = "chunks";
    // `N` is the right size, `B` the body.
    let bodies = [
        ("one chunk", "N\r\nB\r\n0\r\n\r\n", GoesOn(200)),
        ("leading zeros", "0000N\r\nB\r\n000\r\n\r\n", GoesOn(200)),
        ("an extension", "N;name=value\r\nB\r\n0;last\r\n\r\n", GoesOn(200)),
        ("a blank behind the size", "N \r\nB\r\n0\r\n\r\n", GoesOn(200)),
        ("a trailer", "N\r\nB\r\n0\r\nTrailer: x\r\n\r\n", GoesOn(200)),
        (
            "a trailer that looks like a length",
            "N\r\nB\r\n0\r\nContent-Length: 5\r\n\r\n",
            GoesOn(200),
        ),
        ("no size", "\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a size that is none", "xyz\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a plus", "+N\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a minus", "-N\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a prefix", "0xN\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a blank before the size", " N\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("an empty line before the size", "\r\nN\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("digits apart", "1 N\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("an underscore", "1_0\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a quote", "\"N\"\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("beyond 64 bits", "10000000000000000\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("far beyond 64 bits", "fffffffffffffffffffffffffffff\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a bare LF behind the size", "N\nB\r\n0\r\n\r\n", Refused(400)),
        ("a bare CR behind the size", "N\rB\r\n0\r\n\r\n", Refused(400)),
        ("a bare LF behind the data", "N\r\nB\n0\r\n\r\n", Refused(400)),
        ("nothing behind the data", "N\r\nB0\r\n\r\n", Refused(400)),
        ("more data than the size", "N\r\nBxx\r\n0\r\n\r\n", Refused(400)),
        ("a NUL in an extension", "N;a\0b\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a bare LF in an extension", "N;a\nb\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a bare CR in an extension", "N;a\rb\r\nB\r\n0\r\n\r\n", Refused(400)),
        ("a bare LF at the end", "N\r\nB\r\n0\r\n\n", Swallows(200)),
        ("a bare LF behind the last size", "N\r\nB\r\n0\n\r\n", Refused(400)),
        ("a wide digit", "\u{ff11}\r\nB\r\n0\r\n\r\n", Refused(400)),
    ];
    bodies
        .iter()
        .map(|(name, body, expect)| {
            posted(group, name, *expect, |delivery| {
                let size = format!("{:x}", delivery.body.len());
                let body = body.replace('N', &size).replace('B', &delivery.body);
                delivery.framed("HTTP/1.1", "Transfer-Encoding: chunked\r\n", &body)
            })
        })
        .collect()
}

fn lines() -> Vec<Case> {
    let group = "header lines";
    let asked = |lines: &str| format!("GET /healthz HTTP/1.1\r\n{lines}\r\n");
    let many = |count: usize| -> String {
        let lines: Vec<String> = (1..count).map(|number| format!("X-{number}: y\r\n")).collect();
        format!("Host: b\r\n{}", lines.concat())
    };
    let long = "x".repeat(40_000);
    [
        ("as they should be", asked("Host: b\r\nX: y\r\n"), GoesOn(200)),
        ("bytes beyond ASCII in a value", asked("Host: b\r\nX: \u{e9}\r\n"), GoesOn(200)),
        ("an empty value", asked("Host: b\r\nX:\r\n"), GoesOn(200)),
        ("bare LFs end lines", "GET /healthz HTTP/1.1\nHost: b\n\n".to_owned(), GoesOn(200)),
        ("empty lines before", format!("\r\n\r\n{}", asked("Host: b\r\n")), GoesOn(200)),
        ("the most headers", asked(&many(96)), GoesOn(200)),
        ("one header too many", asked(&many(97)), Refused(431)),
        ("a thousand headers", asked(&many(1000)), Refused(431)),
        ("a value too long", asked(&format!("Host: b\r\nX: {long}\r\n")), Refused(431)),
        ("a name too long", asked(&format!("Host: b\r\n{long}: y\r\n")), Refused(431)),
        ("a fold", asked("Host: b\r\nX: y\r\n z\r\n"), Refused(400)),
        ("a fold with a tab", asked("Host: b\r\nX: y\r\n\tz\r\n"), Refused(400)),
        ("a fold at once", asked(" X: y\r\nHost: b\r\n"), Refused(400)),
        ("an empty fold", asked("Host: b\r\nX: y\r\n \r\n"), Refused(400)),
        ("a bare CR in a value", asked("Host: b\r\nX: y\rz\r\n"), Refused(400)),
        ("a bare CR ends a line", asked("Host: b\rX: y\r\n"), Refused(400)),
        ("a NUL in a value", asked("Host: b\r\nX: y\0z\r\n"), Refused(400)),
        ("a NUL in a name", asked("Host: b\r\nX\0: y\r\n"), Refused(400)),
        ("a control in a value", asked("Host: b\r\nX: \u{1}\r\n"), Refused(400)),
        ("a DEL in a value", asked("Host: b\r\nX: \u{7f}\r\n"), Refused(400)),
        ("a blank before the colon", asked("Host: b\r\nX : y\r\n"), Refused(400)),
        ("a tab before the colon", asked("Host: b\r\nX\t: y\r\n"), Refused(400)),
        ("a blank in a name", asked("Host: b\r\nX Y: z\r\n"), Refused(400)),
        ("a blank before the colon of Host", asked("Host : b\r\n"), Refused(400)),
        ("no name", asked("Host: b\r\n: y\r\n"), Refused(400)),
        ("no colon", asked("Host: b\r\nX\r\n"), Refused(400)),
        ("bytes beyond ASCII in a name", asked("Host: b\r\nX\u{e9}: y\r\n"), Refused(400)),
        ("a bracket in a name", asked("Host: b\r\nX(y): z\r\n"), Refused(400)),
        ("a quote in a name", asked("Host: b\r\n\"X\": z\r\n"), Refused(400)),
        ("no Host", asked("X: y\r\n"), Refused(400)),
        ("two Hosts", asked("Host: b\r\nHost: c\r\n"), Refused(400)),
        ("two equal Hosts", asked("Host: b\r\nHost: b\r\n"), Refused(400)),
    ]
    .iter()
    .map(|(name, bytes, expect)| Case::new(group, name, bytes, *expect))
    .collect()
}

fn request_lines() -> Vec<Case> {
    let group = "request lines";
    let line = |line: &str| format!("{line}\r\nHost: b\r\n\r\n");
    let long = "M".repeat(2_000);
    [
        ("as it should be", line("GET /healthz HTTP/1.1"), GoesOn(200)),
        ("HEAD", line("HEAD /nowhere HTTP/1.1"), GoesOn(404)),
        ("TRACE", line("TRACE /healthz HTTP/1.1"), GoesOn(405)),
        ("OPTIONS", line("OPTIONS /healthz HTTP/1.1"), GoesOn(405)),
        ("a method that is not known", line("BREW /healthz HTTP/1.1"), GoesOn(405)),
        ("a method in lower case", line("get /healthz HTTP/1.1"), GoesOn(405)),
        ("a method of 2,000 letters", line(&format!("{long} /healthz HTTP/1.1")), GoesOn(405)),
        ("CONNECT", line("CONNECT b:443 HTTP/1.1"), Ends(404)),
        ("no method", line(" /healthz HTTP/1.1"), Refused(400)),
        ("a bracket in the method", line("GE(T /healthz HTTP/1.1"), Refused(400)),
        ("a NUL in the method", line("GE\0T /healthz HTTP/1.1"), Refused(400)),
        ("bytes beyond ASCII in the method", line("G\u{c9}T /healthz HTTP/1.1"), Refused(400)),
        ("a blank before", line(" GET /healthz HTTP/1.1"), Refused(400)),
        ("two blanks", line("GET  /healthz HTTP/1.1"), Refused(400)),
        ("a tab instead of a blank", line("GET\t/healthz HTTP/1.1"), Refused(400)),
        ("a blank in the target", line("GET /heal thz HTTP/1.1"), Refused(400)),
        ("no version", line("GET /healthz"), Refused(400)),
        ("an empty version", line("GET /healthz "), Refused(400)),
        ("version 0.9", line("GET /healthz HTTP/0.9"), Refused(400)),
        ("version 1.2", line("GET /healthz HTTP/1.2"), Refused(400)),
        ("version 1.10", line("GET /healthz HTTP/1.10"), Refused(400)),
        ("version 01.1", line("GET /healthz HTTP/01.1"), Refused(400)),
        ("version 2.0", line("GET /healthz HTTP/2.0"), Refused(400)),
        ("a version in lower case", line("GET /healthz http/1.1"), Refused(400)),
        ("another protocol", line("GET /healthz ICY/1.1"), Refused(400)),
        ("something behind the version", line("GET /healthz HTTP/1.1 x"), Refused(400)),
        ("a blank behind the version", line("GET /healthz HTTP/1.1 "), Refused(400)),
        ("a bare CR in the line", line("GET /healthz\rHTTP/1.1"), Refused(400)),
        ("a NUL in the target", line("GET /heal\0thz HTTP/1.1"), Refused(400)),
        ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), Refused(400)),
        ("words that are no HTTP", "HELO b\r\nMAIL FROM:<a>\r\n\r\n".to_owned(), Refused(400)),
        ("an answer", "HTTP/1.1 200 OK\r\nHost: b\r\n\r\n".to_owned(), Refused(400)),
    ]
    .iter()
    .map(|(name, bytes, expect)| Case::new(group, name, bytes, *expect))
    .collect()
}

fn targets() -> Vec<Case> {
    let group = "targets";
    let long = format!("/{}", "a".repeat(33_000));
    let longest = format!("/{}", "a".repeat(70_000));
    [
        ("the whole URL", "http://b/healthz", GoesOn(200)),
        ("the whole URL of another host", "http://elsewhere/healthz", GoesOn(200)),
        ("a query", "/healthz?x=%00", GoesOn(200)),
        ("a fragment", "/healthz#x", GoesOn(200)),
        ("an encoded letter", "/%68ealthz", GoesOn(200)),
        ("a star", "*", GoesOn(404)),
        ("a name alone", "healthz", GoesOn(404)),
        ("two slashes", "//healthz", GoesOn(404)),
        ("a slash behind", "/healthz/", GoesOn(404)),
        ("capitals", "/HEALTHZ", GoesOn(404)),
        ("a semicolon", "/healthz;x", GoesOn(404)),
        ("dots", "/v1/../healthz", GoesOn(404)),
        ("dots to nowhere", "/../../../../etc/passwd", GoesOn(404)),
        ("encoded dots", "/v1/%2e%2e/healthz", GoesOn(404)),
        ("dots encoded twice", "/v1/%252e%252e/healthz", GoesOn(404)),
        ("a dot", "/./healthz", GoesOn(404)),
        ("an encoded slash", "/%2fhealthz", GoesOn(404)),
        ("an encoded NUL", "/healthz%00", GoesOn(404)),
        ("an encoded line end", "/healthz%0d%0aX:%20y", GoesOn(404)),
        ("a percent sign alone", "/healthz%", GoesOn(404)),
        ("a percent sign and no digits", "/%zzhealthz", GoesOn(404)),
        ("bytes that are no UTF-8, encoded", "/%ff%fe", GoesOn(404)),
        ("an overlong slash, encoded", "/..%c0%af..%c0%afhealthz", GoesOn(404)),
        ("a way around to a read", "/healthz/%2e%2e/v1/summary", GoesOn(404)),
        ("a way around with a backslash", "/healthz/..%5cv1%5csummary", GoesOn(404)),
        ("a read without a token", "/v1/summary", GoesOn(401)),
        ("the same, with an encoded letter", "/v1/%73ummary", GoesOn(401)),
        ("the same, by its whole URL", "http://b/v1/summary", GoesOn(401)),
        ("an id with dots", "/v1/accounts/..%2f..%2fhealthz", GoesOn(401)),
        ("a whole URL without a host", "http:///healthz", Refused(400)),
        ("a scheme alone", "http://", Refused(400)),
        ("another scheme", "file:///etc/passwd", Refused(400)),
        ("a backslash", "\\healthz", Refused(400)),
        ("33,000 letters", long.as_str(), Refused(431)),
        ("70,000 letters", longest.as_str(), Refused(431)),
    ]
    .iter()
    .map(|(name, target, expect)| {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: b\r\n\r\n");
        Case::new(group, name, bytes, *expect)
    })
    .collect()
}

fn connections() -> Vec<Case> {
    let group = "bodies nobody reads";
    let inner = "GET /v1/summary HTTP/1.1\r\nHost: b\r\n\r\n";
    let length = inner.len();
    let with_length = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\nHost: b\r\n{headers}Content-Length: {length}\r\n\r\n{inner}")
    };
    let chunked = |line: &str, headers: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: b\r\n{headers}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{inner}\r\n0\r\n\r\n"
        )
    };
    let bare = |headers: &str| format!("GET /healthz HTTP/1.1\r\nHost: b\r\n{headers}\r\n");
    [
        ("of a GET, with a length", with_length("GET /healthz", ""), Ends(200)),
        ("of a GET, in chunks", chunked("GET /healthz", ""), Ends(200)),
        ("of a HEAD, with a length", with_length("HEAD /nowhere", ""), Ends(404)),
        ("of a path that is not there", with_length("POST /nowhere", ""), Ends(404)),
        ("of a path that is not there, in chunks", chunked("POST /nowhere", ""), Ends(404)),
        ("of a method that is not allowed", with_length("DELETE /healthz", ""), Ends(405)),
        ("of a delivery without a signature", with_length("POST /webhooks/stripe", ""), Ends(400)),
        ("of a replay without a token", with_length("POST /v1/replays", ""), Ends(401)),
        ("of a replay without a token, in chunks", chunked("POST /v1/replays", ""), Ends(401)),
        (
            "of an upgrade to a websocket",
            { with_length("POST /nowhere", "Connection: upgrade\r\nUpgrade: websocket\r\n") },
            Ends(404),
        ),
        (
            "of an upgrade to HTTP/2",
            {
                with_length(
                    "POST /nowhere",
                    "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\n",
                )
            },
            Ends(404),
        ),
        (
            "a bad chunk in it",
            {
                "POST /nowhere HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n"
                    .to_owned()
            },
            Ends(404),
        ),
        (
            "none, and an upgrade to a websocket",
            { bare("Connection: upgrade\r\nUpgrade: websocket\r\n") },
            Ends(200),
        ),
        (
            "none, and an upgrade that Connection does not name",
            bare("Upgrade: websocket\r\n"),
            Ends(200),
        ),
        (
            "none, and an upgrade to HTTP/2",
            bare("Connection: upgrade\r\nUpgrade: h2c\r\n"),
            GoesOn(200),
        ),
        ("none, and the client wants to end", bare("Connection: close\r\n"), Ends(200)),
        ("none, and it wants both", bare("Connection: keep-alive, close\r\n"), Ends(200)),
        ("none, and an expectation", bare("Expect: 100-continue\r\n"), GoesOn(200)),
        ("none, and an odd expectation", bare("Expect: the-unexpected\r\n"), GoesOn(200)),
    ]
    .iter()
    .map(|(name, bytes, expect)| Case::new(group, name, bytes, *expect))
    .collect()
}
