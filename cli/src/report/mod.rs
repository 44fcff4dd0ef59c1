//! The report on a run: one HTML page that needs no network.

mod chart;
mod history;
mod page;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cspark_batches::run::{Delivery, Progress, Summary};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use self::history::History;
use crate::failure::Failure;

/// The file of a report, still empty.
#[derive(Debug)]
pub(crate) struct Page {
    path: PathBuf,
    file: File,
}

impl Page {
    /// Creates the file.
    pub(crate) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path)
            .map_err(|error| Failure::file("cannot write the report", path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }
}

/// Records what a run does, and writes the report at its end.
#[derive(Debug)]
pub(crate) struct Recorder {
    page: Page,
    history: Arc<Mutex<History>>,
    summary: Mutex<Option<Summary>>,
    sampling: JoinHandle<()>,
}

impl Recorder {
    /// Samples the progress of a run until its end.
    pub(crate) fn start(page: Page, mut progress: watch::Receiver<Progress>) -> Self {
        let history = Arc::new(Mutex::new(History::default()));
        let shared = Arc::clone(&history);
        let sampling = tokio::spawn(async move {
            loop {
                let wait = {
                    let mut history = lock(&shared);
                    history.sample(&progress.borrow_and_update());
                    history.interval()
                };
                tokio::time::sleep(wait).await;
                if progress.changed().await.is_err() {
                    return;
                }
            }
        });
        Self {
            page,
            history,
            summary: Mutex::default(),
            sampling,
        }
    }

    /// Notes the errors and the computing time of a delivery.
    pub(crate) fn take<O>(&self, delivery: &Delivery<O>) {
        lock(&self.history).take(delivery);
    }

    /// Notes the numbers at the end of the run.
    pub(crate) fn end(&self, last: &Progress, summary: Summary) {
        self.sampling.abort();
        lock(&self.history).sample(last);
        *lock(&self.summary) = Some(summary);
    }

    /// Writes the page, after the end. `settings` are names and values; `failure` says why the run
    /// failed.
    pub(crate) fn write(
        &self,
        settings: &[(String, String)],
        failure: Option<&str>,
    ) -> Result<(), Failure> {
        let html = match &*lock(&self.summary) {
            Some(summary) => page::page(&lock(&self.history), settings, summary, failure),
            None => return Ok(()),
        };
        let Page { path, file } = &self.page;
        let mut file: &File = file;
        file.write_all(html.as_bytes())
            .map_err(|error| Failure::file("cannot write the report", path, error))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.sampling.abort();
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves numbers that are as good as before.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
