//! Documents that speak of the code's tables: one is made from them, one is compared with them.

use std::fmt::Write;
use std::path::PathBuf;

use bursar::domain::account::{Account, AccountStatus, Facts, Fields, Profile};
use bursar::domain::id::Kind;
use bursar::domain::lifecycle::Lifecycle;
use bursar::domain::operation::OperationState;
use bursar::domain::payout::PayoutStatus;
use bursar::domain::topup::TopupStatus;
use bursar::domain::transfer::{Transfer, TransferStatus};
use bursar::sandbox::fixture_events;
use bursar::stripe::wire::tracked_types;

use crate::support::lives::account::complete;

/// With this set the document is written instead of compared.
const WRITE: &str = "BURSAR_WRITE_DOCS";

const HEAD: &str = "\
# Lifecycles

What the statuses are, and how each may follow the other. Made from the tables of the code by
`tests/it/docs.rs`; after a change of those, `BURSAR_WRITE_DOCS=1 cargo test --test it docs`
writes it anew. How reports are put in order before these tables judge them:
[ordering.md](ordering.md).
";

const ONE_WAY: &str = "\
Top-ups and payouts move one way. Where one status may become another, those in between may be
skipped: their reports may be missing, or come later. A move that is not in the table is kept in
the history as a `conflict`; the later report counts all the same, except that a final status is
never left.
";

const TRANSFERS: &str = "\
Stripe gives transfers no status. Ours says how much was taken back, which never shrinks: a
report that says less than a known one is a `conflict`, and the larger amount stays.
";

const ACCOUNTS: &str = "\
Accounts move freely between all statuses, in both directions: the last report decides, and the
first row that holds is the status. *Payable* means that the `transfers` capability is `active`
and `payouts_enabled` is true, for an account that is neither rejected nor deauthorized;
`charges_enabled` never decides.
";

// One-way objects.

/// A status under description.
trait Described: Lifecycle {
    const ALL: &'static [Self];
    fn word(self) -> &'static str;
    fn means(self) -> &'static str;
}

impl Described for TopupStatus {
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.word()
    }

    fn means(self) -> &'static str {
        match self {
            Self::Pending => "the money is on its way from the bank",
            Self::Succeeded => "the money has arrived in the Stripe balance",
            Self::Failed => "the bank did not give it; `failure_code` says why",
            Self::Canceled => "called off before it succeeded",
            Self::Reversed => "the bank has taken it back",
        }
    }
}

impl Described for PayoutStatus {
    const ALL: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.word()
    }

    fn means(self) -> &'static str {
        match self {
            Self::Pending => "not yet sent to the bank",
            Self::InTransit => "sent to the bank",
            Self::Paid => "expected to be there; the bank may still return it within days",
            Self::Failed => {
                "did not get there; `failed_after_paid` says whether it was called paid before"
            }
            Self::Canceled => "called off before it was sent",
        }
    }
}

fn diagram(starts: &[&str], moves: &[(&str, &str)], ends: &[&str]) -> String {
    let mut lines = vec!["stateDiagram-v2".to_owned()];
    lines.extend(starts.iter().map(|status| format!("    [*] --> {status}")));
    lines.extend(moves.iter().map(|(from, to)| format!("    {from} --> {to}")));
    lines.extend(ends.iter().map(|status| format!("    {status} --> [*]")));
    format!("```mermaid\n{}\n```\n", lines.join("\n"))
}

fn one_way<S: Described>(title: &str, first: S) -> String {
    let mut moves = Vec::new();
    let mut rows = String::new();
    for &status in S::ALL {
        moves.extend(status.next().iter().map(|next| (status.word(), next.word())));
        let leads_to = S::ALL.iter().filter(|&&later| status.leads_to(later));
        let leads_to: Vec<String> = leads_to.map(|later| format!("`{}`", later.word())).collect();
        let leads_to = if status.is_final() { "final".to_owned() } else { leads_to.join(", ") };
        writeln!(rows, "| `{}` | {} | {leads_to} |", status.word(), status.means()).unwrap();
    }
    let ends = S::ALL.iter().filter(|status| status.is_final());
    let ends: Vec<&str> = ends.map(|status| status.word()).collect();
    let diagram = diagram(&[first.word()], &moves, &ends);
    format!("## {title}\n\n{diagram}\n| status | means | may become |\n|---|---|---|\n{rows}")
}

// Transfers, whose table is arithmetic.

fn transfer_status(amount_reversed: i64) -> TransferStatus {
    let transfer = Transfer {
        amount: 3,
        amount_reversed,
        currency: None,
        created: None,
        destination: None,
        source_transaction: None,
        transfer_group: None,
    };
    transfer.status()
}

fn transfers() -> String {
    let mut moves = Vec::new();
    for (from, to) in (0..=3).flat_map(|from| (from..=3).map(move |to| (from, to))) {
        let step = (transfer_status(from).word(), transfer_status(to).word());
        if step.0 != step.1 && !moves.contains(&step) {
            moves.push(step);
        }
    }
    let means = |status| match status {
        TransferStatus::Created => "nothing was taken back",
        TransferStatus::PartiallyReversed => "a part was taken back: `amount_reversed`",
        TransferStatus::Reversed => "all of it was taken back",
    };
    let mut rows = String::new();
    for status in TransferStatus::ALL {
        let word = status.word();
        let next: Vec<String> = moves
            .iter()
            .filter(|(from, _)| *from == word)
            .map(|(_, to)| format!("`{to}`"))
            .collect();
        let next = if next.is_empty() { "final".to_owned() } else { next.join(", ") };
        writeln!(rows, "| `{word}` | {} | {next} |", means(status)).unwrap();
    }
    let diagram = diagram(&["created"], &moves, &["reversed"]);
    format!(
        "## Transfers\n\n{TRANSFERS}\n{diagram}\n| status | means | may become |\n|---|---|---|\n{rows}"
    )
}

// Accounts.

fn something() -> Fields {
    Fields(vec!["individual.id_number".to_owned()])
}

fn account(deauthorized: bool, facts: Facts) -> Account {
    let profile = Profile {
        facts,
        charges_enabled: None,
        requirements: None,
        capabilities: None,
        controller: None,
        country: None,
        default_currency: None,
        account_type: None,
        service_agreement: None,
    };
    Account { deauthorized, profile: Some(profile.into()) }
}

/// When an account has this status, if no earlier one holds; and accounts of which that is so.
fn when(status: AccountStatus) -> (&'static str, Vec<Account>) {
    let known = |facts| account(false, facts);
    let off = || Facts { payouts_enabled: false, ..complete() };
    let soon = || Facts {
        currently_due: something(),
        eventually_due: something(),
        current_deadline: Some(1),
        ..complete()
    };
    match status {
        AccountStatus::Deauthorized => (
            "the newest authorization event says that the account left the platform",
            vec![account(true, complete())],
        ),
        AccountStatus::Rejected => (
            "`requirements.disabled_reason` begins with `rejected.`",
            vec![known(Facts { disabled_reason: Some("rejected.fraud".to_owned()), ..complete() })],
        ),
        AccountStatus::Onboarding => (
            "`details_submitted` is false, or no `account.updated` is known yet",
            vec![
                known(Facts { details_submitted: false, ..off() }),
                known(Facts { details_submitted: false, ..complete() }),
                Account { deauthorized: false, profile: None },
            ],
        ),
        AccountStatus::Pending => (
            "not payable, nothing is due, and Stripe is checking: `pending_verification` is not empty, `disabled_reason` is `requirements.pending_verification` or `under_review`, or `transfers` is `pending`",
            vec![
                known(Facts { pending_verification: something(), ..off() }),
                known(Facts { disabled_reason: Some("under_review".to_owned()), ..off() }),
                known(complete().with_transfers("pending")),
            ],
        ),
        AccountStatus::Restricted => (
            "not payable",
            vec![
                known(Facts { past_due: something(), ..off() }),
                known(Facts { disabled_reason: Some("platform_paused".to_owned()), ..off() }),
            ],
        ),
        AccountStatus::RestrictedSoon => (
            "payable, but `currently_due` is not empty and `current_deadline` is set",
            vec![known(soon())],
        ),
        AccountStatus::Enabled => (
            "payable, and `eventually_due` is not empty",
            vec![
                known(Facts { eventually_due: something(), ..complete() }),
                known(Facts { current_deadline: None, ..soon() }),
            ],
        ),
        AccountStatus::Complete => {
            ("payable, and `eventually_due` is empty", vec![known(complete())])
        }
    }
}

/// The question whose "yes" gives the status, if no earlier one did.
fn question(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Deauthorized => "has left the platform?",
        AccountStatus::Rejected => "rejected?",
        AccountStatus::Onboarding => "details missing?",
        AccountStatus::Pending => "not payable, nothing due, being checked?",
        AccountStatus::Restricted => "not payable?",
        AccountStatus::RestrictedSoon => "due by a deadline?",
        AccountStatus::Enabled => "something due later?",
        AccountStatus::Complete => "otherwise",
    }
}

/// Each value once, in words.
fn either<T: PartialEq>(values: impl Iterator<Item = T>, word: impl Fn(T) -> String) -> String {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen.into_iter().map(word).collect::<Vec<_>>().join(" or ")
}

fn accounts() -> String {
    let mut rows = String::new();
    let mut chart = vec!["flowchart TD".to_owned()];
    for (number, status) in AccountStatus::ALL.into_iter().enumerate() {
        let (when, examples) = when(status);
        for example in &examples {
            assert_eq!(example.status(), status, "the example is no example: {example:?}");
        }
        let payable = either(examples.iter().map(Account::payable), |payable| {
            if payable { "yes" } else { "no" }.to_owned()
        });
        let actions = examples.iter().map(Account::next_action);
        let actions = either(actions, |action| format!("`{}`", action.word()));
        writeln!(rows, "| `{}` | {when} | {payable} | {actions} |", status.word()).unwrap();
        let (word, question) = (status.word(), question(status));
        if status == AccountStatus::Complete {
            chart.push(format!("    q{number}[{word}]"));
        } else {
            chart.push(format!("    q{number}{{\"{question}\"}} -- yes --> {word}"));
            chart.push(format!("    q{number} -- no --> q{}", number + 1));
        }
    }
    format!(
        "## Accounts\n\n{ACCOUNTS}\n```mermaid\n{}\n```\n\n| status | when, if none above holds | payable | `next_action` |\n|---|---|---|---|\n{rows}",
        chart.join("\n")
    )
}

const OPERATIONS: &str = "\
What bursar asks of Stripe, and what is known of it ([operations-api.md](operations-api.md)).
Nothing leaves `succeeded`; what Stripe reports to have made was made, also when it was thought
to be refused.
";

fn meaning(state: OperationState) -> &'static str {
    match state {
        OperationState::Requested => "recorded; nothing was sent that could have had an effect",
        OperationState::WaitingForFunds => "a transfer that is held until its money is there",
        OperationState::Sent => "a call is under way",
        OperationState::Succeeded => "Stripe has done it",
        OperationState::Refused => "nothing was done; `error` or `reasons` say why",
        OperationState::Unknown => {
            "it was sent, or may have been, and what became of it is being found out"
        }
    }
}

fn operations() -> String {
    let (mut chart, mut rows) = (vec!["stateDiagram-v2".to_owned()], String::new());
    for start in [OperationState::Requested, OperationState::WaitingForFunds] {
        chart.push(format!("    [*] --> {}", start.word()));
    }
    for state in OperationState::ALL {
        let next = state.next().iter().map(|next| format!("`{}`", next.word()));
        let next = next.collect::<Vec<_>>().join(", ");
        let next = if next.is_empty() { "final" } else { &next };
        writeln!(rows, "| `{}` | {} | {next} |", state.word(), meaning(state)).unwrap();
        chart.extend(
            state.next().iter().map(|next| format!("    {} --> {}", state.word(), next.word())),
        );
    }
    format!(
        "## Operations\n\n{OPERATIONS}\n```mermaid\n{}\n```\n\n| state | means | may become |\n|---|---|---|\n{rows}",
        chart.join("\n")
    )
}

fn lifecycles() -> String {
    let topups = one_way("Top-ups", TopupStatus::Pending);
    let payouts = one_way("Payouts", PayoutStatus::Pending);
    [HEAD, ONE_WAY, &topups, &payouts, &transfers(), &accounts(), &operations()].join("\n")
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

#[test]
fn the_lifecycles_are_those_of_the_code() {
    let (path, made) = (path("lifecycles.md"), lifecycles());
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "docs/lifecycles.md is not what the code says; write it anew with `{WRITE}=1 cargo test --test it docs`"
    );
}

// docs/events.md

/// The rows of the table below this heading, cell by cell, without backquotes.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path("events.md")).unwrap();
    let section = text.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let lines = section.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().replace('`', "")).collect()
    };
    lines.map(cells).collect()
}

/// `person.*` covers `person.created`.
fn covers(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => event_type.starts_with(beginning),
        None => pattern == event_type,
    }
}

#[test]
fn the_tracked_types_of_the_document_are_those_of_the_code() {
    let documented = rows("Tracked").into_iter();
    let mut documented: Vec<(String, String)> =
        documented.map(|row| (row[0].clone(), row[1].clone())).collect();
    let of_code =
        |(event_type, kind): (&str, Kind)| (event_type.to_owned(), kind.word().to_owned());
    let mut tracked: Vec<(String, String)> = tracked_types().map(of_code).collect();
    documented.sort();
    tracked.sort();
    assert_eq!(documented, tracked, "docs/events.md, and `TYPES` of src/stripe/wire/tracked.rs");
}

#[test]
fn what_the_document_calls_ignored_is_not_tracked() {
    let ignored = rows("Ignored on purpose");
    assert!(ignored.len() > 5, "the table was not found");
    for row in &ignored {
        let tracked = tracked_types().find(|(event_type, _)| covers(&row[0], event_type));
        assert_eq!(tracked, None, "docs/events.md says that {} is ignored", row[0]);
    }
}

#[test]
fn the_document_speaks_of_every_type_of_stripes_that_there_is_a_fixture_of() {
    let named: Vec<String> = ["Tracked", "Ignored on purpose"]
        .into_iter()
        .flat_map(rows)
        .map(|row| row[0].clone())
        .collect();
    for (fixture, _) in fixture_events() {
        let event_type = fixture.split('/').rev().nth(1).unwrap();
        // Made up, to stand for what Stripe has yet to invent.
        let made_up = event_type == "treasury.novelty.happened";
        let is_named = named.iter().any(|pattern| covers(pattern, event_type));
        assert!(is_named || made_up, "docs/events.md does not speak of {event_type}");
    }
}
