//! The node binary.

/// Half of the work of serving a request is allocation; this one is faster at it than the system's,
/// and gives back what it no longer needs.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    ande_node::main()
}
