//! `docker-compose-testnet.yml` says what the house wants and what `ande init testnet` makes.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _};

use ande_devnet::{
    L1_BLOCK_TIME_SECS, L1_CHAIN_ID, Owner, Ports, TestnetOptions, init, repository_root,
};
use eyre::{ContextCompat as _, Result};

/// The lines below each key at `indent` of a block, by key.
fn blocks(text: &str, indent: usize) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        let starts = depth == indent && !line.trim_start().starts_with(['#', '-']);
        match line.trim_start().split_once(':') {
            Some((key, rest)) if starts => {
                found.insert(key.to_owned(), format!("{rest}\n"));
                current = Some(key.to_owned());
            }
            _ => {
                if let Some(block) = current.as_ref().and_then(|key| found.get_mut(key)) {
                    block.push_str(line);
                    block.push('\n');
                }
            }
        }
    }
    found
}

fn file() -> Result<(String, BTreeMap<String, String>)> {
    let text = fs::read_to_string(repository_root().join("docker-compose-testnet.yml"))?;
    let services = blocks(&text, 0).remove("services").wrap_err("no services")?;
    Ok((text, blocks(&services, 2)))
}

#[test]
fn every_service_is_confined_watched_and_pinned() -> Result<()> {
    let (text, services) = file()?;
    let top = blocks(&text, 0);
    let common = top.get("x-common").wrap_err("no x-common")?;
    for line in ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "max-size:"] {
        assert!(common.contains(line), "{line}");
    }
    let node = top.get("x-node").wrap_err("no x-node")?;
    assert!(node.contains("<<: *common"));
    assert_eq!(services.len(), 10);
    for (name, own) in &services {
        let all = if own.contains("<<: *node") { format!("{own}{node}") } else { own.clone() };
        assert!(all.contains("<<: *common") && all.contains("healthcheck:"), "{name}");
        let word = |key: &str| blocks(&all, 4).remove(key).or_else(|| blocks(&all, 2).remove(key));
        let user = word("user").wrap_err_with(|| format!("{name} has no user"))?;
        assert!(!user.contains("root") && !user.contains("\"0"), "{name}: {user}");
        let image = word("image").wrap_err_with(|| format!("{name} has no image"))?;
        let (variable, rest) = image.split_once(":-").wrap_err("an image without override")?;
        let tag = rest.trim().trim_end_matches('}').rsplit_once(':').wrap_err("no tag")?.1;
        assert!(variable.contains("${") && tag.contains('.') && tag != "latest", "{name}: {image}");
    }
    Ok(())
}

#[test]
fn ports_and_chain_are_those_of_the_house() -> Result<()> {
    let (_, services) = file()?;
    for (index, node) in Ports::documented(4, 0)?.nodes.iter().enumerate() {
        let service = services.get(&format!("node-{}", index + 1)).wrap_err("no such node")?;
        for (host, container) in
            [(node.rpc, 8545), (node.ws, 8546), (node.p2p, 30303), (node.ops, 9090)]
        {
            assert!(service.contains(&format!(":{host}:{container}\"")), "{host}: {service}");
        }
    }
    let settlement = services.get("settlement").wrap_err("no settlement chain")?;
    assert!(settlement.contains(&format!("--block-time={L1_BLOCK_TIME_SECS}\n")));
    assert!(settlement.contains(&format!("--chain-id={L1_CHAIN_ID}\n")));
    Ok(())
}

#[test]
fn every_file_that_is_mounted_is_made_or_in_the_repository() -> Result<()> {
    let (text, _) = file()?;
    let root = tempfile::tempdir()?;
    let us = fs::metadata(root.path())?;
    init(root.path(), TestnetOptions::default(), Owner { uid: us.uid(), gid: us.gid() })?;
    let mut made = 0;
    for line in text.lines().map(str::trim) {
        let (dir, rest) = if let Some((_, rest)) = line.split_once("${ANDE_TESTNET_DIR:-./testnet}")
        {
            made += 1;
            (root.path().to_path_buf(), rest)
        } else if let Some(rest) = line.strip_prefix("- .") {
            (repository_root(), rest)
        } else {
            continue;
        };
        let path = rest.split(':').next().unwrap_or(rest).trim_start_matches('/');
        assert!(dir.join(path).exists(), "{line}");
    }
    assert_eq!(made, 20, "mounts of the testnet's directory");
    Ok(())
}
