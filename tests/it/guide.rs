//! `docs/guide.md`: every command in it is run by a shell, and every answer compared.

mod blocks;
mod likeness;

use std::process::Command;
use std::time::{Duration, Instant};

use blocks::{Block, Shown};
use likeness::Likeness;

use crate::demo::Demo;

const GUIDE: &str = include_str!("../../docs/guide.md");
/// For what a webhook brings about.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Where the document says that the three are.
const PLACES: [(&str, &str); 3] = [
    ("BURSAR", "http://127.0.0.1:8787"),
    ("SANDBOX", "http://127.0.0.1:12111"),
    ("SAMPLE", "http://127.0.0.1:4242"),
];

struct Reader {
    /// What a reader has exported, or set since.
    variables: Vec<(String, String)>,
    likeness: Likeness,
}

impl Reader {
    fn new(demo: &Demo) -> Self {
        let variables = demo.variables().into_iter();
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { variables: variables.collect(), likeness: Likeness::default() }
    }

    /// Does what a block says, and compares what the next one shows.
    #[track_caller]
    fn follow(&mut self, block: &Block) {
        let command = self.likeness.as_here(&block.command);
        if let Some((name, value)) = blocks::assignment(&command) {
            self.variables.push((name.to_owned(), value.to_owned()));
            return;
        }
        let place = format!("docs/guide.md, line {}", block.line);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.shell(&command, &place);
            let Some(shown) = &block.shown else { return };
            let alike = self.likeness.compare(&self.at_its_place(shown), &answer);
            let Err(difference) = alike else { return };
            let again = block.only_reads() && Instant::now() < deadline;
            assert!(again, "{place}: {difference}\n{command}\n{answer}");
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }

    #[track_caller]
    fn shell(&self, command: &str, place: &str) -> String {
        let variables = self.variables.iter().map(|(name, value)| (name, value));
        let mut shell = Command::new("/bin/sh");
        shell.args(["-eu", "-c", command]).env("no_proxy", "*").envs(variables);
        let output = shell.output().expect("a shell");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{place}: {command}: {} {said}", output.status);
        String::from_utf8(output.stdout).expect("an answer in UTF-8")
    }

    /// The demo of the test listens elsewhere.
    fn at_its_place(&self, shown: &Shown) -> Shown {
        let mut shown = shown.clone();
        for (name, place) in PLACES {
            let here = self.variables.iter().find(|(known, _)| known == name);
            let (_, here) = here.unwrap_or_else(|| panic!("the demo says nothing of {name}"));
            shown.body = shown.body.replace(place, here);
        }
        shown
    }
}

#[test]
fn the_guide_is_true() {
    let demo = Demo::start();
    let mut reader = Reader::new(&demo);
    let blocks = blocks::of(GUIDE);
    assert!(blocks.len() > 30, "the commands are not found");
    for block in &blocks {
        reader.follow(block);
    }
    assert_eq!(demo.read("/v1/summary")["events"]["parked"], 0);
}
