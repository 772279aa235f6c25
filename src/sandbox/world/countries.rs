//! Where accounts can be, what money is used there, and who may send whom funds.

/// ISO codes with their currency, of the countries where an account can have the full agreement.
const FULL: &str = "\
    AE:aed AT:eur AU:aud BE:eur BG:eur BR:brl CA:cad CH:chf CY:eur CZ:czk DE:eur DK:dkk EE:eur \
    ES:eur FI:eur FR:eur GB:gbp GI:gbp GR:eur HK:hkd HR:eur HU:huf IE:eur IN:inr IS:eur IT:eur \
    JP:jpy LI:chf LT:eur LU:eur LV:eur MT:eur MX:mxn MY:myr NL:eur NO:nok NZ:nzd PL:pln PT:eur \
    RO:ron SE:sek SG:sgd SI:eur SK:eur TH:thb US:usd";

/// Countries where an account can only receive.
const RECIPIENT: &str = "\
    AR:ars BD:bdt BO:bob CL:clp CO:cop CR:crc DO:dop EG:egp ID:idr IL:ils KE:kes KR:krw MA:mad \
    NG:ngn PE:pen PH:php PK:pkr PY:pyg RS:rsd SA:sar TR:try TW:twd UY:uyu VN:vnd ZA:zar";

/// Among these funds cross borders in every direction: the EEA, and four more.
const OPEN: &str = "\
    AT BE BG CA CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MT NL NO PL \
    PT RO SE SI SK US";

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let entries = FULL.split_whitespace().chain(RECIPIENT.split_whitespace());
    entries.filter_map(|entry| entry.split_once(':'))
}

pub(super) fn currency_of(country: &str) -> Option<&'static str> {
    all().find(|(code, _)| *code == country).map(|(_, currency)| currency)
}

pub(super) fn is_currency(word: &str) -> bool {
    all().any(|(_, currency)| currency == word)
}

/// Whether an account there can have the full agreement.
pub(super) fn takes_payments(country: &str) -> bool {
    FULL.split_whitespace().any(|entry| entry.split_once(':').is_some_and(|(c, _)| c == country))
}

/// Whether funds go from a platform in the one to an account with the full agreement in the other.
pub(super) fn funds_may_go(from: &str, to: &str) -> bool {
    let is_open = |country| OPEN.split_whitespace().any(|open| open == country);
    from == to || (is_open(from) && is_open(to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_four_countries_send_each_other_funds_and_others_stay_at_home() {
        let open: Vec<&str> = OPEN.split_whitespace().collect();
        assert!(open.len() == 34 && open.into_iter().all(takes_payments));
        for (from, to, may) in [
            ("US", "US", true),
            ("GB", "US", true),
            ("DE", "CA", true),
            ("US", "MX", false),
            ("MX", "MX", true),
            ("JP", "AU", false),
            ("IS", "LI", true),
        ] {
            assert_eq!(funds_may_go(from, to), may, "{from} -> {to}");
        }
    }
}
