//! The binary; everything it does is in the library.

use std::process::ExitCode;

facetap::record_allocations!();

fn main() -> ExitCode {
    facetap::watch::allocations::tune();
    ExitCode::from(facetap::cli::main())
}
