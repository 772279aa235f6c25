use serde_json::json;

use super::*;

fn account() -> Value {
    json!({
        "id": "acct_1TQx8RGh4NwJ6pLd",
        "livemode": false,
        "status": "restricted",
        "payable": false,
        "next_action": "collect_information",
        "blockers": ["individual.verification.document", "individual.id_number", "external_account"],
        "deadline": 1_793_000_000,
        "country": null,
        "explanation": "May not be paid: Stripe asks for individual.verification.document, individual.id_number and external_account (past due).",
        "ambiguous": true,
        "as_of": { "event_id": "evt_1TQx8RGh4NwJ6pLd00000000", "created": 1_792_999_999, "recorded_at": "x" },
        "version": 3,
    })
}

fn entries() -> Vec<Value> {
    vec![
        json!({
            "event_id": "evt_1TQx8RGh4NwJ6pLd00000000",
            "type": "account.application.deauthorized",
            "created": 1_792_999_999,
            "step": "first",
            "changes": {
                "status": [null, "complete"],
                "payable": [null, true],
                "requirements": [null, { "currently_due": [], "past_due": [] }],
                "blockers": [null, []],
            },
        }),
        json!({
            "event_id": "evt_2",
            "type": "account.updated",
            "created": 1_793_000_000,
            "step": "advance",
            "arrived_late": true,
            "ambiguous": true,
            "changes": {
                "status": ["complete", "restricted"],
                "payable": [true, false],
                "deadline": [null, 1_793_000_001],
                "blockers": [[], ["individual.verification.document", "individual.id_number"]],
                "requirements": [
                    { "currently_due": [], "past_due": [], "current_deadline": null },
                    { "currently_due": ["x"], "past_due": [], "current_deadline": 1_793_000_001 },
                ],
            },
        }),
        json!({ "event_id": "evt_3", "type": "x", "created": 1, "step": "repeat", "changes": {} }),
    ]
}

#[test]
fn no_name_of_a_field_steers_the_terminal() {
    let entry = json!({
        "event_id": "evt_1", "type": "account.updated", "created": 1, "step": "advance",
        "changes": { "capabilities": [{}, { "x\u{1b}[2J\u{7}": "active" }] },
    });
    let shown = show("acct_1\r", &account(), &[entry], 100);
    let odd = shown.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(odd, None, "{shown}");
    assert!(shown.contains("active"), "{shown}");
}

#[test]
fn the_table_fits_the_screen_whatever_its_width() {
    for width in WIDTHS {
        let text = show("account acct_1TQx8RGh4NwJ6pLd", &account(), &entries(), width);
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
        }
    }
}

/// What the table says, without what depends on its width.
fn said() -> String {
    let text = show("account acct_1", &account(), &entries(), *WIDTHS.end());
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

#[test]
fn the_head_says_what_is_and_why() {
    let said = said();
    for expected in [
        "account acct_1, test mode\n",
        "status restricted\n",
        "payable no\n",
        "explanation May not be paid: Stripe asks for",
        "next action collect_information\n",
        "blockers individual.verification.document, individual.id_number, external_account\n",
        "deadline 2026-10-26 07:33:20\n",
        "as of evt_1TQx8RGh4NwJ6pLd00000000, created 2026-10-26 07:33:19\n",
        "ambiguous yes\n",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
    assert!(!said.contains("country"), "what is not known is left out: {said}");
}

#[test]
fn an_entry_says_when_what_and_how_and_what_changed() {
    let said = said();
    for expected in [
        "time (UTC) event step what changed\n",
        "2026-10-26 account.application.deauthorized first status: complete\n",
        "07:33:19 evt_1TQx8RGh4NwJ6pLd00000000 payable: yes\n",
        "requirements: 2 fields\n",
        "2026-10-26 account.updated advance status: complete -> restricted\n",
        "07:33:20 evt_2 late payable: yes -> no\n",
        "ambiguous deadline: none -> 2026-10-26 07:33:21\n",
        "requirements.currently_due: none -> x\n",
        "requirements.current_deadline: none -> 2026-10-26",
        "1970-01-01 x repeat nothing\n",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
    for hidden in ["past_due: none", "blockers: none\n"] {
        assert!(!said.contains(hidden), "{hidden:?} is in\n{said}");
    }
}

#[test]
fn values_are_readable_harmless_and_short() {
    for (name, value, expected) in [
        ("x", json!(null), "none"),
        ("x", json!([]), "none"),
        ("x", json!(["a", "b"]), "a, b"),
        ("x", json!(12), "12"),
        ("created", json!(0), "1970-01-01 00:00:00"),
        ("x", json!({ "a": 1 }), r#"{"a":1}"#),
        (
            "available",
            json!([{ "amount": 1200, "currency": "usd", "source_types": { "card": 1200 } }]),
            "1200 usd",
        ),
        (
            "pending",
            json!([{ "amount": -5, "currency": "eur" }, { "amount": 0, "currency": "usd" }]),
            "-5 eur, 0 usd",
        ),
        ("x", json!("\u{1b}[31mred\n"), " [31mred "),
    ] {
        assert_eq!(shown(name, &value), expected, "{value}");
    }
    assert_eq!(short("x", &json!(["a", "b"])), "a, b");
    assert_eq!(short("x", &json!(["a", "b", "c", "d"])), "a and 3 more");
    let long = shorten(&"é".repeat(100));
    assert_eq!(long.chars().count(), LONGEST_VALUE);
    assert!(long.ends_with("é..."));
}
