use super::*;
use crate::token::{Role, hashed};

/// Planted wherever a secret can stand, and never to be seen again.
const MARKER: &str = "MARKER7f3a";

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Settings from environment variables alone, named without `BURSAR_`.
fn environment(entries: &[(&str, &str)]) -> Settings {
    Settings::gather(BTreeMap::new(), map(entries), None)
}

/// Settings from a file of this text alone.
fn file(text: &str) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bursar.toml");
    std::fs::write(&path, text).unwrap();
    Settings::gather(BTreeMap::new(), BTreeMap::new(), Some(&path))
}

/// Everything a start of the server looks at, checked; the problems that were found.
fn problems(settings: &Settings) -> Vec<String> {
    let mut checker = Checker::new(settings);
    let bind = checker.bind();
    checker.store();
    checker.verifier();
    checker.tokens(bind);
    checker.livemode();
    checker.max_body_bytes();
    checker.log();
    checker.finish().map_or_else(|problems| problems.0, |()| Vec::new())
}

/// Checks that each problem names what is expected, one after the other.
#[track_caller]
fn check_problems(settings: &Settings, expected: &[&str]) {
    let found = problems(settings);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (problem, expected) in found.iter().zip(expected) {
        assert!(problem.contains(expected), "{problem}, not {expected}");
    }
}

const SECRETS: (&str, &str) = ("WEBHOOK_SECRETS", "whsec_a");
const TOKENS: (&str, &str) = ("TOKENS", "reader=r");

/// Checks the problem with one variable, beside settings that are fine.
#[track_caller]
fn check_problem(variable: (&str, &str), expected: &str) {
    let others = [SECRETS, TOKENS].into_iter().filter(|other| other.0 != variable.0);
    let variables: Vec<_> = others.chain([variable]).collect();
    check_problems(&environment(&variables), &[expected]);
}

#[test]
fn what_is_not_given_has_its_default() {
    let settings = environment(&[SECRETS, TOKENS]);
    let mut checker = Checker::new(&settings);
    assert_eq!(checker.bind().unwrap().to_string(), "127.0.0.1:8787");
    assert_eq!(checker.store(), Some(PathBuf::from("./bursar-data")));
    assert_eq!(checker.tolerance_seconds(), Some(300));
    assert_eq!(checker.livemode(), Some(true));
    assert_eq!(checker.max_body_bytes(), Some(1_048_576));
    assert_eq!(checker.log(), Some(("info".to_owned(), false)));
    assert_eq!(checker.optional("address_out"), None);
    let (tokens, insecure) = checker.tokens(None).unwrap();
    assert_eq!((tokens.0.len(), insecure), (1, false));
    assert_eq!(checker.finish(), Ok(()));
}

#[test]
fn flags_lie_over_variables_and_those_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bursar.toml");
    std::fs::write(&path, "bind = \"127.0.0.1:1\"\nstore = \"of-file\"\nlog = \"warn\"").unwrap();
    let settings = Settings::gather(
        map(&[("bind", "127.0.0.1:3")]),
        map(&[("BIND", "127.0.0.1:2"), ("STORE", "of-variable")]),
        Some(&path),
    );
    let mut checker = Checker::new(&settings);
    assert_eq!(checker.bind().unwrap().port(), 3);
    assert_eq!(checker.store(), Some(PathBuf::from("of-variable")));
    assert_eq!(checker.log().unwrap().0, "warn");
    assert_eq!(checker.finish(), Ok(()));
}

#[test]
fn a_value_can_lie_in_a_file_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("value");
    let name = path.to_str().unwrap();
    for (text, expected) in [
        ("whsec_x", "whsec_x"),
        ("whsec_x\n", "whsec_x"),
        ("whsec_x\r\n", "whsec_x"),
        ("platform = whsec_x \n", "whsec_x"),
    ] {
        std::fs::write(&path, text).unwrap();
        for settings in [
            environment(&[("WEBHOOK_SECRETS_FILE", name)]),
            Settings::gather(map(&[("webhook_secrets_file", name)]), BTreeMap::new(), None),
            file(&format!("webhook_secrets_file = '{name}'")),
            // A file of a higher layer lies over a value of a lower one.
            Settings::gather(
                map(&[("webhook_secrets_file", name)]),
                map(&[("WEBHOOK_SECRETS", "whsec_y")]),
                None,
            ),
        ] {
            let secrets = Checker::new(&settings).webhook_secrets().unwrap();
            assert_eq!(secrets[0].value.expose(), expected, "{text:?}");
        }
    }
    let settings = Settings::gather(
        map(&[("webhook_secrets", "whsec_flag")]),
        map(&[("WEBHOOK_SECRETS_FILE", name)]),
        None,
    );
    let secrets = Checker::new(&settings).webhook_secrets().unwrap();
    assert_eq!(secrets[0].value.expose(), "whsec_flag");
}

#[test]
fn a_file_that_cannot_be_read_and_a_value_given_twice_are_named() {
    let missing = environment(&[("WEBHOOK_SECRETS_FILE", "/nowhere/at/all"), TOKENS]);
    check_problems(&missing, &["BURSAR_WEBHOOK_SECRETS_FILE", "BURSAR_WEBHOOK_SECRETS"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("value");
    std::fs::write(&path, "reader=x").unwrap();
    let twice = [SECRETS, TOKENS, ("TOKENS_FILE", path.to_str().unwrap())];
    check_problems(&environment(&twice), &["both as a value and as a file"]);
}

#[test]
fn every_problem_is_reported_at_once() {
    let settings = environment(&[
        ("BIND", "everywhere"),
        ("STORE", "postgres://localhost/bursar"),
        ("WEBHOOK_SECRETS", "a=whsec_a,,=whsec_b"),
        ("TOLERANCE_SECONDS", "0"),
        ("INSECURE_NO_AUTH", "perhaps"),
        ("TOKENS", "king=x,reader="),
        ("LIVEMODE", "yes"),
        ("MAX_BODY_BYTES", "-1"),
        ("LOG", "bursar=louder"),
        ("LOG_FORMAT", "xml"),
    ]);
    let expected = [
        "BURSAR_BIND",
        "BURSAR_STORE",
        "entry 2 of BURSAR_WEBHOOK_SECRETS",
        "entry 3 of BURSAR_WEBHOOK_SECRETS",
        "BURSAR_TOLERANCE_SECONDS",
        "BURSAR_INSECURE_NO_AUTH",
        "entry 1 of BURSAR_TOKENS",
        "entry 2 of BURSAR_TOKENS",
        "BURSAR_LIVEMODE",
        "BURSAR_MAX_BODY_BYTES",
        "BURSAR_LOG",
        "BURSAR_LOG_FORMAT",
    ];
    check_problems(&settings, &expected);
    let shown = Problems(problems(&settings)).to_string();
    assert!(shown.starts_with("12 problems keep bursar from starting:\n  - "), "{shown}");
    assert_eq!(shown.lines().count(), 13);
    assert_eq!(Problems(vec!["only this".to_owned()]).to_string(), "only this");
}

#[test]
fn without_secrets_and_tokens_bursar_does_not_start() {
    check_problems(&environment(&[]), &["BURSAR_WEBHOOK_SECRETS", "BURSAR_TOKENS"]);
    let blank = environment(&[("WEBHOOK_SECRETS", " "), ("TOKENS", "\t")]);
    check_problems(&blank, &["BURSAR_WEBHOOK_SECRETS", "BURSAR_TOKENS"]);
}

/// Checks what a list of secrets is read as: pairs of name and value.
#[track_caller]
fn check_secrets(list: &str, expected: &[(&str, &str)]) {
    let settings = environment(&[("WEBHOOK_SECRETS", list)]);
    let secrets = Checker::new(&settings).webhook_secrets().expect(list);
    let found: Vec<(&str, &str)> =
        secrets.iter().map(|secret| (secret.name.as_str(), secret.value.expose())).collect();
    assert_eq!(found, expected);
}

#[test]
fn webhook_secrets_have_names_of_their_own_or_are_the_default() {
    check_secrets("whsec_a", &[("default", "whsec_a")]);
    check_secrets("platform=whsec_a", &[("platform", "whsec_a")]);
    check_secrets(
        "platform=whsec_a,connect=whsec_b,connect=whsec_c",
        &[("platform", "whsec_a"), ("connect", "whsec_b"), ("connect", "whsec_c")],
    );
    check_secrets("whsec_a,whsec_b", &[("default", "whsec_a"), ("default", "whsec_b")]);
    check_secrets(
        " platform = whsec_a ,\n whsec_b\t",
        &[("platform", "whsec_a"), ("default", "whsec_b")],
    );
    check_secrets("a=whsec_x=y==", &[("a", "whsec_x=y==")]);
    check_secrets("whsec_x=y==", &[("default", "whsec_x=y==")]);
    check_secrets("a.b-C_9=whsec_!", &[("a.b-C_9", "whsec_!")]);
}

#[test]
fn what_is_wrong_with_a_webhook_secret_is_named_by_its_place() {
    for (list, expected) in [
        ("whsec_a,", "entry 2 of BURSAR_WEBHOOK_SECRETS is blank"),
        (",whsec_a", "entry 1 of BURSAR_WEBHOOK_SECRETS is blank"),
        ("whsec_a, ,whsec_b", "entry 2 of BURSAR_WEBHOOK_SECRETS is blank"),
        ("platform", "entry 1 of BURSAR_WEBHOOK_SECRETS is neither"),
        ("=whsec_a", "name"),
        ("two words=whsec_a", "name"),
        ("a:b=whsec_a", "name"),
        ("import=whsec_a", "name"),
        ("backfill=whsec_a", "name"),
        ("platform=", "no secret"),
        ("platform= ", "no secret"),
        ("platform=we_1abc", "does not begin with whsec_"),
        ("platform==whsec_a", "does not begin with whsec_"),
        ("platform=WHSEC_a", "does not begin with whsec_"),
        ("whsec_", "nothing after whsec_"),
        ("platform=whsec_", "nothing after whsec_"),
        ("whsec_a b", "blank"),
        ("platform=whsec_a\u{7f}", "blank"),
        ("platform=whsec_\u{e4}", "special character"),
        ("whsec_a,whsec_a", "entry 2 of BURSAR_WEBHOOK_SECRETS repeats"),
        ("a=whsec_a,b=whsec_a", "entry 2 of BURSAR_WEBHOOK_SECRETS repeats"),
        ("whsec_a, default = whsec_a", "entry 2 of BURSAR_WEBHOOK_SECRETS repeats"),
    ] {
        check_problem(("WEBHOOK_SECRETS", list), expected);
    }
}

#[test]
fn a_tolerance_of_nothing_is_refused() {
    for text in ["0", "00", "-1", "1.5", "", "five", "86401"] {
        check_problem(("TOLERANCE_SECONDS", text), "BURSAR_TOLERANCE_SECONDS");
    }
    for (text, expected) in [("1", 1), (" 600 ", 600), ("86400", 86_400)] {
        let settings = environment(&[("TOLERANCE_SECONDS", text)]);
        assert_eq!(Checker::new(&settings).tolerance_seconds(), Some(expected), "{text}");
    }
}

#[test]
fn tokens_have_a_role_and_may_have_a_name() {
    let list = format!(
        "reader=r, operator/ops = o=o ,payer/p={},reader/grafana={}",
        hashed("p"),
        hashed("g").to_uppercase().replace("SHA256", "sha256"),
    );
    let settings = environment(&[("TOKENS", &list)]);
    let (tokens, insecure) = Checker::new(&settings).tokens(None).unwrap();
    assert!(!insecure);
    for (presented, name, role) in [
        ("r", "reader", Role::Reader),
        ("o=o", "ops", Role::Operator),
        ("p", "p", Role::Payer),
        ("g", "grafana", Role::Reader),
    ] {
        let principal = tokens.principal(presented.as_bytes()).expect(presented);
        assert_eq!(principal.name, name);
        assert!(principal.may(role), "{name}");
    }
    assert_eq!(tokens.principal(hashed("p").as_bytes()), None, "a hash is no token");
}

#[test]
fn what_is_wrong_with_a_token_is_named_by_its_place() {
    for (list, expected) in [
        ("reader=r,", "entry 2 of BURSAR_TOKENS is blank"),
        (",reader=r", "entry 1 of BURSAR_TOKENS is blank"),
        ("reader", "entry 1 of BURSAR_TOKENS is not ROLE"),
        ("king=x", "role"),
        ("Reader=x", "role"),
        ("=x", "role"),
        ("reader/=x", "name"),
        ("reader=", "no token"),
        ("reader/grafana= ", "no token"),
        ("reader=sha256:", "sha256"),
        ("reader=sha256:abc", "sha256"),
        ("reader=sha256:zz", "sha256"),
        ("reader=a b", "blank"),
        ("reader=a\u{1}", "blank"),
        ("reader=\u{fc}", "special character"),
        ("reader/a b=x", "name"),
        ("reader/a\nb=x", "name"),
        (&format!("reader/{}=x", "n".repeat(65)), "name"),
        (&format!("reader={}", hashed("")), "no token"),
        ("reader=x,reader=x", "entry 2 of BURSAR_TOKENS repeats"),
        ("reader/a=x,reader/b=x", "entry 2 of BURSAR_TOKENS repeats"),
        (&format!("reader=x,reader={}", hashed("x")), "entry 2 of BURSAR_TOKENS repeats"),
    ] {
        check_problem(("TOKENS", list), expected);
    }
}

#[test]
fn tokens_of_one_name_or_of_several_roles_are_no_repetition() {
    for list in ["operator/olga=x,operator/olga=y", "reader=x,operator=x,payer=x"] {
        check_problems(&environment(&[SECRETS, ("TOKENS", list)]), &[]);
    }
}

#[test]
fn a_token_that_can_be_guessed_is_warned_of_by_its_place() {
    let (short, long) = ("x".repeat(15), "x".repeat(16));
    for (list, warned) in [
        (format!("reader={short}"), vec!["entry 1 of BURSAR_TOKENS has less than 16"]),
        (format!("reader={long}"), vec![]),
        (format!("reader={long},payer={short}"), vec!["entry 2 of BURSAR_TOKENS has less than 16"]),
        (format!("reader={}", hashed("x")), vec![]),
    ] {
        let settings = environment(&[("TOKENS", &list)]);
        let mut checker = Checker::new(&settings);
        assert!(checker.tokens(None).is_some(), "{list}");
        let warnings = checker.warnings();
        assert_eq!(warnings.len(), warned.len(), "{list}: {warnings:?}");
        assert!(warnings.iter().zip(&warned).all(|(it, expected)| it.starts_with(expected)));
    }
}

#[test]
fn what_bounds_failures_and_reloads_is_a_number() {
    for (name, good, bad) in [
        ("MAX_AUTH_FAILURES", ["0", "1000000"], ["-1", "1000001"]),
        ("RELOAD_SECONDS", ["0", "86400"], ["1.5", "86401"]),
    ] {
        let read = |text: &str| {
            let settings = environment(&[(name, text)]);
            let mut checker = Checker::new(&settings);
            let read = (checker.auth_failures(), checker.reload_every());
            checker.finish().map(|()| read)
        };
        assert!(good.iter().all(|text| read(text).is_ok()), "{name}");
        assert!(bad.iter().all(|text| read(text).is_err()), "{name}");
    }
}

#[test]
fn what_was_given_as_a_value_and_what_differs_can_be_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "reader=r").unwrap();
    let name = path.to_str().unwrap();
    let given = environment(&[SECRETS, ("TOKENS_FILE", name), ("LIVEMODE", "true")]);
    assert_eq!(given.given_for_good("webhook_secrets"), Some("BURSAR_WEBHOOK_SECRETS"));
    assert_eq!(given.given_for_good("tokens"), None);
    assert_eq!(given.files().len(), 1);
    let other = environment(&[SECRETS, ("TOKENS", "reader=x"), ("BIND", "127.0.0.1:1")]);
    assert_eq!(given.that_differ(&other), ["bind", "tokens"], "the default is the same");
    let flag = Settings::gather(map(&[("tokens", "reader=x")]), BTreeMap::new(), None);
    assert_eq!(flag.given_for_good("tokens"), Some("--tokens"));
    let toml = file(&format!("tokens_file = '{name}'\nwebhook_secrets = 'whsec_a'"));
    assert_eq!(toml.given_for_good("webhook_secrets"), None);
    assert_eq!(toml.files().len(), 2);
}

#[test]
fn authentication_is_switched_off_on_loopback_addresses_only() {
    for (bind, allowed) in [
        ("127.0.0.1:0", true),
        ("127.8.8.8:80", true),
        ("[::1]:80", true),
        ("0.0.0.0:80", false),
        ("[::]:80", false),
        ("10.0.0.1:80", false),
        ("[::ffff:10.0.0.1]:80", false),
    ] {
        for tokens in [&[][..], &[TOKENS]] {
            let given = [SECRETS, ("BIND", bind), ("INSECURE_NO_AUTH", "true")];
            let found = problems(&environment(&[&given[..], tokens].concat()));
            assert_eq!(found.is_empty(), allowed, "{bind}: {found:?}");
            assert!(found.iter().all(|problem| problem.contains("loopback")), "{found:?}");
        }
    }
    let off = environment(&[SECRETS, ("INSECURE_NO_AUTH", "false")]);
    check_problems(&off, &["BURSAR_TOKENS"]);
}

#[test]
fn the_file_knows_the_types_of_toml() {
    let settings = file(
        "bind = '[::1]:0'\nstore = './elsewhere'\nwebhook_secrets = ['a=whsec_a', 'whsec_b']\n\
         tokens = 'reader=r'\ntolerance_seconds = 60\nmax_body_bytes = 1_000\nlivemode = false\n\
         insecure_no_auth = true\nlog_format = 'json'\n",
    );
    let mut checker = Checker::new(&settings);
    assert_eq!(checker.webhook_secrets().map(|secrets| secrets.len()), Some(2));
    assert_eq!(checker.tolerance_seconds(), Some(60));
    assert_eq!(checker.max_body_bytes(), Some(1000));
    assert_eq!(checker.livemode(), Some(false));
    assert_eq!(checker.log().unwrap(), ("info".to_owned(), true));
    assert_eq!(problems(&settings), [""; 0]);
}

#[test]
fn what_is_wrong_with_the_file_is_named() {
    let fine = "webhook_secrets = 'whsec_a'\ntokens = 'reader=r'\n";
    for (line, expected) in [
        ("tolerance_seconds = 1.5", "`tolerance_seconds`"),
        ("livemode = 2026-01-01", "`livemode`"),
        ("log = ['a', 1]", "`log`"),
        ("[bind]\nport = 1", "`bind`"),
        ("colour = 'red'", "`colour`"),
        ("BIND = '127.0.0.1:1'", "`BIND`"),
        ("bursar_bind = '127.0.0.1:1'", "`bursar_bind`"),
        ("tolerance_seconds = '0'", "`tolerance_seconds`"),
        ("tokens_file = '/dev/null'", "both"),
    ] {
        check_problems(&file(&format!("{fine}{line}\n")), &[expected]);
    }
    let broken = problems(&file("bind = \n"));
    assert!(broken[0].contains("settings file"), "{broken:?}");
    let nowhere = PathBuf::from("/nowhere/bursar.toml");
    let settings = Settings::gather(BTreeMap::new(), map(&[SECRETS, TOKENS]), Some(&nowhere));
    check_problems(&settings, &["/nowhere/bursar.toml"]);
}

#[test]
fn an_unknown_flag_is_a_problem_and_an_unknown_variable_a_warning() {
    let flags = Settings::gather(map(&[("colour", "red")]), map(&[SECRETS, TOKENS]), None);
    check_problems(&flags, &["--colour is not a setting"]);
    let variables = environment(&[SECRETS, TOKENS, ("SERVICE_HOST", "10.0.0.1")]);
    check_problems(&variables, &[]);
    assert_eq!(variables.warnings.len(), 1);
    assert!(variables.warnings[0].contains("BURSAR_SERVICE_HOST"), "{:?}", variables.warnings);
    // What the commands read that talk to a server is no surprise.
    let client = environment(&[SECRETS, TOKENS, ("URL", "http://x"), ("TOKEN", "x")]);
    assert!(client.warnings.is_empty() && problems(&client).is_empty());
}

#[test]
fn a_problem_names_the_setting_as_it_was_given() {
    let flag = Settings::gather(map(&[("max_body_bytes", "x")]), map(&[SECRETS, TOKENS]), None);
    check_problems(&flag, &["--max-body-bytes must be"]);
    check_problem(("MAX_BODY_BYTES", "x"), "BURSAR_MAX_BODY_BYTES must be");
    check_problem(("MAX_BODY_BYTES", "0"), "BURSAR_MAX_BODY_BYTES must be");
}

#[test]
fn there_must_be_room_for_the_largest_body() {
    let limits = |one, total| {
        let settings = environment(&[("MAX_BODY_BYTES", one), ("MAX_TOTAL_BODY_BYTES", total)]);
        let mut checker = Checker::new(&settings);
        let body_bytes = checker.max_body_bytes();
        checker.max_total_body_bytes(body_bytes)
    };
    assert_eq!(limits("1000", "1000"), Some(1000));
    assert_eq!(limits("1000", "999"), None);
    assert_eq!(limits("67108864", "67108864"), Some(64 << 20));
    assert_eq!(limits("1000", "all"), None);
}

#[test]
fn there_is_at_least_one_connection() {
    for text in ["0", "-1", "many", "", "1048577"] {
        let settings = environment(&[("MAX_CONNECTIONS", text)]);
        assert_eq!(Checker::new(&settings).max_connections(), None, "{text}");
    }
    let settings = environment(&[("MAX_CONNECTIONS", "1")]);
    assert_eq!(Checker::new(&settings).max_connections(), Some(1));
}

/// Settings with the marker in every place where a secret can stand, rightly or by mistake.
fn settings_with_markers() -> Vec<Settings> {
    let mut all = Vec::new();
    for name in ["WEBHOOK_SECRETS", "TOKENS"] {
        for value in [
            MARKER.to_owned(),
            format!("whsec_{MARKER}"),
            format!("a=whsec_{MARKER},,b=whsec_{MARKER}"),
            format!("{MARKER}:x=whsec_{MARKER}"),
            format!("reader={MARKER}"),
            format!("reader={MARKER},operator/x=sha256:{MARKER}"),
            format!("two words={MARKER}"),
            format!("reader/=sha256:{MARKER}"),
        ] {
            let file_name = format!("{name}_FILE");
            let flag = name.to_ascii_lowercase();
            all.push(environment(&[(name, &value)]));
            all.push(environment(&[(&file_name, &value)]));
            all.push(environment(&[(name, &value), (&file_name, &value)]));
            all.push(Settings::gather(map(&[(&flag, &value)]), BTreeMap::new(), None));
            for text in [
                format!("{flag} = '{value}'"),
                format!("{flag} = ['{value}', '{value}']"),
                format!("{flag} = [['{value}']]"),
                format!("{flag} = {{ x = '{value}' }}"),
                format!("{flag} = {value}"),
                format!("{flag} = '{value}"),
                format!("{flag} = \"{value}\\q\""),
                format!("{flag} = '{value}'\n{flag} = '{value}'"),
                format!("{flag} = '{value}'\n{flag}_file = '{value}'"),
            ] {
                all.push(file(&text));
            }
        }
    }
    for name in SETTINGS.iter().map(|setting| setting.name.to_ascii_uppercase()) {
        all.push(environment(&[(&name, &format!("postgres://bursar:{MARKER}@db/bursar"))]));
    }
    all.push(environment(&[("UNHEARD_OF", MARKER)]));
    all.push(Settings::gather(map(&[("unheard_of", MARKER)]), BTreeMap::new(), None));
    all
}

#[test]
fn no_message_and_no_debug_text_shows_a_secret() {
    for settings in settings_with_markers() {
        let mut checker = Checker::new(&settings);
        let verifier = checker.verifier();
        let tokens = checker.tokens(None);
        let finished = checker.finish();
        let shown = finished.as_ref().err().map(ToString::to_string);
        let everything = format!(
            "{settings:?} {:?} {:?} {verifier:?} {:?} {finished:?} {shown:?}",
            problems(&settings),
            settings.warnings,
            tokens,
        );
        assert!(!everything.contains(MARKER), "{everything}");
    }
}
