//! Tasks of this repository: the deployment package of a function app, the Dataverse
//! solution, and the snapshots of the templates.
//!
//! | module | what is in it |
//! |---|---|
//! | [`app`] | the function apps that there are |
//! | [`binary`] | builds the handler for the platform, and checks what it asks of it |
//! | [`pack`](mod@pack) | the folder, the checks before it is sent, the zip file |
//! | [`snapshots`] | what the Bicep compiler resolves `infra/` to |
//! | [`solution`] | the Dataverse solution with the security role |

pub mod app;
pub mod binary;
pub mod pack;
pub mod snapshots;
pub mod solution;

pub use app::App;
pub use binary::{BinaryError, Glibc};
pub use pack::{PackError, PackOptions, Package, pack};
