//! The conformance kit on smol.

use bowline_smol::SmolRuntime;

bowline_tests::conformance_tests!(SmolRuntime::new());
