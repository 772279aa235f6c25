//! The pages of the hosted onboarding: plain HTML that needs no script and fetches nothing.

use std::fmt::Write;

use crate::sandbox::world::onboarding::{Form, Input};

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1a1f36;--soft:#5c6370;--line:#c1c9d6;--paper:#fff;\
--ground:#f5f7fa;--accent:#4b45c6;--bad:#b3093c}\
@media(prefers-color-scheme:dark){:root{--ink:#e8ebf0;--soft:#a5adba;--line:#4a5262;\
--paper:#1d222c;--ground:#13171e;--accent:#a8a4ff;--bad:#ff8fa8}}\
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);\
font:16px/1.5 system-ui,sans-serif}\
.test{background:#ffd965;color:#3d2d00;text-align:center;padding:.5rem 1rem;font-weight:600}\
main{max-width:34rem;margin:2rem auto;padding:2rem;background:var(--paper);border-radius:.75rem;\
box-shadow:0 1px 4px rgba(0,0,0,.15)}\
h1{font-size:1.5rem;margin:0 0 .25rem}p{color:var(--soft);margin:.25rem 0 1rem}\
fieldset{border:0;border-top:1px solid var(--line);margin:1.5rem 0 0;padding:1rem 0 0}\
legend{font-weight:600;padding:0 .5rem 0 0}label{display:block;font-weight:500;margin-top:.75rem}\
input[type=text],select{width:100%;padding:.6rem;border:1px solid var(--line);\
border-radius:.4rem;background:var(--paper);color:var(--ink);font:inherit}\
input:focus-visible,select:focus-visible,button:focus-visible{outline:3px solid var(--accent);\
outline-offset:1px}\
.hint{color:var(--soft);font-size:.875rem}.wrong{color:var(--bad);font-size:.875rem;margin:0}\
.choice{display:flex;gap:.6rem;align-items:center;font-weight:400}\
.summary{border:2px solid var(--bad);border-radius:.4rem;padding:.75rem 1rem;margin:1rem 0}\
.buttons{display:grid;gap:.75rem;margin-top:2rem}\
button{padding:.75rem;border-radius:.4rem;border:1px solid var(--accent);font:inherit;\
font-weight:600;cursor:pointer;background:var(--paper);color:var(--accent)}\
button.first{background:var(--accent);color:var(--paper)}";

const TEST: &str =
    "Test page of bursar sandbox. It is not Stripe: give it no real name, number or account.";

/// What people call a field, by the end of its path.
const LABELS: &[(&str, &str)] = &[
    ("business_type", "What kind of business is it?"),
    ("business_profile.mcc", "Merchant category code"),
    ("business_profile.url", "Website"),
    ("business_profile.name", "Name customers see"),
    ("company.name", "Legal name of the company"),
    ("company.tax_id", "Tax number"),
    (".first_name", "First name"),
    (".last_name", "Last name"),
    (".email", "Email address"),
    (".phone", "Phone number"),
    (".dob.day", "Day of birth"),
    (".dob.month", "Month of birth"),
    (".dob.year", "Year of birth"),
    (".address.line1", "Street address"),
    (".address.city", "City"),
    (".address.state", "State"),
    (".address.postal_code", "Postal code"),
    (".ssn_last_4", "Last 4 digits of the social security number"),
    (".id_number", "Identity number"),
    (".relationship.title", "Job title"),
    (".verification.document", "Identity document"),
    ("external_account.routing_number", "Routing number"),
    ("external_account.account_number", "Account number"),
    ("bank_account_ownership_verification.files", "Proof of who owns the bank account"),
    ("code", "Code sent to your phone"),
    ("terms", "I agree to the terms of service of this test."),
];

/// The groups of fields, by the beginning of their paths.
const GROUPS: &[(&str, &str)] = &[
    ("business_type", "Business"),
    ("business_profile", "Business"),
    ("company", "Company"),
    ("individual", "About you"),
    ("representative", "About you"),
    ("person_", "About you"),
    ("external_account", "Bank account for payouts"),
    ("documents", "Documents"),
    ("code", "Confirm"),
    ("terms", "Confirm"),
];

fn label(path: &str) -> String {
    let known = LABELS.iter().find(|(end, _)| path.ends_with(end));
    known.map_or_else(|| path.replace(['.', '_'], " "), |(_, label)| (*label).to_owned())
}

fn group(path: &str) -> &'static str {
    GROUPS.iter().find(|(start, _)| path.starts_with(start)).map_or("More", |(_, group)| group)
}

pub(super) fn form(form: &Form) -> String {
    let mut html = String::new();
    let (title, button) = if form.is_last {
        ("Confirm your details", "Agree and submit")
    } else {
        ("Tell us about your business", "Continue")
    };
    html.push_str("<h1>");
    html.push_str(title);
    write!(html, "</h1><p>for account {}</p>", escaped(&form.account)).ok();
    html.push_str(&summary(form));
    write!(
        html,
        "<form method=\"post\" action=\"/setup/s/{}/{}\" novalidate>\
         <input type=\"hidden\" name=\"visit\" value=\"{}\">",
        escaped(&form.account),
        escaped(&form.token),
        escaped(&form.visit),
    )
    .ok();
    let mut groups: Vec<(&str, Vec<&Input>)> = Vec::new();
    for input in &form.fields {
        let name = group(&input.path);
        match groups.iter_mut().find(|(is, _)| *is == name) {
            Some((_, fields)) => fields.push(input),
            None => groups.push((name, vec![input])),
        }
    }
    // In the order in which people are asked, which is not that of the alphabet.
    groups.sort_by_key(|(name, _)| GROUPS.iter().position(|(_, is)| is == name));
    for (name, mut fields) in groups {
        fields.sort_by_key(|input| LABELS.iter().position(|(end, _)| input.path.ends_with(end)));
        write!(html, "<fieldset><legend>{name}</legend>").ok();
        for input in fields {
            html.push_str(&field(form, input));
        }
        html.push_str("</fieldset>");
    }
    write!(
        html,
        "<div class=\"buttons\">\
         <button class=\"first\" name=\"choice\" value=\"submit\">{button}</button>\
         <button name=\"choice\" value=\"test\">Use test values and submit</button>\
         <button name=\"choice\" value=\"later\">Save for later</button></div></form>"
    )
    .ok();
    page(title, &html)
}

fn summary(form: &Form) -> String {
    if form.problems.is_empty() {
        return String::new();
    }
    let mut html =
        "<div class=\"summary\" role=\"alert\"><strong>Please look at:</strong><ul>".to_owned();
    for (path, problem) in &form.problems {
        let (path, label) = (escaped(path), escaped(&label(path)));
        write!(html, "<li><a href=\"#{path}\">{label}</a>: {}</li>", escaped(problem)).ok();
    }
    html.push_str("</ul></div>");
    html
}

fn field(form: &Form, input: &Input) -> String {
    let (path, value) = (escaped(&input.path), escaped(&input.value));
    let label = escaped(&label(&input.path));
    let problem = form.problems.get(&input.path);
    let (mut describes, mut wrong) = (String::new(), String::new());
    if let Some(problem) = problem {
        describes = format!(" aria-invalid=\"true\" aria-describedby=\"{path}-wrong\"");
        wrong = format!("<p class=\"wrong\" id=\"{path}-wrong\">{}</p>", escaped(problem));
    }
    match input.path.as_str() {
        "terms" => format!(
            "<label class=\"choice\"><input type=\"checkbox\" id=\"{path}\" name=\"{path}\" \
             value=\"yes\"{describes}{}>{label}</label>{wrong}",
            if input.value == "yes" { " checked" } else { "" },
        ),
        "business_type" => {
            let kinds = [
                ("individual", "Individual or sole proprietor"),
                ("company", "Company"),
                ("non_profit", "Nonprofit"),
            ];
            let options = kinds.map(|(word, text)| {
                let selected = if input.value == word { " selected" } else { "" };
                format!("<option value=\"{word}\"{selected}>{text}</option>")
            });
            format!(
                "<label for=\"{path}\">{label}</label><select id=\"{path}\" name=\"{path}\"{describes}>\
                 {}</select>{wrong}",
                options.concat(),
            )
        }
        _ => format!(
            "<label for=\"{path}\">{label}</label><input type=\"text\" id=\"{path}\" name=\"{path}\" \
             value=\"{value}\" autocomplete=\"off\"{describes}>\
             <span class=\"hint\">Test value: {}</span>{wrong}",
            escaped(input.example),
        ),
    }
}

pub(super) fn no_such_link() -> String {
    let text =
        "<h1>This link leads nowhere</h1><p>Ask the platform that sent you for a new one.</p>";
    page("No such link", text)
}

fn page(title: &str, main: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title} (test)</title><style>{STYLE}</style></head>\
         <body><div class=\"test\" role=\"note\">{TEST}</div><main>{main}</main></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
