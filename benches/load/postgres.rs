//! A PostgreSQL for the home-grown service: a cluster of its own, as `initdb` makes it (`fsync`
//! and `synchronous_commit` are on), in a temporary folder, listening on a socket in it only.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Error;

/// Where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Made by Debian's package; PostgreSQL refuses to run as root.
const UNPRIVILEGED: &str = "postgres";
const ROOT: u32 = 0;
const USER: &str = "bench";

/// Ends when it is dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    /// The user and the group that it runs as, when not as ourselves.
    owner: Option<(u32, u32)>,
}

impl Cluster {
    pub(crate) fn start(below: &Path) -> Result<Self, Error> {
        let cluster = Self { folder: TempDir::new_in(below)?, owner: owner()? };
        if let Some((user, group)) = cluster.owner {
            chown(cluster.folder.path(), Some(user), Some(group))?;
        }
        let user = format!("--username={USER}");
        run(cluster.program("initdb").args(["--auth=trust", "--locale=C.UTF-8", &user]))?;
        let socket = cluster.folder.path().display();
        let options = format!("--options=-k {socket} -c listen_addresses=''");
        let log = format!("--log={socket}/log");
        run(cluster.program("pg_ctl").args(["start", "--wait", &log, &options]))?;
        Ok(cluster)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@localhost/postgres?host={}", self.folder.path().display())
    }

    pub(crate) fn count(&self, table: &str) -> Result<usize, Error> {
        let query = format!("SELECT count(*) FROM {table}");
        let mut psql = self.program("psql");
        psql.args(["--no-psqlrc", "--tuples-only", "--command", &query, &self.url()]);
        let output = psql.output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse().map_err(|_| "psql has no count")?)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(programs().join(name));
        command.current_dir(self.folder.path()).env("PGDATA", self.folder.path().join("data"));
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that never started has nothing to stop.
        if self.folder.path().join("data/postmaster.pid").exists() {
            run(self.program("pg_ctl").args(["stop", "--wait", "--mode=fast"])).ok();
        }
    }
}

fn run(program: &mut Command) -> Result<(), Error> {
    let name = program.get_program().display().to_string();
    let status = program.stdout(Stdio::null()).status();
    let status = status.map_err(|error| format!("{name}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}").into()) }
}

/// The folder of the newest version; none, and so the path is searched, where there is no Debian.
fn programs() -> PathBuf {
    let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let version = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let newest = versions.filter_map(version).max();
    newest.map(|it| Path::new(VERSIONS).join(it.to_string()).join("bin")).unwrap_or_default()
}

fn owner() -> Result<Option<(u32, u32)>, Error> {
    if fs::metadata("/proc/self")?.uid() != ROOT {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = fields.next() == Some(UNPRIVILEGED);
        let ids = fields.nth(1)?.parse().ok().zip(fields.next()?.parse().ok());
        ids.filter(|_| is_it)
    });
    Ok(Some(ids.ok_or("there is no user `postgres` to run PostgreSQL as")?))
}
