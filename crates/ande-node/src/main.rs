//! The node binary.

/// Made for threads that free what others have allocated, as those that serve requests do.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    ande_node::main()
}
