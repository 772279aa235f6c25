//! Who is signed in. A platform has users of its own; here whoever comes is a new one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use actix_web::HttpRequest;
use actix_web::http::header;

const COOKIE: &str = "sample_session";

#[derive(Debug, Default)]
pub(super) struct Users(Mutex<BTreeMap<String, User>>);

/// What the platform remembers of a user.
#[derive(Clone, Debug)]
pub(super) struct User {
    session: String,
    /// Its own name for the user, by which bursar finds the account.
    pub(super) reference: String,
    /// The connected account, once there is one.
    pub(super) account: Option<String>,
    is_new: bool,
}

impl User {
    /// The cookie of a first visit.
    pub(super) fn cookie(&self) -> Option<(header::HeaderName, String)> {
        let Self { session, is_new, .. } = self;
        let cookie = format!("{COOKIE}={session}; Path=/; HttpOnly; SameSite=Lax");
        is_new.then_some((header::SET_COOKIE, cookie))
    }
}

impl Users {
    /// The user of this browser.
    pub(super) fn of(&self, request: &HttpRequest) -> User {
        let known = session(request).and_then(|session| self.map().get(session).cloned());
        known.unwrap_or_else(|| self.welcome())
    }

    fn welcome(&self) -> User {
        let session = random(24);
        let reference = format!("maker-{}", random(4));
        let user = User { session: session.clone(), reference, account: None, is_new: false };
        self.map().insert(session, user.clone());
        User { is_new: true, ..user }
    }

    pub(super) fn has_account(&self, user: &User, account: String) {
        if let Some(user) = self.map().get_mut(&user.session) {
            user.account = Some(account);
        }
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<String, User>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn session(request: &HttpRequest) -> Option<&str> {
    let cookies = request.headers().get_all(header::COOKIE);
    let cookies = cookies.filter_map(|cookies| cookies.to_str().ok());
    let mut cookies = cookies.flat_map(|cookies| cookies.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// So many random bytes, in hex.
pub(super) fn random(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    getrandom::fill(&mut random).unwrap_or_else(|_| fastrand::fill(&mut random));
    hex::encode(random)
}
