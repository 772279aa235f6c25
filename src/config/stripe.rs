//! The settings that have to do with calls to Stripe.

use std::time::Duration;

use actix_web::http::Uri;

use crate::config::Checker;
use crate::domain::region::{Country, RegionRule};
use crate::secret::Secret;
use crate::stripe::client::ClientSettings;
use crate::stripe::outgoing::{ReturnUrls, is_web_url};

const KEY: &str = "an API key of Stripe's: sk_test_..., sk_live_..., rk_test_... or rk_live_...";

impl Checker<'_> {
    /// `None` without a key, and after a problem.
    pub fn stripe(&mut self) -> Option<ClientSettings> {
        let api_base = self.parsed("stripe_api_base", api_base, API_BASE);
        let version = self.parsed("stripe_version", api_version, VERSION);
        self.optional("stripe_key")?;
        let key = self.parsed("stripe_key", key, KEY);
        Some(ClientSettings { key: key?, api_base: api_base?, version: version? })
    }

    /// Where the platform is, and where it may pay recipients.
    pub fn region(&mut self) -> RegionRule {
        let must = "a country in two letters, such as US";
        let platform = self.optional("platform_country").is_some();
        let platform = platform.then(|| self.parsed("platform_country", Country::parse, must));
        let overrides = self.optional("region_overrides").is_some();
        let must = "a comma list of countries in two letters, such as MX,AU";
        let overrides = overrides.then(|| self.parsed("region_overrides", countries, must));
        RegionRule {
            platform: platform.flatten(),
            overrides: overrides.flatten().unwrap_or_default(),
        }
    }

    /// Where people go who come back from onboarding, unless a request says otherwise.
    pub fn onboarding(&mut self) -> ReturnUrls {
        let must = "a URL, such as https://example.com/onboarding";
        let mut url = |name| {
            self.optional(name)?;
            self.parsed(name, web_url, must)
        };
        ReturnUrls {
            refresh_url: url("onboarding_refresh_url"),
            return_url: url("onboarding_return_url"),
        }
    }

    /// How often missed events are fetched; zero is never, unless someone asks for it.
    pub fn backfill_every(&mut self) -> Option<Duration> {
        let parse = |text: &str| text.parse().ok().filter(|minutes| (0..=20_160).contains(minutes));
        let minutes = self.parsed("backfill_minutes", parse, "a number of minutes from 0 to 20160");
        minutes.map(Duration::from_mins)
    }
}

fn countries(text: &str) -> Option<Vec<Country>> {
    text.split(',').map(|country| Country::parse(country.trim())).collect()
}

fn web_url(text: &str) -> Option<String> {
    is_web_url(text).then(|| text.to_owned())
}

fn key(text: &str) -> Option<Secret> {
    let mut parts = text.splitn(3, '_');
    let kind = matches!(parts.next()?, "sk" | "rk");
    let mode = matches!(parts.next()?, "test" | "live");
    let plain = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic());
    let is_key = kind && mode && parts.next().is_some_and(plain);
    is_key.then(|| Secret::new(text))
}

const API_BASE: &str = "a URL such as https://api.stripe.com, without a path; http is allowed on \
                        loopback addresses only";

fn api_base(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let uri: Uri = text.parse().ok()?;
    let authority = uri.authority()?;
    let is_bare = text == format!("{}://{authority}", uri.scheme_str()?);
    let host = authority.host();
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let safe = match uri.scheme_str()? {
        "https" => true,
        "http" => loopback,
        _ => false,
    };
    (safe && is_bare && !authority.as_str().contains('@')).then(|| text.to_owned())
}

const VERSION: &str = "a version of Stripe's API, such as 2026-07-29.dahlia";

fn api_version(text: &str) -> Option<String> {
    let (date, _) = text.split_once('.').unwrap_or((text, ""));
    let is_date = date.len() == 10
        && date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ';' | '=');
    (is_date && text.chars().all(plain)).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_what_they_are_and_for_which_mode() {
        for good in ["sk_test_1", "sk_live_1", "rk_test_a_b", "rk_live_1"] {
            assert!(key(good).is_some(), "{good}");
        }
        for bad in ["pk_test_1", "sk_1", "sk_test_", "whsec_1", "sk_prod_1", "sk_test_a b", ""] {
            assert!(key(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_is_not_encrypted_stays_on_this_machine() {
        for (text, expected) in [
            ("https://api.stripe.com", Some("https://api.stripe.com")),
            ("https://api.stripe.com/", Some("https://api.stripe.com")),
            ("http://127.0.0.1:12111", Some("http://127.0.0.1:12111")),
            ("http://[::1]:12111", Some("http://[::1]:12111")),
            ("http://localhost:1", Some("http://localhost:1")),
            ("http://api.stripe.com", None),
            ("http://127.0.0.1.example.com", None),
            ("http://localhost@example.com", None),
            ("https://user:password@example.com", None),
            ("https://api.stripe.com/v1", None),
            ("https://api.stripe.com?x=1", None),
            ("ftp://127.0.0.1", None),
            ("api.stripe.com", None),
            ("", None),
        ] {
            assert_eq!(api_base(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn countries_are_a_list_of_two_letters_each() {
        let of = |text| countries(text).map(|all| all.iter().map(ToString::to_string).collect());
        let expected: Vec<String> = ["MX", "AU"].map(str::to_owned).to_vec();
        assert_eq!(of("MX, au"), Some(expected));
        for bad in ["", "MX,", "MEX", "M1"] {
            assert_eq!(of(bad), None::<Vec<String>>, "{bad}");
        }
    }

    #[test]
    fn versions_begin_with_a_date() {
        for good in ["2026-07-29.dahlia", "2023-08-16", "2026-07-29.dahlia;beta=v1"] {
            assert!(api_version(good).is_some(), "{good}");
        }
        for bad in ["dahlia", "2026-7-29", "2026-07-29.d\r\nx: y", ""] {
            assert!(api_version(bad).is_none(), "{bad}");
        }
    }
}
