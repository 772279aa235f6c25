//! From which address a request comes.

use std::net::IpAddr;

use actix_web::HttpRequest;

/// The client's address; all that goes by addresses asks here.
pub(super) fn client_address(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip().to_canonical())
}
