//! What the players need to be let in by each other, made anew each time.

use crate::cli::{Failure, token};
use crate::token::{Role, Token, Tokens};

#[derive(Clone)]
pub(super) struct Keys {
    pub(super) reader: String,
    pub(super) operator: String,
    pub(super) payer: String,
    /// Of the stand-in for Stripe, which takes any.
    pub(super) stripe: String,
}

impl Keys {
    pub(super) fn new() -> Result<Self, Failure> {
        Ok(Self {
            reader: token::new("demo_reader_")?,
            operator: token::new("demo_operator_")?,
            payer: token::new("demo_payer_")?,
            stripe: token::new("sk_test_demo")?,
        })
    }

    pub(super) fn tokens(&self) -> Result<Tokens, Failure> {
        let Self { reader, operator, payer, stripe: _ } = self;
        let token =
            |role: Role, token: &str| Token::new(role, role.word(), token).ok_or(Failure::Said);
        Ok(Tokens(vec![
            token(Role::Reader, reader)?,
            token(Role::Operator, operator)?,
            token(Role::Payer, payer)?,
        ]))
    }
}
