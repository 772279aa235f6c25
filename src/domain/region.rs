//! Where a transfer may go: the rule by which Stripe lets money cross borders.
//!
//! Among the 34 countries of the table funds move in any direction. Elsewhere the platform and the
//! account must be in the same country. Accounts under the `recipient` agreement are the
//! exception to both: across a border Stripe pays them only where it has agreed so with the
//! platform, which the operator says by naming their countries.

/// Two capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Country([u8; 2]);

impl Country {
    /// `None` for anything but two letters.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(letters.map(|letter| letter.to_ascii_uppercase())))
    }
}

impl std::fmt::Display for Country {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|letter| write!(formatter, "{}", char::from(*letter)))
    }
}

/// The European Economic Area, Switzerland, the United Kingdom, the United States and Canada.
pub const OPEN: [&[u8; 2]; 34] = [
    b"AT", b"BE", b"BG", b"CA", b"CH", b"CY", b"CZ", b"DE", b"DK", b"EE", b"ES", b"FI", b"FR",
    b"GB", b"GR", b"HR", b"HU", b"IE", b"IS", b"IT", b"LI", b"LT", b"LU", b"LV", b"MT", b"NL",
    b"NO", b"PL", b"PT", b"RO", b"SE", b"SI", b"SK", b"US",
];

/// What is known about the platform.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegionRule {
    /// Where the platform is; the rule cannot be told without.
    pub platform: Option<Country>,
    /// Where Stripe lets the platform pay accounts under the `recipient` agreement.
    pub overrides: Vec<Country>,
}

/// What the rule says about a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    Allowed,
    /// The country of the platform or of the account is not known.
    NotKnown,
    OtherRegion {
        platform: Country,
        account: Country,
    },
    /// Under the `recipient` agreement, which does not cross this border.
    Recipient {
        platform: Country,
        account: Country,
    },
}

impl RegionRule {
    /// `country` and `agreement` of the account, in Stripe's words.
    pub fn judge(&self, country: Option<&str>, agreement: Option<&str>) -> Region {
        let account = country.and_then(Country::parse);
        let (Some(platform), Some(account)) = (self.platform, account) else {
            return Region::NotKnown;
        };
        let is_recipient = agreement == Some("recipient");
        let may_be_recipient = agreement.is_none() || is_recipient;
        if platform == account || may_be_recipient && self.overrides.contains(&account) {
            Region::Allowed
        } else if is_recipient {
            Region::Recipient { platform, account }
        } else if is_open(platform) && is_open(account) {
            Region::Allowed
        } else {
            Region::OtherRegion { platform, account }
        }
    }
}

fn is_open(country: Country) -> bool {
    OPEN.contains(&&country.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Option<&str> = Some("full");
    const RECIPIENT: Option<&str> = Some("recipient");

    fn country(text: &str) -> Country {
        Country::parse(text).unwrap()
    }

    fn judge(platform: &str, account: &str, agreement: Option<&str>, overrides: &[&str]) -> Region {
        let overrides = overrides.iter().map(|text| country(text)).collect();
        let platform = Country::parse(platform);
        RegionRule { platform, overrides }.judge(Some(account), agreement)
    }

    #[test]
    fn funds_move_among_the_34_countries_in_any_direction() {
        let all: Vec<Country> = OPEN.iter().map(|letters| Country(**letters)).collect();
        assert!(all.windows(2).all(|pair| pair[0] < pair[1]), "sorted, and none twice");
        for platform in &all {
            for account in &all {
                for agreement in [None, FULL] {
                    let (from, to) = (platform.to_string(), account.to_string());
                    assert_eq!(judge(&from, &to, agreement, &[]), Region::Allowed, "{from} {to}");
                }
            }
        }
    }

    #[test]
    fn elsewhere_platform_and_account_are_in_the_same_country() {
        for (platform, account, allowed) in [
            ("MX", "MX", true),
            ("mx", "MX", true),
            ("MX", "US", false),
            ("US", "MX", false),
            ("AU", "NZ", false),
            ("JP", "JP", true),
            ("GB", "GI", false),
        ] {
            let other =
                Region::OtherRegion { platform: country(platform), account: country(account) };
            let expected = if allowed { Region::Allowed } else { other };
            assert_eq!(judge(platform, account, FULL, &[]), expected, "{platform} {account}");
        }
    }

    #[test]
    fn recipients_abroad_are_paid_only_where_the_operator_says_so() {
        for (account, agreement, overrides, allowed) in [
            ("MX", RECIPIENT, &["MX", "AU"][..], true),
            ("MX", None, &["MX"], true),
            ("MX", FULL, &["MX"], false),
            ("MX", RECIPIENT, &["AU"], false),
            ("DE", RECIPIENT, &[], false),
            ("DE", RECIPIENT, &["DE"], true),
            ("US", RECIPIENT, &[], true),
        ] {
            let judged = judge("US", account, agreement, overrides);
            assert_eq!(judged == Region::Allowed, allowed, "{account} {agreement:?}: {judged:?}");
        }
    }

    #[test]
    fn without_both_countries_nothing_is_said() {
        let rule = RegionRule { platform: Some(country("US")), overrides: Vec::new() };
        for account in [None, Some(""), Some("USA"), Some("1A")] {
            assert_eq!(rule.judge(account, FULL), Region::NotKnown, "{account:?}");
        }
        assert_eq!(RegionRule::default().judge(Some("US"), FULL), Region::NotKnown);
    }
}
