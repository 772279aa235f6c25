//! The stable words of problems: one table, from which answers and the API's description are made.

macro_rules! codes {
    ($($name:ident $word:literal [$($status:literal)*] $meaning:literal;)*) => {
        /// What went wrong, for programs. Words are never renamed, and mean one thing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($name),* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn row(self) -> (&'static str, &'static [u16], &'static str) {
                match self { $(Self::$name => ($word, &[$($status),*], $meaning)),* }
            }
        }
    };
}

codes! {
    SignatureMissing "signature_missing" [400] "There is no Stripe-Signature header, or an empty one.";
    SignatureMalformed "signature_malformed" [400] "The Stripe-Signature header cannot be read.";
    SignatureMismatch "signature_mismatch" [400] "No signature is by a configured secret.";
    TimestampOutOfTolerance "timestamp_out_of_tolerance" [400] "It was signed too long ago, or ahead of our clock.";
    NotAnEvent "not_an_event" [400] "The body is not an event of Stripe's.";
    InvalidParameter "invalid_parameter" [400] "A parameter is unknown, repeated or out of range.";
    InvalidBody "invalid_body" [400] "The body is not the JSON that is expected.";
    InvalidRequest "invalid_request" [400] "Fields of the body are wrong; `errors` names each.";
    BodyUnreadable "body_unreadable" [400] "The body did not arrive whole.";
    IdempotencyKeyMissing "idempotency_key_missing" [400] "The Idempotency-Key header is missing.";
    IdempotencyKeyInvalid "idempotency_key_invalid" [400] "The Idempotency-Key header is not 1 to 255 characters of ASCII, given once.";
    InvalidAtStripe "invalid_at_stripe" [400] "Stripe does not take a field; `stripe.param` names it.";
    TlsRequired "tls_required" [400] "Plain HTTP was spoken to a port of TLS.";
    Unauthorized "unauthorized" [401] "There is no token, or no known one.";
    Forbidden "forbidden" [403] "The token has not the role that this needs.";
    NetworkNotAllowed "network_not_allowed" [403] "Deliveries are not taken from this address.";
    ForeignPage "foreign_page" [403] "Without tokens, pages of other hosts may not ask.";
    NotFound "not_found" [404] "Nothing with this id is known, or nothing is at this path.";
    MethodNotAllowed "method_not_allowed" [405] "The path answers the methods of the Allow header.";
    RequestTimeout "request_timeout" [408] "The request or its body did not come in time.";
    NotParked "not_parked" [409] "Only parked events are redriven.";
    OperationsOpen "operations_open" [409] "Operations about the account go on; erase it when they have ended.";
    CopiesInFolder "copies_in_folder" [409] "The store's folder holds copies from repairs, which may have the same data.";
    OtherMode "other_mode" [409] "The key of Stripe's works in the other partition.";
    IdempotencyMismatch "idempotency_mismatch" [409] "The key was used for another request.";
    LinkAlreadyCreated "link_already_created" [409] "An onboarding link was made, and prefilling is over.";
    ReferenceTaken "reference_taken" [409] "Another account has this reference; `account` names it.";
    LinkExpired "link_expired" [409] "The link of this key was asked for too long ago; a new one needs a new key.";
    OutcomeIsKnown "outcome_is_known" [409] "Only operations whose outcome is unknown are resolved.";
    RefusedByStripe "refused_by_stripe" [409] "Stripe refused; `stripe` has its words.";
    NotDone "not_done" [409] "It was not done, and is not tried again.";
    NotPossible "not_possible" [409] "It cannot be done; `reasons` says why.";
    AccountUnknown "account_unknown" [409] "The destination is not known.";
    AccountNotPayable "account_not_payable" [409] "The destination cannot be paid now.";
    RegionNotAllowed "region_not_allowed" [409] "Stripe moves no money from the platform's country to the destination's.";
    BalanceInsufficient "balance_insufficient" [409 402] "The balance does not suffice. 402 when Stripe itself says so.";
    CurrencyNotAvailable "currency_not_available" [409] "There is no balance in this currency.";
    TopupFailed "topup_failed" [409] "The top-up that was waited for did not succeed.";
    StripeUnreachable "stripe_unreachable" [409] "Stripe could not be asked.";
    FeedRestarted "feed_restarted" [410] "The feed is another one than was followed: begin anew at `next` with `epoch`.";
    BodyTooLarge "body_too_large" [413] "The body is larger than its limit.";
    TooManyAttempts "too_many_attempts" [429] "Too many wrong tokens came from this address; a right one passes.";
    HeadersTooLarge "headers_too_large" [431] "The headers are too many or too large.";
    StripeKeyMissing "stripe_key_missing" [501] "This needs BURSAR_STRIPE_KEY.";
    StripeRefused "stripe_refused" [502] "Stripe does not let this key do it.";
    NotSent "not_sent" [502] "The call could not be made.";
    Overloaded "overloaded" [503] "As much is under way as can be; try again.";
    StoreUnavailable "store_unavailable" [503] "The store cannot be used now; try again.";
    StoreDamaged "store_damaged" [503] "What is stored of this is damaged; the log names the place.";
    StripeUnavailable "stripe_unavailable" [503] "Stripe did not answer, or not as it should; try again.";
    OutcomeUnknown "outcome_unknown" [503] "It was sent, and what became of it is not known yet.";
}

impl Code {
    pub fn word(self) -> &'static str {
        self.row().0
    }

    /// The status that it comes with, unless it is Stripe's word on money.
    pub fn status(self) -> u16 {
        self.row().1.first().copied().unwrap_or(500)
    }

    /// In a sentence, for those who read about it.
    pub fn meaning(self) -> &'static str {
        self.row().2
    }

    /// The statuses that it comes with.
    pub fn statuses(self) -> &'static [u16] {
        self.row().1
    }
}
