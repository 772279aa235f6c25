//! From where a request comes: the address of its connection, or what a proxy that is trusted
//! says of it.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use actix_web::web::Data;
use ipnet::IpNet;

use crate::http::Handles;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whose word counts, and who may deliver.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    /// Proxies, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// From where webhooks are taken; from everywhere when there is none.
    pub webhook: Vec<IpNet>,
}

impl Networks {
    pub(super) fn may_deliver(&self, address: Option<IpAddr>) -> bool {
        self.webhook.is_empty() || address.is_some_and(|address| holds(&self.webhook, address))
    }

    /// Read from the right: each proxy appends whom it was asked by, and what stands left of the
    /// first address that is no trusted proxy may be invented. What cannot be read ends the
    /// reading: then the proxy that passed it on is the one who asks.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !holds(&self.trusted_proxies, client) {
            return client;
        }
        // Several headers are one list, in their order.
        let headers: Vec<_> = headers.get_all(FORWARDED_FOR).collect();
        let entries =
            headers.iter().rev().flat_map(|value| value.as_bytes().rsplit(|&b| b == b','));
        for entry in entries {
            let Some(address) = address(entry) else { break };
            client = address;
            if !holds(&self.trusted_proxies, client) {
                break;
            }
        }
        client
    }
}

/// The address that a request is held against wherever it matters from whom it comes: logs,
/// limits, audit.
pub fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let handles = request.app_data::<Data<Handles>>()?;
    Some(handles.networks.client(peer, request.headers()))
}

/// Whether a request may come from this machine's own programs and pages. A browser can be made to
/// ask a loopback address by any page that it shows; it then names the page's host: as `Origin`,
/// or, where that host's name was made to mean this machine, as `Host`.
pub(super) fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST) else { return true };
    let Some(host) = host.to_str().ok().filter(|host| is_of_no_domain(host)) else { return false };
    headers.get_all(ORIGIN).all(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        origin.is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
    })
}

/// Whether a host, as in a URL, is a loopback address, or a name that nobody can have registered.
fn is_of_no_domain(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        Some(_) | None => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| !name.is_empty() && !name.contains('.'), |it| it.is_loopback())
}

fn holds(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// An address as proxies write it, some with the port.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|with: SocketAddr| with.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn networks(trusted: &[&str]) -> Networks {
        let trusted_proxies = trusted.iter().map(|text| text.parse().unwrap()).collect();
        Networks { trusted_proxies, webhook: Vec::new() }
    }

    #[track_caller]
    fn check(trusted: &[&str], peer: &str, lines: &[&[u8]], expected: &str) {
        let mut headers = HeaderMap::new();
        for line in lines {
            // As what came over the wire, which may hold any byte but controls.
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).unwrap());
        }
        let client = networks(trusted).client(peer.parse().unwrap(), &headers);
        assert_eq!(client.to_string(), expected, "{trusted:?} {peer} {lines:?}");
    }

    #[test]
    fn the_rightmost_address_that_is_no_trusted_proxy_counts() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        for (peer, lines, expected) in [
            ("192.0.2.9", &[&b"203.0.113.7"[..]][..], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &[b"198.51.100.1, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &[b"198.51.100.1,203.0.113.7 ,\t10.2.3.4"], "203.0.113.7"),
            ("10.0.0.1", &[b"198.51.100.1", b"203.0.113.7", b"10.2.3.4"], "203.0.113.7"),
            ("10.0.0.1", &[b"203.0.113.7:4711"], "203.0.113.7"),
            ("10.0.0.1", &[b"[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &[b"[2001:db8::1]"], "2001:db8::1"),
            ("fd00::1", &[b"2001:db8::1"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &[b"::ffff:203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            check(&trusted, peer, lines, expected);
        }
    }

    #[test]
    fn what_cannot_be_read_is_never_stepped_over() {
        let trusted = ["10.0.0.0/8"];
        for (lines, expected) in [
            (&[&b"203.0.113.7, unknown"[..]][..], "10.0.0.1"),
            (&[b"203.0.113.7,"], "10.0.0.1"),
            (&[b""], "10.0.0.1"),
            (&[b"203.0.113.7", b""], "10.0.0.1"),
            (&[b"203.0.113.7, _hidden, 10.0.0.2"], "10.0.0.2"),
            (&[b"203.0.113.7 10.0.0.2"], "10.0.0.1"),
            (&[b"203.0.113.007"], "10.0.0.1"),
            (&[b"203.0.113"], "10.0.0.1"),
            (&[b"0xcb007107"], "10.0.0.1"),
            (&[b"\xff\xfe"], "10.0.0.1"),
            (&[b"for=203.0.113.7"], "10.0.0.1"),
            (&[b"unknown, 203.0.113.7"], "203.0.113.7"),
        ] {
            check(&trusted, "10.0.0.1", lines, expected);
        }
    }

    #[test]
    fn without_trusted_proxies_nobody_is_believed() {
        check(&[], "127.0.0.1", &[b"203.0.113.7"], "127.0.0.1");
    }
}
