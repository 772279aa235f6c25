//! What `tests/shim/disk.c` wrote down of some processes, entry by entry.

/// Inodes tell files and folders apart; paths are whole.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'r> {
    /// A file has a name from now on.
    Create {
        inode: u64,
        path: &'r str,
    },
    Mkdir {
        inode: u64,
        path: &'r str,
    },
    Write {
        inode: u64,
        offset: u64,
        bytes: &'r [u8],
    },
    Resize {
        inode: u64,
        length: u64,
    },
    /// All that stands before `begun` of this file or folder is on the disk.
    Sync {
        inode: u64,
        begun: usize,
    },
    Rename {
        from: &'r str,
        to: &'r str,
    },
    Unlink {
        path: &'r str,
    },
    /// A client had a 2xx for this event.
    Acknowledged {
        name: &'r str,
    },
}

impl Entry<'_> {
    pub(super) fn acknowledged(&self) -> Option<String> {
        let Self::Acknowledged { name } = self else { return None };
        Some((*name).to_owned())
    }

    /// Whether a file or a name is otherwise; both are seldom.
    pub(super) fn is_seldom(&self) -> bool {
        !matches!(self, Self::Write { .. } | Self::Sync { .. } | Self::Acknowledged { .. })
    }
}

pub(super) struct Recording<'r> {
    /// The folder that all paths begin with.
    pub(super) root: &'r str,
    /// Each with its place in the record.
    pub(super) entries: Vec<(usize, Entry<'r>)>,
}

impl<'r> Recording<'r> {
    pub(super) fn read(bytes: &'r [u8]) -> Self {
        let (first, mut at) = line(bytes, 0);
        let root = first.strip_prefix("root ").expect("a recording begins with its folder");
        let mut entries = Vec::new();
        while at < bytes.len() {
            let (text, behind) = line(bytes, at);
            let (entry, end) = entry(text, bytes, behind);
            entries.push((at, entry));
            at = end;
        }
        Self { root, entries }
    }
}

/// The line that starts here, and where it ends.
fn line(bytes: &[u8], at: usize) -> (&str, usize) {
    let length = bytes[at..].iter().position(|byte| *byte == b'\n').expect("a whole line");
    (std::str::from_utf8(&bytes[at..at + length]).expect("UTF-8"), at + length + 1)
}

/// The entry of a line, and where it ends: a write has its bytes behind the line.
fn entry<'r>(text: &'r str, bytes: &'r [u8], behind: usize) -> (Entry<'r>, usize) {
    let (kind, rest) = text.split_once(' ').expect("a kind");
    let numbered = |text: &'r str| {
        let (inode, path) = text.split_once(' ').expect("an inode and more");
        (number(inode), path)
    };
    let entry = match kind {
        "create" => {
            let (inode, path) = numbered(rest);
            Entry::Create { inode, path }
        }
        "mkdir" => {
            let (inode, path) = numbered(rest);
            Entry::Mkdir { inode, path }
        }
        "write" => {
            let (inode, place) = numbered(rest);
            let (offset, length) = place.split_once(' ').expect("an offset and a length");
            let end = behind + usize::try_from(number(length)).expect("a length");
            let bytes = &bytes[behind..end];
            return (Entry::Write { inode, offset: number(offset), bytes }, end);
        }
        "resize" => {
            let (inode, length) = numbered(rest);
            Entry::Resize { inode, length: number(length) }
        }
        "sync" => {
            let (inode, begun) = numbered(rest);
            Entry::Sync { inode, begun: begun.parse().expect("a place") }
        }
        "rename" => {
            let (from, to) = rest.split_once('\t').expect("two paths");
            Entry::Rename { from, to }
        }
        "unlink" => Entry::Unlink { path: rest },
        "acknowledged" => Entry::Acknowledged { name: rest },
        _ => panic!("{text:?} is no entry"),
    };
    (entry, behind)
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}
