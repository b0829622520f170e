//! The command line tool.

fn main() -> std::process::ExitCode {
    ande_cli::main()
}
