//! `bursar history`

mod screen;

use std::io::{ErrorKind, Write};

use serde_json::Value;

use crate::cli::client::Answer;
use crate::cli::remote::{Caller, Remote, encoded};
use crate::cli::{Failure, block_on};
use crate::domain::id::Kind;

/// The most that the server puts on a page.
const ENTRIES_PER_PAGE: &str = "500";

/// Show what an object is, and how it came to be so
///
/// Asks a running server. The kind of the object is told from its id where that begins with
/// acct_, tu_, tr_ or po_.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  bursar history acct_1ABC --token $TOKEN\n  bursar history po_1ABC --account acct_1ABC --livemode false\n  bursar history --kind balance --json"
)]
pub struct Arguments {
    /// Id of the object; a balance has none
    #[arg(required_unless_present = "kind")]
    id: Option<String>,
    /// Kind of the object, where its id does not tell
    #[arg(long, value_parser = Kind::ALL.map(Kind::word))]
    kind: Option<String>,
    /// Connected account that the payout or balance belongs to [default: the platform]
    #[arg(long)]
    account: Option<String>,
    /// Print the entries as the server gives them, one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let subject = Subject::of(arguments)?;
    let text: Result<String, Failure> = block_on(async {
        let caller = arguments.remote.caller()?;
        if arguments.json {
            return Ok(lines(&subject.entries(&caller).await?));
        }
        let object = subject.object(&caller).await?;
        let entries = subject.entries(&caller).await?;
        Ok(screen::show(&subject.name(), &object, &entries, screen::width()))
    });
    match std::io::stdout().write_all(text?.as_bytes()) {
        // Who looks at the beginning only has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

fn lines(entries: &[Value]) -> String {
    let lines: Vec<String> = entries.iter().map(Value::to_string).collect();
    lines.join("\n") + "\n"
}

/// What was asked about.
struct Subject {
    kind: Kind,
    /// Empty for a balance.
    id: String,
    account: Option<String>,
}

impl Subject {
    fn of(arguments: &Arguments) -> Result<Self, Failure> {
        let usage = |message: String| Err(Failure::Usage(message));
        let id = arguments.id.clone().unwrap_or_default();
        let named = arguments.kind.as_deref();
        let named = Kind::ALL.into_iter().find(|kind| Some(kind.word()) == named);
        let Some(kind) = named.or_else(|| kind_of(&id)) else {
            return usage(format!(
                "`{id}` does not tell what it is the id of; say so with --kind account, topup, transfer, payout or balance"
            ));
        };
        let has_owner = matches!(kind, Kind::Payout | Kind::Balance);
        if id.is_empty() != (kind == Kind::Balance) {
            return usage(if kind == Kind::Balance {
                "a balance has no id; --account names its owner".to_owned()
            } else {
                format!("give the id of the {}", kind.word())
            });
        }
        if arguments.account.is_some() && !has_owner {
            return usage(format!(
                "--account names the owner of a payout or balance; a {} has none",
                kind.word()
            ));
        }
        Ok(Self { kind, id, account: arguments.account.clone() })
    }

    fn name(&self) -> String {
        let owner = self.account.as_ref().map(|account| format!(" of account {account}"));
        let owner = owner.unwrap_or_default();
        if self.kind == Kind::Balance {
            return format!("balance{owner}");
        }
        format!("{} {}{owner}", self.kind.word(), self.id)
    }

    fn path(&self) -> String {
        if self.kind == Kind::Balance {
            return "/v1/balance".to_owned();
        }
        format!("/v1/{}s/{}", self.kind.word(), encoded(&self.id))
    }

    fn owner(&self) -> Option<(&str, &str)> {
        self.account.as_deref().map(|account| ("account", account))
    }

    async fn object(&self, caller: &Caller) -> Result<Value, Failure> {
        let parameters: Vec<_> = self.owner().into_iter().collect();
        Ok(self.known(caller.get(&self.path(), &parameters).await?, caller)?.json)
    }

    /// The whole history, page by page.
    async fn entries(&self, caller: &Caller) -> Result<Vec<Value>, Failure> {
        let path = format!("{}/history", self.path());
        let mut entries = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut parameters = vec![("limit", ENTRIES_PER_PAGE)];
            parameters.extend(self.owner());
            parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page = self.known(caller.get(&path, &parameters).await?, caller)?;
            entries.extend(
                page.json.get("data").and_then(Value::as_array).into_iter().flatten().cloned(),
            );
            match page.text("next_cursor") {
                "" => return Ok(entries),
                next => cursor = Some(next.to_owned()),
            }
        }
    }

    fn known(&self, answer: Answer, caller: &Caller) -> Result<Answer, Failure> {
        let owner = match self.kind {
            Kind::Payout | Kind::Balance => ", --account at another owner",
            Kind::Account | Kind::Topup | Kind::Transfer => "",
        };
        match answer.status {
            404 => Err(caller.unknown(&self.name(), owner)),
            _ if answer.is_success() => Ok(answer),
            _ => Err(Failure::Failed(answer.problem())),
        }
    }
}

fn kind_of(id: &str) -> Option<Kind> {
    let begins = |kind: &Kind| kind.id_prefix().is_some_and(|prefix| id.starts_with(prefix));
    Kind::ALL.into_iter().find(begins)
}
