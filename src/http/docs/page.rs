//! The page, from top to bottom.

use serde_json::Value;

use super::markup::{bounds, code, each, escaped, kind, part, prose, texts};
use crate::http::endpoint::{Access, Answer, Body, Endpoint, Group, Place};
use crate::http::error::Code;
use crate::http::openapi::{by_status, described, of_shape};
use crate::http::table::TABLE;

pub(super) fn whole(style: &str) -> String {
    let document = described();
    let about = part(part(document, "info"), "description").as_str().unwrap_or_default();
    let about = each(about.split("\n\n"), |paragraph| format!("<p>{}</p>", prose(paragraph)));
    let groups = each(TABLE, |group| section(group));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>bursar API</title><style>{style}</style></head><body>\
         <a class=\"skip\" href=\"#content\">Skip to content</a>\
         <nav aria-label=\"Contents\">{contents}</nav><main id=\"content\">\
         <header><h1>bursar <small>API {version}</small></h1>{about}\
         <p>The same for programs: <a href=\"/openapi.json\">openapi.json</a> (OpenAPI 3.1).</p>\
         </header>{groups}{problems}{schemas}</main></body></html>",
        contents = contents(),
        version = env!("CARGO_PKG_VERSION"),
        problems = problems(),
        schemas = schemas(part(part(document, "components"), "schemas")),
    )
}

fn contents() -> String {
    let groups = each(TABLE, |group| {
        let endpoints = each(group.endpoints, |endpoint| {
            format!(
                "<li><a href=\"#{}\">{} <span>{}</span></a></li>",
                anchor(endpoint),
                verb(endpoint),
                path(endpoint),
            )
        });
        let name = group.name;
        format!("<li><a class=\"group\" href=\"#group-{name}\">{name}</a><ul>{endpoints}</ul></li>")
    });
    format!(
        "<p class=\"brand\"><a href=\"#content\">bursar</a></p><ul>{groups}\
         <li><a class=\"group\" href=\"#problems\">Problems</a></li>\
         <li><a class=\"group\" href=\"#schemas\">Schemas</a></li></ul>"
    )
}

fn anchor(endpoint: &Endpoint) -> String {
    let path: String = endpoint.path.chars().filter(|c| !matches!(c, '{' | '}')).collect();
    endpoint.verb.word().to_owned() + &path.replace('/', "-")
}

fn verb(endpoint: &Endpoint) -> String {
    let word = endpoint.verb.word();
    format!("<b class=\"verb {word}\">{}</b>", word.to_uppercase())
}

/// With a chance to break lines before each part.
fn path(endpoint: &Endpoint) -> String {
    escaped(endpoint.path).replace('/', "<wbr>/")
}

fn section(group: &Group) -> String {
    let endpoints = each(group.endpoints, article);
    format!(
        "<section id=\"group-{0}\"><h2>{0}</h2><p>{1}</p>{endpoints}</section>",
        group.name,
        prose(group.about)
    )
}

fn article(endpoint: &Endpoint) -> String {
    let access = match endpoint.access {
        Access::Everyone => "no token".to_owned(),
        Access::Signed => "signed by Stripe".to_owned(),
        Access::Token(role) => format!("role {}", role.word()),
    };
    let about = match endpoint.about {
        "" => String::new(),
        about => format!("<p>{}</p>", prose(about)),
    };
    format!(
        "<article id=\"{anchor}\"><h3>{verb} <code>{path}</code> \
         <span class=\"role\">{access}</span></h3><p class=\"what\">{summary}</p>{about}\
         {parameters}{body}<h4>Answers</h4><table><tbody>{answers}{problems}</tbody></table>\
         </article>",
        anchor = anchor(endpoint),
        verb = verb(endpoint),
        path = path(endpoint),
        summary = escaped(endpoint.summary),
        parameters = parameters(endpoint),
        body = body(endpoint),
        answers = each(endpoint.answers, answer),
        problems = problems_of(endpoint),
    )
}

fn parameters(endpoint: &Endpoint) -> String {
    let rows = each(endpoint.parameters, |parameter| {
        let schema = of_shape(parameter.shape);
        let place = match (parameter.place, parameter.required) {
            (Place::Query, true) => "needed",
            (Place::Query, false) => "",
            (Place::Header, true) => "header, needed",
            (Place::Header, false) => "header",
        };
        row(parameter.name, place, &schema, parameter.about)
    });
    if rows.is_empty() {
        return String::new();
    }
    format!("<h4>Parameters</h4><table><tbody>{rows}</tbody></table>")
}

/// A parameter or a field: what it is called, what it may be, what it means.
fn row(name: &str, note: &str, schema: &Value, about: &str) -> String {
    let bounds = bounds(schema);
    let note = if note.is_empty() { String::new() } else { format!(" <i>{note}</i>") };
    let bounds = if bounds.is_empty() { bounds } else { format!("<br><small>{bounds}</small>") };
    format!(
        "<tr><th scope=\"row\">{}{note}</th><td>{}{bounds}</td><td>{}</td></tr>",
        code(name),
        kind(schema),
        prose(about)
    )
}

fn body(endpoint: &Endpoint) -> String {
    let (name, needed) = match endpoint.body {
        Body::None => return String::new(),
        Body::Optional(name) => (name, "optional"),
        Body::Required(name) => (name, "needed"),
    };
    format!("<h4>Body</h4><p>JSON, {needed}: <a href=\"#schema-{name}\">{name}</a></p>")
}

fn answer(answer: &Answer) -> String {
    let (status, content, about) = match answer {
        Answer::Json(status, name, about) => (*status, schema_link(name), about),
        Answer::Tagged(name, about) => (200, schema_link(name) + ", with an ETag", about),
        Answer::Raw(kind, about) => (200, code(kind), about),
    };
    format!(
        "<tr><th scope=\"row\"><b class=\"good\">{status}</b></th><td>{content}</td>\
         <td>{}</td></tr>",
        prose(about)
    )
}

fn schema_link(name: &str) -> String {
    format!("<a href=\"#schema-{name}\">{name}</a>")
}

fn problems_of(endpoint: &Endpoint) -> String {
    each(by_status(endpoint), |(status, codes)| {
        let words = each(codes, |problem| {
            format!("<a href=\"#problem-{0}\"><code>{0}</code></a> ", problem.word())
        });
        format!("<tr><th scope=\"row\"><b>{status}</b></th><td colspan=\"2\">{words}</td></tr>")
    })
}

fn problems() -> String {
    let rows = each(Code::ALL, |problem| {
        let statuses = each(problem.statuses(), |status| format!("<b>{status}</b> "));
        format!(
            "<tr id=\"problem-{0}\"><th scope=\"row\"><code>{0}</code></th><td>{statuses}</td>\
             <td>{1}</td></tr>",
            problem.word(),
            prose(problem.meaning())
        )
    });
    format!(
        "<section id=\"problems\"><h2>Problems</h2><p>Every <code>code</code>, with the status \
         that it comes with.</p><table><tbody>{rows}</tbody></table></section>"
    )
}

fn schemas(all: &Value) -> String {
    let each = each(all.as_object().into_iter().flatten(), |(name, schema)| {
        let about = part(schema, "description").as_str().unwrap_or_default();
        format!(
            "<article id=\"schema-{name}\"><h3>{name}</h3><p>{}</p>{}</article>",
            prose(about),
            fields(schema)
        )
    });
    format!("<section id=\"schemas\"><h2>Schemas</h2>{each}</section>")
}

/// A table of what an object has, with what its objects have below it.
fn fields(schema: &Value) -> String {
    let Some(properties) = part(schema, "properties").as_object() else { return String::new() };
    let required: Vec<&str> = texts(part(schema, "required")).collect();
    let rows = each(properties, |(name, schema)| {
        let note = if required.contains(&name.as_str()) { "" } else { "may be absent" };
        let about = part(schema, "description").as_str().unwrap_or_default();
        let inner = [schema, part(schema, "items")].map(fields).concat();
        let inner = match inner.as_str() {
            "" => inner,
            _ => format!("<tr class=\"inner\"><td></td><td colspan=\"2\">{inner}</td></tr>"),
        };
        row(name, note, schema, about) + &inner
    });
    if rows.is_empty() {
        return String::new();
    }
    format!("<table><tbody>{rows}</tbody></table>")
}
