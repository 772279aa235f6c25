//! What a row of the table of endpoints says. Routes are made from it, and so is the description
//! of the API: what is not in the table is not served.

use actix_web::http::Method;
use actix_web::web::ServiceConfig;
use actix_web::{Resource, Route, guard, web};

use crate::http::error::{ApiError, Code};
use crate::token::Role;

/// What all may answer that have something done at Stripe.
const ASKED_OF_STRIPE: [Code; 15] = [
    Code::InvalidBody,
    Code::InvalidRequest,
    Code::InvalidAtStripe,
    Code::IdempotencyKeyMissing,
    Code::IdempotencyKeyInvalid,
    Code::IdempotencyMismatch,
    Code::AccountUnknown,
    Code::NotPossible,
    Code::NotDone,
    Code::RefusedByStripe,
    Code::StripeUnreachable,
    Code::StripeKeyMissing,
    Code::StripeRefused,
    Code::NotSent,
    Code::OutcomeUnknown,
];

/// Endpoints that belong together.
pub struct Group {
    pub name: &'static str,
    pub about: &'static str,
    pub endpoints: &'static [Endpoint],
}

/// A method of a path.
pub struct Endpoint {
    pub verb: Verb,
    pub path: &'static str,
    pub summary: &'static str,
    /// More about it; may be empty.
    pub about: &'static str,
    pub access: Access,
    pub parameters: &'static [Parameter],
    pub body: Body,
    pub answers: &'static [Answer],
    /// Its own problems, beside those that follow from the rest of the row.
    pub problems: &'static [Code],
    route: fn() -> Route,
}

/// `Get` answers HEAD, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Get,
    Post,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Everyone,
    /// Who signs with a webhook secret.
    Signed,
    Token(Role),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Query,
    Header,
}

pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub required: bool,
    pub about: &'static str,
    pub shape: Shape,
}

/// What a parameter may be.
#[derive(Clone, Copy)]
pub enum Shape {
    Text,
    /// A text that is not empty.
    Id,
    /// Printable ASCII of so many characters at most.
    Key(usize),
    Boolean,
    /// An RFC 3339 time.
    Time,
    Number(u64, u64),
    Words(fn() -> Vec<&'static str>),
}

/// What is sent with a request; the names are those of schemas.
#[derive(Clone, Copy)]
pub enum Body {
    None,
    Optional(&'static str),
    Required(&'static str),
}

/// An answer that is not a problem; the names are those of schemas.
#[derive(Clone, Copy)]
pub enum Answer {
    Json(u16, &'static str, &'static str),
    /// With an `ETag`: who has it already hears 304.
    Tagged(&'static str, &'static str),
    /// Of this type.
    Raw(&'static str, &'static str),
}

impl Verb {
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
        }
    }

    fn allowed(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
        }
    }
}

impl Access {
    pub fn role(self) -> Option<Role> {
        match self {
            Self::Everyone | Self::Signed => None,
            Self::Token(role) => Some(role),
        }
    }
}

impl Parameter {
    pub const fn new(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, place: Place::Query, required: false, about, shape }
    }

    pub const fn header(name: &'static str, shape: Shape, about: &'static str) -> Self {
        Self { name, place: Place::Header, required: false, about, shape }
    }

    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

impl Endpoint {
    /// A read, for every role.
    pub(super) const fn get(
        path: &'static str,
        summary: &'static str,
        route: fn() -> Route,
    ) -> Self {
        Self {
            verb: Verb::Get,
            path,
            summary,
            about: "",
            access: Access::Token(Role::Reader),
            parameters: &[],
            body: Body::None,
            answers: &[],
            problems: &[],
            route,
        }
    }

    pub(super) const fn post(
        path: &'static str,
        summary: &'static str,
        role: Role,
        route: fn() -> Route,
    ) -> Self {
        Self { verb: Verb::Post, access: Access::Token(role), ..Self::get(path, summary, route) }
    }

    pub(super) const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    pub(super) const fn access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    pub(super) const fn takes(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    pub(super) const fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    pub(super) const fn answers(self, answers: &'static [Answer]) -> Self {
        Self { answers, ..self }
    }

    pub(super) const fn problems(self, problems: &'static [Code]) -> Self {
        Self { problems, ..self }
    }

    /// The names in its path: `id` of `/v1/accounts/{id}`.
    pub fn path_names(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// The parameters of this place.
    pub fn parameters_in(&self, place: Place) -> impl Iterator<Item = &'static Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.place == place)
    }

    /// All problems that it may answer with, in the order of the table of codes.
    pub fn all_problems(&self) -> Vec<Code> {
        let mut problems = self.problems.to_vec();
        problems.extend([Code::TlsRequired, Code::HeadersTooLarge]);
        match self.access {
            Access::Everyone => {}
            Access::Signed => problems.extend([Code::NetworkNotAllowed, Code::Overloaded]),
            Access::Token(role) => {
                problems.extend([Code::InvalidParameter, Code::Unauthorized, Code::ForeignPage]);
                problems.extend([Code::TooManyAttempts, Code::Overloaded]);
                problems.extend((role != Role::Reader).then_some(Code::Forbidden));
                problems.extend([Code::StoreUnavailable, Code::StoreDamaged]);
                if role == Role::Payer {
                    problems.extend(ASKED_OF_STRIPE);
                }
            }
        }
        if !matches!(self.body, Body::None) {
            problems.extend([Code::BodyTooLarge, Code::BodyUnreadable, Code::RequestTimeout]);
        }
        if self.path_names().next().is_some() {
            problems.push(Code::NotFound);
        }
        problems.sort_unstable();
        problems.dedup();
        problems
    }

    fn route(&self) -> Route {
        let route = (self.route)();
        match self.verb {
            Verb::Get => route.guard(guard::Any(guard::Get()).or(guard::Head())),
            Verb::Post => route.method(Method::POST),
        }
    }
}

/// Serves what the table says, each path once, in its order.
pub(super) fn serve(table: &[&Group], config: &mut ServiceConfig) {
    let endpoints: Vec<&Endpoint> = table.iter().flat_map(|group| group.endpoints).collect();
    let mut served: Vec<&str> = Vec::new();
    for Endpoint { path, .. } in &endpoints {
        if served.contains(path) {
            continue;
        }
        served.push(path);
        let here = endpoints.iter().filter(|endpoint| endpoint.path == *path);
        config.service(resource(path, here.copied().collect()));
    }
}

fn resource(path: &str, endpoints: Vec<&Endpoint>) -> Resource {
    let allowed: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.verb.allowed()).collect();
    let allow = allowed.join(", ");
    let refusal = move || {
        std::future::ready(Err::<&str, _>(ApiError::MethodNotAllowed { allow: allow.clone() }))
    };
    let resource = web::resource(path).default_service(web::to(refusal));
    endpoints.into_iter().fold(resource, |resource, endpoint| resource.route(endpoint.route()))
}
