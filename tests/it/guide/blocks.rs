//! The commands of a document, and the answers that it shows for them.

/// A command, and what follows it.
pub(super) struct Block {
    /// Where it stands.
    pub(super) line: usize,
    pub(super) command: String,
    pub(super) shown: Option<Shown>,
}

/// An answer as the document has it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The status line and some of the headers, or nothing.
    pub(super) head: Vec<String>,
    pub(super) body: String,
}

impl Block {
    /// Whether it can be asked again without doing something again.
    pub(super) fn only_reads(&self) -> bool {
        !self.command.contains("--json") && !self.command.contains(" -d ")
    }
}

/// A line that sets a variable of the shell.
pub(super) fn assignment(command: &str) -> Option<(&str, &str)> {
    let (name, value) = command.split_once('=')?;
    let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    (is_name && !value.contains(char::is_whitespace)).then_some((name, value))
}

/// Every block that is marked as `sh`, in order.
pub(super) fn of(document: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        let text = inside.collect::<Vec<_>>().join("\n");
        let line = number + 2;
        match language {
            "sh" => blocks.push(Block { line, command: text, shown: None }),
            "http" => show(&mut blocks, line, http(&text)),
            "json" => show(&mut blocks, line, Shown { head: Vec::new(), body: text }),
            "console" => {}
            other => panic!("line {line}: what is `{other}`?"),
        }
    }
    blocks
}

fn show(blocks: &mut [Block], line: usize, shown: Shown) {
    let block = blocks.last_mut().filter(|block| block.shown.is_none());
    block.unwrap_or_else(|| panic!("line {line}: no command was given for this")).shown =
        Some(shown);
}

fn http(text: &str) -> Shown {
    let (head, body) = text.split_once("\n\n").expect("an empty line after the headers");
    Shown { head: head.lines().map(str::to_owned).collect(), body: body.to_owned() }
}
