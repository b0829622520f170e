//! The node binary.

fn main() -> std::process::ExitCode {
    ande_node::main()
}
