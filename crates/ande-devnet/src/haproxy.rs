//! The load balancer in front of the nodes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ande_haproxy::LoadBalancer;
use eyre::{Result, bail};

use crate::{
    process::{Launch, OnOrphan, Process},
    tools,
};

/// Writes the configuration into `dir`, checks it and starts HAProxy with it. None when HAProxy is
/// not installed.
///
/// # Errors
/// When HAProxy refuses the configuration or does not start.
pub(crate) fn start(
    balancer: &LoadBalancer,
    dir: &Path,
    on_orphan: OnOrphan,
) -> Result<Option<Process>> {
    let Some(program) = tools::haproxy_binary() else { return Ok(None) };
    let file = write(balancer, dir)?;
    check(&program, &file)?;
    Process::spawn(&Launch {
        name: "haproxy".into(),
        program,
        // With a master process, so that it can be reloaded.
        args: vec!["-W".into(), "-db".into(), "-f".into(), file.into()],
        dir: dir.to_path_buf(),
        env: Vec::new(),
        log: dir.join("haproxy.log"),
        on_orphan,
    })
    .map(Some)
}

fn write(balancer: &LoadBalancer, dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(dir)?;
    let file = dir.join("haproxy.cfg");
    fs::write(&file, balancer.render()?)?;
    Ok(file)
}

/// Lets HAProxy parse a configuration file; what it says on the way.
///
/// # Errors
/// Its complaint.
pub(crate) fn check(program: &Path, file: &Path) -> Result<String> {
    let output = Command::new(program).arg("-c").arg("-f").arg(file).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    bail!("haproxy refuses {}:\n{said}", file.display())
}

#[cfg(test)]
mod tests {
    use ande_haproxy::{Backend, Tls, Trust, testnet};

    use super::*;

    /// What HAProxy says of a configuration; nothing where it is not installed.
    fn said(balancer: &LoadBalancer) -> String {
        let Some(program) = tools::haproxy_binary() else { return String::new() };
        let dir = tempfile::tempdir().unwrap();
        check(&program, &write(balancer, dir.path()).unwrap()).unwrap()
    }

    /// The testnet's with other nodes.
    fn of(nodes: Vec<Backend>) -> LoadBalancer {
        LoadBalancer { nodes, ..testnet() }
    }

    #[test]
    fn haproxy_accepts_addresses_without_a_warning() {
        let local = |number: u16| {
            let endpoint = format!("http://127.0.0.1:{}", 8545 + number);
            Backend::of(format!("node-{number}"), &endpoint, None, Trust::Operator).unwrap()
        };
        let mut balancer = of((1..=32).map(local).collect());
        balancer
            .nodes
            .push(Backend::of("six", "http://[2606:4700::1111]:1", None, Trust::Stranger).unwrap());
        let said = said(&balancer);
        assert!(!said.contains("WARNING"), "{said}");
    }

    #[test]
    fn haproxy_accepts_names_without_looking_them_up() {
        let said = said(&testnet());
        let mut warnings = said.lines().filter(|line| line.contains("WARNING"));
        // The machine's name servers are its own affair.
        assert!(warnings.all(|line| line.contains("resolv.conf")), "{said}");
    }

    #[test]
    fn haproxy_accepts_tls_on_both_sides() {
        let dir = tempfile::tempdir().unwrap();
        let pem = dir.path().join("both.pem");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=lb", "-out"])
            .arg(dir.path().join("cert"))
            .arg("-keyout")
            .arg(dir.path().join("key"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let part = |name| fs::read_to_string(dir.path().join(name)).unwrap();
        fs::write(&pem, part("cert") + &part("key")).unwrap();
        let remote = Backend::of("0xAb", "https://rpc.invalid", None, Trust::Stranger).unwrap();
        let mut balancer = of(vec![remote]);
        let bind = "127.0.0.1:8443".parse().unwrap();
        let certs = pem.to_str().unwrap().to_owned();
        balancer.tls = Some(Tls { bind, certs });
        let text = balancer.render().unwrap();
        assert!(text.contains("ssl verify required ca-file @system-ca sni str(rpc.invalid)"));
        assert!(text.contains("ssl-min-ver TLSv1.2"));
        said(&balancer);
    }
}
