//! The verdict over any header and any body is the one that a plain reading of the rules gives.

use bursar::secret::Secret;
use bursar::stripe::signature::{SignatureError, Verifier, WebhookSecret, check_shape, sign};

const SECRETS: [(&str, &str); 2] = [("platform", "whsec_one"), ("connect", "whsec_two")];
const NOW: i64 = 1_700_000_000;
const TOLERANCE_SECONDS: u64 = 300;
const LOOKED_AT: usize = 64;

/// `data` is a header, a zero byte and a body. `@1` and `@2` in the header stand for the genuine
/// signatures of the two secrets: no search would find them.
pub fn check(data: &[u8]) {
    let (template, body) = halves(data);
    let header = filled(template, body);
    let verifier = verifier();

    let verdict = verifier.verify(&header, body, NOW);
    assert_eq!(verdict, expected(&header, body));
    assert_eq!(verdict, verifier.verify(&header, body, NOW), "another verdict the second time");
    let misshaped = matches!(verdict, Err(SignatureError::Missing | SignatureError::Malformed(_)));
    assert_eq!(check_shape(&header).is_err(), misshaped);

    let at = time_of(&header).unwrap_or(NOW);
    for (name, secret) in SECRETS {
        let own = sign(secret, body, at);
        assert_eq!(verifier.verify(own.as_bytes(), body, at), Ok(name));
        let stranger = sign("whsec_stranger", body, at);
        let refused = verifier.verify(stranger.as_bytes(), body, at);
        assert_eq!(refused, Err(SignatureError::Mismatch));
    }
}

fn verifier() -> Verifier {
    let secrets = SECRETS.map(|(name, value)| WebhookSecret::new(name, Secret::new(value)));
    Verifier::new(&secrets, TOLERANCE_SECONDS)
}

fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let mut halves = data.splitn(2, |&byte| byte == 0);
    (halves.next().unwrap_or_default(), halves.next().unwrap_or_default())
}

fn filled(template: &[u8], body: &[u8]) -> Vec<u8> {
    let at = time_of(template).unwrap_or(NOW);
    let mut header = Vec::new();
    let mut rest = template;
    while let Some((&byte, after)) = rest.split_first() {
        let secret = match rest {
            [b'@', b'1', ..] => Some(SECRETS[0].1),
            [b'@', b'2', ..] => Some(SECRETS[1].1),
            _ => None,
        };
        if let Some(secret) = secret {
            header.extend_from_slice(v1(secret, body, at).as_bytes());
            rest = &rest[2..];
        } else {
            header.push(byte);
            rest = after;
        }
    }
    header
}

fn v1(secret: &str, body: &[u8], at: i64) -> String {
    let header = sign(secret, body, at);
    header.split_once("v1=").expect("a header of our own has one").1.to_owned()
}

/// Names and values, as the rules have them.
fn items(header: &[u8]) -> Vec<(&[u8], &[u8])> {
    header
        .split(|&byte| byte == b',')
        .map(|item| match item.iter().position(|&byte| byte == b'=') {
            Some(at) => (&item[..at], &item[at + 1..]),
            None => (item, &[][..]),
        })
        .collect()
}

fn time_of(header: &[u8]) -> Option<i64> {
    let items = items(header);
    let times: Vec<_> = items.iter().filter(|(name, _)| *name == b"t").collect();
    let [(_, digits)] = times[..] else { return None };
    let plain = (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

fn expected(header: &[u8], body: &[u8]) -> Result<&'static str, SignatureError> {
    if header.is_empty() {
        return Err(SignatureError::Missing);
    }
    let items = items(header);
    let texts: Vec<_> = items.iter().filter(|(name, _)| *name == b"v1").collect();
    let Some(at) = time_of(header).filter(|_| !texts.is_empty()) else {
        // Which of several faults is named first is for the table of cases to say.
        return check_shape(header).map(|()| "a fault that went unseen");
    };
    let made_it = |secret: &str| {
        let genuine = v1(secret, body, at);
        texts.iter().take(LOOKED_AT).any(|(_, text)| *text == genuine.as_bytes())
    };
    let signer = SECRETS.into_iter().find(|(_, secret)| made_it(secret));
    let (name, _) = signer.ok_or(SignatureError::Mismatch)?;
    if NOW.abs_diff(at) > TOLERANCE_SECONDS {
        return Err(SignatureError::OutOfTolerance { skew_seconds: NOW - at });
    }
    Ok(name)
}
