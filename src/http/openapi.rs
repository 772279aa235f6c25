//! The API's description, OpenAPI 3.1, made from the table of endpoints and from schemas.
//!
//! It depends on nothing but the program: every bursar of a version describes itself alike.

mod schema;
mod schemas;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use crate::http::endpoint::{Access, Answer, Body, Endpoint, Parameter, Place, Shape};
use crate::http::error::{ApiError, Code};
use crate::http::objects::respond;
use crate::http::table::TABLE;

static DOCUMENT: LazyLock<Value> = LazyLock::new(describe);

const ABOUT: &str = "bursar receives Stripe Connect's webhooks and keeps the one true status of \
     every connected account, top-up, transfer and payout.\n\nFields may be added to any answer, \
     and words to any list of words but statuses; take what you do not know as it comes. Amounts \
     are integers in minor units; `created` and other times of Stripe's are Unix seconds, all else \
     is RFC 3339 in UTC. Problems are `application/problem+json` (RFC 9457): go by `code`, show \
     `detail`. A parameter that an endpoint does not take is refused.";

/// The document.
pub fn described() -> &'static Value {
    &DOCUMENT
}

pub(super) async fn document(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    respond(&request, described())
}

fn describe() -> Value {
    let mut tags = Vec::new();
    let mut paths: Map<String, Value> = Map::new();
    for group in TABLE {
        tags.push(json!({ "name": group.name, "description": group.about }));
        for endpoint in group.endpoints {
            let path = paths.entry(endpoint.path).or_insert_with(|| json!({}));
            let described = operation(endpoint, group.name);
            if let Some(path) = path.as_object_mut() {
                path.insert(endpoint.verb.word().to_owned(), described);
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "bursar",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A webhook-driven processor for Stripe Connect payouts",
            "description": ABOUT,
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": { "token": {
                "type": "http",
                "scheme": "bearer",
                "description": "A token of BURSAR_TOKENS. Every role reads; `operator` and `payer` \
                                each do what the endpoints say.",
            }},
        },
    })
}

fn operation(endpoint: &Endpoint, group: &str) -> Value {
    let in_path = endpoint.path_names().map(|name| {
        json!({
            "name": name, "in": "path", "required": true,
            "schema": { "type": "string", "minLength": 1 },
        })
    });
    let parameters: Vec<Value> = in_path.chain(endpoint.parameters.iter().map(parameter)).collect();
    let mut described = json!({
        "operationId": operation_id(endpoint),
        "tags": [group],
        "summary": endpoint.summary,
        "description": endpoint.about,
        "security": security(endpoint.access),
        "parameters": parameters,
        "responses": responses(endpoint),
    });
    let body = match endpoint.body {
        Body::None => None,
        Body::Optional(schema) => Some((false, schema)),
        Body::Required(schema) => Some((true, schema)),
    };
    if let (Some((required, schema)), Some(members)) = (body, described.as_object_mut()) {
        let content = json!({ "application/json": { "schema": schema::of(schema) } });
        members
            .insert("requestBody".to_owned(), json!({ "required": required, "content": content }));
        if endpoint.about.is_empty() {
            members.remove("description");
        }
    }
    described
}

/// `get_v1_accounts_id_history`.
fn operation_id(endpoint: &Endpoint) -> String {
    let path: String = endpoint.path.chars().filter(|c| !matches!(c, '{' | '}')).collect();
    endpoint.verb.word().to_owned() + &path.replace(['/', '-', '.'], "_")
}

fn security(access: Access) -> Value {
    match access {
        Access::Everyone | Access::Signed => json!([]),
        Access::Token(role) => json!([{ "token": [role.word()] }]),
    }
}

fn parameter(parameter: &Parameter) -> Value {
    let Parameter { name, place, required, about, shape } = parameter;
    let place = match place {
        Place::Query => "query",
        Place::Header => "header",
    };
    json!({
        "name": name, "in": place, "required": required, "description": about,
        "schema": of_shape(*shape),
    })
}

pub(super) fn of_shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::Id => json!({ "type": "string", "minLength": 1 }),
        Shape::Key(longest) => {
            json!({ "type": "string", "maxLength": longest, "pattern": "^[!-~]([ -~]*[!-~])?$" })
        }
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Time => json!({ "type": "string", "format": "date-time" }),
        Shape::Number(least, most) => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Shape::Words(words) => json!({ "type": "string", "enum": words() }),
    }
}

fn responses(endpoint: &Endpoint) -> Value {
    let mut responses = Map::new();
    for answer in endpoint.answers {
        let (status, about, kind, schema) = match *answer {
            Answer::Json(status, name, about) => {
                (status, about, "application/json", schema::of(name))
            }
            Answer::Tagged(name, about) => (200, about, "application/json", schema::of(name)),
            Answer::Raw("application/json", about) => (200, about, "application/json", json!({})),
            Answer::Raw(kind, about) => (200, about, kind, json!({ "type": "string" })),
        };
        let header = match answer {
            Answer::Json(201 | 202, ..) => Some(("Location", "Where it can be followed.")),
            Answer::Tagged(..) => Some(("ETag", "For If-None-Match.")),
            Answer::Json(..) | Answer::Raw(..) => None,
        };
        let described = json!({
            "description": about,
            "headers": header.map_or(json!({}), |(name, about)| {
                json!({ name: { "description": about, "schema": { "type": "string" } } })
            }),
            "content": { kind: { "schema": schema } },
            "links": links(endpoint),
        });
        responses.insert(status.to_string(), described);
        if matches!(answer, Answer::Tagged(..)) {
            let unchanged = json!({ "description": "The caller has it already (If-None-Match)." });
            responses.insert("304".to_owned(), unchanged);
        }
    }
    for (status, codes) in by_status(endpoint) {
        responses.insert(status.to_string(), problem(&codes));
    }
    Value::Object(responses)
}

/// From a page of a list to what can be asked of its items.
fn links(endpoint: &Endpoint) -> Value {
    let is_list = endpoint.parameters_in(Place::Query).any(|parameter| parameter.name == "cursor");
    let below = format!("{}/{{id}}", endpoint.path);
    let all = TABLE.iter().flat_map(|group| group.endpoints);
    let links = all.filter(|other| is_list && other.path.starts_with(&below)).map(|other| {
        let id = operation_id(other);
        let link =
            json!({ "operationId": id, "parameters": { "id": "$response.body#/data/0/id" } });
        (id, link)
    });
    Value::Object(links.collect())
}

/// The problems of an endpoint, by the status that they come with.
pub(super) fn by_status(endpoint: &Endpoint) -> BTreeMap<u16, Vec<Code>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in endpoint.all_problems() {
        for &status in code.statuses() {
            by_status.entry(status).or_default().push(code);
        }
    }
    by_status
}

fn problem(codes: &[Code]) -> Value {
    let words: Vec<&str> = codes.iter().map(|code| code.word()).collect();
    let each: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.word(), code.meaning())).collect();
    json!({
        "description": each.join("\n\n"),
        "content": { "application/problem+json": { "schema": {
            "allOf": [
                schema::of("Problem"),
                { "properties": { "code": { "enum": words } } },
            ],
        }}},
    })
}
