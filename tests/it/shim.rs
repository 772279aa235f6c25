//! The disk between the real binary and its files: `tests/shim/disk.c`, built when it is needed.
//!
//! It writes down what a process does to its files, and lets calls fail, wait, or be the last.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What processes that are started [`Shim::under`] it see of the disk.
pub(crate) struct Shim {
    /// The files that count lie below it.
    folder: PathBuf,
    /// Beside the disk, so that nothing in it counts.
    own: TempDir,
    records: bool,
}

impl Shim {
    /// A disk without faults, of a machine that was started for this.
    pub(crate) fn over(folder: &Path) -> Self {
        let folder = folder.canonicalize().expect("a folder");
        let shim = Self { folder, own: tempfile::tempdir().expect("a folder"), records: false };
        shim.rules(&[]);
        shim.write("boot_id", &format!("{:032x}\n", fastrand::u128(..)));
        shim
    }

    /// The same, which also writes down all that changes from now on.
    pub(crate) fn recording(folder: &Path) -> Self {
        let shim = Self { records: true, ..Self::over(folder) };
        shim.write("record", &format!("root {}\n", shim.folder.display()));
        shim
    }

    pub(crate) fn under(&self, mut command: Command) -> Command {
        command
            .env("LD_PRELOAD", library())
            .env("SHIM_FOLDER", &self.folder)
            .env("SHIM_RULES", self.own.path().join("rules"))
            .env("SHIM_BOOT_ID", self.own.path().join("boot_id"));
        if self.records {
            command.env("SHIM_RECORD", self.record());
        }
        command
    }

    /// What holds from now on, instead of what held before; each `CALLS PATH FIRST COUNT ACTION`.
    pub(crate) fn rules(&self, rules: &[&str]) {
        self.write("rules.new", &(rules.join("\n") + "\n"));
        let path = self.own.path();
        fs::rename(path.join("rules.new"), path.join("rules")).expect("rules");
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.own.path().join("record")
    }

    /// Writes down that an event was acknowledged: what came before its 2xx stands before this.
    pub(crate) fn acknowledged(&self, name: &str) {
        let mut record = OpenOptions::new().append(true).open(self.record()).expect("a record");
        record.write_all(format!("acknowledged {name}\n").as_bytes()).expect("a record");
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.own.path().join(name), content).expect("a written file");
    }
}

/// The library, made once for each form of its source.
fn library() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shim/disk.c");
    let text = fs::read(&source).expect("the source of the disk");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let library = folder.join(format!("disk-{:08x}.so", crc32c::crc32c(&text)));
    if !library.exists() {
        // Tests run at the same time, so each makes its own and puts it in place whole.
        let own = tempfile::NamedTempFile::new_in(folder).expect("a file");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-pthread", "-o"]).arg(own.path()).arg(&source);
        let built = compiler.arg("-ldl").status().expect("a C compiler, `cc`");
        assert!(built.success(), "{} was not compiled", source.display());
        File::open(own.path()).and_then(|file| file.sync_all()).expect("a library");
        own.persist(&library).expect("a library");
    }
    library
}
