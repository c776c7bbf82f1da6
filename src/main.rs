//! The `pcloud` program: everything is in the library, what a person types in `cli`.

fn main() -> std::process::ExitCode {
    pcloud::cli::main()
}
