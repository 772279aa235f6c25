//! Accounts: creation, onboarding, checks, requirements.

use serde_json::{Value, json};

use super::*;
use crate::sandbox::world::onboarding::{Choice, Step};

impl Scene {
    fn account(&mut self, id: &str) -> Value {
        self.ok(&format!("GET /v1/accounts/{id}"), "")
    }

    /// The account and the token of a new link's URL.
    fn link(&mut self, account: &str) -> (String, String) {
        let form = format!(
            "account={account}&type=account_onboarding&refresh_url=http://a.example/refresh&return_url=https://a.example/return"
        );
        let link = self.ok("POST /v1/account_links", &form);
        let url = text(&link, "url");
        let mut parts = url.rsplit('/').map(str::to_owned);
        let token = parts.next().unwrap();
        assert_eq!(link["expires_at"], json!(self.now + 300));
        (parts.next().unwrap(), token)
    }

    fn follow(&mut self, link: &(String, String)) -> Step {
        self.sandbox.world.follow_link(&link.0, &link.1)
    }
}

#[track_caller]
fn leaves_to(step: &Step, url: &str) {
    assert!(matches!(step, Step::Leave(to) if to == url), "{step:?}");
}

#[test]
fn an_account_of_the_guide_begins_with_everything_due() {
    let mut scene = Scene::new();
    let account = scene.ok("POST /v1/accounts", EXPRESS);
    assert_eq!(account["type"], "none");
    assert_eq!(account["controller"]["requirement_collection"], "stripe");
    assert_eq!(
        account["capabilities"],
        json!({"card_payments": "inactive", "transfers": "inactive"})
    );
    assert_eq!(account["details_submitted"], false);
    let due = &account["requirements"]["currently_due"];
    assert!(due.as_array().unwrap().contains(&json!("business_type")), "{due}");
    assert_eq!(scene.kinds(account["id"].as_str()), ["capability.updated"; 2]);
    let legacy = scene.ok("POST /v1/accounts", "type=express&country=DE");
    assert_eq!((&legacy["type"], &legacy["default_currency"]), (&json!("express"), &json!("eur")));
    assert_eq!(legacy["controller"]["fees"]["payer"], "application_express");
    let default = scene.ok("POST /v1/accounts", "");
    assert_eq!(default["controller"]["stripe_dashboard"]["type"], "full");
    assert_eq!(default["controller"]["losses"]["payments"], "stripe");
}

#[test]
fn an_account_that_stripe_would_not_make_is_refused() {
    let mut scene = Scene::new();
    let only_transfers = "capabilities[transfers][requested]=true";
    let none = "controller[stripe_dashboard][type]=none";
    for (form, param, words) in [
        (&*format!("{EXPRESS}&{only_transfers}"), "capabilities", "for accounts in US"),
        (&format!("{EXPRESS}&{only_transfers}&country=DE"), "capabilities", "needs approval"),
        (&format!("{EXPRESS}&country=XX"), "country", "not currently supported"),
        (&format!("{EXPRESS}&country=PH"), "country", "not currently supported"),
        (none, "capabilities", "Missing required param"),
        (&format!("{EXPRESS}&type=express"), "type", "together"),
        (
            &format!("{EXPRESS}&controller[requirement_collection]=application"),
            "controller[requirement_collection]",
            "must be `none`",
        ),
        (
            &format!("{EXPRESS}&tos_acceptance[date]=1&tos_acceptance[ip]=1.1.1.1"),
            "tos_acceptance",
            "cannot accept the Terms of Service",
        ),
        (
            &format!("{EXPRESS}&tos_acceptance[service_agreement]=recipient"),
            "tos_acceptance[service_agreement]",
            "US",
        ),
        (&format!("{EXPRESS}&external_account=btok_nothing"), "external_account", "No such token"),
    ] {
        let refused = scene.refused("POST /v1/accounts", form);
        assert_eq!(refused["param"], json!(param), "{form}: {refused}");
        assert!(text(&refused, "message").contains(words), "{form}: {refused}");
    }
    let mut strict = Scene::with(Settings { recipients_approved: false, ..Settings::default() });
    let form = format!("{EXPRESS}&country=MX&tos_acceptance[service_agreement]=recipient");
    assert!(
        text(&strict.refused("POST /v1/accounts", &form), "message").contains("needs approval")
    );
    assert_eq!(
        scene.ok("POST /v1/accounts", &form)["capabilities"],
        json!({"transfers": "inactive"})
    );
}

#[test]
fn a_link_lets_somebody_in_once_and_not_for_long() {
    let mut scene = Scene::new();
    let id = text(&scene.ok("POST /v1/accounts", EXPRESS), "id");
    let link = scene.link(&id);
    assert!(matches!(scene.follow(&link), Step::Form(_)));
    leaves_to(&scene.follow(&link), "http://a.example/refresh");
    let late = scene.link(&id);
    scene.advance(300);
    leaves_to(&scene.follow(&late), "http://a.example/refresh");
    let rejected = scene.link(&id);
    scene.ok(&format!("POST /v1/accounts/{id}/reject"), "reason=other");
    leaves_to(&scene.follow(&rejected), "http://a.example/refresh");
    assert!(matches!(scene.follow(&(id, "guessed".to_owned())), Step::NoSuchLink));
}

#[test]
fn a_link_that_makes_no_sense_is_refused() {
    let mut scene = Scene::new();
    let id = text(&scene.ok("POST /v1/accounts", EXPRESS), "id");
    let urls = "refresh_url=http://a.example&return_url=http://a.example";
    for (form, param, code) in [
        (
            format!("account={id}&type=account_onboarding&refresh_url=http://a.example"),
            "return_url",
            Some("parameter_missing"),
        ),
        (
            format!("account={id}&type=account_onboarding&return_url=x&{urls}")
                .replace("http://a.example&return_url=http://a.example", "x"),
            "refresh_url",
            Some("url_invalid"),
        ),
        (format!("account={id}&type=account_update&{urls}"), "type", None),
        (format!("account={id}&type=other&{urls}"), "type", None),
        (
            format!("account=acct_x&type=account_onboarding&{urls}"),
            "account",
            Some("resource_missing"),
        ),
    ] {
        let refused = scene.refused("POST /v1/account_links", &form);
        let found = (refused["param"].as_str(), refused["code"].as_str());
        assert_eq!(found, (Some(param), code), "{form}");
    }
}

#[test]
fn somebody_goes_through_the_form_step_by_step() {
    let mut scene = Scene::new();
    let id = text(&scene.ok("POST /v1/accounts", EXPRESS), "id");
    let link = scene.link(&id);
    let (account, token) = (&*link.0, &*link.1);
    let Step::Form(form) = scene.follow(&link) else { panic!("no form") };
    assert_eq!(form.fields.iter().map(|f| &*f.path).collect::<Vec<_>>(), ["business_type"]);
    let answers = [("business_type".to_owned(), "individual".to_owned())].into();
    let step = scene.sandbox.world.fill_in((account, token), &form.visit, &answers, Choice::Submit);
    let Step::Form(form) = step else { panic!("no second page: {step:?}") };
    assert!(form.is_last && form.fields.len() > 15, "{form:?}");
    let mut answers: std::collections::BTreeMap<String, String> =
        form.fields.iter().map(|f| (f.path.clone(), f.example.to_owned())).collect();
    answers.insert("individual.email".to_owned(), "nobody".to_owned());
    answers.remove("terms");
    let fill = |scene: &mut Scene, answers: &_| {
        scene.sandbox.world.fill_in((account, token), &form.visit, answers, Choice::Submit)
    };
    let Step::Form(again) = fill(&mut scene, &answers) else { panic!("it was taken") };
    assert_eq!(again.problems.keys().collect::<Vec<_>>(), ["individual.email", "terms"]);
    assert!(again.fields.iter().any(|f| f.path == "individual.first_name" && f.value == "Jenny"));
    answers.insert("individual.email".to_owned(), "jenny@example.com".to_owned());
    answers.insert("terms".to_owned(), "yes".to_owned());
    leaves_to(&fill(&mut scene, &answers), "https://a.example/return");
    leaves_to(&fill(&mut scene, &answers), "http://a.example/refresh");
    let shown = scene.account(&id);
    assert_eq!(shown["details_submitted"], true);
    assert_eq!(shown["requirements"]["disabled_reason"], "requirements.pending_verification");
    assert_eq!(shown["capabilities"]["transfers"], "pending");
    assert_eq!(shown.get("individual"), None, "the platform does not see who it is any more");
    scene.advance(3);
    let shown = scene.account(&id);
    assert_eq!(shown["capabilities"]["transfers"], "active");
    assert_eq!(
        (&shown["payouts_enabled"], &shown["charges_enabled"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(shown["requirements"]["eventually_due"], json!(["individual.id_number"]));
    let told = scene.last_event("account.updated");
    let previous = &told["data"]["previous_attributes"];
    assert_eq!(previous["payouts_enabled"], false);
    assert_eq!(
        previous["capabilities"],
        json!({"card_payments": "pending", "transfers": "pending"})
    );
    assert_eq!(previous.get("country"), None);
}

#[test]
fn who_saves_for_later_finds_it_again() {
    let mut scene = Scene::new();
    let id =
        text(&scene.ok("POST /v1/accounts", &format!("{EXPRESS}&business_type=individual")), "id");
    let link = scene.link(&id);
    let Step::Form(form) = scene.follow(&link) else { panic!("no form") };
    let answers = [("individual.first_name", "Ada"), ("individual.email", "not one")]
        .map(|(path, value)| (path.to_owned(), value.to_owned()));
    let place = (&*link.0, &*link.1);
    let step =
        scene.sandbox.world.fill_in(place, &form.visit, &answers.into(), Choice::SaveForLater);
    leaves_to(&step, "https://a.example/return");
    assert_eq!(scene.account(&id)["details_submitted"], false);
    let link = scene.link(&id);
    let Step::Form(form) = scene.follow(&link) else { panic!("no form") };
    let value = |path: &str| form.fields.iter().find(|f| f.path == path).unwrap().value.clone();
    assert_eq!(
        (value("individual.first_name"), value("individual.email")),
        ("Ada".to_owned(), String::new())
    );
}

#[test]
fn prefill_comes_before_the_first_link() {
    let mut scene = Scene::new();
    let id = text(&scene.ok("POST /v1/accounts", EXPRESS), "id");
    let persons = format!("POST /v1/accounts/{id}/persons");
    let person =
        scene.ok(&persons, "first_name=Jane&last_name=Diaz&relationship[representative]=true");
    assert_eq!(scene.kinds(Some(&id)).last(), Some(&"person.created"));
    assert!(
        text(&scene.refused(&persons, "relationship[representative]=true"), "message")
            .contains("only be one")
    );
    let update = format!("POST /v1/accounts/{id}/persons/{}", text(&person, "id"));
    assert_eq!(scene.ok(&update, "email=jane@example.com")["email"], "jane@example.com");
    assert_eq!(
        scene.last_event("person.updated")["data"]["previous_attributes"],
        json!({"email": null})
    );
    scene.link(&id);
    assert_eq!(scene.send(call(&persons, "first_name=J")).status, 403);
    assert_eq!(scene.send(call(&update, "first_name=J")).status, 403);
    let account = format!("POST /v1/accounts/{id}");
    assert_eq!(scene.refused(&account, "individual[first_name]=J")["param"], "individual");
    assert_eq!(scene.ok(&account, "metadata[a]=b")["metadata"], json!({"a": "b"}));
}

/// What the holder gives, and what comes of it when the checks have ended.
#[test]
fn test_values_decide_what_the_checks_find() {
    struct Found<'a>(&'a [&'a str], Option<&'a str>, bool, bool);
    let soon = |due| Found(due, None, true, true);
    for (values, Found(due, reason, charges, payouts)) in [
        (&[][..], soon(&[])),
        (&[("individual.ssn_last_4", "1111")], soon(&["individual.id_number"])),
        (
            &[("individual.dob.year", "1990")],
            Found(
                &["individual.verification.document"],
                Some("requirements.past_due"),
                false,
                false,
            ),
        ),
        (&[("individual.dob.year", "1900")], Found(&[], Some("listed"), false, false)),
        (
            &[("individual.address.line1", "address_no_match")],
            Found(
                &["individual.verification.document"],
                Some("requirements.past_due"),
                false,
                false,
            ),
        ),
        (
            &[("individual.address.line1", "address_line1_no_match")],
            Found(&["individual.verification.document"], None, true, false),
        ),
        (
            &[("business_profile.url", "https://geoblocked.stripe.com")],
            soon(&["business_profile.url"]),
        ),
        (
            &[("business_profile.url", "https://inactivity.stripe.com")],
            Found(&[], None, false, false),
        ),
        (
            &[("external_account.account_number", "000999999992")],
            soon(&["documents.bank_account_ownership_verification.files"]),
        ),
        (
            &[("business_type", "company"), ("company.tax_id", "111111112")],
            soon(&["company.tax_id"]),
        ),
        (
            &[("business_type", "company"), ("company.name", "disallowed_name")],
            soon(&["company.name"]),
        ),
        (
            &[("business_type", "company"), ("company.address.line1", "address_line1_no_match")],
            Found(&["company.verification.document"], None, true, false),
        ),
    ] {
        let mut scene = Scene::new();
        let id = scene.payable_account(values);
        let shown = scene.account(&id);
        let requirements = &shown["requirements"];
        assert_eq!(requirements["currently_due"], json!(due), "{values:?}");
        assert_eq!(requirements["disabled_reason"], json!(reason), "{values:?}");
        let switches = (&shown["charges_enabled"], &shown["payouts_enabled"]);
        assert_eq!(switches, (&json!(charges), &json!(payouts)), "{values:?}");
        assert_eq!(requirements["errors"].as_array().unwrap().len(), due.len(), "{values:?}");
    }
}

#[test]
fn a_document_settles_what_the_checks_could_not() {
    let mut scene = Scene::new();
    let id = scene.payable_account(&[("individual.dob.year", "1990")]);
    assert_eq!(scene.account(&id)["payouts_enabled"], false);
    scene.onboard(&id, &[]);
    scene.advance(60);
    let shown = scene.account(&id);
    assert_eq!(
        (&shown["payouts_enabled"], &shown["requirements"]["errors"]),
        (&json!(true), &json!([]))
    );
}

#[test]
fn some_test_values_are_checked_at_once() {
    for values in [[("individual.dob.year", "1902")], [("individual.ssn_last_4", "2222")]] {
        let mut scene = Scene::new();
        let id = text(&scene.ok("POST /v1/accounts", EXPRESS), "id");
        scene.onboard(&id, &values);
        assert_eq!(scene.account(&id)["payouts_enabled"], true, "{values:?}");
    }
}

#[test]
fn what_is_due_by_a_deadline_stops_the_account_when_it_passes() {
    let mut scene = Scene::new();
    let id = scene.payable_account(&[("individual.ssn_last_4", "1111")]);
    let shown = scene.account(&id);
    let deadline = shown["requirements"]["current_deadline"].as_i64().unwrap();
    assert_eq!(shown["payouts_enabled"], true);
    scene.advance(deadline - scene.now);
    let shown = scene.account(&id);
    assert_eq!(shown["requirements"]["past_due"], json!(["individual.id_number"]));
    assert_eq!(shown["capabilities"]["transfers"], "inactive");
    let told = scene.last_event("account.updated");
    assert_eq!(told["data"]["previous_attributes"]["payouts_enabled"], true);
    scene.onboard(&id, &[("individual.ssn_last_4", "0000"), ("individual.id_number", "000000000")]);
    scene.advance(60);
    let shown = scene.account(&id);
    assert_eq!(shown["capabilities"]["transfers"], "active", "{shown:#}");
    assert_eq!(shown["requirements"]["eventually_due"], json!([]));
}

#[test]
fn whoever_drives_the_sandbox_can_ask_for_more() {
    let mut scene = Scene::new();
    let id = scene.payable_account(&[]);
    let order = json!({"demand": ["individual.id_number"], "deadline_seconds": 100});
    let shown = scene.sandbox.world.press_account(&id, &order).unwrap();
    check_shape(&shown);
    assert_eq!(shown["requirements"]["current_deadline"], json!(scene.now + 100));
    assert_eq!(shown["payouts_enabled"], true);
    scene.advance(100);
    assert_eq!(scene.account(&id)["payouts_enabled"], false);
    let shown = scene.sandbox.world.press_account(&id, &json!({"demand": []})).unwrap();
    assert_eq!(shown["payouts_enabled"], true);
    let blocked = scene.sandbox.world.press_account(&id, &json!({"block_payouts": true})).unwrap();
    assert_eq!(
        (&blocked["payouts_enabled"], &blocked["charges_enabled"]),
        (&json!(false), &json!(true))
    );
    let form = call("POST /v1/payouts", "amount=1&currency=usd");
    let answer = scene.send(Call { account: Some(id), ..form });
    assert_eq!(answer.body["error"]["code"], "payouts_not_allowed");
}

#[test]
fn an_address_can_ask_for_future_requirements() {
    let mut scene = Scene::new();
    let email = "enforce_future_requirements@example.com";
    let id = scene.payable_account(&[("individual.email", email)]);
    let future = &scene.account(&id)["future_requirements"];
    assert_eq!(future["currently_due"], json!(["individual.verification.document"]));
    assert!(future["current_deadline"].is_i64());
}

#[test]
fn where_the_platform_collects_giving_everything_submits_it() {
    let mut scene = Scene::new();
    let form = [
        "type=custom",
        "capabilities[transfers][requested]=true",
        "capabilities[card_payments][requested]=true",
        "business_type=individual",
        "business_profile[mcc]=7299",
        "business_profile[url]=https://accessible.stripe.com",
        "individual[first_name]=Jenny",
        "individual[last_name]=Rosen",
        "individual[email]=j@example.com",
        "individual[phone]=0000000000",
        "individual[dob][day]=1",
        "individual[dob][month]=1",
        "individual[dob][year]=1901",
        "individual[address][line1]=address_full_match",
        "individual[address][city]=x",
        "individual[address][state]=CA",
        "individual[address][postal_code]=94080",
        "individual[id_number]=000000000",
        "external_account=btok_us",
    ];
    let form = form.join("&");
    let id = text(&scene.ok("POST /v1/accounts", &form), "id");
    let shown = scene.account(&id);
    assert_eq!(
        shown["requirements"]["currently_due"],
        json!(["tos_acceptance.date", "tos_acceptance.ip"])
    );
    assert_eq!(shown["individual"]["id_number_provided"], true);
    let terms = "tos_acceptance[date]=1790000000&tos_acceptance[ip]=8.8.8.8";
    assert_eq!(scene.ok(&format!("POST /v1/accounts/{id}"), terms)["details_submitted"], true);
    scene.advance(60);
    let shown = scene.account(&id);
    assert_eq!(
        (&shown["payouts_enabled"], &shown["requirements"]["eventually_due"]),
        (&json!(true), &json!([]))
    );
    scene.ok(&format!("POST /v1/accounts/{id}"), "metadata[a]=b");
    assert_eq!(scene.account(&id)["requirements"]["pending_verification"], json!([]));
}

#[test]
fn capabilities_and_banks_are_read_and_changed() {
    let mut scene = Scene::new();
    let id = text(&scene.ok("POST /v1/accounts", "type=express"), "id");
    let list = scene.ok(&format!("GET /v1/accounts/{id}/capabilities"), "");
    assert_eq!(list["data"].as_array().unwrap().len(), 2);
    let path = format!("/v1/accounts/{id}/capabilities/transfers");
    let cards = format!("POST {}", path.replace("transfers", "card_payments"));
    let refused = scene.refused(&cards, "requested=false");
    assert!(text(&refused, "message").contains("for accounts in US"), "{refused}");
    assert_eq!(scene.ok(&format!("POST {path}"), "requested=false")["status"], "unrequested");
    assert_eq!(scene.ok(&format!("GET {path}"), "")["requested"], false);
    let banks = format!("/v1/accounts/{id}/external_accounts");
    let bank = "external_account[object]=bank_account&external_account[country]=US&external_account[currency]=usd&external_account[account_number]=000123456789";
    let refused = scene.refused(&format!("POST {banks}"), bank);
    assert_eq!(refused["param"], "external_account[routing_number]");
    let first = scene.ok(
        &format!("POST {banks}"),
        &format!("{bank}&external_account[routing_number]=110000000"),
    );
    assert_eq!((&first["last4"], &first["default_for_currency"]), (&json!("6789"), &json!(true)));
    let second =
        scene.ok(&format!("POST {banks}"), "external_account=btok_us&default_for_currency=true");
    let of = |bank: &Value| format!("{banks}/{}", bank["id"].as_str().unwrap());
    assert_eq!(scene.ok(&format!("GET {}", of(&first)), "")["default_for_currency"], false);
    assert!(scene.send(call(&format!("DELETE {}", of(&second)), "")).status == 400);
    assert_eq!(scene.ok(&format!("DELETE {}", of(&first)), "")["deleted"], true);
    assert_eq!(scene.kinds(Some(&id)).last(), Some(&"account.external_account.deleted"));
    assert_eq!(
        scene.ok(&format!("GET {banks}"), "")["data"],
        json!([scene.ok(&format!("GET {}", of(&second)), "")])
    );
}

#[test]
fn an_account_is_deleted_when_it_holds_nothing() {
    let mut scene = Scene::new();
    let id = scene.payable_account(&[]);
    scene.fund(5);
    let form = format!("amount=5&currency=usd&destination={id}");
    scene.ok("POST /v1/transfers", &form);
    let delete = format!("DELETE /v1/accounts/{id}");
    assert_eq!(scene.refused(&delete, "")["code"], "account_invalid");
    scene.ok_for(&id, "POST /v1/payouts", "amount=5&currency=usd");
    assert_eq!(scene.ok(&delete, "")["deleted"], true);
    assert_eq!(scene.kinds(Some(&id)).last(), Some(&"account.application.deauthorized"));
    assert_eq!(scene.send(call(&format!("GET /v1/accounts/{id}"), "")).status, 403);
    assert_eq!(scene.ok("GET /v1/accounts", "")["data"], json!([]));
}
