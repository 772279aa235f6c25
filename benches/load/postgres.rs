//! A PostgreSQL for the home-grown service: a cluster of its own, as `initdb` makes it (`fsync`
//! and `synchronous_commit` are on), in a temporary folder, listening on a socket in it only.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Error;

/// Where Debian puts the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Made by Debian's package; PostgreSQL refuses to run as root.
const UNPRIVILEGED: &str = "postgres";
const ROOT: u32 = 0;
const USER: &str = "bench";

/// A program that is told to stop (fast, in PostgreSQL's words) when its stdin ends, and so also
/// when this program does, however that comes.
const WHILE_STDIN: &str = r#""$@" & read -r _; kill -INT $!; wait $!"#;
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Ends when it is dropped.
pub(crate) struct Cluster {
    folder: TempDir,
    /// The user and the group that it runs as, when not as ourselves.
    owner: Option<(u32, u32)>,
    server: Option<Child>,
}

impl Cluster {
    pub(crate) fn start(below: &Path) -> Result<Self, Error> {
        let mut cluster = Self { folder: TempDir::new_in(below)?, owner: owner()?, server: None };
        if let Some((user, group)) = cluster.owner {
            chown(cluster.folder.path(), Some(user), Some(group))?;
        }
        let user = format!("--username={USER}");
        cluster.run(programs().join("initdb"), &["--auth=trust", "--locale=C.UTF-8", &user])?;
        let mut server = cluster.command("sh");
        server.args(["-c", WHILE_STDIN, "sh"]).arg(programs().join("postgres"));
        server.args(["-c", "listen_addresses=", "-k"]).arg(cluster.folder.path());
        let log = File::create(cluster.folder.path().join("log"))?;
        cluster.server = Some(server.stdin(Stdio::piped()).stderr(log).spawn()?);
        cluster.wait_until_ready()?;
        Ok(cluster)
    }

    fn wait_until_ready(&self) -> Result<(), Error> {
        let start = Instant::now();
        let socket = format!("--host={}", self.folder.path().display());
        while let Err(error) = self.run(programs().join("pg_isready"), &[&socket]) {
            if start.elapsed() > PATIENCE {
                return Err(error);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@localhost/postgres?host={}", self.folder.path().display())
    }

    pub(crate) fn count(&self, table: &str) -> Result<usize, Error> {
        let query = format!("SELECT count(*) FROM {table}");
        let mut psql = self.command(programs().join("psql"));
        psql.args(["--no-psqlrc", "--tuples-only", "--command", &query, &self.url()]);
        let output = psql.stdout(Stdio::piped()).output()?;
        Ok(String::from_utf8(output.stdout)?.trim().parse().map_err(|_| "psql has no count")?)
    }

    fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Result<(), Error> {
        let name = program.as_ref().display();
        let status = self.command(program.as_ref()).args(arguments).status();
        let status = status.map_err(|error| format!("{name}: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}").into()) }
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        let folder = self.folder.path();
        command.current_dir(folder).env("PGDATA", folder.join("data")).stdout(Stdio::null());
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            server.wait().ok();
        }
    }
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
