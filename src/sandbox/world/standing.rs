//! What an account may do and what it owes: its requirements, capabilities and switches, worked
//! out from what is known of it.

use serde_json::{Map, Value, json};

use crate::sandbox::world::account::Account;
use crate::sandbox::world::json::at;
use crate::sandbox::world::person::Person;
use crate::sandbox::world::review::{Finding, Severity, findings, is_listed, is_paused};

/// Seconds that a holder has to give what became due after the onboarding.
pub const DEADLINE_SECONDS: i64 = 14 * 86_400;
const FUTURE_SECONDS: i64 = 30 * 86_400;

/// How far the checks of an account's details have come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    pub stage: Stage,
    /// Whether a check has ended before: then another one takes nothing away.
    pub passed_once: bool,
    /// By when what is due must be given.
    pub deadline: Option<i64>,
    /// Made due by whoever drives the sandbox.
    pub demanded: Vec<String>,
    pub charges_blocked: bool,
    pub payouts_blocked: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    NotSubmitted,
    /// Being checked, until then.
    Pending {
        until: i64,
    },
    Checked,
}

impl Review {
    pub fn is_submitted(&self) -> bool {
        self.stage != Stage::NotSubmitted
    }

    pub fn word_for_person(&self) -> &'static str {
        match self.stage {
            Stage::NotSubmitted => "unverified",
            Stage::Pending { .. } => "pending",
            Stage::Checked => "verified",
        }
    }
}

/// The `requirements` of an account.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    pub currently_due: Vec<String>,
    pub eventually_due: Vec<String>,
    pub past_due: Vec<String>,
    pub pending_verification: Vec<String>,
    pub errors: Vec<Finding>,
    pub current_deadline: Option<i64>,
    pub disabled_reason: Option<String>,
}

impl Requirements {
    pub fn view(&self) -> Value {
        json!({
            "alternatives": [], "current_deadline": self.current_deadline,
            "currently_due": self.currently_due, "disabled_reason": self.disabled_reason,
            "errors": self.errors.iter().map(Finding::view).collect::<Vec<_>>(),
            "eventually_due": self.eventually_due, "past_due": self.past_due,
            "pending_verification": self.pending_verification,
        })
    }

    /// A capability has words of its own for why it is off.
    pub fn view_for_capability(&self) -> Value {
        let reason = self.disabled_reason.as_deref().map(|reason| match reason {
            "requirements.past_due" => "requirements.fields_needed",
            "requirements.pending_verification" | "under_review" | "listed" => "pending.review",
            "platform_paused" => "platform_paused",
            "paused.inactivity" => "paused.inactivity",
            _ => "rejected.other",
        });
        let mut view = self.view();
        if let Some(fields) = view.as_object_mut() {
            fields.insert("disabled_reason".to_owned(), json!(reason));
        }
        view
    }

    /// The part that concerns one person, without the name in front.
    pub fn of_person(&self, name: &str) -> Value {
        let own = |all: &[String]| -> Vec<String> {
            let own = all.iter().filter_map(|path| path.strip_prefix(name)?.strip_prefix('.'));
            own.map(str::to_owned).collect()
        };
        let is_own = |finding: &&Finding| finding.requirement.starts_with(&format!("{name}."));
        let errors = self.errors.iter().filter(is_own).map(Finding::view).collect::<Vec<_>>();
        json!({
            "alternatives": [], "currently_due": own(&self.currently_due), "errors": errors,
            "eventually_due": own(&self.eventually_due), "past_due": own(&self.past_due),
            "pending_verification": own(&self.pending_verification),
        })
    }
}

#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub requirements: Requirements,
    pub future: Requirements,
    pub capabilities: Map<String, Value>,
    pub charges_enabled: bool,
    pub payouts_enabled: bool,
}

const PROFILE: &[&str] = &["business_profile.mcc", "business_profile.url"];
const TERMS: &[&str] = &["external_account", "tos_acceptance.date", "tos_acceptance.ip"];
const COMPANY: &[&str] = &[
    "company.address.city",
    "company.address.line1",
    "company.address.postal_code",
    "company.name",
    "company.phone",
    "company.tax_id",
];
const PERSON: &[&str] = &[
    "address.city",
    "address.line1",
    "address.postal_code",
    "dob.day",
    "dob.month",
    "dob.year",
    "email",
    "first_name",
    "last_name",
    "phone",
];

/// Everything that this account must give at some time, given or not, in Stripe's order.
pub fn required(account: &Account) -> Vec<String> {
    let mut fields: Vec<String> = TERMS.iter().map(|field| (*field).to_owned()).collect();
    if !account.is_recipient() {
        fields.extend(PROFILE.iter().map(|field| (*field).to_owned()));
    }
    let person = account.representative().map_or("representative", |p| p.named_in(account));
    match account.business_type() {
        None => fields.push("business_type".to_owned()),
        Some("individual") => fields.extend(of_person("individual", account)),
        Some(_) => {
            fields.extend(COMPANY.iter().map(|field| (*field).to_owned()));
            fields.extend(of_person(person, account));
            fields.push(format!("{person}.relationship.title"));
        }
    }
    fields.sort();
    fields
}

fn of_person(name: &str, account: &Account) -> Vec<String> {
    let american: &[&str] =
        if account.country == "US" { &["address.state", "ssn_last_4"] } else { &[] };
    PERSON.iter().chain(american).map(|field| format!("{name}.{field}")).collect()
}

/// Whether a required field is given.
pub fn is_given(account: &Account, path: &str) -> bool {
    if path == "external_account" {
        return account.banks.iter().any(|bank| bank.status != "errored");
    }
    match person_of(account, path) {
        Some((Some(person), "ssn_last_4")) => person.has("ssn_last_4") || person.has("id_number"),
        Some((Some(person), field)) => person.has(field),
        Some((None, _)) => false,
        None => at(&account.details, path).is_some(),
    }
}

/// The person that a path speaks of, if it speaks of one, and the rest of the path.
pub fn person_of<'a, 'p>(
    account: &'a Account,
    path: &'p str,
) -> Option<(Option<&'a Person>, &'p str)> {
    let (head, field) = path.split_once('.')?;
    match head {
        "individual" | "representative" => Some((account.representative(), field)),
        id if id.starts_with("person_") => Some((account.persons.get(id), field)),
        _ => None,
    }
}

pub(super) fn standing(account: &Account, now: i64) -> Standing {
    if account.is_platform {
        return of_the_platform(account);
    }
    let missing: Vec<String> =
        required(account).into_iter().filter(|path| !is_given(account, path)).collect();
    let found = match account.review.stage {
        Stage::Checked => findings(account),
        Stage::NotSubmitted | Stage::Pending { .. } => Vec::new(),
    };
    let requirements = requirements(account, missing, found, now);
    let capabilities = capabilities(account, &requirements);
    let is_active = |name: &str| capabilities.get(name) == Some(&json!("active"));
    let any_active = account.requested.keys().any(|name| is_active(name));
    let blocks_payouts = |finding: &Finding| finding.severity != Severity::Deadline;
    let payouts_enabled = any_active
        && account.review.is_submitted()
        && !account.review.payouts_blocked
        && !requirements.past_due.iter().any(|path| path == "external_account")
        && !requirements.errors.iter().any(blocks_payouts);
    let charges_enabled = is_active("card_payments") && !account.review.charges_blocked;
    let future = future(account);
    Standing { requirements, future, capabilities, charges_enabled, payouts_enabled }
}

fn of_the_platform(account: &Account) -> Standing {
    let active = account.requested.keys().map(|name| (name.clone(), json!("active")));
    Standing {
        capabilities: active.collect(),
        charges_enabled: true,
        payouts_enabled: true,
        ..Standing::default()
    }
}

fn requirements(
    account: &Account,
    missing: Vec<String>,
    errors: Vec<Finding>,
    now: i64,
) -> Requirements {
    let review = &account.review;
    let blocking = errors.iter().filter(|finding| finding.severity == Severity::Everything);
    let mut past_due = missing.clone();
    past_due.extend(blocking.map(|finding| finding.requirement.clone()));
    let mut currently_due = missing;
    currently_due.extend(errors.iter().map(|finding| finding.requirement.clone()));
    currently_due.extend(review.demanded.iter().cloned());
    let mut eventually_due = currently_due.clone();
    eventually_due.extend(later(account));
    if review.deadline.is_some_and(|deadline| deadline <= now) {
        past_due.extend(currently_due.iter().cloned());
    }
    for list in [&mut past_due, &mut currently_due, &mut eventually_due] {
        list.sort();
        list.dedup();
    }
    let pending_verification = match review.stage {
        Stage::Pending { .. } => being_checked(account),
        Stage::NotSubmitted | Stage::Checked => Vec::new(),
    };
    let reason = if let Some(reason) = &account.rejected {
        Some(format!("rejected.{reason}"))
    } else if review.is_submitted() && is_listed(account) {
        Some("listed".to_owned())
    } else if !past_due.is_empty() || review.payouts_blocked || review.charges_blocked {
        Some("requirements.past_due".to_owned())
    } else if !pending_verification.is_empty() && !review.passed_once {
        Some("requirements.pending_verification".to_owned())
    } else {
        None
    };
    let open = !currently_due.is_empty() && review.is_submitted();
    let current_deadline = review.deadline.filter(|_| open);
    Requirements {
        currently_due,
        eventually_due,
        past_due,
        pending_verification,
        errors,
        current_deadline,
        disabled_reason: reason,
    }
}

/// What is not due yet: the whole number, where its end was enough for now.
fn later(account: &Account) -> Option<String> {
    let person = account.representative()?;
    let only_its_end = person.has("ssn_last_4") && !person.has("id_number");
    only_its_end.then(|| format!("{}.id_number", person.named_in(account)))
}

fn being_checked(account: &Account) -> Vec<String> {
    let mut checked = Vec::new();
    if account.business_type().is_some_and(|kind| kind != "individual") {
        checked.push("company.tax_id".to_owned());
    }
    if let Some(person) = account.representative() {
        let field = if person.has("id_number") { "id_number" } else { "ssn_last_4" };
        checked.push(format!("{}.{field}", person.named_in(account)));
    }
    checked
}

/// When card payments and transfers are both requested and one is off, both are.
fn capabilities(account: &Account, requirements: &Requirements) -> Map<String, Value> {
    let review = &account.review;
    let owes = requirements.past_due.iter().any(|path| path != "external_account");
    let stopped = account.rejected.is_some() || is_listed(account) || is_paused(account);
    let status = match review.stage {
        Stage::NotSubmitted => "inactive",
        _ if owes || stopped => "inactive",
        Stage::Pending { .. } if !review.passed_once => "pending",
        Stage::Pending { .. } | Stage::Checked => "active",
    };
    account.requested.keys().map(|name| (name.clone(), json!(status))).collect()
}

/// What a test address asks to be required from some later day on.
fn future(account: &Account) -> Requirements {
    let holder = account.representative().and_then(|person| at(&person.details, "email"));
    let addresses = account.email.as_deref().into_iter().chain(holder.and_then(Value::as_str));
    let asked = addresses.into_iter().any(|email| email.contains("enforce_future_requirements"));
    let Some(person) = account.representative().filter(|_| asked) else {
        return Requirements::default();
    };
    let due = vec![format!("{}.verification.document", person.named_in(account))];
    Requirements {
        currently_due: due.clone(),
        eventually_due: due,
        current_deadline: Some(account.created + FUTURE_SECONDS),
        ..Requirements::default()
    }
}
