//! A disk that loses power: of what was not synced, any part may have reached it.
//!
//! The rules are those that POSIX leaves to a file system, the worst that an honest disk may do:
//! a sync of a file makes its bytes and its length durable, not its name; a sync of a folder makes
//! the names in it durable, not what they name. Of all else each page, each length and each change
//! of a name is there or is not, on its own. Only these hold: a page shows some moment of the
//! file, in which all earlier writes to it are, and changes of one name keep their order, a rename
//! being one change.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use fastrand::Rng;

use super::recording::Entry;

const PAGE_BYTES: u64 = 4096;
const SECTOR_BYTES: u64 = 512;

/// Index of a file or folder, which keeps it when its name or inode goes to another.
type Node = usize;

pub(super) struct Disk<'r> {
    /// What all paths begin with.
    root: String,
    nodes: Vec<Item<'r>>,
    inodes: HashMap<u64, Node>,
    /// Changes of names that no sync covers, oldest first, each with its place in the record.
    names: Vec<(usize, Renaming)>,
}

enum Item<'r> {
    File(Stored<'r>),
    Folder(Names),
}

struct Stored<'r> {
    durable: Content,
    /// What no sync covers, oldest first, each with its place in the record.
    pending: Vec<(usize, Change<'r>)>,
}

#[derive(Clone, Copy)]
enum Change<'r> {
    Write { offset: u64, bytes: &'r [u8] },
    Resize(u64),
}

#[derive(Default)]
struct Names {
    durable: BTreeMap<String, Node>,
    now: BTreeMap<String, Node>,
}

/// What some names in folders mean from now on; all of it at once or not at all.
type Renaming = Vec<(Node, String, Option<Node>)>;

impl<'r> Disk<'r> {
    pub(super) fn empty(root: &str) -> Self {
        let nodes = vec![Item::Folder(Names::default())];
        Self { root: root.to_owned(), nodes, inodes: HashMap::new(), names: Vec::new() }
    }

    /// A disk that holds, durably, what a folder of this machine holds.
    pub(super) fn holding(folder: &Path) -> Self {
        let mut disk = Self::empty(folder.to_str().expect("UTF-8"));
        disk.load(0, folder);
        disk
    }

    fn load(&mut self, into: Node, folder: &Path) {
        self.inodes.insert(folder.metadata().expect("a folder").ino(), into);
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
            let node = self.nodes.len();
            if path.is_dir() {
                self.nodes.push(Item::Folder(Names::default()));
                self.load(node, &path);
            } else {
                let durable = Content::of(&fs::read(&path).expect("a file"));
                self.nodes.push(Item::File(Stored { durable, pending: Vec::new() }));
                self.inodes.insert(path.metadata().expect("a file").ino(), node);
            }
            self.folder(into).durable.insert(name.clone(), node);
            self.folder(into).now.insert(name, node);
        }
    }

    /// What stands at `at` in the record happens.
    pub(super) fn take(&mut self, at: usize, entry: Entry<'r>) {
        match entry {
            Entry::Create { inode, path } => {
                let file = Stored { durable: Content::default(), pending: Vec::new() };
                self.make(at, inode, path, Item::File(file));
            }
            Entry::Mkdir { inode, path } => {
                self.make(at, inode, path, Item::Folder(Names::default()));
            }
            Entry::Write { inode, offset, bytes } => {
                self.file(inode).pending.push((at, Change::Write { offset, bytes }));
            }
            Entry::Resize { inode, length } => {
                self.file(inode).pending.push((at, Change::Resize(length)));
            }
            Entry::Sync { inode, begun } => self.sync(inode, begun),
            Entry::Rename { from, to } => {
                let ((from_in, from), (to_in, to)) = (self.resolve(from), self.resolve(to));
                let node = *self.folder(from_in).now.get(&from).expect("a name to change");
                self.rename(at, vec![(from_in, from, None), (to_in, to, Some(node))]);
            }
            Entry::Unlink { path } => {
                let (folder, name) = self.resolve(path);
                self.rename(at, vec![(folder, name, None)]);
            }
            Entry::Acknowledged { .. } => {}
        }
    }

    fn make(&mut self, at: usize, inode: u64, path: &str, item: Item<'r>) {
        let node = self.nodes.len();
        self.nodes.push(item);
        self.inodes.insert(inode, node);
        let (folder, name) = self.resolve(path);
        self.rename(at, vec![(folder, name, Some(node))]);
    }

    fn rename(&mut self, at: usize, renaming: Renaming) {
        for (folder, name, node) in &renaming {
            set(&mut self.folder(*folder).now, name, *node);
        }
        self.names.push((at, renaming));
    }

    fn sync(&mut self, inode: u64, begun: usize) {
        let node = self.node(inode);
        if let Item::File(file) = &mut self.nodes[node] {
            let covered = file.pending.partition_point(|(at, _)| *at < begun);
            for (_, change) in file.pending.drain(..covered) {
                file.durable.change(change);
            }
            return;
        }
        let is_covered = |(at, renaming): &mut (usize, Renaming)| {
            *at < begun && renaming.iter().any(|(folder, ..)| *folder == node)
        };
        let covered: Vec<_> = self.names.extract_if(.., is_covered).collect();
        for (folder, name, node) in covered.into_iter().flat_map(|(_, renaming)| renaming) {
            set(&mut self.folder(folder).durable, &name, node);
        }
    }

    /// The folder that a path's last part is in, and that part.
    fn resolve(&mut self, path: &str) -> (Node, String) {
        let below = path.strip_prefix(&self.root).expect("a path below the root");
        let mut parts: Vec<_> = below.split('/').filter(|part| !part.is_empty()).collect();
        let last = parts.pop().expect("a name");
        let folder = parts.into_iter().fold(0, |folder, part| {
            *self.folder(folder).now.get(part).unwrap_or_else(|| panic!("no {part} of {path}"))
        });
        (folder, last.to_owned())
    }

    fn node(&self, inode: u64) -> Node {
        // The root was there before the record began.
        self.inodes.get(&inode).copied().unwrap_or(0)
    }

    fn file(&mut self, inode: u64) -> &mut Stored<'r> {
        let node = self.node(inode);
        match &mut self.nodes[node] {
            Item::File(file) => file,
            Item::Folder(_) => panic!("{inode} is no file"),
        }
    }

    fn folder(&mut self, node: Node) -> &mut Names {
        match &mut self.nodes[node] {
            Item::Folder(names) => names,
            Item::File(_) => panic!("{node} is no folder"),
        }
    }

    /// Writes what a loss of power now may leave into an empty folder.
    pub(super) fn cut(&self, random: &mut Rng, into: &Path) {
        let names = self.surviving_names(random);
        self.write_folder(0, &names, random, into);
    }

    fn write_folder(
        &self,
        folder: Node,
        names: &HashMap<Node, BTreeMap<String, Node>>,
        random: &mut Rng,
        into: &Path,
    ) {
        for (name, &node) in names.get(&folder).into_iter().flatten() {
            let path = into.join(name);
            match &self.nodes[node] {
                Item::File(file) => file.survive(random).save(&path),
                Item::Folder(_) => {
                    fs::create_dir(&path).expect("a folder");
                    self.write_folder(node, names, random, &path);
                }
            }
        }
    }

    /// The names in each folder, after some of the changes that no sync covers.
    fn surviving_names(&self, random: &mut Rng) -> HashMap<Node, BTreeMap<String, Node>> {
        let folders = self.nodes.iter().enumerate().filter_map(|(node, item)| match item {
            Item::Folder(names) => Some((node, names.durable.clone())),
            Item::File(_) => None,
        });
        let mut names: HashMap<_, _> = folders.collect();
        // A file system with a journal keeps the first so many; others keep any.
        let in_order = random.bool();
        let kept = random.usize(0..=self.names.len());
        let mut lost = BTreeSet::new();
        for (index, (_, renaming)) in self.names.iter().enumerate() {
            let touched = || renaming.iter().map(|(folder, name, _)| (*folder, name.as_str()));
            let is_lost = if in_order { index >= kept } else { random.bool() };
            if is_lost || touched().any(|name| lost.contains(&name)) {
                lost.extend(touched());
                continue;
            }
            for (folder, name, node) in renaming {
                set(names.get_mut(folder).expect("a folder"), name, *node);
            }
        }
        names
    }
}

fn set(names: &mut BTreeMap<String, Node>, name: &str, node: Option<Node>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

impl Stored<'_> {
    /// The file after some of the changes that no sync covers.
    fn survive(&self, random: &mut Rng) -> Content {
        let mut content = self.durable.clone();
        let all = self.pending.len();
        // Pages are written back whole, but only a sector is written at once.
        let grain = if random.bool() { PAGE_BYTES } else { SECTOR_BYTES };
        let resizes = random.usize(0..=all);
        let mut reached = HashMap::new();
        let mut length = content.length;
        for (index, (_, change)) in self.pending.iter().enumerate() {
            match change {
                Change::Write { offset, bytes } => {
                    for (offset, bytes) in pieces(*offset, bytes, grain) {
                        let changes = reached.entry(offset / grain);
                        if index < *changes.or_insert_with(|| random.usize(0..=all)) {
                            content.write(offset, bytes);
                        }
                    }
                    if index < resizes {
                        length = length.max(offset + bytes.len() as u64);
                    }
                }
                Change::Resize(to) if index < resizes => {
                    content.resize(*to);
                    length = *to;
                }
                Change::Resize(_) => {}
            }
        }
        content.resize(length);
        content
    }
}

/// Bytes and where they go, divided where units of `grain` end.
fn pieces(offset: u64, bytes: &[u8], grain: u64) -> impl Iterator<Item = (u64, &[u8])> {
    let (mut offset, mut rest) = (offset, bytes);
    std::iter::from_fn(move || {
        let room = usize::try_from(grain - offset % grain).expect("a few bytes");
        let (piece, after) = rest.split_at(room.min(rest.len()));
        let at = offset;
        offset += piece.len() as u64;
        rest = after;
        (!piece.is_empty()).then_some((at, piece))
    })
}

/// A file's bytes. Pages that were never written are zero and take no room.
#[derive(Clone, Default)]
struct Content {
    pages: BTreeMap<u64, Arc<[u8]>>,
    length: u64,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        let mut content = Self::default();
        for (offset, page) in pieces(0, bytes, PAGE_BYTES) {
            if page.iter().any(|byte| *byte != 0) {
                content.write(offset, page);
            }
        }
        content.length = bytes.len() as u64;
        content
    }

    fn change(&mut self, change: Change<'_>) {
        match change {
            Change::Write { offset, bytes } => self.write(offset, bytes),
            Change::Resize(length) => self.resize(length),
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (at, piece) in pieces(offset, bytes, PAGE_BYTES) {
            let page = self.pages.entry(at / PAGE_BYTES).or_insert_with(blank);
            let from = usize::try_from(at % PAGE_BYTES).expect("a place in a page");
            Arc::make_mut(page)[from..from + piece.len()].copy_from_slice(piece);
        }
        self.length = self.length.max(offset + bytes.len() as u64);
    }

    fn resize(&mut self, length: u64) {
        self.pages.split_off(&length.div_ceil(PAGE_BYTES));
        if let Some(page) = self.pages.get_mut(&(length / PAGE_BYTES)) {
            let kept = usize::try_from(length % PAGE_BYTES).expect("a place in a page");
            Arc::make_mut(page)[kept..].fill(0);
        }
        self.length = length;
    }

    fn save(&self, path: &Path) {
        let file = File::create(path).expect("a file");
        for (number, page) in &self.pages {
            file.write_all_at(page, number * PAGE_BYTES).expect("room");
        }
        file.set_len(self.length).expect("a file");
    }
}

fn blank() -> Arc<[u8]> {
    const { assert!(PAGE_BYTES == 4096) };
    Arc::from([0; 4096])
}
