//! The settings of what operators are told.

use actix_web::http::Uri;

use crate::config::Checker;

const ENDPOINT: &str = "the URL of a collector, such as http://127.0.0.1:4318, without a query";

impl Checker<'_> {
    /// Where traces go; `None` for nowhere, and after a problem.
    pub fn otlp_endpoint(&mut self) -> Option<String> {
        self.optional("otlp_endpoint")?;
        self.parsed("otlp_endpoint", endpoint, ENDPOINT)
    }

    /// How long a source that spoke may be silent, `Some(None)` for ever; `None` after a problem.
    pub fn silence_hours(&mut self) -> Option<Option<u32>> {
        let parse = |text: &str| text.parse().ok().filter(|hours| (0..=8760).contains(hours));
        let hours = self.parsed("silence_hours", parse, "a number of hours from 0 to 8760")?;
        Some((hours > 0).then_some(hours))
    }
}

/// A base that a path can be put behind.
fn endpoint(text: &str) -> Option<String> {
    let uri: Uri = text.parse().ok()?;
    let plain = matches!(uri.scheme_str()?, "http" | "https")
        && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
        && uri.query().is_none()
        && !text.contains('#');
    plain.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn a_collector_is_a_plain_url() {
        for good in ["http://127.0.0.1:4318", "https://otel.example.com", "http://otel:4318/x/"] {
            assert!(endpoint(good).is_some(), "{good}");
        }
        for bad in ["otel:4318", "grpc://otel:4317", "http://", "http://u:p@x", "http://x?y", ""] {
            assert!(endpoint(bad).is_none(), "{bad}");
        }
    }
}
