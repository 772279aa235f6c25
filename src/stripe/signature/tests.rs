use proptest::prelude::*;

use super::*;

const SECRET: &str = "whsec_test_secret";
const ROLLED: &str = "whsec_test_rolled";
const BODY: &[u8] = br#"{"id":"evt_test_webhook","object":"event"}"#;
const NOW: i64 = 1_700_000_000;
/// The `v1` of `BODY` at `NOW` under `SECRET`.
const V1: &str = "d95c6b7477fbd7e9f90b1b0ef5f9c7ac25abca5382460e0d988c2b2a5b71b990";

const NO_TIMESTAMP: Result<&str, SignatureError> =
    Err(SignatureError::Malformed(Malformed::NoTimestamp));
const SEVERAL_TIMESTAMPS: Result<&str, SignatureError> =
    Err(SignatureError::Malformed(Malformed::SeveralTimestamps));
const UNREADABLE_TIMESTAMP: Result<&str, SignatureError> =
    Err(SignatureError::Malformed(Malformed::UnreadableTimestamp));
const NO_SIGNATURE: Result<&str, SignatureError> =
    Err(SignatureError::Malformed(Malformed::NoSignature));
const MISMATCH: Result<&str, SignatureError> = Err(SignatureError::Mismatch);

fn verifier(secrets: &[(&str, &str)]) -> Verifier {
    let secrets: Vec<_> =
        secrets.iter().map(|&(name, value)| WebhookSecret::new(name, Secret::new(value))).collect();
    Verifier::new(&secrets, 300)
}

/// Checks a header for `BODY` at `NOW` against the one secret, named `platform`.
#[track_caller]
fn check(header: impl AsRef<[u8]>, expected: Result<&str, SignatureError>) {
    check_body(header, BODY, expected);
}

#[track_caller]
fn check_body(header: impl AsRef<[u8]>, body: &[u8], expected: Result<&str, SignatureError>) {
    let verifier = verifier(&[("platform", SECRET)]);
    let header = header.as_ref();
    let shown = String::from_utf8_lossy(header);
    assert_eq!(verifier.verify(header, body, NOW), expected, "{shown}");
}

/// Signs with a text for `t` that `sign` would never write.
fn sign_text(timestamp: &str) -> String {
    let mac = keyed(SECRET).chain_update(timestamp).chain_update(b".").chain_update(BODY);
    format!("t={timestamp},v1={}", hex::encode(mac.finalize().as_bytes()))
}

#[test]
fn agrees_with_signatures_made_elsewhere() {
    let pretty = b"{\n  \"id\": \"evt_test_webhook\",\n  \"object\": \"event\"\n}";
    let pretty_v1 = "4f1cd7feda9826e746b7d482c4badebb657398df1099e1046364f6196a230150";
    let text = r#"{"id":"evt_1","object":"event","data":{"object":{"name":"Zoë — 東京"}}}"#;
    let text_v1 = "ff650c85912bbc2f41b9eddec73cddd8a493888f32cab3e4a3508218dc120585";
    let empty_v1 = "316b9ab98c15bfa039d243f3196acee619cf29749a91a634e6a8154e2f7b6727";
    let v1_under_another_secret =
        "1bd9fdd00c3d4db4edb599698e2b421e245d51d2c2eaec9a6b7cecef747b0819";
    let v0 = "0".repeat(64);
    let rolled = format!("t={NOW},v1={v1_under_another_secret},v1={V1},v0={v0}");
    let spaced = br#"{"id":"evt_test_webhook","object":"event" }"#;

    let genuine = Ok("platform");
    check(format!("t={NOW},v1={V1}"), genuine);
    check_body(format!("t={NOW},v1={pretty_v1}"), pretty, genuine);
    check_body(format!("t={NOW},v1={text_v1}"), text.as_bytes(), genuine);
    check_body(format!("t={NOW},v1={empty_v1}"), b"", genuine);
    check(rolled, genuine);
    check(format!("t={NOW},v0={V1}"), NO_SIGNATURE);
    check_body(format!("t={NOW},v1={V1}"), spaced, MISMATCH);
    check(format!("t={},v1={V1}", NOW + 1), MISMATCH);
    check(format!("v1={V1}"), NO_TIMESTAMP);
}

#[test]
fn signs_as_stripe_does() {
    assert_eq!(sign(SECRET, BODY, NOW), format!("t={NOW},v1={V1}"));
}

#[test]
fn an_empty_header_is_no_header() {
    check("", Err(SignatureError::Missing));
}

#[test]
fn the_tolerance_holds_on_both_sides_and_includes_its_ends() {
    for skew_seconds in [-300, -299, -1, 0, 1, 299, 300] {
        check(sign(SECRET, BODY, NOW - skew_seconds), Ok("platform"));
    }
    for skew_seconds in [-301, 301, NOW] {
        let expected = Err(SignatureError::OutOfTolerance { skew_seconds });
        check(sign(SECRET, BODY, NOW - skew_seconds), expected);
    }
}

#[test]
fn a_clock_at_either_end_of_time_is_out_of_tolerance() {
    let verifier = verifier(&[("platform", SECRET)]);
    for now in [i64::MIN, i64::MAX] {
        for at in [0, 999_999_999_999_999_999] {
            let answer = verifier.verify(sign(SECRET, BODY, at).as_bytes(), BODY, now);
            assert!(matches!(answer, Err(SignatureError::OutOfTolerance { .. })), "{answer:?}");
        }
    }
}

#[test]
fn the_time_of_a_forgery_is_not_commented_on() {
    check(format!("t=1,v1={V1}"), MISMATCH);
}

#[test]
fn only_plain_digits_are_a_time() {
    for text in [
        "",
        " ",
        "+1700000000",
        "-1700000000",
        " 1700000000",
        "1700000000 ",
        "1700000000\n",
        "1_700_000_000",
        "1700000000.0",
        "1.7e9",
        "0x6553f100",
        "1700000000s",
        "1700000000=",
        "١٧٠٠٠٠٠٠٠٠",
        "\u{ff11}700000000",
        "0000000001700000000",
        "9223372036854775807",
        "99999999999999999999999999",
    ] {
        check(sign_text(text), UNREADABLE_TIMESTAMP);
    }
    check(format!("t,v1={V1}"), UNREADABLE_TIMESTAMP);
    check([b"t=\xff,v1=".as_slice(), V1.as_bytes()].concat(), UNREADABLE_TIMESTAMP);
}

#[test]
fn eighteen_digits_are_a_time() {
    let header = sign(SECRET, BODY, 999_999_999_999_999_999);
    let skew_seconds = NOW - 999_999_999_999_999_999;
    check(header, Err(SignatureError::OutOfTolerance { skew_seconds }));
    check("t=999999999999999999,v1=", MISMATCH);
}

#[test]
fn leading_zeros_are_not_what_was_signed() {
    check(format!("t=00000000{NOW},v1={V1}"), Ok("platform"));
    check(sign_text(&format!("00000000{NOW}")), MISMATCH);
}

#[test]
fn one_time_only() {
    check(format!("t={NOW},t={NOW},v1={V1}"), SEVERAL_TIMESTAMPS);
    check(format!("t={NOW},v1={V1},t=1"), SEVERAL_TIMESTAMPS);
    check(format!("t={NOW},v1={V1},t"), SEVERAL_TIMESTAMPS);
    check(format!("t=rubbish,t={NOW},v1={V1}"), SEVERAL_TIMESTAMPS);
}

#[test]
fn the_order_of_items_does_not_matter() {
    check(format!("v0=0,v1={V1},t={NOW}"), Ok("platform"));
}

#[test]
fn nothing_is_trimmed() {
    check(format!("t={NOW}, v1={V1}"), NO_SIGNATURE);
    check(format!("t={NOW},v1 ={V1}"), NO_SIGNATURE);
    check(format!(" t={NOW},v1={V1}"), NO_TIMESTAMP);
    check(format!("t={NOW},v1= {V1}"), MISMATCH);
    check(format!("t={NOW},v1={V1} "), MISMATCH);
}

#[test]
fn names_are_told_apart_by_case_and_whole() {
    check(format!("T={NOW},v1={V1}"), NO_TIMESTAMP);
    for scheme in ["V1", "v", "v10", "v11", "v2", "v0", ""] {
        check(format!("t={NOW},{scheme}={V1}"), NO_SIGNATURE);
    }
}

#[test]
fn an_unreadable_v1_is_there_but_never_matches() {
    let upper = V1.to_uppercase();
    let mixed = V1.replacen('d', "D", 1);
    let longer = format!("{V1}00");
    let shorter = &V1[..62];
    let odd = &V1[..63];
    let with_sign = format!("{V1}=");
    for text in ["", "=", "zz", &upper, &mixed, &longer, shorter, odd, &with_sign] {
        check(format!("t={NOW},v1={text}"), MISMATCH);
    }
    check(format!("t={NOW},v1"), MISMATCH);
}

#[test]
fn rubbish_beside_a_good_v1_does_not_matter() {
    for rubbish in
        [b"".as_slice(), b"=", b"==", b"\xff\xfe", b"v1=\xff", b"v1", b"v1=", b"\xc3=\x28", b"\0"]
    {
        let good = format!("t={NOW},v1={V1}").into_bytes();
        check([rubbish, b",", &good].concat(), Ok("platform"));
        check([&good, b",".as_slice(), rubbish].concat(), Ok("platform"));
    }
}

#[test]
fn only_the_first_sixty_four_v1s_are_looked_at() {
    for wrong in ["v1=0,".to_owned(), format!("v1={},", "0".repeat(64))] {
        check(format!("t={NOW},{}v1={V1}", wrong.repeat(63)), Ok("platform"));
        check(format!("t={NOW},{}v1={V1}", wrong.repeat(64)), MISMATCH);
        check(format!("t={NOW},v1={V1},{}", wrong.repeat(1000)), Ok("platform"));
    }
    let other_schemes = "v0=0,".repeat(1000);
    check(format!("t={NOW},{other_schemes}v1={V1}"), Ok("platform"));
}

#[test]
fn the_first_configured_secret_that_signed_is_named() {
    let verifier =
        verifier(&[("platform", "whsec_a"), ("connect", "whsec_b"), ("again", "whsec_a")]);
    let by_a = sign("whsec_a", BODY, NOW);
    let by_b = sign("whsec_b", BODY, NOW);
    let by_b_then_a = by_a.replace(",v1=", &format!(",{},v1=", &by_b[by_b.len() - 67..]));
    let by_c = sign("whsec_c", BODY, NOW);

    let signer = |header: &str| verifier.verify(header.as_bytes(), BODY, NOW);
    assert_eq!(signer(&by_a), Ok("platform"));
    assert_eq!(signer(&by_b), Ok("connect"));
    assert_eq!(signer(&by_b_then_a), Ok("platform"));
    assert_eq!(signer(&by_c), MISMATCH);
}

#[test]
fn without_secrets_nothing_is_believed() {
    let header = sign("", BODY, NOW);
    assert_eq!(verifier(&[]).verify(header.as_bytes(), BODY, NOW), MISMATCH);
}

#[test]
fn the_secret_is_used_whole() {
    check(sign("test_secret", BODY, NOW), MISMATCH);
    check(sign("whsec_test_secret\n", BODY, NOW), MISMATCH);
}

#[test]
fn a_body_need_not_be_text() {
    let body = b"\xef\xbb\xbf\xff\0";
    check_body(sign(SECRET, body, NOW), body, Ok("platform"));
}

#[test]
fn messages_say_what_to_do() {
    let message = |error: SignatureError| error.to_string();
    assert!(message(SignatureError::Missing).contains("no Stripe-Signature header"));
    assert!(message(SignatureError::Mismatch).contains("BURSAR_WEBHOOK_SECRETS"));
    let behind = message(SignatureError::OutOfTolerance { skew_seconds: 301 });
    assert!(behind.contains("301 seconds behind ours"), "{behind}");
    let ahead = message(SignatureError::OutOfTolerance { skew_seconds: -301 });
    assert!(ahead.contains("301 seconds ahead of ours"), "{ahead}");
    let several = message(SignatureError::Malformed(Malformed::SeveralHeaders));
    assert!(several.starts_with("there are several Stripe-Signature headers: "), "{several}");
}

#[test]
fn debug_shows_no_secret() {
    let secret = WebhookSecret::new("platform", Secret::new(SECRET));
    let shown = format!("{secret:?} {:?}", Verifier::new(std::slice::from_ref(&secret), 300));
    assert!(shown.contains("platform") && !shown.contains("test_secret"), "{shown}");
}

/// Headers that are nearly right more often than random bytes are.
fn any_header() -> impl Strategy<Value = Vec<u8>> {
    let item = prop_oneof![
        Just(format!("t={NOW}").into_bytes()),
        Just(format!("v1={V1}").into_bytes()),
        "(t|v0|v1|)=?[0-9a-f]{0,70}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..80),
    ];
    proptest::collection::vec(item, 0..6).prop_map(|items| items.join(&b','))
}

proptest! {
    #[test]
    fn no_header_is_a_panic(header in any_header(), now: i64) {
        let _ = verifier(&[("platform", SECRET), ("connect", ROLLED)]).verify(&header, BODY, now);
    }

    #[test]
    fn only_a_header_that_holds_the_right_v1_passes(header in any_header()) {
        let accepted = verifier(&[("platform", SECRET)]).verify(&header, BODY, NOW).is_ok();
        let holds = header.windows(V1.len()).any(|window| window == V1.as_bytes());
        prop_assert!(holds || !accepted);
    }

    #[test]
    fn what_was_signed_passes(
        secret in ".{0,40}",
        body in proptest::collection::vec(any::<u8>(), 0..300),
        at in 0..=999_999_999_999_999_999_i64,
        skew_seconds in -300..=300_i64,
    ) {
        let header = sign(&secret, &body, at);
        let verifier = verifier(&[("one", &secret)]);
        prop_assert_eq!(verifier.verify(header.as_bytes(), &body, at + skew_seconds), Ok("one"));
    }

    #[test]
    fn a_flipped_bit_in_the_body_fails(
        body in proptest::collection::vec(any::<u8>(), 1..300),
        place: prop::sample::Index,
        bit in 0..8_u32,
    ) {
        let header = sign(SECRET, &body, NOW);
        let mut changed = body;
        let place = place.index(changed.len());
        changed[place] ^= 1 << bit;
        let verifier = verifier(&[("platform", SECRET)]);
        prop_assert_eq!(verifier.verify(header.as_bytes(), &changed, NOW), MISMATCH);
    }

    #[test]
    fn a_changed_v1_fails(place in 0..64_usize, byte: u8) {
        let mut v1 = V1.as_bytes().to_vec();
        // A comma would make two items of it, of which neither is right either.
        prop_assume!(v1[place] != byte);
        v1[place] = byte;
        let header = [format!("t={NOW},v1=").as_bytes(), &v1].concat();
        let verifier = verifier(&[("platform", SECRET)]);
        prop_assert_eq!(verifier.verify(&header, BODY, NOW), MISMATCH);
    }

    #[test]
    fn another_secret_fails(secret in ".{0,40}") {
        prop_assume!(secret != SECRET);
        let header = sign(&secret, BODY, NOW);
        let verifier = verifier(&[("platform", SECRET)]);
        prop_assert_eq!(verifier.verify(header.as_bytes(), BODY, NOW), MISMATCH);
    }
}
