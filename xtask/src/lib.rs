//! The deployment package of a function app: the folder that is published, and the same as a zip file.
//!
//! | module | what is in it |
//! |---|---|
//! | [`app`] | the function apps that there are |
//! | [`binary`] | builds the handler for the platform, and checks what it asks of it |
//! | [`pack`](mod@pack) | the folder, the checks before it is sent, the zip file |

pub mod app;
pub mod binary;
pub mod pack;

pub use app::App;
pub use binary::{BinaryProblem, Glibc};
pub use pack::{PackProblem, Package, pack};
