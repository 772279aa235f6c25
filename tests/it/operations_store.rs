//! Operations as a store keeps them: once, fenced, found by all their names, and the same after
//! whatever happens to the store.

use std::sync::Arc;

use bursar::domain::Json;
use bursar::domain::operation::{
    Action, Happening, Operation, OperationState, Params, Reason, Request, Settled, Tag,
};
use bursar::domain::time::Timestamp;
use bursar::pipeline::portable::{self, Defaults, Imported};
use bursar::store::embedded::Embedded;
use bursar::store::{Advanced, Begun, OperationFilter, OperationName, SharedStore, Slice, Store};
use serde_json::{Value, json};

use crate::process::Place;
use crate::support::events::{topup, transfer, with};
use crate::support::{TestApp, now};

const ALL: Slice = Slice { from: None, limit: 500 };

fn request(id: &str, key: &str) -> Request {
    Request {
        id: id.to_owned(),
        livemode: false,
        action: Action::CreateTransfer,
        client_key: key.to_owned(),
        fingerprint: "print".to_owned(),
        by: "pat".to_owned(),
        subject: None,
        tag: None,
        params: Params(vec![("amount".to_owned(), "1000".to_owned())]),
        terms: None,
        warnings: vec![Reason::new("country_unknown", "its country is not known")],
    }
}

fn at() -> Timestamp {
    Timestamp(now() * 1_000_000)
}

fn wanted(id: &str, key: &str) -> Operation {
    Operation::new(request(id, key), at())
}

fn tagged(id: &str, key: &str, name: &str, exclusive: bool) -> Operation {
    let tag = Some(Tag { name: name.to_owned(), exclusive });
    Operation::new(Request { tag, ..request(id, key) }, at())
}

fn answered(object_id: &str) -> Happening {
    let object = Json(json!({ "id": object_id }).to_string());
    Happening::Answered { object_id: Some(object_id.to_owned()), object, request_id: None }
}

fn lost() -> Happening {
    Happening::Lost { reason: "hung up".to_owned(), request_id: Some("req_1".to_owned()) }
}

/// A store, and what is asked of it, one thing after the other.
struct Opened {
    app: TestApp,
    store: Arc<Embedded>,
}

impl Opened {
    fn new() -> Self {
        let mut app = TestApp::start();
        app.stop();
        let store = Arc::new(app.open());
        Self { app, store }
    }

    fn again(self) -> Self {
        let Self { app, store } = self;
        block_on(store.close()).unwrap();
        drop(store);
        let store = Arc::new(app.open());
        Self { app, store }
    }

    #[track_caller]
    fn begin(&self, operation: &Operation) -> Operation {
        match block_on(self.store.begin(operation.clone())).unwrap() {
            Begun::New(operation) => operation,
            other @ (Begun::Known(_) | Begun::Taken(_)) => panic!("{other:?}"),
        }
    }

    /// Takes these steps.
    #[track_caller]
    fn steps(&self, mut operation: Operation, happenings: Vec<Happening>) -> Operation {
        for happening in happenings {
            let next = operation.after(happening, at()).unwrap();
            match block_on(self.store.advance(next, operation.version)).unwrap() {
                Advanced::Recorded(recorded) => operation = recorded,
                Advanced::Overtaken(held) => panic!("{held:?}"),
            }
        }
        operation
    }

    fn deliver(&self, event: &Value) {
        let now = at();
        let body = event.to_string();
        let read = bursar::stripe::wire::read(body.as_bytes(), now).unwrap();
        let incoming =
            bursar::pipeline::receive::incoming(read, body.as_bytes(), "platform", now, false);
        block_on(self.store.commit(vec![incoming])).unwrap();
    }

    fn of(&self, id: &str) -> Operation {
        block_on(self.store.operation(false, id)).unwrap().unwrap()
    }

    fn ids(&self, filter: OperationFilter) -> Vec<String> {
        let page = block_on(self.store.operations(false, filter, ALL)).unwrap();
        page.items.into_iter().map(|operation| operation.id).collect()
    }

    /// Nothing differs from what the journal gives.
    #[track_caller]
    fn check(&self) {
        let check = self.store.check(10, &mut |_| {}).unwrap();
        assert_eq!(check.differences, Vec::<String>::new());
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}

#[test]
fn twenty_requests_with_one_key_begin_one_operation() {
    let opened = Opened::new();
    let begun: Vec<Begun> = std::thread::scope(|threads| {
        let asked: Vec<_> = (0..20)
            .map(|number| {
                let (store, operation) = (&opened.store, wanted(&format!("op_{number}"), "key"));
                threads.spawn(move || block_on(store.begin(operation)).unwrap())
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let new = begun.iter().filter(|begun| matches!(begun, Begun::New(_))).count();
    assert_eq!(new, 1);
    assert_eq!(opened.ids(OperationFilter::default()).len(), 1);
    // The other partition's keys are others.
    let live = Operation { livemode: true, ..wanted("op_live", "key") };
    assert!(matches!(block_on(opened.store.begin(live)).unwrap(), Begun::New(_)));
}

#[test]
fn of_two_who_step_at_the_same_time_one_is_overtaken() {
    let opened = Opened::new();
    let operation = opened.begin(&wanted("op_1", "key"));
    let sent = operation.after(Happening::Sent, at()).unwrap();
    let advance = || block_on(opened.store.advance(sent.clone(), operation.version)).unwrap();
    assert_eq!(advance(), Advanced::Recorded(sent.clone()));
    assert_eq!(advance(), Advanced::Overtaken(sent.clone()));
    assert_eq!(opened.of("op_1"), sent);
}

#[test]
fn every_step_is_there_after_a_new_start_and_after_a_rebuild() {
    let mut opened = Opened::new();
    let first = opened.begin(&wanted("op_1", "key_1"));
    let first = opened.steps(first, vec![Happening::Sent, lost()]);
    let second = opened.begin(&wanted("op_2", "key_2"));
    let second = opened.steps(second, vec![Happening::Sent, answered("tr_2")]);
    for _ in 0..2 {
        assert_eq!((opened.of("op_1"), opened.of("op_2")), (first.clone(), second.clone()));
        opened.check();
        opened = opened.again();
    }
    block_on(opened.store.close()).unwrap();
    std::fs::remove_dir_all(opened.app.store_folder().join("views")).unwrap();
    opened = opened.again();
    assert_eq!((opened.of("op_1"), opened.of("op_2")), (first, second));
}

#[test]
fn operations_are_found_by_key_tag_state_and_object() {
    let opened = Opened::new();
    let one = opened.begin(&tagged("op_1", "key_1", "reference:u7", true));
    opened.steps(one, vec![Happening::Sent, answered("tr_1")]);
    opened.begin(&wanted("op_2", "key_2"));
    let three = opened.begin(&wanted("op_3", "key_3"));
    opened.steps(three, vec![Happening::Sent, lost()]);

    let by = |name| block_on(opened.store.operation_named(false, name)).unwrap().map(|it| it.id);
    assert_eq!(by(OperationName::Key("key_2".to_owned())).as_deref(), Some("op_2"));
    assert_eq!(by(OperationName::Tag("reference:u7".to_owned())).as_deref(), Some("op_1"));
    assert_eq!(by(OperationName::Key("key_9".to_owned())), None);

    let of = |filter: OperationFilter| opened.ids(filter);
    let state = |state| OperationFilter { state: Some(state), ..OperationFilter::default() };
    assert_eq!(of(OperationFilter::default()), ["op_3", "op_2", "op_1"]);
    assert_eq!(of(state(OperationState::Unknown)), ["op_3"]);
    assert_eq!(of(state(OperationState::Succeeded)), ["op_1"]);
    let open = OperationFilter { open: true, oldest_first: true, ..OperationFilter::default() };
    assert_eq!(of(open), ["op_2", "op_3"]);
    let object = Some("tr_1".to_owned());
    assert_eq!(of(OperationFilter { object, ..OperationFilter::default() }), ["op_1"]);
    let summary = block_on(opened.store.summary(false)).unwrap();
    let count = |state| summary.operations.get(&state).copied().unwrap_or(0);
    assert_eq!(OperationState::ALL.map(count), [1, 0, 0, 1, 0, 1]);
    opened.check();
}

#[test]
fn a_list_goes_on_where_a_page_ended_from_either_end() {
    let opened = Opened::new();
    let all: Vec<String> = (0..7).map(|number| format!("op_{number}")).collect();
    for id in &all {
        opened.begin(&wanted(id, id));
    }
    for oldest_first in [true, false] {
        let (mut seen, mut from) = (Vec::new(), None);
        loop {
            let filter = OperationFilter { oldest_first, ..OperationFilter::default() };
            let slice = Slice { from, limit: 3 };
            let page = block_on(opened.store.operations(false, filter, slice)).unwrap();
            seen.extend(page.items.into_iter().map(|operation| operation.id));
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        if !oldest_first {
            seen.reverse();
        }
        assert_eq!(seen, all, "oldest first: {oldest_first}");
    }
}

#[test]
fn an_exclusive_tag_is_one_operations_until_that_is_refused() {
    let opened = Opened::new();
    let first = opened.begin(&tagged("op_1", "key_1", "reference:u7", true));
    let second = tagged("op_2", "key_2", "reference:u7", true);
    let taken = block_on(opened.store.begin(second.clone())).unwrap();
    assert_eq!(taken, Begun::Taken(first.clone()));
    let turned_down = Happening::TurnedDown { reasons: vec![Reason::new("x", "y")] };
    opened.steps(first, vec![turned_down]);
    opened.begin(&second);
    opened.check();
}

#[test]
fn a_shared_tag_tells_of_an_earlier_operation_that_was_not_refused() {
    let opened = Opened::new();
    let holder = || {
        let name = OperationName::Tag("same".to_owned());
        block_on(opened.store.operation_named(false, name)).unwrap().map(|it| it.id)
    };
    assert_eq!(holder(), None);
    let first = opened.begin(&tagged("op_1", "op_1", "same", false));
    let second = opened.begin(&tagged("op_2", "op_2", "same", false));
    assert_eq!(holder().as_deref(), Some("op_1"));
    opened.steps(second, vec![Happening::Sent, answered("tr_2")]);
    assert_eq!(holder().as_deref(), Some("op_2"));
    opened.steps(first, vec![Happening::TurnedDown { reasons: Vec::new() }]);
    assert_eq!(holder().as_deref(), Some("op_2"));
    opened.check();
}

/// An event that names the operation in its object's metadata.
fn tells_of(operation: &str, object_id: &str) -> Value {
    let metadata = json!({ "bursar_operation": operation });
    with(transfer(object_id, "created", 0), "data.object.metadata", metadata)
}

#[test]
fn an_event_settles_the_operation_that_made_its_object() {
    let opened = Opened::new();
    let operation = opened.begin(&wanted("op_1", "key"));
    opened.steps(operation, vec![Happening::Sent, lost()]);
    let event = tells_of("op_1", "tr_1");
    opened.deliver(&event);
    let settled = opened.of("op_1");
    assert_eq!(settled.state, OperationState::Succeeded);
    assert_eq!(settled.object_id.as_deref(), Some("tr_1"));
    let id = event["id"].as_str().unwrap().to_owned();
    assert_eq!(settled.settled, Some(Settled::Event { id }));
    assert_eq!(settled.params, None);
    opened.check();
    assert_eq!(opened.again().of("op_1"), settled);
}

#[test]
fn an_event_before_the_answer_joins_the_same_record() {
    let opened = Opened::new();
    let sent = opened.begin(&wanted("op_1", "key"));
    let sent = opened.steps(sent, vec![Happening::Sent]);
    opened.deliver(&tells_of("op_1", "tr_1"));
    let answer = sent.after(answered("tr_1"), at()).unwrap();
    let overtaken = block_on(opened.store.advance(answer, sent.version)).unwrap();
    let Advanced::Overtaken(held) = overtaken else { panic!("{overtaken:?}") };
    let joined = opened.steps(held, vec![answered("tr_1")]);
    assert_eq!(joined.state, OperationState::Succeeded);
    assert!(joined.object.is_some() && matches!(joined.settled, Some(Settled::Event { .. })));
    assert_eq!(opened.ids(OperationFilter::default()), ["op_1"]);
    opened.check();
}

#[test]
fn an_event_of_another_kind_of_object_settles_nothing() {
    let opened = Opened::new();
    let operation = opened.begin(&wanted("op_1", "key"));
    opened.steps(operation, vec![Happening::Sent, lost()]);
    let metadata = json!({ "bursar_operation": "op_1" });
    opened.deliver(&with(topup("tu_1", "created", "pending"), "data.object.metadata", metadata));
    assert_eq!(opened.of("op_1").state, OperationState::Unknown);
}

#[test]
fn operations_move_to_another_store_with_the_events() {
    let from = Opened::new();
    let first = from.begin(&tagged("op_1", "key_1", "reference:u7", true));
    let first = from.steps(first, vec![Happening::Sent, lost()]);
    from.deliver(&tells_of("op_2", "tr_2"));
    let second = from.begin(&wanted("op_2", "key_2"));
    assert_eq!(second.state, OperationState::Succeeded, "its event came before it");

    let to = Opened::new();
    let import = |lines: &[u8]| {
        let shared: SharedStore = to.store.clone();
        let defaults = Defaults { now: at(), livemode: false };
        let mut imported = Imported::default();
        let nothing = &mut |_| {};
        block_on(portable::import(&shared, lines, &defaults, &mut imported, nothing)).unwrap();
        imported
    };
    let export = || {
        let mut lines = Vec::new();
        let shared: SharedStore = from.store.clone();
        block_on(portable::export(&shared, &mut lines, &mut |_| {})).unwrap();
        lines
    };
    assert_eq!(import(&export()).operations, 2);
    assert_eq!((to.of("op_1"), to.of("op_2")), (first.clone(), second));
    assert_eq!(import(&export()).operations, 0, "all is known");
    let first = from.steps(first, vec![answered("tr_1")]);
    assert_eq!(import(&export()).operations, 1, "one has moved on");
    assert_eq!(to.of("op_1"), first);
    to.check();
}

#[test]
fn a_store_with_operations_is_verified_and_repaired_like_any_other() {
    let opened = Opened::new();
    let operation = opened.begin(&wanted("op_1", "key"));
    let operation = opened.steps(operation, vec![Happening::Sent, lost()]);
    opened.deliver(&tells_of("op_9", "tr_9"));
    block_on(opened.store.close()).unwrap();
    let Opened { app, store } = opened;
    drop(store);
    let folder = app.store_folder();
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let store = folder.to_str().unwrap();
        place.run(&[arguments, &["--store", store]].concat()).expect(0)
    };
    run(&["verify"]).says(&["4 journal records, 1 event (", "no faults"]);
    run(&["rebuild", "--check"]).says(&["no differences"]);
    run(&["repair"]).says(&["no damage"]);
    run(&["rebuild"]);
    let store = Arc::new(app.open());
    assert_eq!(block_on(store.operation(false, "op_1")).unwrap(), Some(operation));
}
