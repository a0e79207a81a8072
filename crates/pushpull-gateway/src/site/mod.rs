//! Directories whose files and programs are found by the path of a request.
//!
//! Start with `Site` and `Found`:
//!
//! ```text
//! settings.rs  Site: a directory, and the rules by which its paths are found
//! path_set.rs  PathSet: the paths that such a rule names
//! hidden.rs    names that are never found
//! find.rs      Found: what a path names
//! tree.rs      Tree: opens what lies beneath a root, without links
//! directed.rs  the variables of the program that a request names
//! ```

pub(crate) mod directed;
#[cfg_attr(not(all(feature = "files", unix)), allow(dead_code, reason = "only `Files` sends files"))]
pub(crate) mod find;
mod hidden;
mod path_set;
mod settings;
#[cfg_attr(not(all(feature = "files", unix)), allow(dead_code, reason = "only `Files` sends files"))]
pub(crate) mod tree;

pub use path_set::{BadPathSet, PathSet};
pub use settings::Site;
