//! What somebody does who follows an account link: a visit to a form, in one or two steps.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::sandbox::world::World;
use crate::sandbox::world::account::Account;
use crate::sandbox::world::bank::NewBank;
use crate::sandbox::world::json::{at, merge};
use crate::sandbox::world::link::Link;
use crate::sandbox::world::standing::{is_given, person_of, required};

/// What is shown next.
#[derive(Clone, Debug)]
pub enum Step {
    Form(Form),
    Leave(String),
    NoSuchLink,
}

/// One page of the form.
#[derive(Clone, Debug)]
pub struct Form {
    pub account: String,
    pub token: String,
    pub visit: String,
    pub fields: Vec<Input>,
    /// What is wrong, by the path of the field.
    pub problems: BTreeMap<String, String>,
    /// Whether this is the page on which the holder agrees and submits.
    pub is_last: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// As requirements name it: `individual.first_name`.
    pub path: String,
    pub value: String,
    /// A value with which Stripe's test mode is content.
    pub example: &'static str,
}

/// What the holder chose to do with the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Submit,
    SaveForLater,
    /// Fill what is empty with test values, and submit.
    UseTestValues,
}

/// The text message that every test onboarding has sent.
pub const CODE: &str = "000000";

/// Test values, by the end of the path.
const EXAMPLES: &[(&str, &str)] = &[
    ("business_type", "individual"),
    ("business_profile.mcc", "7299"),
    ("business_profile.url", "https://accessible.stripe.com"),
    ("company.name", "Test Company"),
    ("company.tax_id", "000000000"),
    (".first_name", "Jenny"),
    (".last_name", "Rosen"),
    (".email", "jenny.rosen@example.com"),
    (".phone", "0000000000"),
    (".dob.day", "1"),
    (".dob.month", "1"),
    (".dob.year", "1901"),
    (".address.line1", "address_full_match"),
    (".address.city", "South San Francisco"),
    (".address.state", "CA"),
    (".address.postal_code", "94080"),
    (".ssn_last_4", "0000"),
    (".id_number", "000000000"),
    (".relationship.title", "Owner"),
    (".verification.document", "file_identity_document_success"),
    ("external_account.routing_number", "110000000"),
    ("external_account.account_number", "000123456789"),
    ("bank_account_ownership_verification.files", "file_identity_document_success"),
    ("code", CODE),
    ("terms", "yes"),
];

fn example(path: &str) -> &'static str {
    let found = EXAMPLES.iter().find(|(end, _)| path.ends_with(end));
    found.map_or("test", |(_, value)| *value)
}

type Answers = BTreeMap<String, String>;

impl World {
    /// Follows the link: into the form, or back to the platform when it is used up.
    pub fn follow_link(&mut self, account: &str, token: &str) -> Step {
        let now = self.now;
        let Some(link) = self.links.get(token).filter(|link| link.account == account) else {
            return Step::NoSuchLink;
        };
        let holder = self.accounts.get(account);
        if !link.is_fresh(now) || holder.is_none_or(|account| account.rejected.is_some()) {
            return Step::Leave(link.refresh_url.clone());
        }
        self.new_visit(token);
        self.form(token, &Answers::new(), BTreeMap::new())
    }

    /// Takes what the holder has filled in.
    pub fn fill_in(
        &mut self,
        (account, token): (&str, &str),
        visit: &str,
        answers: &Answers,
        choice: Choice,
    ) -> Step {
        let now = self.now;
        let Some(link) = self.links.get(token).filter(|link| link.account == account) else {
            return Step::NoSuchLink;
        };
        let holder = self.accounts.get(account);
        let gone = holder.is_none_or(|account| account.rejected.is_some());
        if gone || !link.is_visited_by(visit, now) {
            return Step::Leave(link.refresh_url.clone());
        }
        let link = link.clone();
        self.as_one_change(account, |world| match choice {
            Choice::SaveForLater => world.save(&link, answers),
            Choice::Submit => world.submit(&link, answers),
            Choice::UseTestValues => world.submit_test_values(&link, answers.clone()),
        })
    }

    fn save(&mut self, link: &Link, answers: &Answers) -> Step {
        let fields = self.inputs(link, answers);
        let problems = problems(&fields, answers);
        let good =
            |(path, value): &(&String, &String)| !value.is_empty() && !problems.contains_key(*path);
        let asked = asked_of(&fields, answers);
        let good = asked.iter().filter(good).map(|(p, v)| (p.clone(), v.clone())).collect();
        self.apply(&link.account, &good).ok();
        self.leave(link)
    }

    fn leave(&mut self, link: &Link) -> Step {
        if let Some(link) = self.links.get_mut(&link.token) {
            link.finished = true;
        }
        Step::Leave(link.return_url.clone())
    }

    fn submit(&mut self, link: &Link, answers: &Answers) -> Step {
        let fields = self.inputs(link, answers);
        let mut problems = problems(&fields, answers);
        if problems.is_empty() {
            problems.extend(self.apply(&link.account, &asked_of(&fields, answers)).err());
        }
        if !problems.is_empty() {
            return self.form(&link.token, answers, problems);
        }
        if !is_last(&fields) {
            return self.form(&link.token, &Answers::new(), BTreeMap::new());
        }
        self.accept_terms(&link.account);
        self.check_again(&link.account);
        self.leave(link)
    }

    /// Two pages at most: the first may only ask what kind of business it is.
    fn submit_test_values(&mut self, link: &Link, mut answers: Answers) -> Step {
        let mut step = Step::NoSuchLink;
        for _ in 0..2 {
            for input in self.inputs(link, &answers) {
                let answer = answers.entry(input.path).or_default();
                if answer.is_empty() {
                    *answer =
                        if input.value.is_empty() { input.example.to_owned() } else { input.value };
                }
            }
            step = self.submit(link, &answers);
            match &step {
                Step::Form(form) if form.problems.is_empty() => {}
                Step::Form(_) | Step::Leave(_) | Step::NoSuchLink => break,
            }
        }
        step
    }

    fn form(&self, token: &str, answers: &Answers, problems: BTreeMap<String, String>) -> Step {
        let Some(link) = self.links.get(token) else { return Step::NoSuchLink };
        let fields = self.inputs(link, answers);
        Step::Form(Form {
            account: link.account.clone(),
            token: token.to_owned(),
            visit: link.visit.clone().unwrap_or_default(),
            is_last: is_last(&fields),
            fields,
            problems,
        })
    }

    /// What this page asks: before the first submission all that is required, later what is due.
    fn inputs(&self, link: &Link, answers: &Answers) -> Vec<Input> {
        let Some(account) = self.accounts.get(&link.account) else { return Vec::new() };
        let submitted = account.review.is_submitted();
        let mut paths = if submitted {
            account.standing(self.now).requirements.currently_due
        } else {
            required(account)
        };
        if link.asks_everything {
            paths.extend(account.standing(self.now).requirements.eventually_due);
            paths.sort();
            paths.dedup();
        }
        if paths.iter().any(|path| path == "business_type") {
            paths = vec!["business_type".to_owned()];
        } else {
            paths = paths.into_iter().flat_map(|path| asked(&path, account)).collect();
            let agreed = ["code", "terms"].map(str::to_owned);
            paths.extend(agreed.into_iter().filter(|_| !submitted));
        }
        let input = |path: String| {
            let known = || known(account, &path);
            let value = answers.get(&path).cloned().or_else(known).unwrap_or_default();
            Input { example: example(&path), path, value }
        };
        paths.into_iter().map(input).collect()
    }

    /// Writes answers down; the field that could not be used, and why.
    fn apply(&mut self, account: &str, answers: &Answers) -> Result<(), (String, String)> {
        let bank = self.bank_of(account, answers)?;
        let (mut details, mut people) = (json!({}), BTreeMap::new());
        for (path, value) in answers {
            match path.split_once('.') {
                Some(("external_account", _)) => {}
                None if path != "business_type" => {}
                Some((person @ ("individual" | "representative"), field)) => {
                    let holder = people.entry(person.to_owned()).or_insert_with(|| json!({}));
                    merge(holder, &nested(field, value));
                }
                Some((person, field)) if person.starts_with("person_") => {
                    let holder = people.entry(person.to_owned()).or_insert_with(|| json!({}));
                    merge(holder, &nested(field, value));
                }
                Some(_) | None => merge(&mut details, &nested(path, value)),
            }
        }
        self.change_account(account, |account| merge(&mut account.details, &details));
        for (person, details) in people {
            if person.starts_with("person_") {
                self.change_person(account, &person, &details);
            } else {
                self.take_representative(account, &details);
            }
        }
        if let Some(bank) = bank {
            self.attach_bank(account, bank, true);
        }
        Ok(())
    }

    fn bank_of(
        &self,
        account: &str,
        answers: &Answers,
    ) -> Result<Option<NewBank>, (String, String)> {
        let number = "external_account.account_number";
        let routing = "external_account.routing_number";
        let (Some(given), Some(account)) = (answers.get(number), self.accounts.get(account)) else {
            return Ok(None);
        };
        let given = json!({
            "account_number": given, "routing_number": answers.get(routing),
            "country": account.country, "currency": account.default_currency,
        });
        NewBank::read(&given).map(Some).map_err(|refusal| {
            let path =
                if refusal.code == Some("routing_number_invalid") { routing } else { number };
            (path.to_owned(), refusal.message)
        })
    }

    fn accept_terms(&mut self, account: &str) {
        let accepted = json!({ "tos_acceptance": {
            "date": self.now, "ip": "127.0.0.1", "user_agent": "hosted onboarding of the sandbox",
        }});
        self.change_account(account, |account| {
            if at(&account.details, "tos_acceptance.date").is_none() {
                merge(&mut account.details, &accepted);
            }
        });
    }
}

/// The answers to what this page asks.
fn asked_of(fields: &[Input], answers: &Answers) -> Answers {
    let answer = |input: &Input| Some((input.path.clone(), answers.get(&input.path)?.clone()));
    fields.iter().filter_map(answer).collect()
}

fn is_last(fields: &[Input]) -> bool {
    !fields.iter().any(|input| input.path == "business_type")
}

/// The fields with which a requirement is met.
fn asked(requirement: &str, account: &Account) -> Vec<String> {
    match requirement {
        "external_account" if is_given(account, requirement) => Vec::new(),
        "external_account" => {
            let routing = (account.country == "US").then_some("external_account.routing_number");
            let fields = routing.into_iter().chain(["external_account.account_number"]);
            fields.map(str::to_owned).collect()
        }
        "tos_acceptance.date" | "tos_acceptance.ip" => Vec::new(),
        other => vec![other.to_owned()],
    }
}

/// What is known of a field, for the holder to confirm. Numbers are never shown again.
fn known(account: &Account, path: &str) -> Option<String> {
    if path.ends_with("id_number") || path.ends_with("ssn_last_4") || path.ends_with("tax_id") {
        return None;
    }
    let value = match person_of(account, path) {
        Some((person, field)) => at(&person?.details, field)?,
        None => at(&account.details, path)?,
    };
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn problems(fields: &[Input], answers: &Answers) -> BTreeMap<String, String> {
    let wrong = fields.iter().filter_map(|input| {
        let value = answers.get(&input.path).map_or("", |value| value.trim());
        Some((input.path.clone(), problem(&input.path, value)?.to_owned()))
    });
    wrong.collect()
}

fn problem(path: &str, value: &str) -> Option<&'static str> {
    let number = |least, most| value.parse().is_ok_and(|n: u32| (least..=most).contains(&n));
    let digits = || value.chars().filter(char::is_ascii_digit).collect::<String>();
    if value.is_empty() {
        return Some(if path == "terms" { "Please agree to go on." } else { "This is required." });
    }
    let is_right = match path.rsplit('.').next().unwrap_or(path) {
        "day" => number(1, 31),
        "month" => number(1, 12),
        "year" => number(1900, 2100),
        "email" => value.split_once('@').is_some_and(|(a, b)| !a.is_empty() && b.contains('.')),
        "ssn_last_4" => value.len() == 4 && digits().len() == 4,
        "url" => value.contains('.'),
        "business_type" => matches!(value, "individual" | "company" | "non_profit"),
        "code" => digits() == CODE,
        _ => true,
    };
    (!is_right).then_some(match path {
        "code" => "In test mode the code is 000-000.",
        _ => "This does not look right.",
    })
}

/// `dob.day` and `1` become `{"dob": {"day": 1}}`.
fn nested(path: &str, value: &str) -> Value {
    let leaf = match path.rsplit('.').next() {
        Some("day" | "month" | "year") => json!(value.trim().parse::<i64>().ok()),
        Some("document") => json!({ "front": value.trim() }),
        Some("files") => json!([value.trim()]),
        Some(_) | None => json!(value.trim()),
    };
    path.rsplit('.').fold(leaf, |inner, name| json!({ name: inner }))
}
