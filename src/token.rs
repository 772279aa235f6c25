//! Bearer tokens: who may do what. Only hashes are kept, and they are compared in constant time.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Keeps fingerprints from being the hash of anything else that is hashed of a token.
const FINGERPRINT_DOMAIN: &[u8] = b"bursar token fingerprint 1\0";
const FINGERPRINT_BYTES: usize = 4;

/// What a token may do. Every role may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Reader,
    /// Reads, replays, redrives, erases.
    Operator,
    /// Reads, and makes the calls that move money or onboard accounts.
    Payer,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Reader, Self::Operator, Self::Payer];

    pub fn word(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Operator => "operator",
            Self::Payer => "payer",
        }
    }
}

/// One configured token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub role: Role,
    /// Appears in sources, the audit trail and logs.
    pub name: String,
    hash: [u8; 32],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}=redacted", self.role.word(), self.name)
    }
}

impl Token {
    /// `value` is the token itself, or `sha256:` and its hash in hex; `None` when that hash is
    /// not 64 hex digits.
    pub fn new(role: Role, name: &str, value: &str) -> Option<Self> {
        let mut hash = [0; 32];
        match value.strip_prefix("sha256:") {
            Some(digits) => hex::decode_to_slice(digits, &mut hash).ok()?,
            None => hash = Sha256::digest(value).into(),
        }
        Some(Self { role, name: name.to_owned(), hash })
    }

    /// Eight hex digits that tell it from others of its name and do not help to guess it.
    pub fn fingerprint(&self) -> String {
        let digest =
            Sha256::new().chain_update(FINGERPRINT_DOMAIN).chain_update(self.hash).finalize();
        hex::encode(digest.as_slice().split_at(FINGERPRINT_BYTES).0)
    }

    /// Whether both let the same in, under whatever names.
    pub fn repeats(&self, other: &Self) -> bool {
        self.role == other.role && self.hash == other.hash
    }
}

/// The form of a token that can be put into a settings file.
pub fn hashed(token: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(token)))
}

/// Who is asking. The same token under several roles has all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub name: String,
    /// Each with the name that it was given under.
    roles: Vec<(Role, String)>,
}

impl Principal {
    /// Used where authentication is switched off.
    pub fn anyone() -> Self {
        let name = "anonymous".to_owned();
        Self { roles: Role::ALL.map(|role| (role, name.clone())).into(), name }
    }

    pub fn may(&self, role: Role) -> bool {
        role == Role::Reader || self.roles.iter().any(|(known, _)| *known == role)
    }

    /// Under the name that goes with the role; `None` when it may not.
    #[must_use]
    pub fn acting_as(self, role: Role) -> Option<Self> {
        let named = self.roles.iter().find(|(known, _)| *known == role);
        let name = named.map_or_else(|| self.name.clone(), |(_, name)| name.clone());
        self.may(role).then_some(Self { name, ..self })
    }
}

#[derive(Clone, Debug, Default)]
pub struct Tokens(pub Vec<Token>);

impl Tokens {
    /// Looks at every token, whatever matched, so that the time taken tells nothing.
    pub fn principal(&self, presented: &[u8]) -> Option<Principal> {
        if presented.is_empty() {
            return None;
        }
        let hash: [u8; 32] = Sha256::digest(presented).into();
        let mut principal: Option<Principal> = None;
        for token in &self.0 {
            if bool::from(token.hash.ct_eq(&hash)) {
                let known = principal.get_or_insert_with(|| Principal {
                    name: token.name.clone(),
                    roles: Vec::new(),
                });
                known.roles.push((token.role, token.name.clone()));
            }
        }
        principal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_itself_or_by_its_hash() {
        let tokens = Tokens(vec![
            Token::new(Role::Reader, "grafana", "plain").unwrap(),
            Token::new(Role::Operator, "ops", &hashed("hidden")).unwrap(),
        ]);
        assert_eq!(tokens.principal(b"plain").unwrap().name, "grafana");
        assert_eq!(tokens.principal(b"hidden").unwrap().name, "ops");
        assert_eq!(tokens.principal(b"Hidden"), None);
        assert_eq!(tokens.principal(b""), None);
        assert_eq!(Token::new(Role::Reader, "x", "sha256:abc"), None);
    }

    #[test]
    fn every_role_reads_and_none_does_what_another_does() {
        let of = |role| Tokens(vec![Token::new(role, "n", "t").unwrap()]).principal(b"t").unwrap();
        for role in Role::ALL {
            for wanted in Role::ALL {
                let expected = wanted == Role::Reader || wanted == role;
                assert_eq!(of(role).may(wanted), expected, "{role:?} {wanted:?}");
            }
        }
    }

    #[test]
    fn one_token_can_have_several_roles() {
        let token = |role| Token::new(role, "both", "t").unwrap();
        let principal = Tokens(vec![token(Role::Operator), token(Role::Payer)]).principal(b"t");
        let principal = principal.unwrap();
        assert!(principal.may(Role::Operator) && principal.may(Role::Payer));
    }

    #[test]
    fn who_acts_has_the_name_that_goes_with_the_role() {
        let token = |role, name| Token::new(role, name, "t").unwrap();
        let tokens = Tokens(vec![token(Role::Payer, "pat"), token(Role::Operator, "olga")]);
        let name = |role| Some(tokens.principal(b"t")?.acting_as(role)?.name);
        assert_eq!(name(Role::Operator).as_deref(), Some("olga"));
        assert_eq!(
            name(Role::Reader).as_deref(),
            Some("pat"),
            "the first, when none is a reader's"
        );
        let payer = Tokens(vec![token(Role::Payer, "pat")]).principal(b"t").unwrap();
        assert_eq!(payer.acting_as(Role::Operator), None);
    }
}
