//! `cargo xtask gen`: compiles the settlement contracts and writes their ABI and bytecode to
//! `crates/ande-contracts/abi/*.json`, from which the bindings are made, and what else must not change
//! unnoticed to `contracts/snapshots`: where they store what, and the ABI of the production profile. The
//! measured gas becomes `contracts/GAS.md`.
//!
//! The settings are read from `foundry.toml`, so `forge` and this command cannot disagree; the
//! compiler is the one of `tools/solc`, so nothing is downloaded.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use eyre::{Context as _, ContextCompat as _, Result, bail, ensure};
use foundry_compilers::{
    ConfigurableArtifacts, ProjectBuilder, ProjectPathsConfig,
    artifacts::{
        BytecodeHash, BytecodeObject, ConfigurableContractArtifact, EvmVersion, Settings,
        SettingsMetadata, Severity,
        output_selection::{ContractOutputSelection, OutputSelection},
        remappings::Remapping,
    },
    solc::{Solc, SolcCompiler, SolcLanguage, SolcSettings},
};
use serde::Deserialize;

use crate::{gas, layout, steps::root};

/// Where the generated files live, from the repository root.
const ABI_DIR: &str = "crates/ande-contracts/abi";
const LAYOUT_DIR: &str = "contracts/snapshots/storage";
const GAS_PAGE: &str = "contracts/GAS.md";
const PROFILE_DIR: &str = "contracts/snapshots/abi";

/// The contracts that the node deploys or calls, with their sources below `src`.
const CONTRACTS: [(&str, &str); 4] = [
    ("AndeToken", "token/AndeToken.sol"),
    ("AndeConsensus", "consensus/AndeConsensus.sol"),
    ("AndeSequencerCoordinator", "consensus/AndeSequencerCoordinator.sol"),
    ("EcdsaQuorumVerifier", "verifiers/EcdsaQuorumVerifier.sol"),
];

/// Contracts whose fallback runs the code of other contracts on their own storage: the callers'
/// ABI is that of all of them.
const EXTENSIONS: [(&str, &str, &str); 2] = [
    ("AndeConsensus", "ConsensusExtension", "consensus/ConsensusExtension.sol"),
    ("AndeConsensus", "ConsensusDuties", "consensus/ConsensusDuties.sol"),
];

/// Another profile of a contract: the same storage and functions, made by another constructor.
const PROFILES: [(&str, &str, &str); 1] =
    [("AndeConsensus", "AndeConsensusMainnet", "consensus/AndeConsensusMainnet.sol")];

/// "Transient storage can break composability": every reentrancy guard of OpenZeppelin triggers it;
/// forge ignores it too.
const TRANSIENT_STORAGE_ADVICE: u64 = 2394;

/// The part of `foundry.toml` that decides the bytecode.
#[derive(Debug, Deserialize)]
struct Profile {
    src: PathBuf,
    libs: Vec<PathBuf>,
    remappings: Vec<String>,
    solc: PathBuf,
    evm_version: String,
    optimizer: bool,
    optimizer_runs: usize,
    via_ir: bool,
    bytecode_hash: String,
}

#[derive(Debug, Deserialize)]
struct FoundryConfig {
    profile: BTreeMap<String, toml::Value>,
}

/// Writes the generated files, or with `check` only compares them.
///
/// # Errors
/// When the contracts do not compile without warnings, or with `check` when a file differs.
pub(crate) fn run(check: bool) -> Result<()> {
    let root = root();
    let mut generated = compile(&root)?;
    generated.insert(GAS_PAGE.to_owned(), gas::page(&root)?);
    let mut stale = Vec::new();
    for (file, text) in &generated {
        let path = root.join(file);
        if fs::read_to_string(&path).is_ok_and(|current| &current == text) {
            continue;
        }
        if check {
            stale.push(file.as_str());
        } else {
            fs::create_dir_all(path.parent().unwrap_or(&root))?;
            fs::write(&path, text).wrap_err_with(|| format!("cannot write {file}"))?;
            println!("wrote {file}");
        }
    }
    ensure!(
        stale.is_empty(),
        "{} differ from the contracts; run `cargo xtask gen` and commit the result",
        stale.join(", ")
    );
    Ok(())
}

fn profile(root: &Path) -> Result<Profile> {
    let path = root.join("foundry.toml");
    let text = fs::read_to_string(&path).wrap_err("cannot read foundry.toml")?;
    let config: FoundryConfig = toml::from_str(&text).wrap_err("foundry.toml")?;
    let default =
        config.profile.get("default").wrap_err("foundry.toml has no [profile.default]")?;
    default.clone().try_into().wrap_err("foundry.toml [profile.default]")
}

fn settings(profile: &Profile, root: &Path) -> Result<SolcSettings> {
    let remappings = profile
        .remappings
        .iter()
        .map(|text| {
            let mut remapping: Remapping =
                text.parse().map_err(|error| eyre::eyre!("remapping {text}: {error}"))?;
            remapping.path = root.join(&remapping.path).to_string_lossy().into_owned();
            Ok(remapping)
        })
        .collect::<Result<Vec<_>>>()?;
    let evm_version: EvmVersion =
        profile.evm_version.parse().map_err(|error| eyre::eyre!("evm_version: {error}"))?;
    let hash: BytecodeHash =
        profile.bytecode_hash.parse().map_err(|error| eyre::eyre!("bytecode_hash: {error}"))?;
    let mut settings = Settings::new(OutputSelection::default_output_selection());
    settings.push_output_selection(ContractOutputSelection::StorageLayout);
    settings.remappings = remappings;
    settings.optimizer.enabled = Some(profile.optimizer);
    settings.optimizer.runs = Some(profile.optimizer_runs);
    settings.via_ir = Some(profile.via_ir);
    settings.evm_version = Some(evm_version);
    settings.metadata = Some(SettingsMetadata::new(hash, true));
    Ok(SolcSettings { settings, ..Default::default() })
}

/// Text of each generated file by its path.
fn compile(root: &Path) -> Result<BTreeMap<String, String>> {
    let profile = profile(root)?;
    let src = root.join(&profile.src);
    let mut paths = ProjectPathsConfig::builder().root(root).sources(&src);
    for lib in &profile.libs {
        paths = paths.lib(root.join(lib));
    }
    let settings = settings(&profile, root)?;
    for remapping in &settings.settings.remappings {
        paths = paths.remapping(remapping.clone());
    }
    let paths: ProjectPathsConfig<SolcLanguage> = paths.build()?;
    let solc = Solc::new(root.join(&profile.solc)).wrap_err_with(|| {
        format!(
            "{} does not run; run `npm install --no-save` in the repository root",
            profile.solc.display()
        )
    })?;
    let project = ProjectBuilder::<SolcCompiler>::default()
        .paths(paths)
        .artifacts(ConfigurableArtifacts::new([ContractOutputSelection::StorageLayout], []))
        .settings(settings)
        .ephemeral()
        .no_artifacts()
        .set_offline(true)
        .ignore_error_code(TRANSIENT_STORAGE_ADVICE)
        .set_compiler_severity_filter(Severity::Warning)
        .build(SolcCompiler::Specific(solc))?;
    let files = CONTRACTS.into_iter().map(|(_, file)| file);
    let files = files.chain(PROFILES.into_iter().map(|(_, _, file)| file));
    let output = project.compile_files(files.map(|file| src.join(file)).collect::<Vec<_>>())?;
    if output.has_compiler_errors() || output.has_compiler_warnings() {
        bail!("the contracts do not compile cleanly:\n{output}");
    }
    let find = |name: &str, file: &str| -> Result<ConfigurableContractArtifact> {
        let found = output.find(&src.join(file), name);
        found.cloned().wrap_err_with(|| format!("{file} has no contract {name}"))
    };
    let mut texts = BTreeMap::new();
    for (name, file) in CONTRACTS {
        let mut artifact = find(name, file)?;
        let layout = storage(name, &artifact)?;
        for (_, extension, file) in EXTENSIONS.iter().filter(|(of, _, _)| *of == name) {
            let second = find(extension, file)?;
            same_storage(name, &layout, extension, &second)?;
            let second = second.abi.wrap_err_with(|| format!("{extension} has no ABI"))?;
            let abi = artifact.abi.as_mut().wrap_err_with(|| format!("{name} has no ABI"))?;
            add_items(&mut abi.functions, &second.functions);
            add_items(&mut abi.events, &second.events);
            add_items(&mut abi.errors, &second.errors);
        }
        texts.insert(format!("{ABI_DIR}/{name}.json"), render(name, &artifact)?);
        for (_, profile, file) in PROFILES.iter().filter(|(of, _, _)| *of == name) {
            let second = find(profile, file)?;
            same_storage(name, &layout, profile, &second)?;
            let known = items(name, &artifact)?;
            let mut own = items(profile, &second)?;
            own.retain(|item| !known.contains(item));
            let text = format!("[\n{}\n]\n", own.join(",\n"));
            texts.insert(format!("{PROFILE_DIR}/{profile}.json"), text);
        }
        texts.insert(format!("{LAYOUT_DIR}/{name}.txt"), layout);
    }
    Ok(texts)
}

fn storage(name: &str, artifact: &ConfigurableContractArtifact) -> Result<String> {
    let found = artifact.storage_layout.as_ref();
    layout::render(found.wrap_err_with(|| format!("{name} has no storage layout"))?)
}

/// Code that runs on the storage of another contract, or takes its place, must store alike.
fn same_storage(
    name: &str,
    layout: &str,
    other: &str,
    artifact: &ConfigurableContractArtifact,
) -> Result<()> {
    ensure!(storage(other, artifact)? == layout, "{other} and {name} lay out storage differently");
    Ok(())
}

/// The ABI, one line per item.
fn items(name: &str, artifact: &ConfigurableContractArtifact) -> Result<Vec<String>> {
    let abi = artifact.abi.as_ref().wrap_err_with(|| format!("{name} has no ABI"))?;
    abi.items().map(|item| Ok(serde_json::to_string(&item)?)).collect()
}

/// Adds the items that are not there yet.
fn add_items<T: Clone + PartialEq>(
    into: &mut BTreeMap<String, Vec<T>>,
    from: &BTreeMap<String, Vec<T>>,
) {
    for (name, items) in from {
        let known = into.entry(name.clone()).or_default();
        for item in items {
            if !known.contains(item) {
                known.push(item.clone());
            }
        }
    }
}

/// ABI and bytecode, one line per ABI item, so that a change is readable in a diff.
fn render(name: &str, artifact: &ConfigurableContractArtifact) -> Result<String> {
    let creation = artifact.bytecode.as_ref().map(|code| &code.object);
    let deployed = artifact
        .deployed_bytecode
        .as_ref()
        .and_then(|code| code.bytecode.as_ref())
        .map(|code| &code.object);
    let mut text = String::from("{\"abi\":[\n");
    text.push_str(&items(name, artifact)?.join(",\n"));
    write!(
        text,
        "\n],\n\"bytecode\":\"{}\",\n\"deployedBytecode\":\"{}\"}}\n",
        linked(name, creation)?,
        linked(name, deployed)?,
    )?;
    Ok(text)
}

fn linked(name: &str, object: Option<&BytecodeObject>) -> Result<String> {
    match object {
        Some(BytecodeObject::Bytecode(bytes)) => Ok(bytes.to_string()),
        Some(BytecodeObject::Unlinked(_)) => bail!("{name} needs a library to be linked"),
        None => bail!("{name} has no bytecode"),
    }
}
