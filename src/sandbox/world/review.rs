//! What the checks of an account's details find: the test values that Stripe documents.

use serde_json::{Value, json};

use crate::sandbox::world::account::Account;
use crate::sandbox::world::json::{at, integer_at, text_at};
use crate::sandbox::world::standing::person_of;

/// What a finding takes from the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing until the deadline.
    Deadline,
    /// Payouts.
    Payouts,
    Everything,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub requirement: String,
    pub code: &'static str,
    pub severity: Severity,
}

impl Finding {
    pub fn view(&self) -> Value {
        let Self { requirement, code, severity: _ } = self;
        json!({ "code": code, "reason": reason(code), "requirement": requirement })
    }
}

/// A sentence for a code, as the words of the code suggest it.
fn reason(code: &str) -> String {
    match code {
        "verification_failed_keyed_identity" => {
            "The person's keyed-in identity information could not be verified. Correct any errors or upload a document that matches the identity fields (e.g., name and date of birth) entered.".to_owned()
        }
        other => {
            let words = other.replace('_', " ");
            let (first, rest) = words.split_at(words.len().min(1));
            format!("{}{rest}.", first.to_uppercase())
        }
    }
}

/// A test value: where it stands, what it says, what is found, and what then is required. In the
/// last, `person` stands for whom the value belongs to.
type Row = (&'static str, &'static str, &'static str, &'static str, Severity);

const DOCUMENT: &str = "person.verification.document";
const COMPANY_DOCUMENT: &str = "company.verification.document";
const URL: &str = "business_profile.url";

#[rustfmt::skip]
const PERSON_VALUES: &[Row] = &[
    ("id_number", "111111111", "verification_failed_id_number_match", DOCUMENT, Severity::Deadline),
    ("ssn_last_4", "1111", "verification_failed_id_number_match", "person.id_number", Severity::Deadline),
    ("address.line1", "address_no_match", "verification_failed_address_match", DOCUMENT, Severity::Everything),
    ("address.line1", "address_line1_no_match", "verification_failed_address_match", DOCUMENT, Severity::Payouts),
    ("first_name", "mismatch_director", "verification_directors_mismatch", COMPANY_DOCUMENT, Severity::Deadline),
    ("first_name", "missing_director", "verification_missing_directors", COMPANY_DOCUMENT, Severity::Deadline),
    ("first_name", "extraneous_director", "verification_extraneous_directors", COMPANY_DOCUMENT, Severity::Deadline),
    ("verification.document.front", "file_identity_document_failure", "verification_document_failed_other", DOCUMENT, Severity::Everything),
];

#[rustfmt::skip]
const ACCOUNT_VALUES: &[Row] = &[
    ("company.tax_id", "111111111", "verification_failed_tax_id_match", "company.tax_id", Severity::Deadline),
    ("company.tax_id", "111111112", "verification_failed_tax_id_not_issued", "company.tax_id", Severity::Deadline),
    ("company.name", "mismatch_business_name", "verification_failed_name_match", "company.name", Severity::Deadline),
    ("company.name", "disallowed_name", "invalid_company_name_denylisted", "company.name", Severity::Deadline),
    ("company.address.line1", "address_no_match", "verification_failed_address_match", COMPANY_DOCUMENT, Severity::Everything),
    ("company.address.line1", "address_line1_no_match", "verification_failed_address_match", COMPANY_DOCUMENT, Severity::Payouts),
    ("business_profile.name", "disallowed_dba", "invalid_business_profile_name_denylisted", "business_profile.name", Severity::Deadline),
    ("business_profile.name", "invalid_dba", "invalid_business_profile_name", "business_profile.name", Severity::Deadline),
    (URL, "disallowed", "invalid_url_denylisted", URL, Severity::Deadline),
    (URL, "geoblocked", "invalid_url_website_inaccessible_geoblocked", URL, Severity::Deadline),
    (URL, "problem", "invalid_url_website_other", URL, Severity::Deadline),
    (URL, "missing", "invalid_url_website_incomplete", URL, Severity::Deadline),
    (URL, "mismatch", "invalid_url_website_business_information_mismatch", URL, Severity::Deadline),
    (URL, "passwordprotected", "invalid_url_website_inaccessible_password_protected", URL, Severity::Deadline),
    (URL, "underconstruction", "invalid_url_website_incomplete_under_construction", URL, Severity::Deadline),
    (URL, "inaccessible", "invalid_url_website_inaccessible", URL, Severity::Deadline),
];

const OWNERSHIP_UNPROVEN: &str = "000999999992";
const OWNERSHIP: &str = "documents.bank_account_ownership_verification.files";

/// What the checks find, once they have ended.
pub(super) fn findings(account: &Account) -> Vec<Finding> {
    let mut found = Vec::new();
    let company_proven = is_proven(&account.details, "company.verification.document.front");
    for person in account.persons.iter() {
        let name = person.named_in(account).to_owned();
        let proven = is_proven(&person.details, "verification.document.front");
        for (path, value, code, requirement, severity) in PERSON_VALUES {
            let is_moot = match *requirement {
                DOCUMENT => proven,
                COMPANY_DOCUMENT => company_proven,
                _ => *path == "ssn_last_4" && person.has("id_number"),
            };
            if text_at(&person.details, path) == Some(value) && !is_moot {
                let requirement = requirement.replacen("person", &name, 1);
                found.push(Finding { requirement, code, severity: *severity });
            }
        }
        if person.represents() && !proven && !is_test_birthday(&person.details) {
            let requirement = DOCUMENT.replacen("person", &name, 1);
            let (code, severity) = ("verification_failed_keyed_identity", Severity::Everything);
            found.push(Finding { requirement, code, severity });
        }
    }
    for (path, value, code, requirement, severity) in ACCOUNT_VALUES {
        let is = text_at(&account.details, path);
        let is = if *path == URL { is.and_then(test_host) } else { is };
        let is_moot = company_proven && *requirement == COMPANY_DOCUMENT;
        if is == Some(value) && !is_moot {
            let (requirement, severity) = ((*requirement).to_owned(), *severity);
            found.push(Finding { requirement, code, severity });
        }
    }
    let unproven = account.banks.iter().any(|bank| bank.number == OWNERSHIP_UNPROVEN);
    if unproven && at(&account.details, OWNERSHIP).is_none() {
        let (code, severity) = ("verification_document_not_uploaded", Severity::Deadline);
        found.push(Finding { requirement: OWNERSHIP.to_owned(), code, severity });
    }
    found
}

/// Whether a document was given there that the checks are content with.
fn is_proven(details: &Value, path: &str) -> bool {
    text_at(details, path) == Some("file_identity_document_success")
}

/// `disallowed` of `https://disallowed.stripe.com`.
fn test_host(url: &str) -> Option<&str> {
    url.strip_prefix("https://")?.trim_end_matches('/').strip_suffix(".stripe.com")
}

fn birthday(person: &Value) -> Option<(i64, i64, i64)> {
    let part = |name: &str| integer_at(person, &format!("dob.{name}"));
    Some((part("year")?, part("month")?, part("day")?))
}

fn is_test_birthday(person: &Value) -> bool {
    matches!(birthday(person), Some((1900..=1902, 1, 1)))
}

/// Whether somebody is on a list of sanctioned people.
pub(super) fn is_listed(account: &Account) -> bool {
    account.persons.iter().any(|person| birthday(&person.details) == Some((1900, 1, 1)))
}

/// Whether a test address asks for capabilities that are paused.
pub(super) fn is_paused(account: &Account) -> bool {
    text_at(&account.details, URL).and_then(test_host) == Some("inactivity")
}

/// Whether the checks end in the moment in which they begin.
pub(super) fn is_immediate(account: &Account) -> bool {
    let number = |path: &str, value: &str| {
        let is = match person_of(account, path) {
            Some((person, field)) => person.and_then(|person| text_at(&person.details, field)),
            None => text_at(&account.details, path),
        };
        is == Some(value)
    };
    let born = account.representative().and_then(|person| birthday(&person.details));
    born == Some((1902, 1, 1))
        || number("representative.id_number", "222222222")
        || number("representative.ssn_last_4", "2222")
        || number("company.tax_id", "222222222")
}
