//! `cargo xtask gen`: compiles the settlement contracts and writes their ABI and bytecode to
//! `crates/ande-contracts/abi/*.json`, from which the bindings are made.
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
    ProjectBuilder, ProjectPathsConfig,
    artifacts::{
        BytecodeHash, BytecodeObject, ConfigurableContractArtifact, EvmVersion, Settings,
        SettingsMetadata, Severity, output_selection::OutputSelection, remappings::Remapping,
    },
    solc::{Solc, SolcCompiler, SolcLanguage, SolcSettings},
};
use serde::Deserialize;

/// Where the generated files live, from the repository root.
const ABI_DIR: &str = "crates/ande-contracts/abi";

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
    let root = repository_root()?;
    let generated = compile(&root)?;
    let dir = root.join(ABI_DIR);
    let mut stale = Vec::new();
    for (name, text) in &generated {
        let path = dir.join(format!("{name}.json"));
        let current = fs::read_to_string(&path).unwrap_or_default();
        if &current == text {
            continue;
        }
        if check {
            stale.push(format!("{ABI_DIR}/{name}.json"));
        } else {
            fs::create_dir_all(&dir)?;
            fs::write(&path, text).wrap_err_with(|| format!("cannot write {}", path.display()))?;
            println!("wrote {ABI_DIR}/{name}.json");
        }
    }
    ensure!(
        stale.is_empty(),
        "{} differ from the contracts; run `cargo xtask gen` and commit the result",
        stale.join(", ")
    );
    Ok(())
}

fn repository_root() -> Result<PathBuf> {
    let start = match std::env::var_os("CARGO_MANIFEST_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => std::env::current_dir()?,
    };
    start
        .ancestors()
        .find(|dir| {
            dir.join("foundry.toml").is_file()
                && dir.join(ABI_DIR).parent().is_some_and(Path::is_dir)
        })
        .map(Path::to_path_buf)
        .wrap_err("not inside the repository: no foundry.toml above the current directory")
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
    settings.remappings = remappings;
    settings.optimizer.enabled = Some(profile.optimizer);
    settings.optimizer.runs = Some(profile.optimizer_runs);
    settings.via_ir = Some(profile.via_ir);
    settings.evm_version = Some(evm_version);
    settings.metadata = Some(SettingsMetadata::new(hash, true));
    Ok(SolcSettings { settings, ..Default::default() })
}

/// Text of each generated file by contract name.
fn compile(root: &Path) -> Result<BTreeMap<&'static str, String>> {
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
        .settings(settings)
        .ephemeral()
        .no_artifacts()
        .set_offline(true)
        .ignore_error_code(TRANSIENT_STORAGE_ADVICE)
        .set_compiler_severity_filter(Severity::Warning)
        .build(SolcCompiler::Specific(solc))?;
    let output = project.compile_files(CONTRACTS.map(|(_, file)| src.join(file)))?;
    if output.has_compiler_errors() || output.has_compiler_warnings() {
        bail!("the contracts do not compile cleanly:\n{output}");
    }
    CONTRACTS
        .into_iter()
        .map(|(name, file)| {
            let artifact = output
                .find(&src.join(file), name)
                .wrap_err_with(|| format!("{file} has no contract {name}"))?;
            let mut artifact = artifact.clone();
            for (_, extension, file) in EXTENSIONS.iter().filter(|(of, _, _)| *of == name) {
                let second = output
                    .find(&src.join(file), extension)
                    .and_then(|second| second.abi.as_ref())
                    .wrap_err_with(|| format!("{file} has no ABI of {extension}"))?;
                let abi = artifact.abi.as_mut().wrap_err_with(|| format!("{name} has no ABI"))?;
                add_items(&mut abi.functions, &second.functions);
                add_items(&mut abi.events, &second.events);
                add_items(&mut abi.errors, &second.errors);
            }
            Ok((name, render(name, &artifact)?))
        })
        .collect()
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

/// One line per ABI item, so that a change is readable in a diff.
fn render(name: &str, artifact: &ConfigurableContractArtifact) -> Result<String> {
    let abi = artifact.abi.as_ref().wrap_err_with(|| format!("{name} has no ABI"))?;
    let creation = artifact.bytecode.as_ref().map(|code| &code.object);
    let deployed = artifact
        .deployed_bytecode
        .as_ref()
        .and_then(|code| code.bytecode.as_ref())
        .map(|code| &code.object);
    let mut text = String::from("{\"abi\":[\n");
    let items =
        abi.items().map(|item| serde_json::to_string(&item)).collect::<Result<Vec<_>, _>>()?;
    text.push_str(&items.join(",\n"));
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
