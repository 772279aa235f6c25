//! One entry of the settings that are lists. What is wrong is said without the entry itself, which
//! is a secret.

use crate::config::NamedSecret;
use crate::secret::Secret;
use crate::token::{Role, Token};

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
    if value.is_empty() {
        return Err("has no secret after the `=`");
    }
    Ok(NamedSecret { name: name.to_owned(), value: Secret::new(value.to_owned()) })
}

/// `ROLE[/NAME]=TOKEN`, or what is wrong with it.
pub(super) fn token(entry: &str) -> Result<Token, &'static str> {
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
    if value.is_empty() {
        return Err("has no token after the `=`; `bursar token` makes one");
    }
    Token::new(role, name, value).ok_or("has a sha256: that is not 64 hex digits")
}
