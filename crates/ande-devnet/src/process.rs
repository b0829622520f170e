//! Child processes that end with their parent, each in its own process group, logging to a file.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use eyre::{Context as _, Result, bail, eyre};

use crate::tools::in_path;

const POLL: Duration = Duration::from_millis(20);

/// What a child gets when this process dies without stopping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOrphan {
    /// SIGTERM: it stops in order.
    Terminate,
    /// SIGKILL: for tests, whose children may be frozen.
    Kill,
}

/// How to start a child.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Name for messages.
    pub name: String,
    /// Program.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<OsString>,
    /// Working directory.
    pub dir: PathBuf,
    /// Additional environment.
    pub env: Vec<(String, String)>,
    /// File that receives stdout and stderr; appended to.
    pub log: PathBuf,
    /// What happens when this process dies.
    pub on_orphan: OnOrphan,
}

/// A running or ended child. Dropping it kills it and what it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    log: PathBuf,
    log_start: u64,
    child: Child,
    exit: Option<ExitStatus>,
}

impl Process {
    /// Starts a child in a process group of its own, so that a Ctrl-C in the terminal reaches
    /// only the parent.
    ///
    /// # Errors
    /// When the log file or the program cannot be opened.
    pub fn spawn(launch: &Launch) -> Result<Self> {
        if let Some(parent) = launch.log.parent() {
            fs::create_dir_all(parent)?;
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&launch.log)
            .wrap_err_with(|| format!("cannot open {}", launch.log.display()))?;
        let log_start = log.metadata()?.len();

        // The kernel sends the signal when the parent *thread* ends, hence the spawner thread.
        let mut command = match in_path("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                let signal = match launch.on_orphan {
                    OnOrphan::Terminate => "TERM",
                    OnOrphan::Kill => "KILL",
                };
                command.args(["--pdeathsig", signal, "--"]).arg(&launch.program);
                command
            }
            None => Command::new(&launch.program),
        };
        // Variables of the operator's shell must not configure the nodes of a cluster.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with("ANDE_") {
                command.env_remove(key);
            }
        }
        command
            .args(&launch.args)
            .current_dir(&launch.dir)
            .envs(launch.env.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        let child = spawn_from_lasting_thread(command).wrap_err_with(|| {
            format!("cannot start {} ({})", launch.name, launch.program.display())
        })?;
        Ok(Self {
            name: launch.name.clone(),
            log: launch.log.clone(),
            log_start,
            child,
            exit: None,
        })
    }

    /// Name for messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id; also the id of its group.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The exit status if it has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.exit.is_none() {
            self.exit = self.child.try_wait().ok().flatten();
        }
        self.exit
    }

    /// Whether it still runs (a frozen process runs).
    pub fn is_running(&mut self) -> bool {
        self.try_wait().is_none()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_wait() {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("{} (pid {}) still runs after {limit:?}", self.name, self.pid());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Asks it to stop (SIGTERM) and kills it after `grace`. Returns the exit status.
    ///
    /// # Errors
    /// When it can be neither signalled nor waited for.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait() {
            return Ok(status);
        }
        self.signal("TERM")?;
        if let Ok(status) = self.wait(grace).await {
            return Ok(status);
        }
        self.kill().await
    }

    /// SIGKILL, then waits for the end.
    ///
    /// # Errors
    /// When it can be neither signalled nor waited for.
    pub async fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait() {
            return Ok(status);
        }
        self.child.kill().wrap_err_with(|| format!("cannot kill {}", self.name))?;
        self.wait(Duration::from_secs(10)).await
    }

    /// Freezes it (SIGSTOP).
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.signal("STOP")
    }

    /// Continues it after [`pause`](Self::pause).
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.signal("CONT")
    }

    /// Sends a signal by name, without `SIG`.
    ///
    /// # Errors
    /// When it does not run any more.
    pub fn signal(&mut self, signal: &str) -> Result<()> {
        // An ended child is not reaped before `try_wait` says so: the pid is still ours.
        if let Some(status) = self.try_wait() {
            bail!("{} does not run any more: {status}", self.name);
        }
        let done = Command::new("kill").args(["-s", signal, &self.pid().to_string()]).status()?;
        if done.success() { Ok(()) } else { Err(eyre!("cannot send SIG{signal} to {}", self.name)) }
    }

    /// The last `lines` lines that it logged since it was started.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let text = self.log_since_start();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// Everything it logged since it was started.
    #[must_use]
    pub fn log_since_start(&self) -> String {
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = fs::File::open(&self.log)?;
            file.seek(SeekFrom::Start(self.log_start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            // The child is not reaped yet, so the group is still its own. Nobody is left to tell
            // about a failure.
            let group = rustix::process::Pid::from_child(&self.child);
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

type Job = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Spawns from one thread that lives as long as this process.
fn spawn_from_lasting_thread(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for (mut command, reply) in jobs {
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = mpsc::channel();
    spawner.send((command, reply)).map_err(|_| eyre!("the spawning thread ended"))?;
    Ok(answer.recv()??)
}
