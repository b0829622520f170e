//! The directory of a testnet.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::Path,
    time::Duration,
};

use ande_haproxy::{TESTNET_OPS, TESTNET_P2P, TESTNET_RPC, TESTNET_STATS, TESTNET_WS};
use ande_monitoring::targets_file;
use eyre::{Context as _, Result};

use super::{Testnet, TestnetOptions, TestnetValidator, endpoint, names};
use crate::{
    config::{CONFIG_FILE, ConfigFile},
    genesis::{Executor, genesis_hash, write_genesis},
    keys::{NODE_KEY_FILE, NodeKeys, VALIDATOR_KEY_FILE},
    node::NodeSettings,
    options::L2_CHAIN_ID,
};

/// Directory of everything that others must not read.
pub const SECRETS_DIR: &str = "secrets";
/// Password of Grafana's administrator, below it.
pub const GRAFANA_PASSWORD_FILE: &str = "grafana-password";
/// What the compose file must know of the directory, for `--env-file`.
pub const ENV_FILE: &str = "compose.env";
const HEADER: &str = "Written by `ande init testnet`, at every run of it.";

/// Who the containers run as: owns the secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// Makes the files of a testnet in `dir`, or what is missing of them. Keys and genesis that are there
/// stay; configuration is written again. Returns the testnet and the owner of its secrets: `owner`
/// where we may give files away, else ourselves.
///
/// # Errors
/// Files that cannot be read or written; options other than those that the testnet was made with.
pub fn init(dir: &Path, options: TestnetOptions, owner: Owner) -> Result<(Testnet, Owner)> {
    fs::create_dir_all(dir).wrap_err_with(|| format!("cannot make {}", dir.display()))?;
    let before = Testnet::load(dir)?;
    let genesis = match genesis_hash(dir)? {
        Some(hash) => hash,
        None => write_genesis(dir, Executor::Evm, L2_CHAIN_ID, 0)?,
    };
    let secrets = dir.join(SECRETS_DIR);
    let mut validators = Vec::new();
    for name in names() {
        let dir = secrets.join(&name);
        // A lost key of a chain that may run already must be noticed, not replaced.
        let keys =
            if before.is_some() { NodeKeys::load(&dir)? } else { NodeKeys::load_or_create(&dir)? };
        let (endpoint, address, node_id) = (endpoint(&name), keys.address(), keys.node_id());
        validators.push(TestnetValidator { name, endpoint, address, node_id });
    }
    let password = secrets.join(GRAFANA_PASSWORD_FILE);
    if !password.exists() {
        ande_node::create_password(&password)?;
    }
    let testnet = Testnet::new(options, before.as_ref(), genesis, validators)?;
    if let Some(before) = &before {
        testnet.check_unchanged(before, dir)?;
    }
    let owner = give_secrets(&secrets, owner)?;
    testnet.save(dir)?;
    write_configuration(dir, &testnet)?;
    let env = format!(
        "# {HEADER}\nANDE_TESTNET_DIR={}\nANDE_UID={}\nANDE_GID={}\n",
        dir.canonicalize()?.display(),
        owner.uid,
        owner.gid
    );
    write_public(&dir.join(ENV_FILE), &env)?;
    Ok((testnet, owner))
}

fn write_configuration(dir: &Path, testnet: &Testnet) -> Result<()> {
    let settings = NodeSettings {
        heartbeat: Duration::from_secs(10).max(Duration::from_millis(testnet.block_time_ms)),
        drain: Duration::from_secs(3),
        ..NodeSettings::local()
    };
    let any = |port: u16| format!("0.0.0.0:{port}");
    let mut ops = Vec::new();
    for validator in &testnet.validators {
        let name = &validator.name;
        let text = ConfigFile {
            header: HEADER,
            name,
            data_dir: "/var/lib/ande/data",
            genesis: "/etc/ande/genesis.json",
            keys: "/run/secrets/",
            // Secrets cannot be written to, and the guard must outlive the container.
            guard: Some("/var/lib/ande/sign-guard"),
            l1_url: "http://settlement:8545",
            p2p_listen: &any(TESTNET_P2P),
            p2p_advertise: &format!("{name}:{TESTNET_P2P}"),
            rpc: &any(TESTNET_RPC),
            ws: &any(TESTNET_WS),
            ops: &any(TESTNET_OPS),
        }
        .text(&testnet.chain(), &settings);
        let node = dir.join("nodes").join(name);
        make_public(&node)?;
        write_public(&node.join(CONFIG_FILE), &text)?;
        ops.push((name.clone(), format!("{name}:{TESTNET_OPS}")));
    }
    make_public(&dir.join("haproxy"))?;
    write_public(&dir.join("haproxy/haproxy.cfg"), &ande_haproxy::testnet_file()?)?;
    let targets = dir.join("prometheus/targets");
    make_public(&targets)?;
    let one = |name: &str, port: u16| vec![(name.to_owned(), format!("{name}:{port}"))];
    for (job, listeners) in [
        ("sequencer", ops),
        ("haproxy", vec![("lb".to_owned(), format!("haproxy:{TESTNET_STATS}"))]),
        ("prometheus", one("prometheus", 9090)),
        ("alertmanager", one("alertmanager", 9093)),
    ] {
        write_public(
            &targets.join(format!("{job}.yml")),
            &targets_file(&format!("# {HEADER}\n"), &listeners),
        )?;
    }
    for name in ["nodes", "prometheus", "genesis.json"] {
        let path = dir.join(name);
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        set_mode(&path, mode)?;
    }
    Ok(())
}

/// Gives the secrets to the user of the containers, who alone may read them.
fn give_secrets(secrets: &Path, owner: Owner) -> Result<Owner> {
    let mut files = vec![secrets.join(GRAFANA_PASSWORD_FILE)];
    let mut dirs = vec![secrets.to_path_buf()];
    for name in names() {
        let node = secrets.join(name);
        files.extend([node.join(VALIDATOR_KEY_FILE), node.join(NODE_KEY_FILE)]);
        dirs.push(node);
    }
    for (paths, mode) in [(&files, 0o400), (&dirs, 0o700)] {
        for path in paths {
            set_mode(path, mode)?;
            match chown(path, Some(owner.uid), Some(owner.gid)) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
                given => given.wrap_err_with(|| format!("cannot give {} away", path.display()))?,
            }
        }
    }
    let metadata = fs::metadata(secrets)?;
    Ok(Owner { uid: metadata.uid(), gid: metadata.gid() })
}

fn make_public(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    set_mode(dir, 0o755)
}

/// Writes a file that everybody may read, whatever the umask.
fn write_public(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).wrap_err_with(|| format!("cannot write {}", path.display()))?;
    set_mode(path, 0o644)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .wrap_err_with(|| format!("cannot set the mode of {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The owner of files that we make.
    fn ourselves(dir: &Path) -> Owner {
        let metadata = fs::metadata(dir).unwrap();
        Owner { uid: metadata.uid(), gid: metadata.gid() }
    }

    #[test]
    fn everything_is_made_once_and_keys_stay() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("testnet");
        let us = ourselves(root.path());
        let (made, owner) = init(&dir, TestnetOptions::default(), us).unwrap();
        assert_eq!(owner, us);
        assert_eq!((made.block_time_ms, made.validators.len()), (2_000, 4));
        let key = dir.join(SECRETS_DIR).join("node-3").join(VALIDATOR_KEY_FILE);
        let password = dir.join(SECRETS_DIR).join(GRAFANA_PASSWORD_FILE);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let before = (read(&key), read(&password));
        for secret in [&key, &password] {
            assert_eq!(fs::metadata(secret).unwrap().mode() & 0o777, 0o400);
        }
        let config = dir.join("nodes/node-3").join(CONFIG_FILE);
        assert_eq!(fs::metadata(&config).unwrap().mode() & 0o777, 0o644);
        assert!(read(&config).contains("advertise = \"node-3:30303\""), "{}", read(&config));

        // Again: what is missing or was changed is written, secrets stay.
        fs::write(&config, "mine").unwrap();
        let (again, _) = init(&dir, TestnetOptions::default(), us).unwrap();
        assert_eq!(again, made);
        assert_eq!((read(&key), read(&password)), before);
        assert_ne!(read(&config), "mine");
        assert!(before.1.trim().len() == 32 && before.0.trim().len() == 64);

        let other = TestnetOptions { rotation: Some(7), ..TestnetOptions::default() };
        let error = init(&dir, other, us).unwrap_err().to_string();
        assert!(error.contains("rotation: 10, now 7"), "{error}");

        // A lost key is not replaced.
        fs::remove_file(&key).unwrap();
        let error = init(&dir, TestnetOptions::default(), us).unwrap_err().to_string();
        assert!(error.contains("cannot be read") && !key.exists(), "{error}");
    }

    #[test]
    fn the_node_takes_the_configuration() {
        let root = tempfile::tempdir().unwrap();
        let us = ourselves(root.path());
        let options = TestnetOptions { block_time_ms: Some(500), ..TestnetOptions::default() };
        init(root.path(), options, us).unwrap();
        // Where the paths of the container are in this directory.
        let config = root.path().join("nodes/node-1").join(CONFIG_FILE);
        let text = fs::read_to_string(&config)
            .unwrap()
            .replace("/run/secrets/", "../../secrets/node-1/")
            .replace("/etc/ande/genesis.json", "../../genesis.json")
            .replace("/var/lib/ande", root.path().to_str().unwrap());
        fs::write(&config, text).unwrap();
        let loaded = ande_node::config::load(&config, &Default::default()).unwrap();
        assert_eq!(loaded.p2p_advertise, "node-1:30303");
        ande_node::read_validator_key(&loaded.validator_key).unwrap();
        ande_node::read_node_key(&loaded.node_key).unwrap();
    }
}
