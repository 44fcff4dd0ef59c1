//! The service that the examples use.

use cspark_batches::{Client, Result};
use cspark_emulator::Emulator;

/// A client of the service in `CSPARK_BASE_URL` with the credentials beside it, or else of an
/// emulator, which stops when it is dropped.
pub(crate) async fn connect() -> Result<(Client, Option<Emulator>)> {
    if std::env::var_os("CSPARK_BASE_URL").is_some() {
        return Ok((Client::from_env()?, None));
    }
    let emulator = Emulator::start()
        .await
        .expect("this machine has a free port");
    let settings = Client::builder().base_url(emulator.base_url());
    Ok((settings.bearer_token("open").build()?, Some(emulator)))
}
