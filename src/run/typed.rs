//! Runs of services whose columns are known.

use super::{IntoSource, RunBuilder};
use crate::batch::Batches;
use crate::error::{Error, Result};
use crate::service::{Columns, Service, Services};

impl Batches {
    /// Runs records of a generated service through it, as [`run`](Self::run) does for any service.
    ///
    /// ```
    /// # use cspark_batches::service::{Cell, Column, ColumnKind};
    /// # struct TermLife;
    /// # #[derive(serde::Serialize)]
    /// # struct Input { age: f64 }
    /// # #[derive(serde::Deserialize)]
    /// # struct Output { premium: Cell<f64> }
    /// # impl cspark_batches::service::Service for TermLife {
    /// #     type Input = Input;
    /// #     type Output = Output;
    /// #     const LOCATOR: &'static str = "my-folder/term-life";
    /// #     const INPUTS: &'static [Column] = &[Column::new("age", ColumnKind::Number)];
    /// #     const OUTPUTS: &'static [Column] = &[Column::new("premium", ColumnKind::Number)];
    /// # }
    /// # use cspark_batches::{Client, Result};
    /// # async fn example(spark: Client, policies: Vec<Input>) -> Result<()> {
    /// let run = spark.batches().run_service::<TermLife>(policies);
    /// let mut run = run.check_schema::<TermLife>().await?.start()?;
    /// # let _ = run.summary();
    /// # Ok(())
    /// # }
    /// ```
    pub fn run_service<S: Service>(
        &self,
        records: impl IntoSource<S::Input>,
    ) -> RunBuilder<S::Input, S::Output> {
        self.run::<S::Input, S::Output>(S::LOCATOR, records)
    }
}

impl<I, O> RunBuilder<I, O> {
    /// Asks the service for its columns, and compares them with those of a generated service.
    ///
    /// This makes one or two requests, before the run starts and anything is pushed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Input`](crate::ErrorKind::Input) if the service lacks a column or has another
    /// type there. The message names all of them, and columns that may have been renamed. Columns
    /// that the service has in addition are not an error. Otherwise the errors of
    /// [`Services::schema`].
    pub async fn check_schema<S: Service>(self) -> Result<Self> {
        self.check_columns(&S::columns()).await
    }

    /// Asks the service for its columns, and compares them with those that the program uses.
    ///
    /// # Errors
    ///
    /// Those of [`check_schema`](Self::check_schema).
    pub async fn check_columns(self, used: &Columns) -> Result<Self> {
        let Some(create) = self.to_create() else {
            let message = "a run on an existing pipeline does not know its service; use \
                           `Services::compare_columns`";
            return Err(Error::input(message));
        };
        let (calls, service) = create.service()?;
        let name = service.to_string();
        let differences = Services::new(calls).compare_columns(service, used).await?;
        if differences.is_compatible() {
            return Ok(self);
        }
        let message = format!("the columns do not fit `{name}`: {differences}");
        Err(Error::input(message))
    }
}
