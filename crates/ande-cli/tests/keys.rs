//! Keys between the tool, wallets and OpenSSL.

#![allow(clippy::unwrap_used)]

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use ande_devnet::foundry_binary;
use serde_json::Value;

const DIGITS: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266";
const PASSWORD: &str = "correct horse";

/// A directory of one test, with a password in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write("password", &format!("{PASSWORD}\n"), 0o600);
        place
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let file = self.0.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.0.path().join(name)).unwrap().permissions().mode() & 0o777
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn run(&self, program: &Path, line: &str, env: &[(&str, &str)], input: &str) -> Output {
        let mut command = Command::new(program);
        command
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env_remove("ANDE_PASSWORD_FILE")
            .env_remove("ANDE_KEYSTORE_PASSWORD")
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn tried(&self, line: &str, env: &[(&str, &str)], input: &str) -> Output {
        self.run(Path::new(env!("CARGO_BIN_EXE_ande")), line, env, input)
    }

    /// Runs `ande keys` with words; its answer.
    fn keys(&self, line: &str) -> Value {
        self.keys_with(line, &[], "")
    }

    fn keys_with(&self, line: &str, env: &[(&str, &str)], input: &str) -> Value {
        let output = self.tried(&format!("keys {line} --json"), env, input);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains(DIGITS), "a secret is shown");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What `ande keys` says against these words.
    fn refused(&self, line: &str) -> String {
        let output = self.tried(&format!("keys {line}"), &[], "");
        assert!(!output.status.success(), "{line}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs `cast wallet` with words; what it printed.
    fn cast(&self, line: &str) -> String {
        let cast = foundry_binary("cast").unwrap();
        let env = [("CAST_UNSAFE_PASSWORD", PASSWORD), ("CAST_PASSWORD", PASSWORD)];
        let output = self.run(&cast, &format!("wallet {line}"), &env, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn a_keystore_of_ours_is_opened_by_cast() {
    let place = Place::new();
    place.write("validator.key", DIGITS, 0o600);
    let import = "import --file validator.key --to-keystore --out owner.json";
    let written = place.keys(&format!("{import} --password-file password"));
    assert_eq!((&written["form"], &written["validator"]), (&"keystore".into(), &ADDRESS.into()));
    assert_eq!(place.mode("owner.json"), 0o600);
    let found = place.cast("address --keystore owner.json --password-file password");
    assert_eq!(found.trim().to_lowercase(), ADDRESS);
    let found = place.cast("decrypt-keystore owner.json --keystore-dir .");
    assert!(found.contains(DIGITS), "{found}");

    let made = place.keys("new --keystore made.json --password-file password");
    let found = place.cast("address --keystore made.json --password-file password");
    assert_eq!(made["validator"], found.trim().to_lowercase());
    let shown = place.keys("inspect made.json --password-file password");
    assert_eq!(
        (&shown["form"], &shown["validator"]["address"]),
        (&made["form"], &made["validator"])
    );
    let before = place.text("made.json");
    let said = place.refused("new --keystore made.json --password-file password");
    assert!(said.contains("never replaced"), "{said}");
    assert_eq!(place.text("made.json"), before);
}

#[test]
fn a_keystore_of_cast_is_imported() {
    let place = Place::new();
    place.cast(&format!("import theirs --keystore-dir . --private-key {DIGITS}"));
    // Whatever it does about its own files.
    place.write("theirs", &place.text("theirs"), 0o644);
    let import = "import --keystore theirs --password-file password --out validator.key";
    let said = place.refused(import);
    assert!(said.contains("chmod 600"), "{said}");
    place.write("theirs", &place.text("theirs"), 0o600);
    assert_eq!(place.keys(import)["validator"], ADDRESS);
    assert_eq!((place.text("validator.key").trim(), place.mode("validator.key")), (DIGITS, 0o600));

    let env = [("ANDE_KEYSTORE_PASSWORD", PASSWORD)];
    let shown = place.keys_with("inspect theirs", &env, "");
    assert_eq!(shown["validator"]["address"], ADDRESS);
    place.write("password", "wrong", 0o600);
    let said = place.refused("inspect theirs --password-file password");
    assert!(said.contains("another password"), "{said}");
    place.write("password", PASSWORD, 0o644);
    let said = place.refused("inspect theirs --password-file password");
    assert!(said.contains("chmod 600"), "{said}");
    // Nobody sits at this terminal.
    let said = place.refused("inspect theirs");
    assert!(said.contains("--password-file"), "{said}");
}

#[test]
fn keys_come_from_files_standard_input_and_the_environment() {
    let place = Place::new();
    place.write("theirs", &format!("0x{DIGITS}\n"), 0o600);
    assert_eq!(place.keys("import --file theirs --out a.key")["validator"], ADDRESS);
    let piped = place.keys_with("import --file - --out b.key", &[], &format!("{DIGITS}\n"));
    assert_eq!(piped["validator"], ADDRESS);
    let env = [("OWNER", DIGITS)];
    assert_eq!(place.keys_with("import --env OWNER --out c.key", &env, "")["validator"], ADDRESS);
    for file in ["a.key", "b.key", "c.key"] {
        assert_eq!((place.text(file).trim(), place.mode(file)), (DIGITS, 0o600));
    }

    place.write("theirs", DIGITS, 0o640);
    for (line, expected) in [
        ("import --file theirs --out d.key", "chmod 600"),
        ("import --file a.key --out b.key", "cannot be made"),
        ("import --env NOWHERE --out d.key", "NOWHERE"),
        ("import --file - --out d.key", "standard input: expected"),
        ("import --out d.key", "--keystore"),
        ("import --file a.key --env OWNER --out d.key", "cannot be used"),
        ("import --file password --out d.key", "password: expected"),
        ("import --kind node --file a.key --to-keystore --out d.key", "secp256k1"),
    ] {
        let said = place.refused(line);
        assert!(said.contains(expected), "{line}: {said}");
        assert!(!said.contains(DIGITS), "a secret is shown");
    }
    assert_eq!(place.text("b.key").trim(), DIGITS);
    assert!(!place.0.path().join("d.key").exists());
}

#[test]
fn a_node_key_of_openssl_is_imported_and_read_back() {
    let place = Place::new();
    let openssl = Path::new("openssl");
    let made = place.run(openssl, "genpkey -algorithm ed25519", &[], "");
    assert!(made.status.success());
    let pem = String::from_utf8(made.stdout).unwrap();
    let imported = place.keys_with("import --kind node --file - --out node.key", &[], &pem);
    let shown = place.keys("inspect node.key --kind node");
    assert_eq!(imported["node"], shown["node"]["id"]);
    let read = place.run(openssl, "pkey -in node.key -noout -text_pub", &[], "");
    let text = String::from_utf8_lossy(&read.stdout).into_owned();
    let digits: String = text.split("pub:").nth(1).unwrap().split_whitespace().collect();
    assert_eq!(imported["node"], format!("0x{}", digits.replace(':', "")));
    // The digits of a seed are a node key too.
    place.write("seed", DIGITS, 0o600);
    assert!(place.keys("import --kind node --file seed --out other.key")["node"].is_string());
}
