//! One line of the log for each thing that happened, whatever stands in it.
//!
//! Ids, names and reasons come from outside: a line feed in one must not begin a line of its own,
//! nor an escape sequence change what a terminal shows.

use std::borrow::Cow;
use std::io::{self, Write};

const ESCAPE: u8 = 0x1b;

/// Writes to stderr what it is handed, a whole line at a time.
pub(super) struct Lines {
    /// It is a terminal, and lines are coloured.
    pub(super) coloured: bool,
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        io::stderr().write_all(&one_line(line, self.coloured))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Control characters are written out, but for the line feed at the end and colours.
fn one_line(line: &[u8], coloured: bool) -> Cow<'_, [u8]> {
    let (text, end) = match line {
        [text @ .., b'\n'] => (text, b"\n".as_slice()),
        text => (text, b"".as_slice()),
    };
    if !text.iter().any(u8::is_ascii_control) {
        return line.into();
    }
    let mut written = Vec::with_capacity(line.len() + 16);
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        if !byte.is_ascii_control() || (coloured && begins_a_colour(rest)) {
            written.push(byte);
        } else {
            written.extend(byte.escape_ascii());
        }
        rest = after;
    }
    written.extend_from_slice(end);
    written.into()
}

/// `ESC [ numbers m`
fn begins_a_colour(text: &[u8]) -> bool {
    let Some(numbers) = text.strip_prefix(&[ESCAPE, b'[']) else { return false };
    let end = numbers.iter().find(|byte| !byte.is_ascii_digit() && **byte != b';');
    end == Some(&b'm')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, coloured: bool, expected: &str) {
        let written = one_line(line.as_bytes(), coloured);
        assert_eq!(String::from_utf8_lossy(&written), expected, "{line:?}");
    }

    #[test]
    fn what_would_begin_another_line_is_written_out() {
        for (line, expected) in [
            ("received an event\n", "received an event\n"),
            ("Zoë — 東京\n", "Zoë — 東京\n"),
            ("evt_1\nERROR forged\r\n", "evt_1\\nERROR forged\\r\n"),
            ("a\tb\0c\u{7f}d", "a\\tb\\x00c\\x7fd"),
            ("\n\n", "\\n\n"),
            ("\n", "\n"),
            ("", ""),
        ] {
            check(line, false, expected);
            check(line, true, expected);
        }
    }

    #[test]
    fn a_terminal_gets_colours_and_no_other_escape_sequence() {
        check("\u{1b}[32m INFO\u{1b}[0m it\n", true, "\u{1b}[32m INFO\u{1b}[0m it\n");
        check("\u{1b}[32m INFO\u{1b}[0m it\n", false, "\\x1b[32m INFO\\x1b[0m it\n");
        check("\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}[31", true, "\\x1b[2J\\x1b]0;title\\x07\\x1b[31");
    }
}
