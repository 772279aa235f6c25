//! `bursar serve` as an operator meets it: settings, refusals, signals, restarts.

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::{
    Connection, OPERATOR, Place, READER, SECRET, Server, delivery_head, id_of, payout, run,
};

/// What an orchestrator waits for at most before it kills.
const STOPS_WITHIN: Duration = Duration::from_secs(10);

#[test]
fn without_settings_the_start_is_refused_with_all_that_is_missing_and_how_to_get_it() {
    let place = Place::new();
    let ended = run(place.bare(&["serve"])).expect(2);
    ended.says(&["BURSAR_WEBHOOK_SECRETS is not set", "whsec_", "Stripe webhook endpoint"]);
    ended.says(&["BURSAR_TOKENS is not set", "`bursar token`"]);
    assert_eq!(ended.stdout, "");
    assert!(!place.path("bursar-data").exists(), "a refused start makes no store");
}

#[test]
fn every_wrong_setting_is_named_at_once_and_no_secret_is_shown() {
    let place = Place::new();
    let mut command = place.bare(&["serve"]);
    command
        .env("BURSAR_BIND", "somewhere")
        .env("BURSAR_STORE", " ")
        .env("BURSAR_WEBHOOK_SECRETS", "a=whsec_hidden1,,b c=whsec_hidden2,hidden3,d=,backfill=h4")
        .env("BURSAR_TOLERANCE_SECONDS", "0")
        .env(
            "BURSAR_TOKENS",
            "reader=hidden5,boss=hidden6,operator/=hidden7,reader=sha256:hidden8,",
        )
        .env("BURSAR_INSECURE_NO_AUTH", "perhaps")
        .env("BURSAR_LIVEMODE", "1")
        .env("BURSAR_MAX_BODY_BYTES", "1 MB")
        .env("BURSAR_MAX_TOTAL_BODY_BYTES", "1 GB")
        .env("BURSAR_MAX_CONNECTIONS", "0")
        .env("BURSAR_LOG", "bursar=loud")
        .env("BURSAR_LOG_FORMAT", "xml");
    let ended = run(command).expect(2);
    ended.says(&[
        "BURSAR_BIND",
        "BURSAR_STORE",
        "entry 2 of BURSAR_WEBHOOK_SECRETS",
        "entry 3 of BURSAR_WEBHOOK_SECRETS",
        "entry 4 of BURSAR_WEBHOOK_SECRETS",
        "entry 5 of BURSAR_WEBHOOK_SECRETS",
        "entry 6 of BURSAR_WEBHOOK_SECRETS",
        "BURSAR_TOLERANCE_SECONDS",
        "entry 2 of BURSAR_TOKENS",
        "entry 3 of BURSAR_TOKENS",
        "entry 4 of BURSAR_TOKENS",
        "entry 5 of BURSAR_TOKENS",
        "BURSAR_INSECURE_NO_AUTH",
        "BURSAR_LIVEMODE",
        "BURSAR_MAX_BODY_BYTES must",
        "BURSAR_MAX_TOTAL_BODY_BYTES must",
        "BURSAR_MAX_CONNECTIONS must",
        "BURSAR_LOG must",
        "BURSAR_LOG_FORMAT",
    ]);
    ended.hides(&["hidden", "h4"]);
}

#[test]
fn a_service_without_tokens_stays_on_this_machine() {
    let place = Place::new();
    let mut command = place.command(&["serve", "--bind", "0.0.0.0:0"]);
    command.env_remove("BURSAR_TOKENS").env("BURSAR_INSECURE_NO_AUTH", "true");
    run(command).expect(2).says(&["BURSAR_INSECURE_NO_AUTH", "loopback", "BURSAR_TOKENS"]);

    let server = place.serve_with(|command| {
        command.env_remove("BURSAR_TOKENS").env("BURSAR_INSECURE_NO_AUTH", "true");
    });
    assert_eq!(server.get("/v1/summary", "whatever").status, 200);
    server.stop().says(&["BURSAR_INSECURE_NO_AUTH"]);
}

/// An address that is taken for as long as this lives.
fn taken_address() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    (listener, address)
}

#[test]
fn a_locked_store_and_a_taken_address_are_refused_together() {
    let place = Place::new();
    let server = place.serve();
    let (_held, address) = taken_address();
    let ended = place.run(&["serve", "--bind", &address]).expect(1);
    ended.says(&[&address, "BURSAR_BIND", "in use by process", "stop that process", "2 problems"]);

    let mut command = place.command(&["serve", "--bind", &address]);
    command.env_remove("BURSAR_TOKENS");
    let ended = run(command).expect(2);
    ended.says(&["3 problems", "BURSAR_TOKENS", &address, "in use by process"]);

    assert_eq!(server.deliver(&payout("after")).outcome(), "applied", "the first one goes on");
    server.stop();
}

#[test]
fn upkeep_keeps_its_hands_off_a_store_that_is_served() {
    let place = Place::new();
    let server = place.serve();
    let file = place.write("events.jsonl", "");
    for arguments in [&["rebuild"][..], &["verify"], &["export"], &["import", &file]] {
        place.run(arguments).expect(1).says(&["in use by process", "stop that process"]);
    }
    server.stop();
}

#[test]
fn a_store_of_a_newer_format_is_refused_beside_a_taken_address() {
    let place = Place::new();
    place.serve().stop();
    std::fs::write(place.store().join("FORMAT"), "2").unwrap();
    let (_held, address) = taken_address();
    let ended = place.run(&["serve", "--bind", &address]).expect(1);
    ended.says(&["2 problems", &address, "FORMAT", "`2`", "newer"]);
    place.run(&["verify"]).expect(1).says(&["FORMAT", "`2`", "newer"]);
    assert_eq!(std::fs::read_to_string(place.store().join("FORMAT")).unwrap(), "2");
}

/// Changes one bit in the middle of the first copy of `text` in a file.
fn flip_a_bit_in(path: &Path, text: &str) -> u64 {
    let bytes = std::fs::read(path).expect("a readable file");
    let found = bytes.windows(text.len()).position(|window| window == text.as_bytes());
    let offset = found.expect("text that is there") as u64;
    let file = std::fs::File::options().read(true).write(true).open(path).expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).expect("a byte");
    byte = byte.map(|byte| byte ^ 4);
    file.write_all_at(&byte, offset).expect("a written byte");
    offset
}

fn first_segment(place: &Place) -> PathBuf {
    place.store().join("journal/00000001.journal")
}

#[test]
fn a_damaged_journal_is_refused_beside_a_taken_address() {
    let place = Place::new();
    let server = place.serve();
    for name in ["one", "two", "three"] {
        assert_eq!(server.deliver(&payout(name)).outcome(), "applied");
    }
    server.stop();
    flip_a_bit_in(&first_segment(&place), "evt_one");

    let reasons = ["00000001.journal", "byte 64", "sequence 1 "];
    place.run(&["serve"]).expect(1).says(&reasons);
    let (_held, address) = taken_address();
    let ended = place.run(&["serve", "--bind", &address]).expect(1);
    ended.says(&["2 problems", &address]);
    ended.says(&reasons);
    place.run(&["verify"]).expect(1).says(&reasons);
}

#[test]
fn a_store_path_that_is_a_file_is_refused_beside_a_taken_address() {
    let place = Place::new();
    let file = place.write("file", "not a folder");
    let (_held, address) = taken_address();
    let ended = place.run(&["serve", "--bind", &address, "--store", &file]).expect(1);
    ended.says(&["2 problems", &address, &file]);
    place.run(&["serve", "--store", &file]).expect(1).says(&[&file]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a folder");
}

#[test]
fn an_address_file_that_cannot_be_written_is_named() {
    let place = Place::new();
    let path = place.path("missing/address");
    let mut command = place.command(&["serve"]);
    command.env("BURSAR_ADDRESS_OUT", &path);
    run(command).expect(1).says(&[path.to_str().unwrap()]);
}

/// A delivery whose head the server has read, and whose body it waits for.
#[track_caller]
fn begin(server: &Server, body: &[u8]) -> Connection {
    let mut delivery = server.connect();
    let head = delivery_head(body).replacen("\r\n", "\r\nExpect: 100-continue\r\n", 1);
    delivery.send(head).expect("a sent head");
    assert_eq!(delivery.answer().expect("word to go on").status, 100);
    delivery
}

#[test]
fn a_stop_signal_lets_a_request_under_way_finish() {
    for signal in ["TERM", "INT"] {
        let place = Place::new();
        let mut server = place.serve();
        let idle = server.connect();
        let body = payout(signal);
        let (first, rest) = body.split_at(body.len() / 2);
        let mut delivery = begin(&server, &body);
        delivery.send(first).unwrap();

        let start = Instant::now();
        server.process.signal(signal);
        server.process.until_it_says("stopping");
        delivery.send(rest).unwrap();
        assert_eq!(delivery.answer().unwrap().outcome(), "applied", "SIG{signal}");
        server.process.end().expect(0).says(&["stopped"]);
        assert!(start.elapsed() < STOPS_WITHIN, "SIG{signal}: {:?}", start.elapsed());
        drop((idle, delivery));

        let server = place.serve();
        assert_eq!(server.deliver(&body).outcome(), "duplicate");
    }
}

/// Stripe, and every proxy, keeps connections open for the next delivery.
#[test]
fn connections_that_are_merely_kept_open_do_not_hold_up_a_stop() {
    let place = Place::new();
    let server = place.serve();
    let mut connections: Vec<Connection> = (0..5).map(|_| server.connect()).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        let body = payout(&format!("kept_{number}"));
        assert_eq!(connection.deliver(&body).unwrap().outcome(), "applied");
    }
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < STOPS_WITHIN, "{:?}", start.elapsed());
}

#[test]
fn a_second_signal_stops_at_once() {
    let place = Place::new();
    let mut server = place.serve();
    let body = payout("never_whole");
    let delivery = begin(&server, &body);
    let start = Instant::now();
    server.process.signal("TERM");
    server.process.until_it_says("stopping");
    server.process.signal("TERM");
    let code = server.process.end().code();
    drop(delivery);
    assert!(code != 0 && start.elapsed() < STOPS_WITHIN, "{code} after {:?}", start.elapsed());
    place.run(&["verify"]).expect(0);
}

#[test]
fn a_server_that_stops_takes_no_new_deliveries() {
    let place = Place::new();
    let mut server = place.serve();
    let body = payout("in_flight");
    let mut delivery = begin(&server, &body);
    server.process.signal("TERM");
    server.process.until_it_says("stopping");
    // Refused, cut off or told so; never a success that nobody keeps.
    let late = Connection::to(server.address).and_then(|mut late| late.deliver(&payout("late")));
    let late_was_stored = late.is_ok_and(|answer| answer.status == 200);
    delivery.send(&body).unwrap();
    assert_eq!(delivery.answer().unwrap().outcome(), "applied");
    server.process.end().expect(0);
    let stored = place.serve().events().iter().any(|event| event["id"] == "evt_late");
    assert_eq!(stored, late_was_stored);
}

#[test]
fn settings_may_stand_in_a_file_and_secrets_in_files_of_their_own() {
    let place = Place::new();
    let secrets = place.write("secrets", format!("connect={SECRET}\n"));
    let toml = place.write(
        "bursar.toml",
        format!(
            "bind = \"127.0.0.1:0\"\nstore = \"{store}\"\naddress_out = \"{address}\"\n\
             livemode = true\nmax_body_bytes = 4000\nwebhook_secrets_file = \"{secrets}\"\n\
             tokens = [\"reader={READER}\", \"operator={OPERATOR}\"]\n",
            store = place.store().display(),
            address = place.path("address").display(),
        ),
    );
    let mut command = place.bare(&["serve", "--config", &toml, "--max-body-bytes", "3000"]);
    command.env("BURSAR_LIVEMODE", "false").env("BURSAR_MAX_BODY_BYTES", "20");
    let server = place.serve_by(command);
    let body = payout("filed");
    assert_eq!(server.deliver(&body).outcome(), "applied");
    let event = server.read("/v1/events/evt_filed");
    assert_eq!(event["source"], "connect", "the environment's livemode stands over the file's");
    assert_eq!(server.deliver(&vec![b' '; 3001]).status, 413, "the flag stands over both");
    server.stop().hides(&[SECRET, READER, OPERATOR]);

    let mut command = place.bare(&["serve"]);
    command.env("BURSAR_CONFIG", &toml).env("BURSAR_LIVEMODE", "false");
    let server = place.serve_by(command);
    assert_eq!(server.events().len(), 1);
    server.stop();
}

#[test]
fn a_settings_file_with_faults_is_refused_with_all_of_them() {
    let place = Place::new();
    let toml = place.write("bursar.toml", "bnid = 1\nlivemode = [1]\ntolerance_seconds = 0\n");
    let ended = place.run(&["serve", "--config", &toml]).expect(2);
    ended.says(&["`bnid` in", "`livemode` in", "`tolerance_seconds` in", &toml]);

    let broken = place.write("broken.toml", "tokens = \"reader=hidden\nbind");
    let ended = place.run(&["serve", "--config", &broken]).expect(2);
    ended.says(&[&broken]);
    ended.hides(&["hidden"]);
    place.run(&["serve", "--config", "nowhere.toml"]).expect(2).says(&["nowhere.toml"]);

    let mut command = place.command(&["serve"]);
    command.env("BURSAR_TOKENS_FILE", "nowhere").env("BURSAR_WEBHOOK_SECRETS_FILE", &toml);
    let ended = run(command).expect(2);
    ended.says(&["BURSAR_TOKENS", "BURSAR_WEBHOOK_SECRETS", "keep one"]);
    ended.hides(&[SECRET, READER, OPERATOR]);
    // The path may be a secret that was meant for the setting itself.
    let ended = place.run(&["serve", "--tokens-file", "nowhere"]).expect(2);
    ended.says(&["--tokens-file", "path of a file"]);
    ended.hides(&["nowhere"]);
}

#[test]
fn an_unknown_variable_is_only_worth_a_warning() {
    let place = Place::new();
    let server = place.serve_with(|command| {
        command.env("BURSAR_PORT", "tcp://10.0.0.1:8787").env("BURSAR_SERVICE_HOST", "10.0.0.1");
    });
    let ended = server.stop();
    ended.says(&["BURSAR_PORT is not a setting", "BURSAR_SERVICE_HOST is not a setting"]);
}

#[test]
fn the_address_in_the_file_is_the_one_in_the_log() {
    let place = Place::new();
    let server = place.serve();
    let address = server.address.to_string();
    assert_ne!(server.address.port(), 0);
    server.stop().says(&[&format!("http://{address}")]);
}

#[test]
fn refused_tokens_are_logged_without_them_and_without_filling_the_log() {
    let place = Place::new();
    let server = place.serve();
    for guess in ["guess_1", "guess_2", "guess_3"] {
        assert_eq!(server.get("/v1/summary", guess).status, 401);
    }
    let ended = server.stop();
    let lines = ended.stderr.lines().filter(|line| line.contains("known token"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(lines[0].contains("WARN") && lines[0].contains("127.0.0.1"), "{}", lines[0]);
    ended.hides(&["guess_"]);
}

#[test]
fn a_log_in_json_is_json_to_the_last_line() {
    let place = Place::new();
    let server = place.serve_with(|command| {
        command.env("BURSAR_LOG_FORMAT", "json").env("BURSAR_LOG", "debug").env("BURSAR_X", "1");
    });
    assert_eq!(server.deliver(&payout("logged")).outcome(), "applied");
    let ended = server.stop();
    for line in ended.stderr.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    ended.says(&["evt_logged"]);
    ended.hides(&[SECRET, READER, OPERATOR]);
}

#[test]
fn a_restart_finds_everything_after_a_stop_and_after_kill_nine() {
    let place = Place::new();
    let mut known: Vec<String> = Vec::new();
    for round in 0..4 {
        let server = place.serve();
        let mut found: Vec<String> =
            server.events().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        found.reverse();
        assert_eq!(found, known, "round {round}");
        for name in &known {
            let id = name.replace("evt_", "po_");
            let path = format!("/v1/payouts/{id}?account=acct_1TQx8RGh4NwJ6pLd");
            assert_eq!(server.read(&path)["status"], "pending");
        }
        let mut connection = server.connect();
        for number in 0..5 {
            let body = payout(&format!("r{round}_{number}"));
            assert_eq!(connection.deliver(&body).unwrap().outcome(), "applied");
            known.push(id_of(&body));
        }
        drop(connection);
        if round % 2 == 0 {
            server.stop();
        } else {
            server.kill_nine().expect(-9);
        }
    }
    place.run(&["rebuild", "--check"]).expect(0);
    place.run(&["verify"]).expect(0);
}

#[test]
fn a_connection_that_says_nothing_does_not_keep_others_waiting() {
    let place = Place::new();
    let server = place.serve();
    let silent: Vec<_> =
        (0..20).map(|_| std::net::TcpStream::connect(server.address).unwrap()).collect();
    assert_eq!(server.deliver(&payout("beside_silence")).outcome(), "applied");
    for mut stream in silent {
        stream.set_nonblocking(true).unwrap();
        let said = stream.read(&mut [0; 1]);
        assert!(said.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    }
}
