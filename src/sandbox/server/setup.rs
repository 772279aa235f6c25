//! The hosted onboarding over HTTP: a link that is followed, a form that is sent.

use std::collections::BTreeMap;

use actix_web::http::{Method, header};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use crate::sandbox::server::page;
use crate::sandbox::server::shared::Shared;
use crate::sandbox::world::onboarding::{Choice, Step};

pub(super) async fn handle(
    request: HttpRequest,
    place: Path<(String, String)>,
    body: Bytes,
    shared: Data<Shared>,
) -> HttpResponse {
    let (account, token) = place.into_inner();
    let step = match *request.method() {
        Method::GET => shared.with(|sandbox| sandbox.world.follow_link(&account, &token)),
        Method::POST => {
            let pairs: Vec<(String, String)> =
                serde_urlencoded::from_bytes(&body).unwrap_or_default();
            let mut answers: BTreeMap<String, String> = pairs.into_iter().collect();
            let visit = answers.remove("visit").unwrap_or_default();
            let choice = match answers.remove("choice").as_deref() {
                Some("later") => Choice::SaveForLater,
                Some("test") => Choice::UseTestValues,
                Some(_) | None => Choice::Submit,
            };
            shared
                .with(|sandbox| sandbox.world.fill_in((&account, &token), &visit, &answers, choice))
        }
        // Whoever only looks whether the link is there does not use it up.
        _ => return HttpResponse::Ok().finish(),
    };
    show(step)
}

fn show(step: Step) -> HttpResponse {
    match step {
        Step::Form(form) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .insert_header((header::REFERRER_POLICY, "no-referrer"))
            .body(page::form(&form)),
        Step::Leave(url) => HttpResponse::SeeOther()
            .insert_header((header::LOCATION, url))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
        Step::NoSuchLink => HttpResponse::NotFound()
            .content_type("text/html; charset=utf-8")
            .body(page::no_such_link()),
    }
}
