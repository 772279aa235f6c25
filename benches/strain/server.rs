//! The program under strain, and what the system says that it takes.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Error;

pub(crate) const SECRET: &str = "whsec_strain";
pub(crate) const READER: &str = "strain-reader";
const START: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// `bursar serve` on a store of its own; killed when dropped.
pub(crate) struct Server {
    process: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(folder: &Path) -> Result<Self, Error> {
        let folder = TempDir::new_in(folder)?;
        let address_out = folder.path().join("address");
        let mut process = Command::new(env!("CARGO_BIN_EXE_bursar"))
            .arg("serve")
            .env("BURSAR_BIND", "127.0.0.1:0")
            .env("BURSAR_STORE", folder.path().join("store"))
            .env("BURSAR_ADDRESS_OUT", &address_out)
            .env("BURSAR_WEBHOOK_SECRETS", SECRET)
            .env("BURSAR_TOKENS", format!("reader={READER}"))
            .env("BURSAR_LIVEMODE", "false")
            .stdin(Stdio::null())
            // A log that nobody reads; it still has to be written.
            .stderr(Stdio::null())
            .spawn()?;
        let address = address_in(&address_out, &mut process)?;
        Ok(Self { process, folder, address })
    }

    pub(crate) fn takes(&self) -> Result<Taken, Error> {
        Taken::of(self.process.id())
    }

    /// Bytes of the store, without the part of the journal that is kept free for events to come.
    pub(crate) fn disk_bytes(&self) -> Result<u64, Error> {
        disk_bytes(&self.folder.path().join("store"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn address_in(path: &Path, process: &mut Child) -> Result<SocketAddr, Error> {
    let start = Instant::now();
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if let Some(address) = text.strip_suffix('\n') {
            return Ok(address.parse()?);
        }
        if process.try_wait()?.is_some() || start.elapsed() > START {
            return Err("the server did not start".into());
        }
        std::thread::sleep(POLL);
    }
}

/// What a process takes of the machine, at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) rss_kib: u64,
    /// At the most so far.
    pub(crate) peak_kib: u64,
    pub(crate) threads: u64,
    pub(crate) files: u64,
}

impl Taken {
    fn of(process: u32) -> Result<Self, Error> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let word = line.and_then(|line| line.split_whitespace().next());
            word.and_then(|word| word.parse().ok()).ok_or(format!("no {name} in its status"))
        };
        let files = fs::read_dir(format!("/proc/{process}/fd"))?.count();
        Ok(Self {
            rss_kib: number("VmRSS:")?,
            peak_kib: number("VmHWM:")?,
            threads: number("Threads:")?,
            files: u64::try_from(files)?,
        })
    }
}

fn disk_bytes(folder: &Path) -> Result<u64, Error> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let is_journal = |path: &&PathBuf| path.extension().is_some_and(|it| it == "journal");
    let newest = files.iter().filter(is_journal).max().cloned();
    let mut bytes = 0;
    for path in files {
        bytes += if Some(&path) == newest.as_ref() {
            let content = fs::read(&path)?;
            let last = content.iter().rposition(|&byte| byte != 0);
            u64::try_from(last.map_or(0, |last| last + 1))?
        } else {
            // What is written anew may be gone by now.
            fs::metadata(&path).map_or(0, |metadata| metadata.blocks() * 512)
        };
    }
    Ok(bytes)
}
