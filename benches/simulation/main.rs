//! How often is an account called payable although it is not?
//!
//! Makes lives whose true end is known, delivers their reports shuffled, and asks several rules
//! what the account came to. `scripts/simulate` runs this.

#![expect(clippy::print_stdout, reason = "this is a program that reports")]
#![expect(clippy::indexing_slicing, reason = "what is not there is a mistake of its own")]

mod rules;

#[path = "../../tests/it/support/lives/mod.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod lives;

use bursar::domain::account::Facts;
use clap::Parser;
use lives::Life;
use lives::account::{Odds, life};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rules::RULES;

const LONGEST: usize = 12;

const HOSTILE: Odds =
    Odds { same_second: 0.5, silent: 0.25, lost: 0.0, twins: 0.0, capability: 0.0, senseless: 0.0 };

/// What the lives are like, in words, and in figures.
const WORLDS: [(&str, Odds); 4] = [
    (
        "mild: 1 in 10 shares its second, all say what they changed",
        Odds { same_second: 0.1, silent: 0.0, ..HOSTILE },
    ),
    ("hostile: half share their second, a quarter do not say what they changed", HOSTILE),
    ("hostile, and 1 event in 20 never comes", Odds { lost: 0.05, ..HOSTILE }),
    ("hostile, and 1 event in 20 is made twice", Odds { twins: 0.05, ..HOSTILE }),
];

/// What a rule says of an account in the end.
#[derive(Clone, Copy, Debug)]
struct Verdict {
    payable: bool,
    ambiguous: bool,
}

/// How a rule did over many lives.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    paid_wrongly: u32,
    held_wrongly: u32,
    ambiguous: u32,
}

impl Score {
    fn add(&mut self, verdict: Verdict, payable: bool) {
        self.paid_wrongly += u32::from(verdict.payable && !payable);
        self.held_wrongly += u32::from(!verdict.payable && payable);
        self.ambiguous += u32::from(verdict.ambiguous);
    }
}

/// Compare the order of an account's reports with simpler ones
#[derive(Parser)]
struct Arguments {
    /// Lives of each kind
    #[arg(long, default_value_t = 24_000)]
    lives: u32,
    /// Which lives
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    println!("{} lives each, seed {}; of 10,000 lives", arguments.lives, arguments.seed);
    for (world, odds) in WORLDS {
        print_table(world, &scores(odds, &arguments), arguments.lives);
    }
}

fn print_table(world: &str, scores: &[Score], lives: u32) {
    println!("\n{world}\n{:46}{:>14}{:>14}{:>14}", "", "pays, wrong", "holds, wrong", "ambiguous");
    for ((rule, _), score) in RULES.iter().zip(scores) {
        let of_all = |count: u32| 10_000.0 * f64::from(count) / f64::from(lives.max(1));
        println!(
            "  {rule:44}{:14.2}{:14.2}{:14.2}",
            of_all(score.paid_wrongly),
            of_all(score.held_wrongly),
            of_all(score.ambiguous)
        );
    }
}

/// How each rule does.
fn scores(odds: Odds, arguments: &Arguments) -> [Score; RULES.len()] {
    let mut runner = runner(arguments.seed);
    let mut shuffler = fastrand::Rng::with_seed(arguments.seed);
    let strategy = life(odds, LONGEST);
    let mut scores = [Score::default(); RULES.len()];
    for _ in 0..arguments.lives {
        let tree = strategy.new_tree(&mut runner).expect("a life can always be made");
        let life: Life = tree.current();
        let payable = life.truth.as_ref().is_some_and(Facts::payable);
        let mut reports = life.reports();
        shuffler.shuffle(&mut reports);
        for ((_, rule), score) in RULES.iter().zip(&mut scores) {
            score.add(rule(&reports), payable);
        }
    }
    scores
}

fn runner(seed: u64) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}
