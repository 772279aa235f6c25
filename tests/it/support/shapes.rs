//! What Stripe's objects and requests look like: objects that come from it, or from its stand-in,
//! and requests that go to it, are held against the same tables.

use bursar::sandbox::api::{params, routes};
use bursar::sandbox::form;
use bursar::sandbox::shapes::OBJECTS;
use serde_json::Value;

/// The object, or each of a list, has every field that it must and no other, of the right kinds;
/// an event's object, too.
#[track_caller]
pub(crate) fn assert_object(object: &Value) {
    match object["object"].as_str() {
        Some("list") => {
            let items = object["data"].as_array().expect("the list's data");
            items.iter().for_each(assert_object);
        }
        Some("event") => {
            assert_eq!(OBJECTS.problems(object), Vec::<String>::new(), "{object:#}");
            assert_object(&object["data"]["object"]);
        }
        // It comes from Connect, not from the calls.
        Some("application") => {}
        Some(_) | None => {
            assert_eq!(OBJECTS.problems(object), Vec::<String>::new(), "{object:#}");
        }
    }
}

/// A call like this is one that Stripe knows, with parameters that it takes.
#[track_caller]
pub(crate) fn assert_request(method: &str, path: &str, form: &str) {
    let route = routes::find(method, path);
    let route = route.unwrap_or_else(|| panic!("{method} {path}: Stripe has no such call"));
    if let Err(refusal) = params::read(route.call, &form::decode(form)) {
        panic!("{method} {path} {form}: {}", refusal.message);
    }
}
