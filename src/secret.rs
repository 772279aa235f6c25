//! Text that must never be printed: webhook secrets, tokens, API keys.

use std::fmt;

/// A secret value. `Debug` says only that there is one; there is no `Display`.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself. Hand it to the code that needs it, never to a log or an error.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("redacted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_value() {
        let secret = Secret::new("whsec_abc");
        assert_eq!(format!("{secret:?}"), "redacted");
        assert_eq!(secret.expose(), "whsec_abc");
    }
}
