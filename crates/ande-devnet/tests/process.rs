//! Child processes: signals, environment, logs.

use std::{fs, time::Duration};

use ande_devnet::{Launch, OnOrphan, Process, in_path, wait_until};
use eyre::{ContextCompat as _, Result};

const LIMIT: Duration = Duration::from_secs(10);

fn launch(name: &str, program: &str, args: &[&str]) -> Result<Launch> {
    let dir = std::env::temp_dir();
    Ok(Launch {
        name: name.to_owned(),
        program: in_path(program).wrap_err("program")?,
        args: args.iter().map(Into::into).collect(),
        log: dir.join(format!("ande-process-{name}-{}.log", std::process::id())),
        dir,
        env: vec![("ANDE_GIVEN".to_owned(), "yes".to_owned())],
        on_orphan: OnOrphan::Kill,
    })
}

fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[tokio::test]
async fn child_is_frozen_continued_and_stopped() -> Result<()> {
    let mut sleep = Process::spawn(&launch("sleep", "sleep", &["600"])?)?;
    let pid = sleep.pid();
    sleep.pause()?;
    wait_until("it is frozen", LIMIT, async || Ok((state(pid) == Some('T')).then_some(()))).await?;
    assert!(sleep.is_running());
    sleep.resume()?;
    wait_until("it goes on", LIMIT, async || Ok((state(pid) == Some('S')).then_some(()))).await?;
    let status = sleep.stop(LIMIT).await?;
    assert!(!status.success());
    assert!(sleep.signal("CONT").is_err());
    fs::remove_file(sleep.log())?;
    Ok(())
}

#[tokio::test]
async fn child_that_ignores_the_request_is_killed() -> Result<()> {
    let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let mut stubborn = Process::spawn(&launch("stubborn", "sh", &["-c", script])?)?;
    wait_until("it is ready", LIMIT, async || {
        Ok(stubborn.log_tail(1).contains("ready").then_some(()))
    })
    .await?;
    stubborn.stop(Duration::from_millis(200)).await?;
    assert!(!stubborn.is_running());
    fs::remove_file(stubborn.log())?;
    Ok(())
}

#[tokio::test]
async fn child_sees_only_the_settings_it_is_given() -> Result<()> {
    let mut env = Process::spawn(&launch("env", "env", &[])?)?;
    env.wait(LIMIT).await?;
    let text = env.log_since_start();
    let ande: Vec<&str> = text.lines().filter(|line| line.starts_with("ANDE_")).collect();
    assert_eq!(ande, ["ANDE_GIVEN=yes"]);
    assert_eq!(env.log_tail(1).lines().count(), 1);
    fs::remove_file(env.log())?;
    Ok(())
}

#[tokio::test]
async fn dropped_child_dies() -> Result<()> {
    let sleep = Process::spawn(&launch("dropped", "sleep", &["600"])?)?;
    let (pid, log) = (sleep.pid(), sleep.log().to_path_buf());
    drop(sleep);
    assert_eq!(state(pid), None);
    fs::remove_file(log)?;
    Ok(())
}
