//! One entry of the settings that are lists. What is wrong is said without the entry itself, which
//! is a secret.

use crate::config::NamedSecret;
use crate::secret::Secret;
use crate::token::{Role, Token, hashed};

const LONGEST_NAME: usize = 64;
/// Shorter ones are warned of.
const SHORTEST_TOKEN: usize = 16;

/// `[NAME=]whsec_...`, or what is wrong with it.
pub(super) fn webhook_secret(entry: &str) -> Result<NamedSecret, &'static str> {
    let entry = entry.trim();
    let (name, value) = match entry.split_once('=') {
        _ if entry.is_empty() => return Err("is blank: remove the extra comma"),
        _ if entry.starts_with("whsec_") => ("default", entry),
        None => return Err("is neither whsec_... nor NAME=whsec_..."),
        Some((name, value)) => (name.trim(), value.trim()),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) {
        return Err("has a name that is not made of letters, digits, `-`, `_` and `.`");
    }
    if matches!(name, "import" | "backfill" | "refetch" | "operation") {
        return Err("has a name that bursar uses itself; choose another");
    }
    let secret = value.strip_prefix("whsec_");
    match secret.map(|secret| (secret.is_empty(), is_visible(secret))) {
        _ if value.is_empty() => Err("has no secret after the `=`"),
        None => {
            Err("has a secret that does not begin with whsec_; copy the endpoint's signing secret")
        }
        Some((true, _)) => Err("has nothing after whsec_; copy the whole secret"),
        Some((_, false)) => Err("has a blank or a special character inside the secret"),
        Some((false, true)) => {
            Ok(NamedSecret { name: name.to_owned(), value: Secret::new(value.to_owned()) })
        }
    }
}

/// A token, and whether it could be guessed.
pub(super) struct NewToken {
    pub(super) token: Token,
    pub(super) is_weak: bool,
}

/// `ROLE[/NAME]=TOKEN`, or what is wrong with it.
pub(super) fn token(entry: &str) -> Result<NewToken, &'static str> {
    let entry = entry.trim();
    if entry.is_empty() {
        return Err("is blank: remove the extra comma");
    }
    let (who, value) = entry.split_once('=').ok_or("is not ROLE=TOKEN or ROLE/NAME=TOKEN")?;
    let (role, name) = who.split_once('/').unwrap_or((who, who));
    let (role, name, value) = (role.trim(), name.trim(), value.trim());
    let role = Role::ALL.into_iter().find(|known| known.word() == role);
    let role = role.ok_or("names no role; roles are reader, operator and payer")?;
    if name.is_empty() {
        return Err("has an empty name after the `/`");
    }
    // Names stand in logs and in the audit trail, where none may pass for something else.
    if name.chars().count() > LONGEST_NAME
        || name.contains(|c: char| c.is_control() || c.is_whitespace())
    {
        return Err("has a name that is longer than 64 characters or has a blank inside");
    }
    if value.is_empty() || value == hashed("") {
        return Err("has no token after the `=`; `bursar token` makes one");
    }
    if !is_visible(value) {
        return Err("has a token with a blank or a special character, which no request can carry");
    }
    let token = Token::new(role, name, value).ok_or("has a sha256: that is not 64 hex digits")?;
    let is_weak = !value.starts_with("sha256:") && value.len() < SHORTEST_TOKEN;
    Ok(NewToken { token, is_weak })
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}
