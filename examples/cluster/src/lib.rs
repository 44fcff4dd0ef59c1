//! A cluster of [Apache Ballista](https://datafusion.apache.org/ballista/) whose executors run
//! services: a scheduler and executors, each a process on the loopback interface.

mod local;
mod nodes;

pub use local::LocalCluster;
pub use nodes::{executor, scheduler};
