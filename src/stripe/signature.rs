//! Whether a delivery really comes from Stripe: the `Stripe-Signature` header against the body.
//!
//! The header reads `t=SECONDS,v1=HEX[,v1=HEX...][,v0=HEX]`. A `v1` is the HMAC-SHA256, under the
//! endpoint's whole secret (`whsec_` included), of the time, a dot and the body as it came. While
//! a secret is being rolled Stripe sends one `v1` for each, and several endpoints may share our
//! address, so every `v1` is tried against every secret.
//!
//! Where this differs from Stripe's own libraries it is stricter; `tests/it/oracles.rs` lists how.
//!
//! **Never in here:** a clock (the time is an argument), HTTP, or a look inside the body.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

/// Items beyond this many `v1`s are not looked at: Stripe sends a few, a stranger might send many.
pub const SIGNATURES_LOOKED_AT: usize = 64;
/// The longest `t`: eighteen digits always fit an `i64`.
const TIMESTAMP_DIGITS: usize = 18;
const SIGNATURE_BYTES: usize = 32;
/// Keeps fingerprints from being the hash of anything else that is hashed of a secret.
const FINGERPRINT_DOMAIN: &[u8] = b"bursar webhook secret fingerprint 1\0";
/// Of the fingerprint, as far as it is shown.
const FINGERPRINT_BYTES: usize = 4;
const NEVER: i64 = i64::MIN;

/// The secret of one webhook endpoint in one mode.
#[derive(Clone, Debug)]
pub struct WebhookSecret {
    name: String,
    value: Secret,
}

impl WebhookSecret {
    /// `name` becomes the source of the events the secret verifies; `value` is used as it is,
    /// with the `whsec_` in front.
    pub fn new(name: impl Into<String>, value: Secret) -> Self {
        Self { name: name.into(), value }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Why a delivery was not believed. The messages are for the sender and show nothing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error(
        "there is no Stripe-Signature header: register this address as a webhook endpoint at \
         Stripe, and let any proxy in front pass the header on"
    )]
    Missing,
    #[error("{0}: let any proxy in front pass the Stripe-Signature header on as it came")]
    Malformed(Malformed),
    #[error(
        "no v1 signature was made with a configured secret: compare BURSAR_WEBHOOK_SECRETS with \
         the signing secret of this endpoint (each endpoint and each mode has its own), and let \
         any proxy in front pass the body on byte for byte"
    )]
    Mismatch,
    #[error(
        "the signature is genuine but its time is {}: set this machine's clock, or have Stripe \
         send the event again", Skew(*skew_seconds)
    )]
    OutOfTolerance {
        /// Our time less the header's: positive for an old delivery.
        skew_seconds: i64,
    },
}

/// What is wrong with the shape of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the header has no timestamp (t)")]
    NoTimestamp,
    #[error("the header has several timestamps (t)")]
    SeveralTimestamps,
    #[error("the header's timestamp (t) is not 1 to 18 digits")]
    UnreadableTimestamp,
    #[error("the header has no v1 signature")]
    NoSignature,
    /// Found by the caller, who sees the header lines; one line is what Stripe sends.
    #[error("there are several Stripe-Signature headers")]
    SeveralHeaders,
}

/// A difference of time in words.
struct Skew(i64);

impl fmt::Display for Skew {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.0 < 0 { "ahead of ours" } else { "behind ours" };
        write!(formatter, "{} seconds {direction}", self.0.unsigned_abs())
    }
}

/// The configured secrets, ready to check deliveries.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<Key>,
    tolerance_seconds: u64,
    signatures: usize,
}

#[derive(Clone, Debug)]
struct Key {
    name: String,
    /// The HMAC after it took in the secret; a check starts from a copy.
    keyed: Hmac<Sha256>,
    fingerprint: [u8; 32],
    /// When it last signed what was believed, Unix seconds; shared with those that come after.
    last_used: Arc<AtomicI64>,
}

/// One secret, told from others without showing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretUse {
    /// Several secrets may have it.
    pub name: String,
    /// Eight hex digits.
    pub fingerprint: String,
    /// When it last signed what was believed, Unix seconds.
    pub last_used: Option<i64>,
}

impl Key {
    fn of(secret: &WebhookSecret) -> Self {
        let value = secret.value.expose();
        let digest = Sha256::new().chain_update(FINGERPRINT_DOMAIN).chain_update(value);
        Self {
            name: secret.name.clone(),
            keyed: keyed(value),
            fingerprint: digest.finalize().into(),
            last_used: Arc::new(AtomicI64::new(NEVER)),
        }
    }

    fn use_of(&self) -> SecretUse {
        let last_used = self.last_used.load(Ordering::Relaxed);
        SecretUse {
            name: self.name.clone(),
            fingerprint: hex::encode(self.fingerprint.split_at(FINGERPRINT_BYTES).0),
            last_used: (last_used != NEVER).then_some(last_used),
        }
    }
}

impl Verifier {
    /// `tolerance_seconds` is how far, to either side, a header's time may lie from ours.
    pub fn new(secrets: &[WebhookSecret], tolerance_seconds: u64) -> Self {
        let keys = secrets.iter().map(Key::of).collect();
        Self { keys, tolerance_seconds, signatures: SIGNATURES_LOOKED_AT }
    }

    /// Looks at so many `v1`s and no more.
    #[must_use]
    pub fn looking_at(self, signatures: usize) -> Self {
        Self { signatures, ..self }
    }

    /// Goes on noting the use of secrets that `previous` had as well.
    #[must_use]
    pub fn after(mut self, previous: &Self) -> Self {
        for key in &mut self.keys {
            let known = previous.keys.iter().find(|known| known.fingerprint == key.fingerprint);
            if let Some(known) = known {
                key.last_used = Arc::clone(&known.last_used);
            }
        }
        self
    }

    /// The secrets in their order, and when each was last used since it is known here.
    pub fn uses(&self) -> Vec<SecretUse> {
        self.keys.iter().map(Key::use_of).collect()
    }

    /// The names of the configured secrets, the same name once for each.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.name.as_str())
    }

    /// The name of the first configured secret that signed `body`, when the header's time is
    /// within the tolerance of `now_unix_seconds`. The time is looked at last, so that only the
    /// genuine is ever told how far its clock is off.
    pub fn verify(
        &self,
        header: &[u8],
        body: &[u8],
        now_unix_seconds: i64,
    ) -> Result<&str, SignatureError> {
        let header = Header::parse(header, self.signatures)?;
        let signers = self.signers(&header, body);
        let signer = signers.first().ok_or(SignatureError::Mismatch)?;
        if now_unix_seconds.abs_diff(header.timestamp) > self.tolerance_seconds {
            let skew_seconds = now_unix_seconds.saturating_sub(header.timestamp);
            return Err(SignatureError::OutOfTolerance { skew_seconds });
        }
        // While Stripe rolls a secret it signs with the old one and with the new.
        for key in &signers {
            key.last_used.fetch_max(now_unix_seconds, Ordering::Relaxed);
        }
        Ok(&signer.name)
    }

    /// Tries everything against everything even after a match: the time a check takes must not
    /// tell how near a guess came.
    fn signers(&self, header: &Header, body: &[u8]) -> Vec<&Key> {
        let mut signers = Vec::new();
        for key in &self.keys {
            let mac = over(key.keyed.clone(), header.timestamp, body);
            let mut matches = false;
            for signature in &header.signatures {
                // Compares in constant time.
                matches |= mac.clone().verify_slice(signature).is_ok();
            }
            if matches {
                signers.push(key);
            }
        }
        signers
    }
}

/// Whether a header can be looked at, before there is a body to hold it against.
pub fn check_shape(header: &[u8]) -> Result<(), SignatureError> {
    Header::parse(header, SIGNATURES_LOOKED_AT).map(drop)
}

/// The time in a header that was verified, in Unix seconds.
pub fn signed_at(header: &[u8]) -> Option<i64> {
    timestamp(values(header, b"t")).ok()
}

/// A header as Stripe would send it for `body`: for the demo, for replays and for tests.
pub fn sign(secret: &str, body: &[u8], at_unix_seconds: i64) -> String {
    let mac = over(keyed(secret), at_unix_seconds, body).finalize();
    format!("t={at_unix_seconds},v1={}", hex::encode(mac.as_bytes()))
}

struct Header {
    timestamp: i64,
    /// The readable ones among the first `v1`s; none is left when all were rubbish.
    signatures: Vec<[u8; SIGNATURE_BYTES]>,
}

impl Header {
    /// Nothing is trimmed: Stripe sends no blanks, and its libraries take ` v1` for another scheme.
    fn parse(header: &[u8], most: usize) -> Result<Self, SignatureError> {
        if header.is_empty() {
            return Err(SignatureError::Missing);
        }
        let timestamp = timestamp(values(header, b"t")).map_err(SignatureError::Malformed)?;
        let mut values_of_v1 = values(header, b"v1").peekable();
        if values_of_v1.peek().is_none() {
            return Err(SignatureError::Malformed(Malformed::NoSignature));
        }
        let signatures = values_of_v1.take(most).filter_map(signature).collect();
        Ok(Self { timestamp, signatures })
    }
}

fn values<'a>(header: &'a [u8], wanted: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    header
        .split(|&byte| byte == b',')
        .map(key_and_value)
        .filter_map(move |(key, value)| (key == wanted).then_some(value))
}

/// What stands before the first `=` and what stands behind it; an item without one is all key.
fn key_and_value(item: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = item.splitn(2, |&byte| byte == b'=');
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

fn timestamp<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Result<i64, Malformed> {
    let digits = values.next().ok_or(Malformed::NoTimestamp)?;
    if values.next().is_some() {
        return Err(Malformed::SeveralTimestamps);
    }
    // `parse` alone would also take a sign.
    let plain = digits.len() <= TIMESTAMP_DIGITS && digits.iter().all(u8::is_ascii_digit);
    let number = str::from_utf8(digits).ok().filter(|_| plain).and_then(|text| text.parse().ok());
    number.ok_or(Malformed::UnreadableTimestamp)
}

/// The bytes of a `v1`. Upper case is refused: Stripe's libraries compare the text.
fn signature(hex: &[u8]) -> Option<[u8; SIGNATURE_BYTES]> {
    if hex.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut bytes = [0; SIGNATURE_BYTES];
    hex::decode_to_slice(hex, &mut bytes).ok()?;
    Some(bytes)
}

fn keyed(secret: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret.as_bytes()).expect("an HMAC takes a key of any length")
}

/// Takes in what is signed. The number is written out anew, so `t=007` was signed as `7`.
fn over(keyed: Hmac<Sha256>, timestamp: i64, body: &[u8]) -> Hmac<Sha256> {
    keyed.chain_update(timestamp.to_string()).chain_update(b".").chain_update(body)
}
