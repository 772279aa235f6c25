//! `bursar token`

use crate::cli::Failure;
use crate::token::hashed;

const TOKEN_BYTES: usize = 32;

/// Print a new random token and its hashed form
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  bursar token\n\nGive the token to the program that calls bursar, and the sha256 form to bursar:\n  BURSAR_TOKENS=reader/shop=sha256:..."
)]
pub struct Arguments {}

pub fn run(_: &Arguments) -> Result<(), Failure> {
    let token = new("bursar_")?;
    println!("{token}");
    println!("{}", hashed(&token));
    Ok(())
}

/// A random text nobody guesses.
pub(super) fn new(prefix: &str) -> Result<String, Failure> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Failure::Failed(format!("the system gives no random bytes: {error}")))?;
    Ok(format!("{prefix}{}", hex::encode(bytes)))
}
