//! The client for programs without async.
//!
//! Names and behaviour are those of the async types, whose documentation applies. There are three
//! differences: builders are sent with `send()` instead of awaited, a run is an iterator instead of
//! a stream, and [`collect`](RunBuilder::collect) returns all results of a run. Calls block their
//! thread. They may be made from any thread, even from one of an async runtime, which can do
//! nothing else meanwhile.
//!
//! Connections, timers and runs live on one background thread, which ends when the client and all
//! pipelines and runs made with it are dropped.
//!
//! # The managed run
//!
//! ```
//! use cspark_batches::Client;
//! use cspark_batches::blocking;
//! # use cspark_emulator::Emulator;
//!
//! #[derive(serde::Serialize)]
//! struct Cylinder {
//!     radius: f64,
//!     height: f64,
//! }
//!
//! #[derive(serde::Deserialize)]
//! struct Volume {
//!     volume: f64,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let emulator = Emulator::builder().start_on_thread()?;
//! # let settings = Client::builder().base_url(emulator.base_url()).bearer_token("open");
//! # let spark = blocking::Client::build(settings)?;
//! # /*
//! let spark = blocking::Client::from_env()?;
//! # */
//! let cylinders = (1..=1000).map(|n| Cylinder { radius: f64::from(n), height: 4.2 });
//! let mut run = spark.batches().run::<_, Volume>("my-folder/volume-cylinder", cylinders).start()?;
//! for delivery in &mut run {
//!     for (record, outcome) in delivery?.iter() {
//!         match outcome {
//!             Ok(output) => println!("{record}: {}", output.volume),
//!             Err(error) => println!("{record}: {error}"),
//!         }
//!     }
//! }
//! assert!(run.summary().is_complete());
//! # Ok(())
//! # }
//! ```
//!
//! # The verbs
//!
//! ```no_run
//! use cspark_batches::Push;
//! use cspark_batches::blocking::Client;
//!
//! # fn main() -> cspark_batches::Result<()> {
//! # let cylinders: [(f64, f64); 0] = [];
//! let spark = Client::from_env()?;
//! let pipeline = spark.batches().create("my-folder/volume-cylinder").max_runners(200).send()?;
//! pipeline.push(Push::records(&cylinders).chunk_size(300))?;
//! pipeline.close()?;
//! for chunk in pipeline.results::<serde_json::Value>() {
//!     println!("{} records", chunk?.records().count());
//! }
//! # Ok(())
//! # }
//! ```

/// Options that are passed to the async builder of the same name.
macro_rules! options {
    ($of:literal:
        $($name:ident$(<$generic:ident: $bound:path>)?($($value:ident: $type:ty),*);)*
    ) => {
        $(
            #[doc = concat!("See [`crate::", $of, "::", stringify!($name), "`].")]
            pub fn $name$(<$generic: $bound>)?(self, $($value: $type),*) -> Self {
                Self { inner: self.inner.$name($($value),*), runtime: self.runtime }
            }
        )*
    };
}

mod batches;
mod client;
mod pipeline;
mod run;
mod runtime;
mod services;
mod source;

pub use self::batches::{Batches, Create};
pub use self::client::Client;
pub use self::pipeline::{Pipeline, Pull, Results};
pub use self::run::{Run, RunBuilder};
pub use self::services::Services;
