//! The people behind an account.

use serde_json::{Map, Value, json};

use crate::sandbox::api::refusal::Refusal;
use crate::sandbox::world::World;
use crate::sandbox::world::account::Account;
use crate::sandbox::world::json::{at, change_metadata, merge, overlay, truth_at};
use crate::sandbox::world::table::Named;

#[derive(Clone, Debug)]
pub struct Person {
    pub id: String,
    pub created: i64,
    /// What was given, with the call's own names.
    pub details: Value,
    pub metadata: Map<String, Value>,
}

impl Named for Person {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What the platform may still read of a person when an account link was made.
const READABLE_AFTER_LINK: &[&str] = &[
    "id",
    "object",
    "account",
    "created",
    "first_name",
    "last_name",
    "metadata",
    "relationship",
    "requirements",
    "verification",
];

impl Person {
    pub fn represents(&self) -> bool {
        truth_at(&self.details, "relationship.representative") == Some(true)
    }

    pub fn has(&self, path: &str) -> bool {
        at(&self.details, path).is_some()
    }

    /// How requirements of the account name this person.
    pub fn named_in<'a>(&'a self, account: &Account) -> &'a str {
        if account.is_individual() && self.represents() { "individual" } else { &self.id }
    }

    pub fn view(&self, account: &Account, now: i64) -> Value {
        let standing = account.standing(now);
        let requirements = standing.requirements.of_person(self.named_in(account));
        let mut person = json!({
            "id": self.id, "object": "person", "account": account.id,
            "additional_tos_acceptances":
                { "account": { "date": null, "ip": null, "user_agent": null } },
            "created": self.created, "first_name": null,
            "dob": { "day": null, "month": null, "year": null },
            "last_name": null, "metadata": self.metadata,
            "relationship": {
                "authorizer": false, "director": false, "executive": false,
                "legal_guardian": false, "owner": false, "percent_ownership": null,
                "representative": false, "title": null,
            },
            "requirements": requirements,
        });
        for field in ["first_name", "last_name", "dob", "relationship"] {
            if let Some(shown) = person.get_mut(field) {
                *shown = overlay(shown.take(), at(&self.details, field));
            }
        }
        let Some(fields) = person.as_object_mut() else { return person };
        for field in ["email", "phone"] {
            fields.extend(at(&self.details, field).map(|is| (field.to_owned(), is.clone())));
        }
        if let Some(address) = at(&self.details, "address") {
            let template = json!({
                "city": null, "country": account.country, "line1": null, "line2": null,
                "postal_code": null, "state": null,
            });
            fields.insert("address".to_owned(), overlay(template, Some(address)));
        }
        let has_number = self.has("id_number");
        let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        add("id_number_provided", json!(has_number));
        add("ssn_last_4_provided", json!(has_number || self.has("ssn_last_4")));
        add("verification", verification(account));
        add("future_requirements", json!(null));
        if !account.is_open_to_platform() {
            fields.retain(|name, _| READABLE_AFTER_LINK.contains(&name.as_str()));
        }
        person
    }
}

fn verification(account: &Account) -> Value {
    let document = || json!({ "back": null, "details": null, "details_code": null, "front": null });
    let status = account.review.word_for_person();
    json!({
        "additional_document": document(), "details": null, "details_code": null,
        "document": document(), "status": status,
    })
}

impl World {
    fn may_touch_persons(&self, account: &str) -> Result<(), Refusal> {
        if self.connected(account)?.is_open_to_platform() {
            return Ok(());
        }
        Err(Refusal::invalid(format!(
            "This application does not have the required permissions for this endpoint on account '{account}'."
        ))
        .status(403))
    }

    pub fn create_person(&mut self, account: &str, params: &Value) -> Result<Value, Refusal> {
        self.may_touch_persons(account)?;
        let represents = truth_at(params, "relationship.representative") == Some(true);
        if represents && self.connected(account)?.representative().is_some() {
            return Err(Refusal::invalid(
                "There can only be one person with the relationship 'representative' on an account.",
            )
            .param("relationship[representative]"));
        }
        let id = self.add_person(account, params);
        self.details_changed(account);
        self.person(account, &id)
    }

    /// A new person of the account, whoever gave the details.
    pub fn add_person(&mut self, account: &str, params: &Value) -> String {
        let id = self.ids.next("person");
        let mut details = params.clone();
        let mut metadata = Map::new();
        if let Some(fields) = details.as_object_mut() {
            change_metadata(&mut metadata, fields.remove("metadata").as_ref());
            fields.remove("expand");
        }
        let person = Person { id: id.clone(), created: self.now, details, metadata };
        self.made.push(id.clone());
        self.change_account(account, |account| account.persons.add(person));
        if let Ok(view) = self.person(account, &id) {
            self.emit(account, "person.created", view);
        }
        id
    }

    pub fn person(&self, account: &str, id: &str) -> Result<Value, Refusal> {
        let account = self.connected(account)?;
        let person = account.persons.get(id).ok_or_else(|| Refusal::not_found("person", id))?;
        Ok(person.view(account, self.now))
    }

    pub fn update_person(
        &mut self,
        account: &str,
        id: &str,
        params: &Value,
    ) -> Result<Value, Refusal> {
        self.may_touch_persons(account)?;
        self.person(account, id)?;
        self.change_person(account, id, params);
        self.details_changed(account);
        self.person(account, id)
    }

    /// Puts details over those of a person, whoever gave them.
    pub fn change_person(&mut self, account: &str, id: &str, params: &Value) {
        let id = id.to_owned();
        self.change_account(account, |account| {
            let Some(person) = account.persons.get_mut(&id) else { return };
            let mut update = params.clone();
            if let Some(fields) = update.as_object_mut() {
                change_metadata(&mut person.metadata, fields.remove("metadata").as_ref());
                fields.remove("expand");
            }
            merge(&mut person.details, &update);
        });
    }

    pub fn delete_person(&mut self, account: &str, id: &str) -> Result<Value, Refusal> {
        self.may_touch_persons(account)?;
        let gone = self.person(account, id)?;
        let id = id.to_owned();
        self.change_account(account, |account| drop(account.persons.remove(&id)));
        self.emit(account, "person.deleted", gone);
        Ok(json!({ "id": id, "object": "person", "deleted": true }))
    }
}
