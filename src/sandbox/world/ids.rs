//! Ids, tokens and secrets that look like Stripe's; the same ones for the same seed.

const ID_LENGTH: usize = 22;
const ACCOUNT_LENGTH: usize = 15;

#[derive(Debug)]
pub(super) struct Ids {
    chance: fastrand::Rng,
}

impl Ids {
    pub(super) fn new(seed: u64) -> Self {
        Self { chance: fastrand::Rng::with_seed(seed) }
    }

    /// `tr_1S...`
    pub(super) fn next(&mut self, prefix: &str) -> String {
        format!("{prefix}_1S{}", self.token(ID_LENGTH))
    }

    pub(super) fn account(&mut self) -> String {
        format!("acct_1{}", self.token(ACCOUNT_LENGTH))
    }

    pub(super) fn token(&mut self, length: usize) -> String {
        std::iter::repeat_with(|| self.chance.alphanumeric()).take(length).collect()
    }

    pub(super) fn chance(&mut self) -> &mut fastrand::Rng {
        &mut self.chance
    }
}
